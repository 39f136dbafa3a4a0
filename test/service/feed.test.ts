import { getEventListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { BackendUnavailableError } from '../../src/errors.ts';
import type { ServiceOptions } from '../../src/service/service.ts';
import {
  clientAt,
  type Events,
  isPending,
  nextEvent,
  openChord,
  openOn,
  positionOf,
  rejectionOf,
  turnNow,
} from '../support/chord.ts';
import { ManualClock, settle } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';
import { until } from '../support/wait.ts';
import { type MakeFollow, rightFollow, waitingReturn } from './mutants.ts';

function openFaulty(options: Partial<ServiceOptions> = {}) {
  const backend = new FaultyBackend(new MemoryBackend());
  const clock = new ManualClock();
  return { chord: openOn(backend, clock, options), backend, clock };
}

const recheckMs = 30_000;
const ballast = { ballast: 'x'.repeat(300) };

describe('the first event', () => {
  test('is what syncContext answers with the same arguments', async () => {
    const { chord } = openChord({ deltaThreshold: 2 });
    await chord.setContext('c', ballast);
    for (let n = 2; n <= 5; n++) await chord.updateContext('c', { n });
    const current = (await chord.getContext('c'))?.epoch;
    for (const epoch of [undefined, current, 'another']) {
      for (let version = 0; version <= 6; version++) {
        const position = { version, epoch };
        const events = chord.follow('c', position);
        expect(await nextEvent(events)).toEqual(await chord.syncContext('c', position));
        await events.return?.();
      }
    }
  });

  test('is not that of another who comes at the same time with another position', async () => {
    const { chord } = openChord();
    await chord.setContext('c', ballast);
    await chord.updateContext('c', { n: 2 });
    const positions = [{ version: 1 }, { version: 1, epoch: '' }, { version: 1, epoch: 'null' }, { version: 11 }];
    const first = await Promise.all(positions.map((position) => nextEvent(chord.follow('c', position))));
    expect(first).toEqual(await Promise.all(positions.map((position) => chord.syncContext('c', position))));
    expect(first.map(({ kind }) => kind)).toEqual(['delta', 'full', 'full', 'full']);
  });

  test('is read once for all that come before the read begins, and those that come later share the next one', async () => {
    const { chord, backend } = openFaulty();
    await chord.setContext('c', ballast);
    const arrive = () => Array.from({ length: 20 }, () => chord.follow('c').next());
    let answer: (() => void) | undefined;
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    backend.calls.read = 0;
    backend.gate = (point) => (point === 'read reply' ? answered : Promise.resolve());
    const early = arrive();
    await until('a read has begun', () => backend.calls.read === 1);
    await chord.updateContext('c', { n: 1 });
    const late = arrive();
    await settle();
    expect(backend.calls.read).toBe(1);
    answer?.();
    for (const { value } of await Promise.all(early)) expect(value).toMatchObject({ version: 1 });
    for (const { value } of await Promise.all(late)) expect(value).toMatchObject({ version: 2 });
    expect(backend.calls.read).toBe(2);
  });

  test('is not held while its context is quiet', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const { chord } = openChord();
    await chord.setContext('c', ballast);
    const events = chord.follow('c');
    const told = new WeakRef(await nextEvent(events));
    await until('it is given up', async () => {
      await settle();
      collect();
      return told.deref() === undefined;
    });
    expect(await isPending(events.next())).toBe(true);
  });

  test('is GONE where a context was deleted, and its new life arrives', async () => {
    const { chord } = openChord();
    const before = await chord.setContext('c', {});
    await chord.deleteContext('c');
    const events = chord.follow('c', clientAt(before));
    expect(await nextEvent(events)).toEqual(await chord.syncContext('c'));
    const after = await chord.setContext('c', {});
    expect(await nextEvent(events)).toMatchObject({ kind: 'full', reason: 'EPOCH_CHANGED', ...positionOf(after) });
  });

  test('is NO_CONTEXT where nothing ever was, and the creation arrives', async () => {
    const { chord } = openChord();
    const events = chord.follow('c');
    expect(await nextEvent(events)).toEqual({ kind: 'noContext', contextId: 'c', epoch: '-', version: 0 });
    const created = await chord.setContext('c', { a: 1 });
    expect(await nextEvent(events)).toMatchObject({
      kind: 'full',
      reason: 'NO_POSITION',
      ...positionOf(created),
      context: { state: { a: 1 } },
    });
  });

  test('is read only once everything later will be announced', async () => {
    const { chord, backend } = openFaulty();
    await chord.setContext('c', ballast);
    let open: (() => void) | undefined;
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    backend.gate = (point) => (point === 'watch' ? opened : Promise.resolve());
    const events = chord.follow('c');
    const first = events.next();
    await settle();
    await chord.updateContext('c', { n: 1 });
    open?.();
    expect((await turnNow(first)).value).toMatchObject({ kind: 'full', version: 2 });
  });

  test('misses nothing that is written while it is found', async () => {
    const { chord, backend } = openFaulty();
    const created = await chord.setContext('c', ballast);
    let writes = 0;
    backend.gate = async (point) => {
      if (['watch', 'watch reply', 'read', 'read reply'].includes(point) && writes < 4) {
        writes++;
        await chord.updateContext('c', { [point]: writes });
      }
    };
    const events = chord.follow('c', clientAt(created));
    let version = 1;
    while (version < 5) {
      const event = await nextEvent(events);
      expect(event).toMatchObject({ kind: 'delta', fromVersion: version });
      ({ version } = event);
    }
    expect(await isPending(events.next())).toBe(true);
  });
});

