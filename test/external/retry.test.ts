import { describe, expect, test } from 'vitest';
import { delayMs, PassingFailure, withRetries } from '../../src/external/retry.ts';
import { rejectionOf } from '../support/chord.ts';

describe('the delay', () => {
  test('has a ceiling that doubles up to five seconds', () => {
    const ceilings = [0, 1, 2, 3, 4, 5, 6, 7, 1_000].map((failures) => delayMs(failures, 1));
    expect(ceilings).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
  });

  test('is anything below it', () => {
    expect([delayMs(3, 0), delayMs(3, 0.25)]).toEqual([0, 200]);
  });
});

test('a failure that does not pass is thrown at once, as it is', async () => {
  const failure = new Error('no');
  let attempts = 0;
  const attempt = () => {
    attempts++;
    return Promise.reject(failure);
  };
  expect(await rejectionOf(withRetries(new AbortController().signal, attempt))).toBe(failure);
  expect(attempts).toBe(1);
});

test('nothing is attempted for a caller who has left', async () => {
  const reason = new Error('left');
  let attempts = 0;
  const attempt = async () => attempts++;
  expect(await rejectionOf(withRetries(AbortSignal.abort(reason), attempt))).toBe(reason);
  expect(attempts).toBe(0);
});

test('an abort in the middle of a wait ends it, and says why there was one', async () => {
  const leaving = new AbortController();
  const failure = new PassingFailure('It was busy.');
  let attempts = 0;
  const attempt = () => {
    attempts++;
    // The wait that follows would be of 0 to 100 ms, and this comes before it ends or begins.
    queueMicrotask(() => leaving.abort());
    return Promise.reject(failure);
  };
  expect(await rejectionOf(withRetries(leaving.signal, attempt))).toMatchObject({
    message: 'It was busy. Given up at attempt 1.',
    cause: failure,
  });
  expect(attempts).toBe(1);
});
