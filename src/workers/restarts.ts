/** What becomes of the slot of a worker that has ended. Decided here, done in primary.ts. */

/** Who has served for so long could: what ended it is news, and not the same as before. */
const steadyMs = 10_000;
const firstDelayMs = 100;
const maxDelayMs = 5_000;
/** 3 s of trying, after which somebody has to look: what supervises the process, or who reads its log. */
const maxFailedStarts = 6;

/** How a worker ended that nobody has stopped. */
export interface End {
  /** Whether it had come so far as to serve. */
  readonly hasServed: boolean;
  readonly lifeMs: number;
}

/** The ends of one slot that came one after the other. */
export interface Streak {
  readonly shortLives: number;
  readonly failedStarts: number;
}

/** Before the first end. */
export const noStreak: Streak = { shortLives: 0, failedStarts: 0 };

/** What to do. */
export type Next =
  | { readonly kind: 'restart'; readonly afterMs: number; readonly streak: Streak }
  | { readonly kind: 'giveUp' };

/**
 * A worker that ends is replaced: at once when it has served for a while, else after a delay that doubles. One that
 * serves and dies young is replaced for ever, as a supervisor would; one that never serves is not.
 */
export function afterEnd(streak: Streak, { hasServed, lifeMs }: End): Next {
  if (hasServed && lifeMs >= steadyMs) return { kind: 'restart', afterMs: 0, streak: noStreak };
  const failedStarts = hasServed ? 0 : streak.failedStarts + 1;
  if (failedStarts === maxFailedStarts) return { kind: 'giveUp' };
  const shortLives = streak.shortLives + 1;
  const afterMs = Math.min(firstDelayMs * 2 ** (shortLives - 1), maxDelayMs);
  return { kind: 'restart', afterMs, streak: { shortLives, failedStarts } };
}
