import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import { BackendUnavailableError } from '../../errors.ts';

/** Says how often somebody may do something. */
export interface RateLimiter {
  /**
   * Counts one more, or `count`.
   *
   * @returns after how many ms to try again; undefined: it may be done, and counts.
   */
  take(key: string, count?: number): Promise<number | undefined>;
}

/** Whoever was quiet for longest is forgotten first, and begins anew; after a second of rest that is no difference. */
const maxKeys = 100_000;

interface Bucket {
  /** Thousandths of tokens, so that every number is whole: who comes back when told to must not be a bit too early. */
  readonly level: number;
  readonly atMs: number;
}

/**
 * A bucket of tokens for each key, in this process: it holds those of one second and fills steadily.
 *
 * More than it can hold is let through when it is full, and paid off afterwards: refused, it could never be done.
 */
export class TokenBuckets implements RateLimiter {
  readonly #perSecond: number;
  readonly #clock: Clock;
  readonly #buckets = new LRUCache<string, Bucket>({ max: maxKeys });

  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#clock = clock;
  }

  async take(key: string, count = 1): Promise<number | undefined> {
    const nowMs = this.#clock.now();
    const capacity = this.#perSecond * 1000;
    const { level, atMs } = this.#buckets.get(key) ?? { level: capacity, atMs: nowMs };
    // A clock that was set back fills nothing.
    const passedMs = Math.max(0, nowMs - atMs);
    const filled = Math.min(capacity, level + passedMs * this.#perSecond);
    const needed = Math.min(count * 1000, capacity);
    const isEnough = filled >= needed;
    this.#buckets.set(key, { level: isEnough ? filled - count * 1000 : filled, atMs: nowMs });
    return isEnough ? undefined : Math.ceil((needed - filled) / this.#perSecond);
  }
}

/** A request waits for the store through one whole pause: 125 to 250 ms. */
const pauseMs = 125;
/** A store that did not answer is asked again after so long. */
const restMs = 1_000;

/** What the store said. */
interface Answer {
  readonly retryAfterMs: number | undefined;
}

/**
 * Counts in a store, for all processes together; while it is away in this process, by buckets that are full at first.
 *
 * Once it did not answer in time, nobody waits for it any more: after a second one request asks it again on the side,
 * and its answer to that proves that it is back. So a store that hangs delays what is under way, once.
 */
export class SharedRate implements RateLimiter {
  readonly #ask: RateLimiter['take'];
  readonly #clock: Clock;
  readonly #local: TokenBuckets;
  /** What ends the wait of each who waits. */
  readonly #waiting = new Set<() => void>();
  #isWatched = false;
  /** When it was found to be away, or asked whether it still is. */
  #awaySinceMs: number | undefined;

  /** @param ask counts in the store. */
  constructor(ask: RateLimiter['take'], perSecond: number, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
    this.#local = new TokenBuckets(perSecond, clock);
  }

  async take(key: string, count = 1): Promise<number | undefined> {
    if (this.#awaySinceMs === undefined) {
      const answer = await this.#askInTime(key, count);
      if (answer !== undefined) return answer.retryAfterMs;
    } else if (this.#isRested(this.#awaySinceMs)) {
      this.#awaySinceMs = this.#clock.now();
      // What it fails with is not about this request, which is counted here.
      this.#askInTime(key, count).catch(() => undefined);
    }
    return this.#local.take(key, count);
  }

  /** Undefined: it is away. */
  #askInTime(key: string, count: number): Promise<Answer | undefined> {
    return new Promise((resolve, reject) => {
      const settle = (answer: Answer | undefined) => {
        // What comes later proves nothing.
        if (!this.#waiting.delete(giveUp)) return;
        this.#awaySinceMs = answer === undefined ? this.#clock.now() : undefined;
        resolve(answer);
      };
      const giveUp = () => settle(undefined);
      this.#waiting.add(giveUp);
      // Never rejects.
      if (!this.#isWatched) void this.#watch();
      this.#ask(key, count).then(
        (retryAfterMs) => settle({ retryAfterMs }),
        (error: unknown) => {
          if (error instanceof BackendUnavailableError) return settle(undefined);
          this.#waiting.delete(giveUp);
          reject(error);
        },
      );
    });
  }

  /** One timer for all who wait: one each, with a signal that ends it, was measured at 35 µs or more, asking at 11. */
  async #watch(): Promise<void> {
    this.#isWatched = true;
    while (this.#waiting.size > 0) {
      const early = [...this.#waiting];
      await this.#clock.sleep(pauseMs);
      for (const giveUp of early) giveUp();
    }
    this.#isWatched = false;
  }

  #isRested(sinceMs: number): boolean {
    const restedMs = this.#clock.now() - sinceMs;
    // A clock that was set back tells nothing.
    return restedMs < 0 || restedMs >= restMs;
  }
}
