/**
 * How subscribers leave a server that stops: not all in the same moment, and none while it is owed an answer.
 *
 * Whoever leaves connects again at once, to a process that has others to serve. Ten thousand that come together wait for
 * each other's handshakes, run out of patience, and come again.
 */
import type { Clock } from '../../clock.ts';

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
export async function inTurns(calls: readonly (() => void)[], { withinMs, clock, signal }: Spread): Promise<void> {
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

/**
 * When a WebSocket may go: when no message of it is being worked on, but for the subscriptions that are followed.
 *
 * A client repeats on its next connection what was not completed on this one. A mutation that was done and not answered
 * would be done twice.
 */
export class Departure {
  #working = 0;
  #followed = 0;
  #go: (() => void) | undefined;

  /** It is about to go: what comes now is for the next connection. */
  get isLeaving(): boolean {
    return this.#go !== undefined;
  }

  /** Work on a message begins. */
  begin(): void {
    this.#working++;
  }

  /** Everything that answers it was sent. */
  end(): void {
    this.#working--;
    this.#look();
  }

  /** A message became a subscription, which has events to come. */
  follow(): void {
    this.#followed++;
    this.#look();
  }

  /** It has none any more: only its last words are still to be sent. */
  unfollow(): void {
    this.#followed--;
  }

  /** Calls `go` as soon as nothing is owed, once. */
  leave(go: () => void): void {
    this.#go ??= go;
    this.#look();
  }

  #look(): void {
    if (this.#working > this.#followed) return;
    const go = this.#go;
    this.#go &&= () => undefined;
    go?.();
  }
}
