import type { RedisBackend } from '../backend/redis/redis.ts';
import { systemClock } from '../clock.ts';
import { BackendUnavailableError, RedisStoreError } from '../errors.ts';
import type { Logger } from '../observability/logger.ts';

/** How soon a store that failed is asked again; while it is asked it has its own time limit. */
const pauseMs = 1_000;

/**
 * Waits for a store before a server begins to serve.
 *
 * @returns false: it is merely away, comes back by itself, and is not waited for any longer.
 * @throws RedisStoreError when somebody has to change something first.
 */
export async function reach(store: RedisBackend): Promise<boolean> {
  try {
    await store.ready();
    return true;
  } catch (error) {
    if (!(error instanceof BackendUnavailableError)) throw error;
    if (error.cause instanceof RedisStoreError) throw error.cause;
    return false;
  }
}

/** Says when a store that was away is there, or what keeps it from being used. Ends with the signal; never rejects. */
export async function announceArrival(store: RedisBackend, logger: Logger, signal: AbortSignal): Promise<void> {
  let said: string | undefined;
  while (!signal.aborted) {
    try {
      if (await reach(store)) return logger.info('Redis is there, Chord is ready');
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      if (problem !== said) logger.warn(problem);
      said = problem;
    }
    await systemClock.sleep(pauseMs, signal);
  }
}
