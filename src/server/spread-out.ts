/**
 * How subscribers leave a server that stops: not all in the same moment.
 *
 * Whoever leaves connects again at once, to a process that has others to serve. Ten thousand that come together wait for
 * each other's handshakes, run out of patience, and come again.
 */
import type { Clock } from '../clock.ts';

/** So many leave in a millisecond at most, as long as the time is not too short for that: few need not wait at all. */
const perMs = 1;
/** Those of so many milliseconds leave together. */
const turnMs = 10;

/** Over how long, and until when. */
export interface Spread {
  /** The longest that it may take, in ms. */
  readonly withinMs: number;
  readonly clock: Clock;
  /** Whoever has not left when it aborts is not told any more. */
  readonly signal: AbortSignal;
}

/** Calls all, in random order and evenly over the time, the first at once. Resolves after the last. */
export async function spreadOut(calls: readonly (() => void)[], { withinMs, clock, signal }: Spread): Promise<void> {
  const waiting = shuffled(calls);
  const turns = Math.max(1, Math.floor(Math.min(withinMs, calls.length / perMs) / turnMs));
  for (let left = turns; left > 0 && !signal.aborted; left--) {
    for (const call of waiting.splice(0, Math.ceil(waiting.length / left))) call();
    if (left > 1) await clock.sleep(turnMs, signal);
  }
}

/** Clients that connected together do not leave together. */
function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, rank: Math.random() }))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}