describe('live', () => {
  test('every change arrives as its delta, each from where the one before ended', async () => {
    const { chord } = openChord();
    const created = await chord.setContext('c', {});
    const events = chord.follow('c', clientAt(created));
    expect(await nextEvent(events)).toMatchObject({ kind: 'noChange', version: 1 });
    for (let n = 1; n <= 5; n++) {
      const { delta } = await chord.updateContext('c', { n });
      expect(await nextEvent(events)).toEqual(delta);
    }
    expect(await isPending(events.next())).toBe(true);
  });

  test('a deletion is GONE, the subscription stays open, and a new life is FULL EPOCH_CHANGED', async () => {
    const { chord, clock } = openChord();
    const events = chord.follow('c');
    await chord.setContext('c', {});
    await nextEvent(events);
    const gone = await chord.deleteContext('c');
    expect(await nextEvent(events)).toEqual({
      kind: 'gone',
      cause: 'DELETED',
      atMs: clock.now(),
      ...positionOf(gone),
      contextId: 'c',
    });
    const next = events.next();
    expect(await isPending(next)).toBe(true);
    await chord.setContext('c', { life: 2 });
    expect((await next).value).toMatchObject({ kind: 'full', reason: 'EPOCH_CHANGED', version: 2 });
    await chord.updateContext('c', { life: 3 });
    expect(await nextEvent(events)).toMatchObject({ kind: 'delta', fromVersion: 2 });
  });

  test('an expiry is GONE with its cause', async () => {
    const { chord, backend, clock } = openChord();
    await chord.setContext('c', {}, { ttlMs: 10 });
    const events = chord.follow('c');
    await nextEvent(events);
    await clock.advance(10);
    await backend.expire('c', clock.now());
    expect(await nextEvent(events)).toMatchObject({ kind: 'gone', cause: 'EXPIRED', version: 1 });
  });

  test('one delta that is heavier than the state stays a delta, announced or read', async () => {
    const { chord, backend, clock } = openFaulty();
    const created = await chord.setContext('c', { long: 'x'.repeat(500) });
    const events = chord.follow('c', clientAt(created));
    await nextEvent(events);
    await chord.setContext('c', { a: 1 });
    expect(await nextEvent(events)).toMatchObject({ kind: 'delta', version: 2 });
    const next = events.next();
    backend.courier = () => {};
    await chord.setContext('c', { b: 1 });
    await clock.advance(2 * recheckMs);
    expect((await turnNow(next)).value).toMatchObject({ kind: 'delta', fromVersion: 2, version: 3 });
  });

  test('several merged that are heavier than the state are FULL SMALLER', async () => {
    const { chord } = openChord();
    const created = await chord.setContext('c', { a: 1, b: 1 });
    const events = chord.follow('c', clientAt(created));
    await nextEvent(events);
    await chord.setContext('c', { c: 1 });
    await chord.setContext('c', { d: 1 });
    expect(await nextEvent(events)).toMatchObject({ kind: 'full', reason: 'SMALLER', version: 3 });
  });

  test('all followers at one version are handed the very same delta', async () => {
    const { chord } = openChord();
    const created = await chord.setContext('c', ballast);
    const followers = Array.from({ length: 20 }, () => chord.follow('c', clientAt(created)));
    await Promise.all(followers.map(nextEvent));
    await chord.updateContext('c', { n: 1 });
    expect(new Set(await Promise.all(followers.map(nextEvent))).size).toBe(1);
    await chord.updateContext('c', { n: 2 });
    await chord.updateContext('c', { n: 3 });
    const merged = new Set(await Promise.all(followers.map(nextEvent)));
    expect(merged.size).toBe(1);
    expect([...merged][0]).toMatchObject({ kind: 'delta', fromVersion: 2, version: 4 });
  });

  test('all followers that need the store share one read', async () => {
    const { chord, backend } = openFaulty();
    const followers = Array.from({ length: 20 }, () => chord.follow('c'));
    await Promise.all(followers.map(nextEvent));
    const pulls = followers.map((events) => events.next());
    backend.calls.read = 0;
    await chord.setContext('c', {});
    await Promise.all(pulls);
    expect(backend.calls.read).toBe(1);
  });
});

