/** The server, put together: with chord.ts the only place that knows which parts are in use. */
import { type AuthenticatorParts, createAuthenticator } from '../access/authenticator.ts';
import type { Authenticator } from '../access/credentials.ts';
import type { Backend } from '../backend/backend.ts';
import type { Log } from '../backend/redis/connection/log.ts';
import { RedisBackend } from '../backend/redis/redis.ts';
import { chordOptionsOf, createService } from '../chord.ts';
import { checkedClock, systemClock } from '../clock.ts';
import { completeOptions } from '../config/complete.ts';
import { ConfigError } from '../config/config-error.ts';
import type { OptionValues } from '../config/table.ts';
import { createExporter, createProvider } from '../external/builtin.ts';
import { createLogger, type Logger } from '../observability/logger.ts';
import { Certificate } from '../server/http/tls.ts';
import { readTrustedDocuments, type TrustedDocuments } from '../server/limits/trusted-documents.ts';
import { ChordServer } from '../server/server.ts';
import type { ServerStats } from '../server/stats.ts';
import type { Chord, ChordStats } from '../service/chord.ts';
import { packageVersion } from '../version.ts';
import { Lifecycle } from './lifecycle.ts';
import { createMeter } from './meter.ts';
import { openStore } from './open-store.ts';
import type { AppOptions } from './options.ts';
import type { Started } from './started.ts';
import { createTracer } from './tracer.ts';

export { renewStore } from './open-store.ts';
export type { AppOptions } from './options.ts';

/** A server that can be embedded in a process of yours. */
export interface App extends AsyncDisposable {
  /** The library: the same contexts that the server serves. */
  readonly chord: Chord;
  /**
   * Listens. With the backend `redis` it waits for that first, `redisTimeoutMs` at most: when it is away by then, the
   * server starts all the same, answers `isReady: false`, and is ready when it comes.
   *
   * @throws what listening reports, for example EADDRINUSE; ConfigError when metricsPort cannot be used; RedisStoreError
   * when Redis cannot be used as it is. Then the app has stopped.
   */
  start(): Promise<Started>;
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
  return assemble(options, { isWorker: false });
}

/** The same in a worker of the command (src/workers/): its primary tells the metrics. */
export function createWorkerApp(options: AppOptions): App {
  return assemble(options, { isWorker: true });
}

function assemble(options: AppOptions, { isWorker }: { readonly isWorker: boolean }): App {
  const { logger: givenLogger, clock, deltaFormatter, authenticate, backend, ...values } = options;
  const own = typeof backend === 'object' && backend !== null ? backend : undefined;
  const config = completeOptions(own === undefined ? { ...values, backend } : values);
  if (config.workers > 1)
    throw new ConfigError('workers is for the command, which starts them: an app is one process.');
  const logger = givenLogger ?? createLogger({ level: config.logLevel, format: config.logFormat });
  const backendName = own === undefined ? config.backend : 'own';
  const tracer = createTracer({ ...config, backend: backendName, logger });
  const meter = createMeter({ ...config, backend: backendName, logger, isWorker, sources: () => ({ chord, server }) });
  const observe = (store: Backend) => {
    const measured = meter?.measure(store) ?? store;
    return tracer?.trace(measured) ?? measured;
  };
  const time = checkedClock(clock ?? systemClock);
  const files = configured(() => openServerFiles(config, { clock: time, logger, authenticate }));
  const storeLog = new StoreLog(logger);
  let redis = own instanceof RedisBackend ? own : undefined;
  const openOwn = () => {
    const store = configured(() => openStore(config, { onLog: storeLog.onLog, onConnection: meter?.onConnection }));
    if (store instanceof RedisBackend) redis = store;
    return observe(store);
  };
  const chord = unlessFailed(files.close, () => {
    const external = configured(() => ({ exporter: createExporter(config), provider: createProvider(config) }));
    const parts = { clock, deltaFormatter, logger, backend: own && observe(own), ...external };
    const observers = { metrics: meter?.metrics, tracing: tracer?.tracing };
    return createService({ ...chordOptionsOf(config), ...parts }, openOwn, observers);
  });
  const server = new ChordServer({
    ...config,
    ...files,
    about: { version: packageVersion(), backend: backendName },
    chord,
    logger,
    clock: time,
    metrics: meter?.metrics,
    tracing: tracer?.tracing,
  });
  const lifecycle = new Lifecycle({
    chord,
    server,
    logger,
    redis,
    meter,
    tracer,
    closeWatches: files.close,
    cleanupIntervalMs: config.cleanupIntervalMs,
    onRefused: () => storeLog.end(),
  });
  return {
    chord,
    start: () => lifecycle.start(),
    stop: () => lifecycle.stop(),
    stats: () => ({ ...server.stats, ...chord.stats() }),
    [Symbol.asyncDispose]: () => lifecycle.stop(),
  };
}

/** What a store says, a turn later: what the start fails with is told to whoever started, and not here, too. */
class StoreLog {
  readonly #logger: Logger;
  #isOver = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  readonly onLog: Log = ({ level, text }) => {
    setImmediate(() => {
      if (!this.#isOver) this.#logger[level](text);
    });
  };

  end(): void {
    this.#isOver = true;
  }
}

/** What the server reads from files, some of them again while it runs. */
interface ServerFiles {
  readonly authenticator: Authenticator;
  readonly certificate: Certificate | undefined;
  readonly trustedDocuments: TrustedDocuments | undefined;
  /** Ends what looks at files. */
  readonly close: () => void;
}

/** @throws TypeError that begins with the name of the option that cannot be used. */
function openServerFiles(config: OptionValues, parts: AuthenticatorParts): ServerFiles {
  const { trustedDocumentsFile, tlsCertFile: certFile, tlsKeyFile: keyFile } = config;
  const trustedDocuments = trustedDocumentsFile === null ? undefined : readTrustedDocuments(trustedDocumentsFile);
  const authenticator = createAuthenticator(config, parts);
  const certificate =
    certFile === null || keyFile === null
      ? undefined
      : unlessFailed(
          () => authenticator.close(),
          () => new Certificate({ certFile, keyFile }, parts),
        );
  const close = () => {
    authenticator.close();
    certificate?.close();
  };
  return { authenticator, certificate, trustedDocuments, close };
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
