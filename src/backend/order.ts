import type { Due } from './backend.ts';

/**
 * Compares two strings as their UTF-8 bytes would compare, which is by code point.
 *
 * JavaScript compares UTF-16 units; the two orders differ only where a surrogate (a code point above U+FFFF) meets a
 * unit from U+E000 on.
 */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const unitA = a.charCodeAt(index);
    const unitB = b.charCodeAt(index);
    if (unitA !== unitB) return codePointRank(unitA) - codePointRank(unitB);
  }
  return a.length - b.length;
}

/** Surrogates rank above every other unit, as the code points that they stand for do. */
function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** By due time, then by id. */
export function compareDue(a: Due, b: Due): number {
  return a.dueMs - b.dueMs || compareUtf8(a.id, b.id);
}
