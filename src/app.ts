/** The server, put together: with chord.ts the only place that knows which parts are in use. */
import { resolve } from 'node:path';
import { createAuthenticator } from './access/authenticator.ts';
import type { AppOptions } from './app-options.ts';
import type { Backend } from './backend/backend.ts';
import { renewIdentity } from './backend/lmdb/file.ts';
import { LmdbBackend } from './backend/lmdb/lmdb.ts';
import { MemoryBackend } from './backend/memory.ts';
import type { Log } from './backend/redis/connection/log.ts';
import { splitUrls } from './backend/redis/connection/target.ts';
import { RedisBackend } from './backend/redis/redis.ts';
import { chordOptionsOf, createService } from './chord.ts';
import { checkedClock, systemClock } from './clock.ts';
import { completeOptions } from './config/complete.ts';
import { ConfigError } from './config/config-error.ts';
import type { OptionValues } from './config/table.ts';
import { RedisStoreError } from './errors.ts';
import { createExporter, createProvider } from './external/builtin.ts';
import { createMeter, type Meter } from './meter.ts';
import { createLogger } from './observability/logger.ts';
import { announceArrival, reach } from './reach.ts';
import { ChordServer } from './server/server.ts';
import type { ServerStats } from './server/stats.ts';
import { readTrustedDocuments } from './server/trusted-documents.ts';
import type { Chord, ChordStats } from './service/chord.ts';

export type { AppOptions } from './app-options.ts';

/** A server that can be embedded in a process of yours. */
export interface App extends AsyncDisposable {
  /** The library: the same contexts that the server serves. */
  readonly chord: Chord;
  /**
   * Listens. With the backend `redis` it waits for that first, `redisTimeoutMs` at most: when it is away by then, the
   * server starts all the same, answers `isReady: false`, and is ready when it comes.
   *
   * @throws what listening reports, for example EADDRINUSE; ConfigError when metricsPort cannot be used; RedisStoreError when Redis cannot be used as it is. Then the
   * app has stopped.
   */
  start(): Promise<{ readonly url: string; readonly isReady: boolean; readonly metricsUrl?: string }>;
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
  const { logger: givenLogger, clock, deltaFormatter, authenticate, backend, ...values } = options;
  const own = typeof backend === 'object' && backend !== null ? backend : undefined;
  const config = completeOptions(own === undefined ? { ...values, backend } : values);
  const logger = givenLogger ?? createLogger({ level: config.logLevel, format: config.logFormat });
  const meter = createMeter({
    ...config,
    backend: own === undefined ? config.backend : 'own',
    logger,
    sources: () => ({ chord, server }),
  });
  const parts = {
    clock,
    deltaFormatter,
    logger,
    backend: own && (meter?.measure(own) ?? own),
    exporter: configured(() => createExporter(config)),
    provider: configured(() => createProvider(config)),
  };
  const { trustedDocumentsFile: file } = config;
  const trustedDocuments = file === null ? undefined : configured(() => readTrustedDocuments(file));
  const time = checkedClock(clock ?? systemClock);
  const authenticator = configured(() => createAuthenticator(config, { clock: time, logger, authenticate }));
  const stopping = new AbortController();
  let isRefused = false;
  // A turn later: what the start fails with is told to whoever started, and not here, too.
  const onLog: Log = ({ level, text }) => {
    setImmediate(() => {
      if (!isRefused) logger[level](text);
    });
  };
  let store: Backend | undefined = own;
  const chord = unlessFailed(
    () => authenticator.close(),
    () =>
      createService(
        { ...chordOptionsOf(config), ...parts },
        () => {
          store = openBackend(config, onLog, meter?.onConnection);
          return meter?.measure(store) ?? store;
        },
        meter?.metrics,
      ),
  );
  const server = new ChordServer({
    ...config,
    trustedDocuments,
    chord,
    logger,
    clock: time,
    authenticator,
    metrics: meter?.metrics,
  });
  const close = async () => {
    try {
      await server.close().finally(() => authenticator.close());
      await chord.close();
    } finally {
      await meter?.close();
    }
  };
  let starting: ReturnType<App['start']> | undefined;
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopping.abort();
    stopped ??= close();
    return stopped;
  };
  const start = async () => {
    const redis = store instanceof RedisBackend ? store : undefined;
    const isReady = redis === undefined || (await reach(redis));
    const metricsUrl = meter === undefined ? undefined : await meter.listen();
    if (metricsUrl !== undefined) logger.info(`metrics are at ${metricsUrl}`);
    const url = await server.listen();
    if (redis !== undefined && !isReady) {
      logger.warn('Chord starts without Redis, and is not ready (/ready: 503) until it is there.');
      // Never rejects.
      void announceArrival(redis, logger, stopping.signal);
    }
    if (config.cleanupIntervalMs > 0) await chord.startCleanup();
    return { url, isReady, ...(metricsUrl === undefined ? {} : { metricsUrl }) };
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

function openBackend(config: OptionValues, onLog: Log, onConnection?: Meter['onConnection']): Backend {
  const { backend, dataDir, cacheBytes, redisUrl, redisPrefix: prefix, redisTimeoutMs: timeoutMs } = config;
  switch (backend) {
    case 'lmdb':
      return LmdbBackend.open({ path: dataDir, cacheBytes });
    case 'memory':
      return new MemoryBackend();
    case 'redis': {
      const urls = typeof redisUrl === 'string' ? splitUrls(redisUrl) : (redisUrl ?? []);
      return configured(() => RedisBackend.open({ urls, prefix, timeoutMs, cacheBytes, onLog, onConnection }));
    }
  }
}

/** Undoes what was done before when the rest cannot be done. */
function unlessFailed<T>(undo: () => void, work: () => T): T {
  try {
    return work();
  } catch (error) {
    undo();
    throw error;
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
