import {
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type PrometheusContentType,
  Registry,
} from 'prom-client';
import {
  type CounterName,
  type Definition,
  type GaugeName,
  type HistogramName,
  type Labels,
  type MetricName,
  type Metrics,
  type Readings,
  table,
} from './metrics.ts';

/** What Prometheus can read. */
export interface Figures {
  /** Of what `text` says. */
  readonly contentType: string;
  /** All figures as they are, in the text format of Prometheus. */
  text(): Promise<string>;
}

/** Metrics that Prometheus can read. */
export interface Prometheus extends Figures {
  readonly metrics: Metrics;
  /** From now on the primary of this worker (node:cluster) is answered when it asks for the figures. */
  answerPrimary(): void;
}

/**
 * Counts in a registry of its own, beside the figures of the process and of Node that prom-client knows. These look at
 * the process from now on for as long as it lives: one for each process is enough.
 *
 * @param readings asked whenever somebody looks.
 */
export function createPrometheus(readings: Readings): Prometheus {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const metric of registry.getMetricsAsArray()) {
    // Of several workers; the average, which prom-client takes, hides one that has too much to do.
    if (eventLoopDelays.has(metric.name)) metric.aggregator = 'max';
  }
  const counters = new Map<MetricName, Counter>();
  const histograms = new Map<MetricName, Histogram>();
  for (const name of Object.keys(table)) {
    // The keys of the table are the names.
    const key = name as MetricName;
    const definition: Definition = table[key];
    const common = {
      name: definition.name,
      help: definition.help,
      aggregator: definition.ofWorkers ?? ('sum' as const),
      labelNames: Object.keys(definition.labels),
      registers: [registry],
    };
    switch (definition.type) {
      case 'counter':
        counters.set(key, startedAtZero(new Counter(common), definition));
        break;
      case 'histogram':
        histograms.set(key, new Histogram({ ...common, buckets: [...(definition.buckets ?? [])] }));
        break;
      case 'gauge':
        // Its type says that it is one.
        addGauge(common, readings[key as GaugeName]);
    }
  }
  return {
    metrics: {
      count: <Name extends CounterName>(name: Name, labels: Labels<Name>, by = 1) =>
        counters.get(name)?.inc(labels, by),
      observe: <Name extends HistogramName>(name: Name, labels: Labels<Name>, value: number) =>
        histograms.get(name)?.observe(labels, value),
    },
    contentType: registry.contentType,
    text: () => registry.metrics(),
    answerPrimary: () => {
      AggregatorRegistry.setRegistries(registry);
      listenAsAggregator();
    },
  };
}

/** One that is made listens to what comes from the other side, from then on. */
function listenAsAggregator(): AggregatorRegistry<PrometheusContentType> {
  return new AggregatorRegistry();
}

/**
 * The figures of all workers of this process together: sums, but for what a sum says nothing of.
 *
 * @param heard resolves when each of them hears what it is asked: what one misses is waited for in vain.
 * @throws when a worker does not answer within 5 s.
 */
export function figuresOfWorkers(heard: () => Promise<void>): Figures {
  const registry = listenAsAggregator();
  return { contentType: registry.contentType, text: () => heard().then(() => registry.clusterMetrics()) };
}

const eventLoopDelays: ReadonlySet<string> = new Set(
  ['', '_p50', '_p90', '_p99'].map((part) => `nodejs_eventloop_lag${part}_seconds`),
);

/** A series that begins with its first event hides that event from `rate` and `increase`. */
function startedAtZero(counter: Counter, { labels, isSparse = false }: Definition): Counter {
  if (!isSparse) for (const combination of combinationsOf(labels)) counter.inc(combination, 0);
  return counter;
}

/** Every combination of the values of the labels. */
function combinationsOf(labels: Definition['labels']): readonly Readonly<Record<string, string>>[] {
  let combinations: readonly Readonly<Record<string, string>>[] = [{}];
  for (const [label, values] of Object.entries(labels)) {
    combinations = combinations.flatMap((one) => values.map((value) => ({ ...one, [label]: value })));
  }
  return combinations;
}

type Reading = { readonly labels: Readonly<Record<string, string>>; readonly value: number };

function addGauge(common: ConstructorParameters<typeof Gauge>[0], read: () => readonly Reading[]): void {
  const gauge = new Gauge({
    ...common,
    collect: () => {
      for (const { labels, value } of read()) gauge.set(labels, value);
    },
  });
}
