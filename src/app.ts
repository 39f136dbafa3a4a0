/** The server, put together: with chord.ts the only place that knows which parts are in use. */
import { resolve } from 'node:path';
import type { Backend } from './backend/backend.ts';
import { renewIdentity } from './backend/lmdb/file.ts';
import { LmdbBackend } from './backend/lmdb/lmdb.ts';
import { MemoryBackend } from './backend/memory.ts';
import type { Log } from './backend/redis/connection/log.ts';
import { splitUrls } from './backend/redis/connection/target.ts';
import { RedisBackend } from './backend/redis/redis.ts';
import { type ChordOptions, chordOptionsOf, createService } from './chord.ts';
import { completeOptions } from './config/complete.ts';
import { ConfigError } from './config/config-error.ts';
import type { OptionValues } from './config/table.ts';
import { RedisStoreError } from './errors.ts';
import { createExporter, createProvider, type ExternalName } from './external/builtin.ts';
import type { Exporter, Provider } from './external/external.ts';
import { createLogger, type LogFormat, type Logger, type LogLevel } from './observability/logger.ts';
import { announceArrival, reach } from './reach.ts';
import { ChordServer, type ServerStats } from './server/server.ts';
import type { Chord, ChordStats } from './service/chord.ts';

/** What `createApp` can be told: what `createChord` can, and the options of the server around it. */
export interface AppOptions extends Omit<ChordOptions, 'backend' | 'exporter' | 'provider'> {
  /** The name of a built-in backend, or one of yours. `stop` closes it. Default `lmdb`. */
  readonly backend?: 'lmdb' | 'memory' | 'redis' | Backend | undefined;
  /** The directory of the backend `lmdb`; made when it is not there. Default ./chord-data. */
  readonly dataDir?: string | undefined;
  /** Weight of the states and deltas that the backends `lmdb` and `redis` keep in memory, in bytes. Default 64 MiB. */
  readonly cacheBytes?: number | undefined;
  /** The Redis of the backend `redis`: `redis://host`, one of the other forms of docs/operations.md, or nodes of a Cluster. */
  readonly redisUrl?: string | readonly string[] | null | undefined;
  /** What all keys and channels in Redis begin with. Default `chord:`. */
  readonly redisPrefix?: string | undefined;
  /** How long one call to Redis may take, connecting included, in ms. Default 5 s. */
  readonly redisTimeoutMs?: number | undefined;
  /** The name of a built-in exporter, or one of yours. Default `none`. */
  readonly exporter?: ExternalName | Exporter | undefined;
  /** The name of a built-in provider, or one of yours. Default `none`. */
  readonly provider?: ExternalName | Provider | undefined;
  /** The directory of the exporter and the provider `file`. Default ./chord-exports. */
  readonly exportDir?: string | undefined;
  /** Where the exporter `webhook` posts contexts. */
  readonly webhookExportUrl?: string | null | undefined;
  /** Where the provider `webhook` asks for contexts. */
  readonly webhookProviderUrl?: string | null | undefined;
  /** The key of the HMAC that signs what the webhooks send. */
  readonly webhookSecret?: string | null | undefined;
  /** The bucket of the exporter and the provider `s3`. */
  readonly s3Bucket?: string | null | undefined;
  /** What the keys of the objects begin with. Default none. */
  readonly s3Prefix?: string | null | undefined;
  /** The region of the bucket. Default: what the AWS SDK finds. */
  readonly s3Region?: string | null | undefined;
  /** The URL of another S3-compatible storage than that of AWS. */
  readonly s3Endpoint?: string | null | undefined;
  /** Whether the bucket is named in the path instead of the host. Default false. */
  readonly s3PathStyle?: boolean | undefined;
  /** Where log lines go; by default to standard output as `logLevel` and `logFormat` say. */
  readonly logger?: Logger | undefined;
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** TCP port to listen on; 0 is any free one. Default 4000. */
  readonly port?: number | undefined;
  /** A subscriber to whom nothing can be written for so long is disconnected, in ms. Default 60 s. */
  readonly slowReaderTimeoutMs?: number | undefined;
  /** How long everything is still served when the server stops, while /ready says 503, in ms. Default 0. */
  readonly drainDelayMs?: number | undefined;
  /** How long requests in flight may take to finish when the server stops, in ms. Default 10 s. */
  readonly drainTimeoutMs?: number | undefined;
  /** How often cleanup runs at least, in ms; 0: `start` starts none. Default 1 h. */
  readonly cleanupIntervalMs?: number | undefined;
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
  /**
   * Listens. With the backend `redis` it waits for that first, `redisTimeoutMs` at most: when it is away by then, the
   * server starts all the same, answers `isReady: false`, and is ready when it comes.
   *
   * @throws what listening reports, for example EADDRINUSE; RedisStoreError when Redis cannot be used as it is. Then the
   * app has stopped.
   */
  start(): Promise<{ readonly url: string; readonly isReady: boolean }>;
  /**
   * Sends every subscriber elsewhere, lets requests finish, and closes the store, also one that was passed in. Takes
   * `drainDelayMs`, `drainTimeoutMs` and a little at most.
   */
  stop(): Promise<void>;
  stats(): ServerStats & ChordStats;
}

