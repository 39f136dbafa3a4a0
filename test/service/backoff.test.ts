import { expect, test } from 'vitest';
import { Backoff } from '../../src/service/backoff.ts';

const hourMs = 3_600_000;

test('each failure in a row waits twice as long as the one before, up to an hour', () => {
  const backoff = new Backoff({ firstMs: 60_000, random: () => 0 });
  const delays = Array.from({ length: 9 }, () => backoff.fail('c', 1_000).dueMs - 1_000);
  expect(delays).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map((minutes) => minutes * 60_000));
  for (let n = 0; n < 2_000; n++) backoff.fail('c', 0);
  expect(backoff.fail('c', 0)).toEqual({ attempt: 2_010, dueMs: hourMs });
});

test('chance takes up to a quarter off a delay, and never makes one shorter than the one before', () => {
  const backoff = new Backoff({ firstMs: 1_000, random: () => 0.999_999 });
  expect(Array.from({ length: 3 }, () => backoff.fail('c', 0).dueMs)).toEqual([751, 1_501, 3_001]);
  const shortest = new Backoff({ firstMs: 1, random: () => 0.999_999 });
  expect(shortest.fail('c', 0).dueMs).toBe(1);
});

test('a first delay of more than an hour stays what it is', () => {
  const backoff = new Backoff({ firstMs: 2 * hourMs, random: () => 0 });
  expect([backoff.fail('c', 0).dueMs, backoff.fail('c', 0).dueMs]).toEqual([2 * hourMs, 2 * hourMs]);
});

test('what is forgotten begins anew, also by its time', () => {
  const backoff = new Backoff({ firstMs: 1_000, random: () => 0 });
  for (const id of ['a', 'b', 'b', 'c']) backoff.fail(id, 0);
  backoff.forget('c');
  backoff.forgetDue(1_000);
  expect(backoff.size).toBe(1);
  expect(['a', 'b', 'c'].map((id) => backoff.fail(id, 0).attempt)).toEqual([1, 3, 1]);
});

test('of more than 10,000 ids the last failure alone counts', () => {
  const backoff = new Backoff({ firstMs: 1_000, random: () => 0 });
  for (let n = 0; n < 10_000; n++) backoff.fail(`c${n}`, 0);
  expect([backoff.fail('more', 0), backoff.fail('more', 0)]).toEqual([
    { attempt: 1, dueMs: 1_000 },
    { attempt: 1, dueMs: 1_000 },
  ]);
  expect(backoff.fail('c0', 0).attempt).toBe(2);
  expect(backoff.size).toBe(10_000);
});