async function following(courier?: FaultyBackend['courier']) {
  const opened = openFaulty();
  const created = await opened.chord.setContext('c', ballast);
  const events = opened.chord.follow('c', clientAt(created));
  await nextEvent(events);
  opened.backend.courier = courier;
  return { ...opened, events };
}

describe('announcements', () => {
  test('that come twice tell nothing twice', async () => {
    const { chord, events } = await following((deliver) => {
      deliver();
      deliver();
    });
    await chord.updateContext('c', { n: 1 });
    expect(await nextEvent(events)).toMatchObject({ kind: 'delta', version: 2 });
    const next = events.next();
    expect(await isPending(next)).toBe(true);
    await chord.deleteContext('c');
    expect((await next).value).toMatchObject({ kind: 'gone' });
    expect(await isPending(events.next())).toBe(true);
  });

  test('that come in the wrong order lead on without a gap', async () => {
    const late: (() => void)[] = [];
    const { chord, events } = await following((deliver) => late.push(deliver));
    for (let n = 1; n <= 3; n++) await chord.updateContext('c', { n });
    late[2]?.();
    expect(await nextEvent(events)).toMatchObject({ kind: 'delta', fromVersion: 1, version: 4 });
    late[0]?.();
    late[1]?.();
    expect(await isPending(events.next())).toBe(true);
  });

  test('that come in the wrong order while nobody pulls lose nothing', async () => {
    const late: (() => void)[] = [];
    const { chord, events } = await following((deliver) => late.push(deliver));
    await chord.updateContext('c', { n: 1 });
    await chord.updateContext('c', { n: 2 });
    for (const deliver of late.toReversed()) deliver();
    expect(await nextEvent(events)).toMatchObject({ kind: 'delta', fromVersion: 1, version: 3 });
  });

  test('are not answered with a read that began before them', async () => {
    const { chord, backend, events } = await following(() => {});
    const slow = chord.follow('c');
    await nextEvent(slow);
    let open: (() => void) | undefined;
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    backend.gate = (point) => (point === 'read reply' ? opened : Promise.resolve());
    const next = events.next();
    await chord.updateContext('c', { n: 1 });
    backend.interrupt();
    await settle();
    backend.gate = undefined;
    backend.courier = undefined;
    await chord.updateContext('c', { n: 2 });
    expect(await nextEvent(slow)).toMatchObject({ kind: 'delta', fromVersion: 1, version: 3 });
    open?.();
    expect((await turnNow(next)).value).toMatchObject({ kind: 'delta', fromVersion: 1, version: 2 });
    expect(await nextEvent(events)).toMatchObject({ kind: 'delta', fromVersion: 2, version: 3 });
  });

  test('of a former life change nothing in the present one', async () => {
    const late: (() => void)[] = [];
    const { chord, events } = await following((deliver) => late.push(deliver));
    await chord.updateContext('c', { n: 1 });
    await chord.deleteContext('c');
    const { version } = await chord.setContext('c', { life: 2 });
    await chord.updateContext('c', { more: 1 });
    for (const deliver of late.splice(0).toReversed()) {
      deliver();
      await settle();
    }
    expect(await nextEvent(events)).toMatchObject({ kind: 'full', reason: 'EPOCH_CHANGED', version: version + 1 });
    const next = events.next();
    expect(await isPending(next)).toBe(true);
    await chord.updateContext('c', { more: 2 });
    late[0]?.();
    expect((await next).value).toMatchObject({ kind: 'delta', fromVersion: version + 1 });
  });

  test('of another life are no deltas for this one, also when their versions fit', async () => {
    const { chord, backend, clock, events } = await following(() => {});
    await chord.deleteContext('c');
    await backend.purgeTombstone('c', clock.now());
    const { epoch } = await chord.setContext('c', ballast);
    backend.courier = undefined;
    await chord.updateContext('c', { life: 2 });
    const event = await nextEvent(events);
    expect(event).toMatchObject({ kind: 'full', reason: 'EPOCH_CHANGED', epoch, context: { state: { life: 2 } } });
  });

  test('that are lost are healed by the next one', async () => {
    const { chord, backend, events } = await following(() => {});
    await chord.updateContext('c', { n: 1 });
    backend.courier = undefined;
    const next = events.next();
    expect(await isPending(next)).toBe(true);
    await chord.updateContext('c', { n: 2 });
    expect((await next).value).toMatchObject({ kind: 'delta', fromVersion: 1, version: 3 });
  });

  test('that were lost with the connection are made up for as soon as it is back', async () => {
    const { chord, backend, events } = await following(() => {});
    const next = events.next();
    await chord.updateContext('c', { n: 1 });
    backend.interrupt();
    expect((await turnNow(next)).value).toMatchObject({ kind: 'delta', fromVersion: 1, version: 2 });
    const quiet = events.next();
    backend.interrupt();
    expect(await isPending(quiet)).toBe(true);
  });

  test('that are lost for good are healed by the recheck, by the injected clock', async () => {
    const { chord, clock, events } = await following(() => {});
    const next = events.next();
    await chord.updateContext('c', { n: 1 });
    await clock.advance(recheckMs - 1);
    expect(await isPending(next)).toBe(true);
    await clock.advance(1);
    expect((await turnNow(next)).value).toMatchObject({ kind: 'delta', fromVersion: 1, version: 2 });
  });

  test('that are lost after one was heard are healed within two rechecks', async () => {
    const { chord, backend, clock, events } = await following();
    await chord.updateContext('c', { n: 1 });
    await nextEvent(events);
    backend.courier = () => {};
    await chord.updateContext('c', { n: 2 });
    const next = events.next();
    await clock.advance(2 * recheckMs);
    expect((await turnNow(next)).value).toMatchObject({ kind: 'delta', fromVersion: 2, version: 3 });
  });
});