/**
 * Chord with its server. Nothing listens before `start`; a built-in store is open at once.
 *
 * @throws ConfigError for a value that an option does not accept, or an option that there is none of; DataDirectoryError
 * when the data directory cannot be used.
 */
export function createApp(options: AppOptions = {}): App {
  const { logger: givenLogger, clock, deltaFormatter, backend, ...values } = options;
  const own = typeof backend === 'object' && backend !== null ? backend : undefined;
  const config = completeOptions(own === undefined ? { ...values, backend } : values);
  const logger = givenLogger ?? createLogger({ level: config.logLevel, format: config.logFormat });
  const parts = {
    clock,
    deltaFormatter,
    logger,
    backend: own,
    exporter: configured(() => createExporter(config)),
    provider: configured(() => createProvider(config)),
  };
  const stopping = new AbortController();
  let isRefused = false;
  // A turn later: what the start fails with is told to whoever started, and not here, too.
  const onLog: Log = ({ level, text }) => {
    setImmediate(() => {
      if (!isRefused) logger[level](text);
    });
  };
  let store: Backend | undefined = own;
  const chord = createService({ ...chordOptionsOf(config), ...parts }, () => {
    store = openBackend(config, onLog);
    return store;
  });
  const server = new ChordServer({ ...config, chord, logger });
  let starting: ReturnType<App['start']> | undefined;
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopping.abort();
    stopped ??= server.close().then(() => chord.close());
    return stopped;
  };
  const start = async () => {
    const redis = store instanceof RedisBackend ? store : undefined;
    const isReady = redis === undefined || (await reach(redis));
    const url = await server.listen();
    if (redis !== undefined && !isReady) {
      logger.warn('Chord starts without Redis, and is not ready (/ready: 503) until it is there.');
      // Never rejects.
      void announceArrival(redis, logger, stopping.signal);
    }
    if (config.cleanupIntervalMs > 0) await chord.startCleanup();
    return { url, isReady };
  };
  return {
    chord,
    start: () => {
      starting ??= start()
        .catch(async (error: unknown) => {
          isRefused = error instanceof RedisStoreError;
          // Whoever stops the app hears of what fails then.
          await stop().catch(() => undefined);
          throw error;
        })
        .finally(() => {
          starting = undefined;
        });
      return starting;
    },
    stop,
    stats: () => ({ ...server.stats, ...chord.stats() }),
    [Symbol.asyncDispose]: stop,
  };
}

/**
 * Gives a closed store another identity, after a backup was restored. Answers what to say of it.
 *
 * @throws ConfigError for a backend that has none of its own, DataDirectoryError.
 */
export async function renewStore({ backend, dataDir }: Pick<OptionValues, 'backend' | 'dataDir'>): Promise<string> {
  if (backend !== 'lmdb') {
    throw new ConfigError(`--renew-identity is for the backend lmdb, and the backend is ${backend}.`);
  }
  return `The store in ${resolve(dataDir)} has the new identity ${await renewIdentity(dataDir)}.`;
}

function openBackend(config: OptionValues, onLog: Log): Backend {
  const { backend, dataDir, cacheBytes, redisUrl, redisPrefix: prefix, redisTimeoutMs: timeoutMs } = config;
  switch (backend) {
    case 'lmdb':
      return LmdbBackend.open({ path: dataDir, cacheBytes });
    case 'memory':
      return new MemoryBackend();
    case 'redis': {
      const urls = typeof redisUrl === 'string' ? splitUrls(redisUrl) : (redisUrl ?? []);
      return configured(() => RedisBackend.open({ urls, prefix, timeoutMs, cacheBytes, onLog }));
    }
  }
}

/** What a built-in refuses names its option, and is the user's to mend. */
function configured<T>(create: () => T): T {
  try {
    return create();
  } catch (error) {
    if (error instanceof TypeError) throw new ConfigError(error.message, { cause: error });
    throw error;
  }
}
