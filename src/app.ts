/** The only place that knows which parts are in use: it builds them and hands them down. */
import type { Backend } from './backend/backend.ts';
import { type ChordOptions, chordOptionsOf, createService } from './chord.ts';
import { completeOptions } from './config/table.ts';
import { createLogger, type LogFormat, type Logger, type LogLevel } from './observability/logger.ts';
import { ChordServer, type ServerStats } from './server/server.ts';
import type { Chord, ChordStats } from './service/chord.ts';

/** What `createApp` can be told: what `createChord` can, and the options of the server around it. */
export interface AppOptions extends Omit<ChordOptions, 'backend'> {
  /** The name of a built-in backend, or one of yours. `stop` closes it. Default `memory`. */
  readonly backend?: 'memory' | Backend | undefined;
  /** Where log lines go; by default to standard output as `logLevel` and `logFormat` say. */
  readonly logger?: Logger | undefined;
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** TCP port to listen on; 0 is any free one. Default 4000. */
  readonly port?: number | undefined;
  /** A subscriber to whom nothing can be written for so long is disconnected, in ms. Default 60 s. */
  readonly slowReaderTimeoutMs?: number | undefined;
  /** How long requests in flight may take to finish when the server stops, in ms. Default 10 s. */
  readonly drainTimeoutMs?: number | undefined;
  /** Largest body of an HTTP request and largest WebSocket message, in bytes. Default 8 MiB. */
  readonly maxRequestBytes?: number | undefined;
  /** Whether browsers get GraphiQL at /graphql. Default true. */
  readonly graphiql?: boolean | undefined;
  /** Least severe level that is logged. Default `info`. */
  readonly logLevel?: LogLevel | undefined;
  /** How log lines look; `auto` is pretty on a terminal and json elsewhere. Default `auto`. */
  readonly logFormat?: LogFormat | undefined;
}

/** A server that can be embedded in a process of yours. */
export interface App extends AsyncDisposable {
  /** The library: the same contexts that the server serves. */
  readonly chord: Chord;
  /** Listens. @throws what listening reports, for example EADDRINUSE. */
  start(): Promise<{ readonly url: string }>;
  /**
   * Sends every subscriber elsewhere, lets requests finish, and closes the store, also one that was passed in. Takes
   * `drainTimeoutMs` and a little at most.
   */
  stop(): Promise<void>;
  stats(): ServerStats & ChordStats;
}

/**
 * Chord with its server. Nothing listens before `start`.
 *
 * @throws ConfigError for a value that an option does not accept, or an option that there is none of.
 */
export function createApp(options: AppOptions = {}): App {
  const { logger: givenLogger, clock, deltaFormatter, backend, ...values } = options;
  const own = typeof backend === 'object' && backend !== null ? backend : undefined;
  const config = completeOptions(own === undefined ? { ...values, backend } : values);
  const logger = givenLogger ?? createLogger({ level: config.logLevel, format: config.logFormat });
  const chord = createService({ ...chordOptionsOf(config), clock, deltaFormatter, backend: own });
  const server = new ChordServer({ ...config, chord, logger });
  const stop = async () => {
    await server.close();
    await chord.close();
  };
  return {
    chord,
    start: async () => ({ url: await server.listen() }),
    stop,
    stats: () => ({ ...server.stats, ...chord.stats() }),
    [Symbol.asyncDispose]: stop,
  };
}