describe('the recheck', () => {
  test('heals a deletion, a creation and a new life that nobody heard of', async () => {
    const { chord, backend, clock } = openFaulty();
    await chord.setContext('deleted', {});
    await chord.setContext('renewed', {});
    backend.courier = () => {};
    const [deleted, created, renewed] = ['deleted', 'created', 'renewed'].map((id) => chord.follow(id));
    const all = [deleted, created, renewed].filter((events) => events !== undefined);
    await Promise.all(all.map(nextEvent));
    await chord.deleteContext('deleted');
    await chord.setContext('created', {});
    await chord.deleteContext('renewed');
    await chord.setContext('renewed', {});
    const pulls = all.map((events) => events.next());
    await clock.advance(recheckMs);
    const turns = await Promise.all(pulls.map((pull) => turnNow(pull)));
    expect(turns.map(({ value }) => value)).toMatchObject([
      { kind: 'gone' },
      { kind: 'full', reason: 'NO_POSITION' },
      { kind: 'full', reason: 'EPOCH_CHANGED' },
    ]);
  });

  test('tells NO_CONTEXT when neither the context nor its tombstone is left', async () => {
    const { chord, backend, clock } = openFaulty();
    await chord.setContext('c', {});
    const events = chord.follow('c');
    await nextEvent(events);
    backend.courier = () => {};
    await chord.deleteContext('c');
    await backend.purgeTombstone('c', clock.now());
    const next = events.next();
    await clock.advance(recheckMs);
    expect((await turnNow(next)).value).toEqual({ kind: 'noContext', contextId: 'c', epoch: '-', version: 0 });
    await chord.setContext('c', { life: 2 });
    const after = events.next();
    await clock.advance(recheckMs);
    expect((await turnNow(after)).value).toMatchObject({ kind: 'full', reason: 'NO_POSITION' });
  });

  test('finds a store that went back, from a backup: CLIENT_AHEAD', async () => {
    const { chord, backend, clock } = openFaulty();
    await chord.setContext('c', ballast);
    await chord.updateContext('c', { n: 1 });
    const backup = new MemoryBackend();
    for (const { id, base, writes } of backend.commits) {
      await backup.commit(id, base, writes, { nowMs: clock.now(), freshEpoch: 'none', attempt: 0 });
    }
    await chord.updateContext('c', { n: 2 });
    const events = chord.follow('c');
    expect(await nextEvent(events)).toMatchObject({ kind: 'full', version: 3 });
    backend.inner = backup;
    const next = events.next();
    await clock.advance(recheckMs);
    expect((await turnNow(next)).value).toMatchObject({ kind: 'full', reason: 'CLIENT_AHEAD', version: 2 });
  });

  test('tells nobody who missed nothing anything', async () => {
    const { chord, clock } = openFaulty();
    await chord.setContext('live', {});
    await chord.setContext('gone', {});
    await chord.deleteContext('gone');
    const followers = ['live', 'gone', 'never'].map((id) => chord.follow(id));
    await Promise.all(followers.map(nextEvent));
    const pulls = followers.map((events) => events.next());
    await clock.advance(3 * recheckMs);
    for (const pull of pulls) expect(await isPending(pull)).toBe(true);
  });

  test('asks once per batch of contexts, not per follower, and only for quiet ones', async () => {
    const { chord, backend, clock } = openFaulty();
    const ids = Array.from({ length: 300 }, (_, n) => `c${n}`);
    await Promise.all(ids.map((id) => chord.setContext(id, {})));
    const followers = ids.flatMap((id) => [chord.follow(id), chord.follow(id)]);
    await Promise.all(followers.map(nextEvent));
    await clock.advance(recheckMs);
    expect(backend.headBatches.map((batch) => batch.length)).toEqual([250, 50]);
    await chord.updateContext('c7', { n: 1 });
    backend.headBatches.length = 0;
    await clock.advance(recheckMs);
    expect(backend.headBatches.flat()).toHaveLength(299);
    expect(backend.headBatches.flat()).not.toContain('c7');
  });

  test('goes on after the store was away for it', async () => {
    const { chord, backend, clock } = openFaulty();
    await chord.setContext('c', ballast);
    const events = chord.follow('c');
    await nextEvent(events);
    backend.courier = () => {};
    await chord.updateContext('c', { n: 1 });
    const next = events.next();
    backend.failingReads = 1;
    await clock.advance(recheckMs);
    expect(await isPending(next)).toBe(true);
    await clock.advance(recheckMs);
    expect((await turnNow(next)).value).toMatchObject({ kind: 'delta', version: 2 });
  });

  test('sleeps only while somebody follows, once', async () => {
    const { chord, clock } = openFaulty();
    const first = chord.follow('c');
    await nextEvent(first);
    const second = chord.follow('d');
    await nextEvent(second);
    expect(clock.sleepers).toBe(1);
    await first.return?.();
    await second.return?.();
    await settle();
    expect(clock.sleepers).toBe(0);
    const third = chord.follow('c');
    await nextEvent(third);
    expect(clock.sleepers).toBe(1);
    await third.return?.();
  });
});

