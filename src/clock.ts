import { setTimeout as wait } from 'node:timers/promises';
import { inspect } from 'node:util';

/** Where Chord takes the time from. Inject one to move time in a test or to follow another source. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Resolves after `ms`, or at once when the signal aborts: it never rejects. Does not keep the process alive. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Longer timers fire at once in Node; a sleeper that wakes early sleeps again. */
const maxTimerMs = 2 ** 31 - 1;

/** The last moment that a JavaScript date, and so an answer, can tell. */
export const lastMomentMs = 8.64e15;

/** The time of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    wait(Math.min(ms, maxTimerMs), undefined, signal === undefined ? { ref: false } : { ref: false, signal }).catch(
      () => undefined,
    ),
};

/**
 * A clock of the user's, held to what it promises: one wrong moment would be stored, and spoil its context for ever.
 *
 * `now` rounds down, and throws a TypeError for what is no moment. `sleep` never rejects.
 */
export function checkedClock(clock: Clock): Clock {
  return {
    now: () => checkMoment(clock.now()),
    sleep: async (ms, signal) => {
      try {
        await clock.sleep(ms, signal);
      } catch {
        // Mostly that of an abort, as with node:timers/promises. Else waiting goes on, or a loop would never rest.
        if (signal?.aborted !== true) await systemClock.sleep(ms, signal);
      }
    },
  };
}

function checkMoment(moment: unknown): number {
  if (typeof moment === 'number' && moment >= 0 && moment <= lastMomentMs) return Math.floor(moment);
  throw new TypeError(
    `The clock (timeProvider) says ${inspect(moment)}; expected an integer of milliseconds from 0 to 8.64e15.`,
  );
}
