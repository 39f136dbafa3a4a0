/** How an app starts and stops: its parts in order, each once, whatever is called at once. */
import type { RedisBackend } from '../backend/redis/redis.ts';
import { RedisStoreError } from '../errors.ts';
import type { Logger } from '../observability/logger.ts';
import type { ChordServer } from '../server/server.ts';
import type { ChordService } from '../service/service.ts';
import type { Meter } from './meter.ts';
import { announceArrival, reach } from './reach.ts';
import type { Started } from './started.ts';
import type { Tracer } from './tracer.ts';

/** What is started and stopped. */
export interface LifecycleParts {
  readonly chord: ChordService;
  readonly server: ChordServer;
  readonly logger: Logger;
  /** Waited for before the server listens. Absent: another store, which is open. */
  readonly redis: RedisBackend | undefined;
  readonly meter: Meter | undefined;
  readonly tracer: Tracer | undefined;
  /** Ends what looks at files. */
  readonly closeWatches: () => void;
  /** 0: no cleanup is started. */
  readonly cleanupIntervalMs: number;
  /** Told when Redis cannot be used as it is, before whoever started is. */
  readonly onRefused: () => void;
}

/** One app's. */
export class Lifecycle {
  readonly #parts: LifecycleParts;
  readonly #stopping = new AbortController();
  #starting: Promise<Started> | undefined;
  #stopped: Promise<void> | undefined;

  constructor(parts: LifecycleParts) {
    this.#parts = parts;
  }

  /** A start that fails stops the app. */
  start(): Promise<Started> {
    this.#starting ??= this.#start()
      .catch(async (error: unknown) => {
        if (error instanceof RedisStoreError) this.#parts.onRefused();
        // Whoever stops the app hears of what fails then.
        await this.stop().catch(() => undefined);
        throw error;
      })
      .finally(() => {
        this.#starting = undefined;
      });
    return this.#starting;
  }

  stop(): Promise<void> {
    this.#stopping.abort();
    this.#stopped ??= this.#close();
    return this.#stopped;
  }

  async #start(): Promise<Started> {
    const { chord, server, logger, redis, meter, cleanupIntervalMs } = this.#parts;
    const isReady = redis === undefined || (await reach(redis));
    // A turn less without metrics: whoever starts and stops at once expects that it has listened in between.
    const metricsUrl = meter === undefined ? undefined : await meter.listen();
    if (metricsUrl !== undefined) logger.info(`metrics are at ${metricsUrl}`);
    const url = await server.listen();
    if (redis !== undefined && !isReady) {
      logger.warn('Chord starts without Redis, and is not ready (/ready: 503) until it is there.');
      // Never rejects.
      void announceArrival(redis, logger, this.#stopping.signal);
    }
    if (cleanupIntervalMs > 0) await chord.startCleanup();
    return { url, isReady, ...(metricsUrl === undefined ? {} : { metricsUrl }) };
  }

  async #close(): Promise<void> {
    const { chord, server, meter, tracer, closeWatches } = this.#parts;
    try {
      await server.close().finally(closeWatches);
      // All that is traced has ended.
      await Promise.all([chord.close(), tracer?.close()]);
    } finally {
      await meter?.close();
    }
  }
}