describe('a slow reader', () => {
  test('is told the one delta that leads to now', async () => {
    const { chord } = openChord();
    const created = await chord.setContext('c', ballast);
    const events = chord.follow('c', clientAt(created));
    await nextEvent(events);
    for (let n = 0; n < 50; n++) await chord.updateContext('c', { n });
    expect(await nextEvent(events)).toMatchObject({ kind: 'delta', fromVersion: 1, version: 51 });
    expect(await isPending(events.next())).toBe(true);
  });

  test('gets FULL TOO_OLD when the deltas that it needs are gone', async () => {
    const { chord } = openChord({ deltaThreshold: 5 });
    const created = await chord.setContext('c', ballast);
    const events = chord.follow('c', clientAt(created));
    await nextEvent(events);
    for (let n = 0; n < 50; n++) await chord.updateContext('c', { n });
    expect(await nextEvent(events)).toMatchObject({ kind: 'full', reason: 'TOO_OLD', version: 51 });
  });

  test('who slept through a deletion and a new life gets that life', async () => {
    const { chord } = openChord();
    await chord.setContext('c', ballast);
    const events = chord.follow('c');
    await nextEvent(events);
    await chord.updateContext('c', { n: 1 });
    await chord.deleteContext('c');
    await chord.setContext('c', { life: 2 });
    await chord.updateContext('c', { life: 3 });
    expect(await nextEvent(events)).toMatchObject({
      kind: 'full',
      reason: 'EPOCH_CHANGED',
      context: { state: { life: 3 } },
    });
    expect(await isPending(events.next())).toBe(true);
  });

  test('holds up nobody', async () => {
    const { chord } = openChord();
    const created = await chord.setContext('c', ballast);
    const slow = chord.follow('c', clientAt(created));
    const fast = chord.follow('c', clientAt(created));
    await nextEvent(slow);
    await nextEvent(fast);
    for (let n = 1; n <= 3; n++) {
      await chord.updateContext('c', { n });
      expect(await nextEvent(fast)).toMatchObject({ kind: 'delta', version: n + 1 });
    }
    expect(await nextEvent(slow)).toMatchObject({ kind: 'delta', fromVersion: 1, version: 4 });
  });
});

