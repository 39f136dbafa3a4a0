/** The only place that knows which parts are in use: it builds them and hands them down. */
import { type ChordOptions, createChord } from './chord.ts';
import { completeOptions, type OptionValues } from './config/table.ts';
import { createLogger, type Logger } from './observability/logger.ts';
import { ChordServer, type ServerStats } from './server/server.ts';
import type { ChordService, ServiceStats } from './service/service.ts';

type CodeOptions = Pick<ChordOptions, 'backend' | 'clock' | 'deltaFormatter'>;

/** The configuration (docs/operations.md), and what only code can say. A `backend` given here is used as it is. */
export type AppOptions = {
  readonly [Name in Exclude<keyof OptionValues, 'backend'>]?: OptionValues[Name] | undefined;
} & {
  readonly [Name in Exclude<keyof CodeOptions, 'backend'>]?: CodeOptions[Name];
} & {
  readonly backend?: OptionValues['backend'] | CodeOptions['backend'];
  readonly logger?: Logger | undefined;
};

/** A server that can be embedded in a process of yours. */
export interface App {
  /** The library: the same contexts that the server serves. */
  readonly chord: ChordService;
  /** @throws what listening reports, for example EADDRINUSE. */
  start(): Promise<{ readonly url: string }>;
  /** Sends every subscriber elsewhere, lets requests finish, closes the store; in `drainTimeoutMs` and a little. */
  stop(): Promise<void>;
  stats(): ServerStats & ServiceStats;
}

export function createApp(options: AppOptions = {}): App {
  const { logger: givenLogger, clock, deltaFormatter, backend, ...values } = options;
  const config = completeOptions(values);
  const logger = givenLogger ?? createLogger({ level: config.logLevel, format: config.logFormat });
  const chord = createChord({
    ...serviceValues(config),
    clock,
    deltaFormatter,
    backend: typeof backend === 'string' ? undefined : backend,
  });
  const server = new ChordServer({ ...config, chord, logger });
  return {
    chord,
    start: async () => ({ url: await server.listen() }),
    stop: async () => {
      await server.close();
      await chord.close();
    },
    stats: () => ({ ...server.stats, ...chord.stats() }),
  };
}

/** The options that are the service's, without those of the server around it. */
function serviceValues(config: OptionValues): ChordOptions {
  const { deltaThreshold, contextAutoDelete, contextTtlMs, maxStateBytes, maxStateDepth, forbiddenKeys } = config;
  const { maxMergeDeltas, maxQueuedWrites, idempotencyWindowMs, recheckMs } = config;
  return {
    deltaThreshold,
    contextAutoDelete,
    contextTtlMs,
    maxStateBytes,
    maxStateDepth,
    forbiddenKeys,
    maxMergeDeltas,
    maxQueuedWrites,
    idempotencyWindowMs,
    recheckMs,
  };
}
