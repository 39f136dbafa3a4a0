import { setTimeout as sleep } from 'node:timers/promises';

/** A failure that may pass by itself: the attempt is worth another. */
export class PassingFailure extends Error {
  override readonly name = 'PassingFailure';
}

const firstDelayMs = 100;
const maxDelayMs = 5_000;

/**
 * Attempts again after every PassingFailure, until the signal aborts.
 *
 * @throws what an attempt throws besides; the last PassingFailure when the signal aborts after one; else its reason.
 */
export async function withRetries<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  let last: PassingFailure | undefined;
  for (let failures = 0; ; failures++) {
    try {
      signal.throwIfAborted();
      return await attempt();
    } catch (error) {
      if (error instanceof PassingFailure) last = error;
      else if (!signal.aborted || last === undefined) throw error;
    }
    // An abort ends it at once; the next turn says so.
    await sleep(delayMs(failures, Math.random()), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) throw new Error(`${last.message} Given up at attempt ${failures + 1}.`, { cause: last });
  }
}

/**
 * Full jitter: anything from 0 to a ceiling that doubles, so that many callers do not come back together.
 *
 * @param failures how many attempts failed before the last one.
 * @param random from 0 to 1.
 */
export function delayMs(failures: number, random: number): number {
  return random * Math.min(maxDelayMs, firstDelayMs * 2 ** failures);
}
