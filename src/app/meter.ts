/** Metrics, put together: what is counted, what is read when somebody looks, and where it is told. */
import type { Backend } from '../backend/backend.ts';
import { measureBackend } from '../backend/measured.ts';
import type { ConnectionEvent } from '../backend/redis/connection/link.ts';
import { ConfigError } from '../config/config-error.ts';
import type { OptionValues } from '../config/table.ts';
import type { Logger } from '../observability/logger.ts';
import type { Labels, Metrics } from '../observability/metrics.ts';
import { createPrometheus, type Figures } from '../observability/prometheus.ts';
import { MetricsServer } from '../server/reporting/metrics-server.ts';

/** What the gauges are read from: the service and the server, as far as they tell. */
export interface MeterSources {
  readonly chord: {
    readonly followersBehind: number;
    stats(): {
      readonly followers: number;
      readonly watchedContexts: number;
      readonly queuedWrites: number;
      readonly failingExports: number;
    };
  };
  readonly server: {
    readonly load: {
      readonly connections: { readonly http: number; readonly websocket: number };
      readonly subscriptions: { readonly websocket: number; readonly sse: number };
    };
  };
}

/** What a meter is made of. */
export interface MeterOptions extends Pick<OptionValues, 'metricsHost' | 'metricsPort'> {
  readonly backend: Labels<'info'>['backend'];
  readonly logger: Logger;
  /** Whether the primary tells the metrics, of all its workers. */
  readonly isWorker: boolean;
  /** Asked whenever somebody looks: never at once, and before `listen` by nobody but the primary. */
  readonly sources: () => MeterSources;
}

/** All that counts in one app. */
export interface Meter {
  readonly metrics: Metrics;
  /** The same store, measured. */
  measure(backend: Backend): Backend;
  onConnection(event: ConnectionEvent): void;
  /**
   * @returns where the metrics are; undefined: with the primary.
   * @throws ConfigError when they cannot be there.
   */
  listen(): Promise<string | undefined>;
  close(): Promise<void>;
}

/**
 * A meter begins to count at once. It tells nobody before `listen`, but that a worker answers its primary, which asks it
 * also while it starts. Undefined: there is no port, nothing is counted.
 */
export function createMeter(options: MeterOptions): Meter | undefined {
  const { metricsPort: port, backend, isWorker, sources } = options;
  if (port === null) return undefined;
  const stats = () => sources().chord.stats();
  const prometheus = createPrometheus({
    info: () => [{ labels: { backend }, value: 1 }],
    queuedWrites: () => alone(stats().queuedWrites),
    followers: () => alone(stats().followers),
    followersBehind: () => alone(sources().chord.followersBehind),
    watchedContexts: () => alone(stats().watchedContexts),
    failingExports: () => alone(stats().failingExports),
    connections: () => {
      const { http, websocket } = sources().server.load.connections;
      return [
        { labels: { transport: 'http' }, value: http },
        { labels: { transport: 'websocket' }, value: websocket },
      ];
    },
    subscriptions: () => {
      const { websocket, sse } = sources().server.load.subscriptions;
      return [
        { labels: { transport: 'websocket' }, value: websocket },
        { labels: { transport: 'sse' }, value: sse },
      ];
    },
  });
  const { metrics } = prometheus;
  if (isWorker) prometheus.answerPrimary();
  const server = isWorker ? undefined : createMetricsServer({ ...options, metricsPort: port, figures: prometheus });
  return {
    metrics,
    measure: (store) =>
      measureBackend(store, {
        onCall: (method) => {
          const beganMs = performance.now();
          return (outcome) =>
            metrics.observe('backendSeconds', { method, outcome }, (performance.now() - beganMs) / 1000);
        },
        onAnnouncement: (kind) => metrics.count('announcements', { kind }),
      }),
    onConnection: (event) => metrics.count('redisConnections', { event }),
    listen: async () => server?.listen(),
    close: async () => server?.close(),
  };
}

/** Where figures are told. */
export interface FiguresOptions extends Pick<OptionValues, 'metricsHost'> {
  readonly metricsPort: number;
  readonly figures: Figures;
  readonly logger: Logger;
}

/** One whose `listen` throws ConfigError when it cannot. */
export function createMetricsServer(options: FiguresOptions): Pick<MetricsServer, 'listen' | 'close'> {
  const { metricsHost: host, metricsPort: port, figures, logger } = options;
  const server = new MetricsServer({ figures, logger, host, port });
  return {
    listen: () =>
      server.listen().catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        throw new ConfigError(`metricsPort is ${port}; the metrics cannot be there: ${reason}.`, { cause: error });
      }),
    close: () => server.close(),
  };
}

function alone(value: number): readonly [{ readonly labels: object; readonly value: number }] {
  return [{ labels: {}, value }];
}
