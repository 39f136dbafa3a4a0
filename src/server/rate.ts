import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';

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
