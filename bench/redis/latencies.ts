/** How long single calls took, in ms. */
export class Latencies {
  readonly #samples: number[] = [];

  get samples(): readonly number[] {
    return this.#samples;
  }

  /** Adds those of another process, or of another round. */
  add(samples: readonly number[]): void {
    for (const sample of samples) this.#samples.push(sample);
  }

  async time<T>(act: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await act();
    this.#samples.push(performance.now() - start);
    return result;
  }

  /** `p50 / p99`. */
  toString(): string {
    const sorted = Float64Array.from(this.#samples).toSorted();
    const at = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN).toFixed(2);
    return `${at(0.5)} / ${at(0.99)}`;
  }
}