/** Leaves while nothing happens: what was held before, what is still held at once afterwards. */
async function leaveWhileIdle(makeFollow: MakeFollow): Promise<unknown> {
  const { chord, backend, clock } = openChord();
  await chord.setContext('c', {});
  const events = makeFollow(chord, backend)('c');
  await nextEvent(events);
  const pending = events.next();
  await settle();
  const during = { ...chord.stats(), watchedIds: backend.watchedIds };
  const left = events.return?.();
  await settle();
  const after = { ...chord.stats(), watchedIds: backend.watchedIds, sleepers: clock.sleepers };
  return { during, after, arePending: [await isPending(pending), await isPending(left ?? pending)] };
}

const leftAtOnce = {
  during: { followers: 1, watchedContexts: 1, watchedIds: 1 },
  after: { followers: 0, watchedContexts: 0, watchedIds: 0, sleepers: 0 },
  arePending: [false, false],
};

describe('leaving', () => {
  test('while idle ends a pending next() and frees the watch and the follower at once', async () => {
    expect(await leaveWhileIdle(rightFollow)).toMatchObject(leftAtOnce);
  });

  test('while idle is where a return() that waits for the pending next() is caught', async () => {
    expect(await leaveWhileIdle(waitingReturn)).not.toMatchObject(leftAtOnce);
  });

  test.each(['watch', 'watch reply', 'read', 'read reply'])(
    'is at once also while the first event waits at %s',
    async (stop) => {
      const { chord, backend } = openFaulty();
      let open: (() => void) | undefined;
      const opened = new Promise<void>((resolve) => {
        open = resolve;
      });
      backend.gate = (point) => (point === stop ? opened : Promise.resolve());
      const events = chord.follow('c');
      const pending = events.next();
      await settle();
      await events.return?.();
      expect(await turnNow(pending)).toEqual({ done: true, value: undefined });
      expect(chord.stats()).toMatchObject({ followers: 0, watchedContexts: 0 });
      open?.();
      await settle();
      expect(backend.inner.watchedIds).toBe(0);
    },
  );

  test('a for-await loop by break frees everything', async () => {
    const { chord, backend } = openChord();
    for await (const event of chord.follow('c')) {
      expect(event.kind).toBe('noContext');
      break;
    }
    expect(chord.stats().followers).toBe(0);
    expect(backend.watchedIds).toBe(0);
  });

  test('by throw() rejects with the error and frees everything', async () => {
    const { chord } = openChord();
    const events = chord.follow('c');
    await nextEvent(events);
    const reason = new Error('enough');
    expect(await rejectionOf(events.throw?.(reason) ?? Promise.resolve())).toBe(reason);
    expect(chord.stats().followers).toBe(0);
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });

  test('twice, or before anything was pulled, is fine', async () => {
    const { chord } = openChord();
    const events = chord.follow('c');
    expect(chord.stats().followers).toBe(0);
    await events.return?.();
    await events.return?.();
    expect(await events.next()).toEqual({ done: true, value: undefined });
    expect(chord.stats()).toMatchObject({ followers: 0, watchedContexts: 0 });
  });

  test('of one follower leaves the others of the context watched', async () => {
    const { chord, backend } = openChord();
    const [one, other] = [chord.follow('c'), chord.follow('c')];
    await nextEvent(one);
    await nextEvent(other);
    await one.return?.();
    expect(backend.watchedIds).toBe(1);
    await chord.setContext('c', {});
    expect(await nextEvent(other)).toMatchObject({ kind: 'full' });
    await other.return?.();
    expect(backend.watchedIds).toBe(0);
  });
});

