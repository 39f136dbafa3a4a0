import { describe, expect, test } from 'vitest';
import { TokenBuckets } from '../../src/server/limits/rate.ts';
import { Tally } from '../../src/server/limits/tally.ts';
import { ManualClock } from '../support/clock.ts';

describe('a tally', () => {
  test('gives each key so many places, and takes them back', () => {
    const tally = new Tally<string>(2);
    expect([tally.take('a'), tally.take('a')]).toEqual([true, true]);
    expect(tally.isFull('a')).toBe(true);
    expect(tally.take('a')).toBe(false);
    expect(tally.take('b')).toBe(true);
    tally.release('a');
    expect(tally.take('a')).toBe(true);
    expect(tally.take('a')).toBe(false);
    tally.release('a');
    expect(tally.isFull('a')).toBe(false);
  });

  test('forgets a key that holds nothing', () => {
    const tally = new Tally<string>(1);
    for (const key of ['a', 'b', 'c']) expect(tally.take(key)).toBe(true);
    expect(tally.size).toBe(3);
    for (const key of ['a', 'b', 'c']) tally.release(key);
    expect(tally.size).toBe(0);
  });

  test('without a maximum it is never full', () => {
    const tally = new Tally<string>(null);
    for (let count = 0; count < 1_000; count++) expect(tally.take('a')).toBe(true);
  });
});

describe('token buckets', () => {
  test('let a second of them through at once, then as fast as they fill, and say when', async () => {
    const clock = new ManualClock();
    const buckets = new TokenBuckets(4, clock);
    for (let count = 0; count < 4; count++) expect(await buckets.take('a')).toBeUndefined();
    expect(await buckets.take('a')).toBe(250);
    await clock.advance(249);
    expect(await buckets.take('a')).toBe(1);
    await clock.advance(1);
    expect(await buckets.take('a')).toBeUndefined();
    expect(await buckets.take('a')).toBe(250);
  });

  test('hold no more than those of a second, however long nobody asks', async () => {
    const clock = new ManualClock();
    const buckets = new TokenBuckets(2, clock);
    await buckets.take('a');
    await clock.advance(3_600_000);
    expect([await buckets.take('a'), await buckets.take('a'), await buckets.take('a')]).toEqual([
      undefined,
      undefined,
      500,
    ]);
  });

  test('are one for each key', async () => {
    const buckets = new TokenBuckets(1, new ManualClock());
    expect(await buckets.take('a')).toBeUndefined();
    expect(await buckets.take('a')).toBe(1_000);
    expect(await buckets.take('b')).toBeUndefined();
  });

  test('let what is larger than they are through when they are full, and have it paid off', async () => {
    const clock = new ManualClock();
    const buckets = new TokenBuckets(10, clock);
    expect(await buckets.take('a', 30)).toBeUndefined();
    expect(await buckets.take('a', 1)).toBe(2_100);
    await clock.advance(2_100);
    expect(await buckets.take('a', 30)).toBe(900);
    expect(await buckets.take('a', 1)).toBeUndefined();
  });

  test('are not filled by a clock that was set back', async () => {
    const clock = new ManualClock(1_000_000);
    const buckets = new TokenBuckets(1, clock);
    await buckets.take('a');
    clock.set(0);
    expect(await buckets.take('a')).toBe(1_000);
    await clock.advance(1_000);
    expect(await buckets.take('a')).toBeUndefined();
  });
});
