import type { CounterName, HistogramName, Labels, Metrics } from '../../src/observability/metrics.ts';

/** Keeps what it is told. */
export class RecordedMetrics implements Metrics {
  readonly #counts = new Map<string, number>();
  readonly #values = new Map<string, number[]>();

  count<Name extends CounterName>(name: Name, labels: Labels<Name>, by = 1): void {
    const key = keyOf(name, labels);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + by);
  }

  observe<Name extends HistogramName>(name: Name, labels: Labels<Name>, value: number): void {
    const key = keyOf(name, labels);
    this.#values.set(key, [...(this.#values.get(key) ?? []), value]);
  }

  /** What was counted of a metric, by the values of its labels. */
  counted(name: CounterName): Readonly<Record<string, number>> {
    return of(this.#counts, name);
  }

  /** What was observed of a metric, by the values of its labels. */
  observed(name: HistogramName): Readonly<Record<string, readonly number[]>> {
    return of(this.#values, name);
  }
}

function keyOf(name: string, labels: object): string {
  return [name, ...Object.values(labels)].join(' ').trim();
}

function of<T>(facts: ReadonlyMap<string, T>, name: string): Readonly<Record<string, T>> {
  const own = [...facts].filter(([key]) => key.split(' ', 1)[0] === name);
  return Object.fromEntries(own.map(([key, value]) => [key.slice(name.length + 1), value]));
}
