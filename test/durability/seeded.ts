/** Numbers that look random and are the same for the same seed. */
export interface Random {
  /** An integer from 0 to below the limit. */
  below(limit: number): number;
  /** Letters. */
  text(length: number): string;
}

/** Mulberry32: small, and good enough to choose what to try. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    below,
    text(length) {
      // Long ones repeat: what counts is how much there is, and that it differs.
      const piece = Array.from({ length: Math.min(length, 40) }, () => 'abcdefghijklmnopqrstuvwxyz'[below(26)]).join(
        '',
      );
      return piece.repeat(Math.ceil(length / Math.max(1, piece.length))).slice(0, length);
    },
  };
}
