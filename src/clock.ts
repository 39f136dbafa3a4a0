import { setTimeout as wait } from 'node:timers/promises';

/** Where Chord takes the time from. Inject one to move time in a test or to follow another source. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Resolves after `ms`, or at once when the signal aborts: it never rejects. Does not keep the process alive. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Longer timers fire at once in Node; a sleeper that wakes early sleeps again. */
const maxTimerMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    wait(Math.min(ms, maxTimerMs), undefined, signal === undefined ? { ref: false } : { ref: false, signal }).catch(
      () => undefined,
    ),
};
