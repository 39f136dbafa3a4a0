import { describe, expect, test } from 'vitest';
import { afterEnd, type End, type Next, noStreak } from '../../src/workers/restarts.ts';

/** What becomes of ends that come one after the other in one slot. */
function decisions(ends: readonly End[]): readonly Next[] {
  let streak = noStreak;
  return ends.map((end) => {
    const next = afterEnd(streak, end);
    if (next.kind === 'restart') streak = next.streak;
    return next;
  });
}

/** The delays before restarts; undefined where it is given up. */
function delays(ends: readonly End[]): readonly (number | undefined)[] {
  return decisions(ends).map((next) => (next.kind === 'restart' ? next.afterMs : undefined));
}

const old: End = { hasServed: true, lifeMs: 10_000 };
const young: End = { hasServed: true, lifeMs: 9_999 };
const unborn: End = { hasServed: false, lifeMs: 60_000 };

function times(count: number, end: End): readonly End[] {
  return Array.from({ length: count }, () => end);
}

describe('a worker that ends', () => {
  test('after it has served for a while is replaced at once, however often', () => {
    expect(delays(times(20, old))).toEqual(times(20, old).map(() => 0));
  });

  test('soon after it began to serve is replaced later each time, though never later than after 5 s', () => {
    expect(delays(times(9, young))).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
    expect(delays(times(2_000, young)).at(-1)).toBe(5_000);
  });

  test('six times in a row before it serves is given up', () => {
    expect(delays(times(6, unborn))).toEqual([100, 200, 400, 800, 1_600, undefined]);
  });

  test('once as it should begins anew', () => {
    expect(delays([...times(5, unborn), old, ...times(5, unborn)]).at(-1)).toBe(1_600);
    expect(delays([...times(5, unborn), young, ...times(5, unborn)])).not.toContain(undefined);
  });
});
