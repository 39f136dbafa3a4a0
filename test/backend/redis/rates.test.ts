/* Rates that all processes count together: by the rule of TokenBuckets, and by the clock of the server. */

import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Keys } from '../../../src/backend/redis/keys.ts';
import { TokenBuckets } from '../../../src/server/limits/rate.ts';
import { ManualClock } from '../../support/clock.ts';
import { openRedis, openRedisAgain, type TestedRedis } from '../../support/redis/backend.ts';
import { fillMemory } from '../../support/redis/faults.ts';
import { type RedisServer, startRedis } from '../../support/redis/server.ts';
import { until } from '../../support/wait.ts';

let server: RedisServer;
let backend: TestedRedis;
beforeAll(async () => {
  server = await startRedis();
  backend = await openRedis([server.url]);
});
afterAll(async () => {
  await backend?.close();
  await server?.stop();
});

let used = 0;
/** A bucket that nobody has touched. */
function freshKey(): string {
  return `key ${used++}`;
}

function redisKey(key: string): string {
  return new Keys(backend.openedWith.prefix ?? '').rate(key)[1];
}

/** By the server's clock. */
async function nowMs(): Promise<number> {
  const [seconds, micros] = (await server.cli('TIME')) as readonly [string, string];
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

async function bucketOf(key: string): Promise<{ readonly level: number; readonly atMs: number }> {
  const [level, atMs] = String(await server.cli('GET', redisKey(key))).split(' ');
  return { level: Number(level), atMs: Number(atMs) };
}

/** As if it was touched so much earlier, or, below 0, later. */
async function age(key: string, ms: number): Promise<void> {
  const { level, atMs } = await bucketOf(key);
  await server.cli('SET', redisKey(key), `${level} ${atMs - ms}`);
}

test('what may be done, and when to try again, is what TokenBuckets says', async () => {
  const numbers = fc.record({
    perSecond: fc.integer({ min: 1, max: 2_000 }),
    taken: fc.integer({ min: 1, max: 4_000 }),
    ageMs: fc.integer({ min: 0, max: 5_000 }),
    count: fc.integer({ min: 1, max: 4_000 }),
  });
  const property = fc.asyncProperty(numbers, async ({ perSecond, taken, ageMs, count }) => {
    const key = freshKey();
    const takenAtMs = (await nowMs()) - ageMs;
    // Written here, since the server drops it soon when few are taken.
    await server.cli('SET', redisKey(key), `${(perSecond - taken) * 1000} ${takenAtMs}`);
    const answer = await backend.takeRate(key, { perSecond, count });
    // Time goes on meanwhile: the answer belongs to a moment in between.
    const model = async (passedMs: number) => {
      const clock = new ManualClock();
      const buckets = new TokenBuckets(perSecond, clock);
      await buckets.take(key, taken);
      await clock.advance(passedMs);
      return (await buckets.take(key, count)) ?? 0;
    };
    const [longest, shortest] = [await model(ageMs), await model((await nowMs()) - takenAtMs)];
    expect(answer ?? 0).toBeLessThanOrEqual(longest);
    expect(answer ?? 0).toBeGreaterThanOrEqual(shortest);
  });
  await fc.assert(property, { numRuns: 60 });
});

test('who comes back when told to is let in', async () => {
  const key = freshKey();
  const options = { perSecond: 3, count: 1 };
  await backend.takeRate(key, { ...options, count: 10 });
  const waitMs = (await backend.takeRate(key, options)) ?? 0;
  expect(waitMs).toBeGreaterThan(0);
  await age(key, waitMs);
  expect(await backend.takeRate(key, options)).toBeUndefined();
});

test('nothing is written for who is refused', async () => {
  const key = freshKey();
  await backend.takeRate(key, { perSecond: 1, count: 60 });
  const before = await bucketOf(key);
  expect(before.level).toBe(-59_000);
  for (let n = 0; n < 3; n++) expect(await backend.takeRate(key, { perSecond: 1, count: 1 })).toBeGreaterThan(1_000);
  expect(await bucketOf(key)).toEqual(before);
});

test('a bucket that nobody takes from is gone once it is full', async () => {
  const key = freshKey();
  await backend.takeRate(key, { perSecond: 10, count: 20 });
  const leftMs = Number(await server.cli('PTTL', redisKey(key)));
  expect(leftMs).toBeGreaterThan(0);
  expect(leftMs).toBeLessThanOrEqual(2_000);
  await until('it is gone', async () => (await server.cli('EXISTS', redisKey(key))) === 0);
});

test('a clock that was set back fills nothing, and holds nobody up until it is there again', async () => {
  const key = freshKey();
  await backend.takeRate(key, { perSecond: 1, count: 60 });
  await age(key, -3_600_000);
  const waitMs = (await backend.takeRate(key, { perSecond: 1, count: 1 })) ?? 0;
  expect(waitMs).toBe(60_000);
  expect((await bucketOf(key)).atMs).toBeLessThanOrEqual(await nowMs());
  await age(key, waitMs);
  expect(await backend.takeRate(key, { perSecond: 1, count: 1 })).toBeUndefined();
});

test('keys may be any text, and none is written down', async () => {
  const keys = ['', '{', '}{17}:', 'a b', 'a\nb', '__proto__', 'ä', 'x'.repeat(100_000), `${'x'.repeat(100_000)}y`];
  const once = { perSecond: 1, count: 60 };
  for (const key of keys) expect(await backend.takeRate(`odd${key}`, once)).toBeUndefined();
  for (const key of keys) expect(await backend.takeRate(`odd${key}`, once)).toBeGreaterThan(1_000);
  const names = (await server.cli('KEYS', '*:rate:*')) as readonly string[];
  expect(names.filter((name) => !/\{\d+\}:rate:[\w-]{43}$/.test(name))).toEqual([]);
});

test('several processes together let through no more than one would', async () => {
  const all = [backend, await openRedisAgain(backend), await openRedisAgain(backend)];
  const key = freshKey();
  const beganMs = await nowMs();
  const options = { perSecond: 10, count: 1 };
  const tries = all.flatMap((one) => Array.from({ length: 20 }, () => one.takeRate(key, options)));
  const answers = await Promise.all(tries);
  const passedMs = (await nowMs()) - beganMs;
  const letThrough = answers.filter((answer) => answer === undefined).length;
  expect(letThrough).toBeGreaterThanOrEqual(10);
  expect(letThrough).toBeLessThanOrEqual(10 + Math.ceil(passedMs / 100));
  await Promise.all(all.slice(1).map((one) => one.close()));
});

test('what a server without memory cannot count it refuses to, as NOT_STORED; so does a closed store', async () => {
  await using own = await startRedis();
  await using full = await openRedis([own.url]);
  const refused = { code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' };
  const heal = await fillMemory(own);
  await expect(full.takeRate('key', { perSecond: 1, count: 1 })).rejects.toMatchObject(refused);
  await heal();
  expect(await full.takeRate('key', { perSecond: 1, count: 1 })).toBeUndefined();
  await full.close();
  await expect(full.takeRate('key', { perSecond: 1, count: 1 })).rejects.toMatchObject(refused);
});
