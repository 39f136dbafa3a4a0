/** What failed last, and when to try it again. Times in ms. */
export interface BackoffOptions {
  /** How long the second attempt waits. Each further one waits twice as long, up to an hour. */
  readonly firstMs: number;
  /** From 0 to below 1: takes up to a quarter off, so that what failed together is not tried again together. */
  readonly random: () => number;
}

/** No attempt waits longer, unless the first one has to. */
const longestMs = 3_600_000;
/** Of more ids than this only the last failure counts: they are tried again after the first delay. */
const maxIds = 10_000;

/** Things that failed: each is tried again later, and later each time. */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #failing = new Map<string, { readonly attempt: number; readonly dueMs: number }>();

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** How many ids failed last, as far as they are kept: at most 10,000. */
  get size(): number {
    return this.#failing.size;
  }

  /** Notes a failure; answers which one in a row it is, and when to try again. */
  fail(id: string, nowMs: number): { readonly attempt: number; readonly dueMs: number } {
    const before = this.#failing.get(id);
    const attempt = (before?.attempt ?? 0) + 1;
    const failure = { attempt, dueMs: nowMs + this.#delayMs(attempt) };
    if (before !== undefined || this.#failing.size < maxIds) this.#failing.set(id, failure);
    return failure;
  }

  forget(id: string): void {
    this.#failing.delete(id);
  }

  /** Forgets what was to be tried again by then: the caller has looked at all of that, so nothing of it is left. */
  forgetDue(nowMs: number): void {
    for (const [id, { dueMs }] of this.#failing) {
      if (dueMs <= nowMs) this.#failing.delete(id);
    }
  }

  #delayMs(attempt: number): number {
    const { firstMs, random } = this.#options;
    const fullMs = Math.min(firstMs * 2 ** (attempt - 1), Math.max(firstMs, longestMs));
    return Math.ceil(fullMs * (1 - random() / 4));
  }
}