describe('an abort signal', () => {
  test('ends a pending next() and frees everything', async () => {
    const { chord, backend } = openChord();
    const leaving = new AbortController();
    const events = chord.follow('c', {}, { signal: leaving.signal });
    await nextEvent(events);
    const pending = events.next();
    leaving.abort();
    expect(await turnNow(pending)).toEqual({ done: true, value: undefined });
    expect(backend.watchedIds).toBe(0);
  });

  test('that was aborted before ends the subscription before it began', async () => {
    const { chord } = openChord();
    const events = chord.follow('c', {}, { signal: AbortSignal.abort() });
    expect(await events.next()).toEqual({ done: true, value: undefined });
    expect(chord.stats().followers).toBe(0);
  });

  test('that outlives its followers does not hold them', async () => {
    const { chord } = openChord();
    const { signal } = new AbortController();
    for (let n = 0; n < 5; n++) {
      const events = chord.follow('c', {}, { signal });
      await nextEvent(events);
      await events.return?.();
    }
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

describe('an abort signal of many', () => {
  test('has one listener for all that follow, from the first next() until the last one leaves', async () => {
    const { chord } = openChord();
    const leaving = new AbortController();
    const { signal } = leaving;
    const all = Array.from({ length: 100 }, (_, n) => chord.follow(`c${n % 7}`, {}, { signal }));
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    for (const events of all) await nextEvent(events);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    for (const events of all.slice(1)) await events.return?.();
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    leaving.abort();
    expect(chord.stats().followers).toBe(0);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('ends all of them, also those that it finds before their first next()', async () => {
    const { chord, backend } = openChord();
    const leaving = new AbortController();
    const follow = () => chord.follow('c', {}, { signal: leaving.signal });
    const [first, second, later] = [follow(), follow(), follow()];
    for (const events of [first, second]) await nextEvent(events);
    const pulls = [first.next(), second.next()];
    leaving.abort();
    for (const pull of [...pulls, later.next()]) {
      expect(await turnNow(pull)).toEqual({ done: true, value: undefined });
    }
    expect(backend.watchedIds).toBe(0);
  });

  test('ends those that came after others had left', async () => {
    const { chord } = openChord();
    const leaving = new AbortController();
    const options = { signal: leaving.signal };
    const before = chord.follow('c', {}, options);
    await nextEvent(before);
    await before.return?.();
    await nextEvent(chord.follow('c', {}, options));
    leaving.abort();
    expect(chord.stats().followers).toBe(0);
  });
});

describe('next()', () => {
  test('called twice at once answers twice, in order', async () => {
    const { chord } = openChord();
    await chord.setContext('c', ballast);
    const events = chord.follow('c');
    const [first, second, third] = [events.next(), events.next(), events.next()];
    expect((await turnNow(first)).value).toMatchObject({ kind: 'full', version: 1 });
    expect(await isPending(second)).toBe(true);
    await chord.updateContext('c', { n: 1 });
    expect((await turnNow(second)).value).toMatchObject({ kind: 'delta', version: 2 });
    await chord.updateContext('c', { n: 2 });
    expect((await turnNow(third)).value).toMatchObject({ kind: 'delta', fromVersion: 2, version: 3 });
  });

  test('called several times at once is ended as a whole by leaving', async () => {
    const { chord } = openChord();
    const events = chord.follow('c');
    await nextEvent(events);
    const pulls = [events.next(), events.next(), events.next()];
    await events.return?.();
    for (const pull of pulls) expect(await turnNow(pull)).toEqual({ done: true, value: undefined });
  });
});

describe('a store that is away', () => {
  test('before the first event ends the subscription with the error, and holds nothing', async () => {
    const { chord, backend } = openFaulty();
    backend.failingReads = 1;
    const events = chord.follow('c');
    expect(await rejectionOf(events.next())).toBeInstanceOf(BackendUnavailableError);
    expect(await events.next()).toEqual({ done: true, value: undefined });
    expect(chord.stats()).toMatchObject({ followers: 0, watchedContexts: 0 });
    expect(backend.inner.watchedIds).toBe(0);
    await nextEvent(chord.follow('c'));
  });

  test('when it should watch ends all that waited for the watch; who comes later is served', async () => {
    const { chord, backend } = openFaulty();
    backend.failingWatches = 1;
    const waiting = [chord.follow('c'), chord.follow('c')].map((events) => rejectionOf(events.next()));
    for (const error of await Promise.all(waiting)) expect(error).toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    expect(chord.stats()).toMatchObject({ followers: 0, watchedContexts: 0 });
    const later = chord.follow('c');
    await nextEvent(later);
    await chord.setContext('c', {});
    expect(await nextEvent(later)).toMatchObject({ kind: 'full' });
  });

  test('later is asked again, and the subscription goes on', async () => {
    const { chord, backend, clock } = openFaulty();
    const events = chord.follow('c');
    await nextEvent(events);
    const pending = events.next();
    backend.failingReads = 3;
    await chord.setContext('c', {});
    expect(await isPending(pending)).toBe(true);
    await clock.advance(5_000);
    expect((await turnNow(pending)).value).toMatchObject({ kind: 'full', reason: 'NO_POSITION' });
  });

  test('later can be left at once', async () => {
    const { chord, backend, clock } = openFaulty();
    const events = chord.follow('c');
    await nextEvent(events);
    const pending = events.next();
    backend.failingReads = 1_000;
    await chord.setContext('c', {});
    await settle();
    await events.return?.();
    expect(await turnNow(pending)).toEqual({ done: true, value: undefined });
    await settle();
    expect(clock.sleepers).toBe(0);
  });
});

describe('GONE', () => {
  test('is not told twice to a follower that is there, whatever is announced', async () => {
    const { chord, backend } = openFaulty();
    const deliveries: (() => void)[] = [];
    backend.courier = (deliver) => {
      deliveries.push(deliver);
      deliver();
    };
    await chord.setContext('c', {});
    const events = chord.follow('c');
    await nextEvent(events);
    await chord.updateContext('c', { n: 1 });
    await chord.deleteContext('c');
    expect(await nextEvent(events)).toMatchObject({ kind: 'gone' });
    const next = events.next();
    for (const deliver of deliveries) deliver();
    expect(await isPending(next)).toBe(true);
  });
});

describe('close()', () => {
  test('ends every subscription, also of those that wait, and refuses new ones', async () => {
    const { chord, backend, clock } = openChord();
    await chord.setContext('a', {});
    const followers: readonly Events[] = ['a', 'a', 'b'].map((id) => chord.follow(id));
    await Promise.all(followers.map(nextEvent));
    const pulls = followers.map((events) => events.next());
    await chord.close();
    for (const pull of pulls) expect(await turnNow(pull)).toEqual({ done: true, value: undefined });
    expect(chord.stats()).toMatchObject({ followers: 0, watchedContexts: 0 });
    expect(backend.watchedIds).toBe(0);
    await settle();
    expect(clock.sleepers).toBe(0);
    expect(await rejectionOf(chord.follow('a').next())).toBeInstanceOf(BackendUnavailableError);
    for (const call of [chord.getContext('a'), chord.setContext('a', {}), chord.syncContext('a'), chord.ping()]) {
      expect(await rejectionOf(call)).toMatchObject({ code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' });
    }
  });
});
