/** A clock of the user's that does not do what it should: nothing wrong is stored, and nothing else breaks. */
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { type Clock, checkedClock, systemClock } from '../../src/clock.ts';
import { nextEvent, openOn, rejectionOf, turnNow } from '../support/chord.ts';
import { ManualClock, settle } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';

/** A service whose clock says what the test wants, typed or not. */
function openAt(first: unknown) {
  let moment = first;
  const clock = { ...systemClock, now: () => moment };
  // What a JavaScript user may pass.
  const chord = openOn(new MemoryBackend(), clock as Clock);
  const say = (next: unknown) => {
    moment = next;
  };
  return { chord, say };
}

describe('a moment that is none', () => {
  test.each([
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    '1000',
    1000n,
    undefined,
    -1,
    8.64e15 + 2,
  ])('such as %s fails the write by a message that names the clock, and nothing is stored', async (moment) => {
    const { chord, say } = openAt(moment);
    const failure = await rejectionOf(chord.setContext('c', { a: 1 }, { idempotencyKey: 'k' }));
    expect(failure).toBeInstanceOf(TypeError);
    expect(String(failure)).toContain('The clock (timeProvider) says');
    expect(String(failure)).toContain('expected an integer of milliseconds from 0 to 8.64e15');
    say(1_000);
    expect(await chord.getContext('c')).toBeNull();
    expect(await chord.setContext('c', { a: 1 }, { idempotencyKey: 'k' })).toMatchObject({
      version: 1,
      duplicate: false,
    });
  });

  test('spoils no context that is there', async () => {
    const { chord, say } = openAt(1_000);
    await chord.setContext('c', { a: 1 });
    say(Number.NaN);
    await rejectionOf(chord.updateContext('c', { a: 2 }));
    say(2_000);
    await chord.updateContext('c', { a: 3 });
    expect(await chord.getContext('c')).toMatchObject({ version: 2, insertedAtMs: 2_000, state: { a: 3 } });
  });
});

test('a fraction of a millisecond is rounded down', async () => {
  const { chord } = openAt(1_000.9);
  await chord.setContext('c', { a: 1 }, { ttlMs: 5 });
  expect(await chord.getContext('c')).toMatchObject({ createdAtMs: 1_000, insertedAtMs: 1_000, expiresAtMs: 1_005 });
});

test('no expiry is beyond the last moment that a date can tell', async () => {
  const { chord } = openAt(8.64e15);
  await chord.setContext('c', { a: 1 }, { ttlMs: 5 });
  expect(await chord.getContext('c')).toMatchObject({ insertedAtMs: 8.64e15, expiresAtMs: 8.64e15 });
});

describe('a sleep that rejects', () => {
  test('when the last follower leaves is nobody else to tell', async () => {
    const chord = openOn(new MemoryBackend(), rejectingClock(new ManualClock()));
    const unhandled = await unhandledDuring(async () => {
      const events = chord.follow('c');
      await nextEvent(events);
      await events.return?.();
    });
    expect(unhandled).toEqual([]);
  });

  test('when a follower leaves a store that is away is nobody else to tell', async () => {
    const backend = new FaultyBackend(new MemoryBackend());
    const chord = openOn(backend, rejectingClock(new ManualClock()));
    const unhandled = await unhandledDuring(async () => {
      const events = chord.follow('c');
      await nextEvent(events);
      backend.failingReads = 1;
      backend.interrupt();
      const pending = events.next();
      await settle();
      await events.return?.();
      expect(await turnNow(pending)).toEqual({ done: true, value: undefined });
    });
    expect(unhandled).toEqual([]);
  });

  test('although nobody aborted it is made up for by the system clock, so that no loop runs without rest', async () => {
    const broken: Clock = { now: () => 0, sleep: () => Promise.reject(new Error('It cannot sleep.')) };
    const leaving = new AbortController();
    const sleeping = checkedClock(broken)
      .sleep(1_000_000_000, leaving.signal)
      .then(() => 'awake');
    expect(await Promise.race([sleeping, settle().then(() => 'asleep')])).toBe('asleep');
    leaving.abort();
    expect(await turnNow(sleeping)).toBe('awake');
  });

  test('of node:timers/promises keeps the promise of a clock', async () => {
    const clock = checkedClock({ now: () => 0, sleep: (ms, signal) => wait(ms, undefined, { signal }) });
    const leaving = new AbortController();
    const sleeping = clock.sleep(1_000_000, leaving.signal);
    leaving.abort();
    expect(await turnNow(sleeping)).toBeUndefined();
  });
});

/** As node:timers/promises does it, on a clock of the test's. */
function rejectingClock(manual: ManualClock): Clock {
  return {
    now: () => manual.now(),
    sleep: async (ms, signal) => {
      await manual.sleep(ms, signal);
      if (signal?.aborted === true) throw new DOMException('The sleep was aborted.', 'AbortError');
    },
  };
}

async function unhandledDuring(act: () => Promise<void>): Promise<unknown[]> {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => {
    unhandled.push(reason);
  };
  process.on('unhandledRejection', note);
  await act();
  await settle();
  process.off('unhandledRejection', note);
  return unhandled;
}
