/** Passes of cleanup: what is due goes, what is not stays, and whoever follows is told. */
import { setImmediate } from 'node:timers/promises';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Chord } from '../../src/service/chord.ts';
import { RecordingLogger } from '../support/app.ts';
import { clientAt, isPending, nextEvent, openOn, positionOf, rejectionOf, turnNow } from '../support/chord.ts';
import { ManualClock, settle } from '../support/clock.ts';
import { playCleanup, step } from './cleanup-model.ts';
import { away, CleanupStore, createGate, RecordingExporter } from './cleanup-store.ts';

type Options = NonNullable<Parameters<typeof openOn>[2]>;

function open(options: Options = {}) {
  const store = new CleanupStore();
  const clock = new ManualClock();
  return { chord: openOn(store, clock, options), store, clock };
}

const nothing = {
  contextsExpired: 0,
  deltasTrimmed: 0,
  tombstonesPurged: 0,
  exportsFailed: 0,
  remaining: false,
  durationMs: 0,
};

describe('a context', () => {
  test('is removed at the moment when it expires, and not before', async () => {
    const { chord, clock } = open();
    const written = await chord.setContext('c', { a: 1 }, { ttlMs: 100 });
    await clock.advance(99);
    expect(await chord.runCleanup()).toEqual(nothing);
    expect(await chord.getContext('c')).not.toBeNull();
    await clock.advance(1);
    expect(await chord.runCleanup()).toEqual({ ...nothing, contextsExpired: 1 });
    expect(await chord.getContext('c')).toBeNull();
    expect(await chord.syncContext('c', clientAt(written))).toMatchObject({
      kind: 'gone',
      ...positionOf(written),
      cause: 'EXPIRED',
      atMs: clock.now(),
    });
    expect(await chord.runCleanup()).toEqual(nothing);
  });

  test('that has no time to live stays for ever', async () => {
    const { chord, clock } = open();
    await chord.setContext('c', {});
    await clock.advance(1_000 * 366 * 86_400_000);
    expect((await chord.runCleanup()).contextsExpired).toBe(0);
    expect(await chord.getContext('c')).not.toBeNull();
  });

  test.each([
    ['is changed', { a: 2 }],
    ['is written without a change', { a: 1 }],
  ])('that is due and %s before the pass is kept', async (_what, state) => {
    const { chord, clock } = open();
    await chord.setContext('c', { a: 1 }, { ttlMs: 100 });
    await clock.advance(150);
    await chord.setContext('c', state);
    expect(await chord.runCleanup()).toEqual(nothing);
    expect((await chord.getContext('c'))?.state).toEqual(state);
    await clock.advance(100);
    expect((await chord.runCleanup()).contextsExpired).toBe(1);
  });

  test.each([
    ['is changed', { a: 2 }],
    ['is written without a change', { a: 1 }],
  ])('that %s by another process while the pass is about to remove it is kept', async (_what, state) => {
    const { chord, store, clock } = open();
    const other = openOn(store.inner, clock);
    await chord.setContext('c', { a: 1 }, { ttlMs: 100 });
    await clock.advance(150);
    store.beforeExpire = async (id) => void (await other.setContext(id, state));
    expect(await chord.runCleanup()).toEqual(nothing);
    expect((await chord.getContext('c'))?.state).toEqual(state);
  });

  test('that is created again before its tombstone is purged stays, and goes on counting', async () => {
    const { chord, clock } = open({ tombstoneTtlMs: 1_000 });
    const before = await chord.setContext('c', {}, { ttlMs: 100 });
    await clock.advance(100);
    await chord.runCleanup();
    await clock.advance(999);
    expect(await chord.setContext('c', { again: true }, { ttlMs: null })).toMatchObject({ version: 2, changed: true });
    await clock.advance(10_000);
    expect(await chord.runCleanup()).toEqual(nothing);
    expect(await chord.syncContext('c', clientAt(before))).toMatchObject({ kind: 'full', reason: 'EPOCH_CHANGED' });
  });

  test('whose time in the index was early is not counted, and the index is right afterwards', async () => {
    const { chord, store, clock } = open();
    await chord.setContext('c', { n: 1 }, { ttlMs: 100 });
    await clock.advance(50);
    await chord.setContext('c', { n: 2 });
    await clock.advance(60);
    expect(await store.due('context', clock.now(), { limit: 9 })).toHaveLength(1);
    expect(await chord.runCleanup()).toEqual(nothing);
    expect(await store.nextDue('context')).toBe((await chord.getContext('c'))?.expiresAtMs);
  });
});

test('defect 18: who follows is told that a context has expired, and gets the next one whole', async () => {
  const { chord, clock } = open();
  const written = await chord.setContext('c', { life: 1 }, { ttlMs: 100 });
  const events = chord.follow('c', clientAt(written));
  expect(await nextEvent(events)).toMatchObject({ kind: 'noChange' });
  const next = events.next();
  await clock.advance(100);
  expect(await isPending(next)).toBe(true);
  await chord.runCleanup();
  expect((await turnNow(next)).value).toMatchObject({ kind: 'gone', cause: 'EXPIRED', ...positionOf(written) });
  const again = await chord.setContext('c', { life: 2 });
  expect(await nextEvent(events)).toMatchObject({
    kind: 'full',
    reason: 'EPOCH_CHANGED',
    ...positionOf(again),
    context: { state: { life: 2 } },
  });
  await events.return?.();
});

describe('deltas', () => {
  test('defect 12: by their age only the oldest are trimmed, and the floor moves with them', async () => {
    const ballast = { ballast: 'x'.repeat(300) };
    const { chord, clock } = open({ deltaTtlMs: 10_000 });
    const created = await chord.setContext('c', ballast);
    for (let n = 2; n <= 4; n++) {
      await clock.advance(5_000);
      await chord.updateContext('c', { n });
    }
    expect(await chord.runCleanup()).toEqual({ ...nothing, deltasTrimmed: 2 });
    const { nodes } = await chord.listDeltas({ contextId: 'c' });
    expect(nodes.map(({ version }) => version)).toEqual([3, 4]);
    const at = (version: number) => chord.syncContext('c', { epoch: created.epoch, version });
    expect(await at(1)).toMatchObject({ kind: 'full', reason: 'TOO_OLD' });
    expect(await at(2)).toMatchObject({ kind: 'delta', fromVersion: 2, version: 4 });
    expect(await at(4)).toMatchObject({ kind: 'noChange' });
  });

  test('may all be gone: who is up to date is told so', async () => {
    const { chord, clock } = open({ deltaTtlMs: 10_000 });
    const written = await chord.setContext('c', {});
    await clock.advance(9_999);
    expect((await chord.runCleanup()).deltasTrimmed).toBe(0);
    await clock.advance(1);
    expect((await chord.runCleanup()).deltasTrimmed).toBe(1);
    expect(await chord.syncContext('c', clientAt(written))).toMatchObject({ kind: 'noChange' });
  });

  test('of many contexts are all counted', async () => {
    const { chord, clock } = open({ deltaTtlMs: 1_000 });
    for (let n = 0; n < 90; n++) await chord.setContext(`c${n % 30}`, { n });
    await clock.advance(1_000);
    expect(await chord.runCleanup()).toEqual({ ...nothing, deltasTrimmed: 90 });
  });

  test('stay whatever their age when there is no limit to it', async () => {
    const { chord, clock } = open({ deltaTtlMs: null });
    await chord.setContext('c', {});
    await clock.advance(1e12);
    expect(await chord.runCleanup()).toEqual(nothing);
    expect((await chord.listDeltas({ contextId: 'c' })).nodes).toHaveLength(1);
  });
});

describe('tombstones', () => {
  test('are purged at their age, and then nothing is known of the context', async () => {
    const { chord, clock } = open({ tombstoneTtlMs: 1_000 });
    const written = await chord.setContext('c', {});
    await chord.deleteContext('c');
    await clock.advance(999);
    expect(await chord.runCleanup()).toEqual(nothing);
    expect(await chord.syncContext('c', clientAt(written))).toMatchObject({ kind: 'gone', cause: 'DELETED' });
    await clock.advance(1);
    expect(await chord.runCleanup()).toEqual({ ...nothing, tombstonesPurged: 1 });
    expect(await chord.syncContext('c', clientAt(written))).toBeNull();
  });

  test('stay for ever when there is no limit to their age', async () => {
    const { chord, clock } = open({ tombstoneTtlMs: null });
    await chord.setContext('c', {});
    await chord.deleteContext('c');
    await clock.advance(1e12);
    expect(await chord.runCleanup()).toEqual(nothing);
    expect(await chord.syncContext('c')).toMatchObject({ kind: 'gone' });
  });

  test('are no less remembered for what a pass expires itself', async () => {
    const { chord, clock } = open({ tombstoneTtlMs: 1 });
    await chord.setContext('c', {}, { ttlMs: 1 });
    await clock.advance(1_000);
    expect(await chord.runCleanup()).toEqual({ ...nothing, contextsExpired: 1 });
    expect(await chord.syncContext('c')).toMatchObject({ kind: 'gone', cause: 'EXPIRED' });
  });
});

/** Ten contexts that are due one after the other. */
async function openTen(options: Options = {}) {
  const opened = open(options);
  for (let n = 0; n < 10; n++) await opened.chord.setContext(`c${n}`, {}, { ttlMs: 100 + n });
  await opened.clock.advance(1_000);
  return opened;
}

describe('a pass with a limit', () => {
  test('takes on what is overdue longest, and says that more remains', async () => {
    const { chord, store } = await openTen();
    expect(await chord.runCleanup({ limit: 4 })).toEqual({ ...nothing, contextsExpired: 4, remaining: true });
    expect(store.expired).toEqual(['c0', 'c1', 'c2', 'c3']);
    expect(await chord.runCleanup({ limit: 5 })).toEqual({ ...nothing, contextsExpired: 5, remaining: true });
    expect(await chord.runCleanup({ limit: 1 })).toEqual({ ...nothing, contextsExpired: 1 });
  });

  test('leaves alone what the offset skips, which stays due', async () => {
    const { chord, store } = await openTen();
    expect(await chord.runCleanup({ limit: 3, offset: 2 })).toMatchObject({ contextsExpired: 3, remaining: true });
    expect(store.expired).toEqual(['c2', 'c3', 'c4']);
    expect(await chord.runCleanup({ offset: 99 })).toMatchObject({ contextsExpired: 0, remaining: true });
    expect(await chord.runCleanup({ offset: 2 })).toMatchObject({ contextsExpired: 5, remaining: true });
    expect(store.expired.slice(3)).toEqual(['c5', 'c6', 'c7', 'c8', 'c9']);
  });

  test('skips once, however many pages follow', async () => {
    const { chord, clock } = open();
    for (let n = 0; n < 350; n++) await chord.setContext(`c${n}`, {}, { ttlMs: n + 1 });
    await clock.advance(1_000);
    expect(await chord.runCleanup({ offset: 2 })).toMatchObject({ contextsExpired: 348, remaining: true });
    expect((await chord.listContexts()).nodes.map(({ id }) => id)).toEqual(['c0', 'c1']);
  });

  test('begins at the other end when it is told to', async () => {
    const { chord, store } = await openTen();
    await chord.runCleanup({ order: 'DESC', limit: 2, offset: 1 });
    expect(store.expired).toEqual(['c8', 'c7']);
    await chord.runCleanup({ order: 'DESC' });
    expect(store.expired.slice(2)).toEqual(['c9', 'c6', 'c5', 'c4', 'c3', 'c2', 'c1', 'c0']);
  });

  test('takes on as many of each kind', async () => {
    const { chord, clock } = open({ deltaTtlMs: 1_000, tombstoneTtlMs: 1_000 });
    for (let n = 0; n < 3; n++) {
      await chord.setContext(`gone${n}`, {});
      await chord.deleteContext(`gone${n}`);
      await chord.setContext(`kept${n}`, {});
      await chord.setContext(`due${n}`, {}, { ttlMs: 1 });
    }
    await clock.advance(1_000);
    const report = { contextsExpired: 2, deltasTrimmed: 2, tombstonesPurged: 2, exportsFailed: 0, durationMs: 0 };
    expect(await chord.runCleanup({ limit: 2 })).toEqual({ ...report, remaining: true });
    expect(await chord.runCleanup({ limit: 9 })).toMatchObject({ contextsExpired: 1, tombstonesPurged: 1 });
  });

  test('looks at what is due in pages, and never twice at what has to stay', async () => {
    const exporter = new RecordingExporter();
    exporter.before = () => Promise.reject(new Error('no'));
    const { chord, store, clock } = open({ exporter, exportBeforeExpire: true });
    for (let n = 0; n < 250; n++) await chord.setContext(`c${n}`, {}, { ttlMs: 1 });
    await clock.advance(1_000);
    // The store forgets that they were postponed.
    store.postpone = () => Promise.resolve();
    expect(await chord.runCleanup()).toMatchObject({ exportsFailed: 250, contextsExpired: 0, remaining: true });
    expect(exporter.calls).toBe(250);
    expect(Math.max(...store.asked.map(({ limit }) => limit))).toBeLessThanOrEqual(100);
  });
});

test('defect 13: what has expired is reached behind any number of contexts that were refreshed', async () => {
  const { chord, store, clock } = open();
  for (let n = 0; n < 50; n++) await chord.setContext(`fresh${n}`, { n }, { ttlMs: 1_000 });
  for (let n = 0; n < 5; n++) await chord.setContext(`stale${n}`, { n }, { ttlMs: 1_000 });
  await clock.advance(999);
  for (let n = 0; n < 50; n++) await chord.setContext(`fresh${n}`, { n: -1 });
  await clock.advance(1);
  let passes = 0;
  for (let remaining = true; remaining; passes++) ({ remaining } = await chord.runCleanup({ limit: 5 }));
  expect(store.expired).toEqual(['stale0', 'stale1', 'stale2', 'stale3', 'stale4']);
  expect(passes).toBeLessThanOrEqual(11);
  expect(await chord.getContext('fresh0')).toMatchObject({ state: { n: -1 } });
});

test('defect 13: two processes that clean up at once remove nothing twice, and nothing that was refreshed', async () => {
  const store = new CleanupStore();
  const clock = new ManualClock();
  const processes = [openOn(store, clock), openOn(store, clock)];
  for (let n = 0; n < 120; n++) await processes[n % 2]?.setContext(`c${n}`, { n }, { ttlMs: 100 });
  await clock.advance(100);
  store.beforeExpire = async (id) => {
    await settle();
    if (id === 'c7') await processes[1]?.setContext('c7', { n: 7 });
  };
  const reports = await Promise.all(processes.map((chord) => chord.runCleanup()));
  expect(reports.reduce((sum, { contextsExpired }) => sum + contextsExpired, 0)).toBe(119);
  expect(new Set(store.expired).size).toBe(119);
  expect(await processes[0]?.getContext('c7')).not.toBeNull();
});

function openExporting(options: Options = {}) {
  const exporter = new RecordingExporter();
  return { exporter, ...open({ exporter, exportBeforeExpire: true, exportRetryMs: 1_000, ...options }) };
}

describe('a context that is exported first', () => {
  test('defect 18: is removed only after its export, where it stood then', async () => {
    const { chord, store, clock, exporter } = openExporting();
    const written = await chord.setContext('c', { a: 1 }, { ttlMs: 100 });
    await clock.advance(100);
    exporter.before = () => expect(store.expired).toEqual([]);
    expect(await chord.runCleanup()).toEqual({ ...nothing, contextsExpired: 1 });
    expect(exporter.exported).toMatchObject([{ id: 'c', ...positionOf(written), state: { a: 1 } }]);
  });

  test('is kept when it is written after the export, and exported again when it is due', async () => {
    const { chord, store, clock, exporter } = openExporting();
    await chord.setContext('c', { a: 1 }, { ttlMs: 100 });
    await clock.advance(100);
    // A clock that is behind: the context is due again at once, at another version.
    store.beforeExpire = async (id) => {
      store.beforeExpire = undefined;
      await openOn(store.inner, new ManualClock(clock.now() - 100)).setContext(id, { a: 2 });
    };
    expect(await chord.runCleanup()).toMatchObject({ contextsExpired: 0, exportsFailed: 0, remaining: true });
    expect(await chord.getContext('c')).toMatchObject({ state: { a: 2 } });
    expect(await chord.runCleanup()).toEqual({ ...nothing, contextsExpired: 1 });
    expect(exporter.exported.map(({ version }) => version)).toEqual([1, 2]);
  });

  test('is not exported when it is not due after all, nor when it is gone meanwhile', async () => {
    const { chord, store, clock, exporter } = openExporting();
    for (const id of ['early', 'gone']) await chord.setContext(id, { n: 1 }, { ttlMs: 100 });
    await clock.advance(50);
    await chord.setContext('early', { n: 2 });
    await clock.advance(50);
    store.beforeRead = async (id) => {
      if (id === 'gone') await store.inner.expire(id, clock.now());
    };
    expect(await chord.runCleanup()).toEqual(nothing);
    expect(exporter.calls).toBe(0);
    expect(await store.due('context', clock.now(), { limit: 9 })).toEqual([]);
  });

  test('is kept while its export fails, tried again later each time, and delays nobody', async () => {
    const logger = new RecordingLogger();
    const { chord, clock, exporter } = openExporting({ logger });
    await chord.setContext('bad', {}, { ttlMs: 100 });
    await chord.setContext('good', {}, { ttlMs: 100 });
    exporter.before = ({ id }) => {
      if (id === 'bad') throw new Error('The bucket is full.');
    };
    await clock.advance(100);
    expect(await chord.runCleanup()).toEqual({ ...nothing, contextsExpired: 1, exportsFailed: 1 });
    expect(chord.cleanupStatus().failingExports).toBe(1);
    expect(chord.stats()).toMatchObject({ failingExports: 1, failedRuns: 0 });
    // At once it is not due.
    expect(await chord.runCleanup()).toEqual(nothing);
    for (const delayMs of [1_000, 2_000, 4_000, 8_000]) {
      await clock.advance(delayMs * 0.75 - 1);
      expect(await chord.runCleanup()).toEqual(nothing);
      await clock.advance(delayMs * 0.25 + 1);
      expect(await chord.runCleanup()).toEqual({ ...nothing, exportsFailed: 1 });
    }
    expect(await chord.getContext('bad')).not.toBeNull();
    exporter.before = undefined;
    await clock.advance(16_000);
    expect(await chord.runCleanup({ limit: 1 })).toEqual({ ...nothing, contextsExpired: 1 });
    expect(chord.cleanupStatus().failingExports).toBe(0);
    const kept = logger.lines.filter(({ message }) => message === 'context kept, its export failed');
    expect(kept.map(({ level, fields }) => [level, fields['id'], fields['attempt']])).toEqual(
      [1, 2, 3, 4, 5].map((attempt) => ['warn', 'bad', attempt]),
    );
  });

  test.each([
    ['written', (chord: Chord) => chord.updateContext('c', { a: 2 })],
    ['deleted', (chord: Chord) => chord.deleteContext('c')],
  ])('counts as failing no more once it was %s', async (_how, write) => {
    const { chord, clock, exporter } = openExporting();
    await chord.setContext('c', {}, { ttlMs: 100_000 });
    exporter.before = () => Promise.reject(new Error('no'));
    await clock.advance(100_000);
    await chord.runCleanup();
    await write(chord);
    await chord.runCleanup();
    expect(chord.cleanupStatus().failingExports).toBe(1);
    await clock.advance(1_000);
    await chord.runCleanup();
    expect(chord.cleanupStatus().failingExports).toBe(0);
  });

  test('is not blamed for a store that is away: the pass fails, and its exporter is not', async () => {
    const { chord, store, clock } = openExporting();
    await chord.setContext('c', {}, { ttlMs: 100 });
    await clock.advance(100);
    store.beforeRead = () => away();
    expect(await rejectionOf(chord.runCleanup())).toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    expect(chord.cleanupStatus()).toMatchObject({ failedRuns: 1, failingExports: 0 });
  });

  test('is given up when the service closes, and kept', async () => {
    const { chord, store, clock, exporter } = openExporting();
    await chord.setContext('c', {}, { ttlMs: 100 });
    await clock.advance(100);
    exporter.before = () => new Promise(() => undefined);
    const pass = chord.runCleanup();
    await settle();
    expect(exporter.calls).toBe(1);
    await chord.close();
    expect(await pass).toEqual({ ...nothing, remaining: true });
    expect(store.expired).toEqual([]);
    expect(chord.cleanupStatus()).toMatchObject({ failedRuns: 0, failingExports: 0 });
  });
});

describe('the passes of a process', () => {
  test('wait for one another', async () => {
    const { chord, store, clock } = open();
    for (const id of ['a', 'b']) await chord.setContext(id, {}, { ttlMs: 1 });
    await clock.advance(1);
    const { passed, open: go } = createGate();
    store.beforeExpire = () => passed;
    const first = chord.runCleanup({ limit: 1 });
    await settle();
    const asked = store.asked.length;
    const second = chord.runCleanup();
    expect(await isPending(second)).toBe(true);
    expect(store.asked).toHaveLength(asked);
    go();
    expect(await first).toMatchObject({ contextsExpired: 1, remaining: true });
    expect(await second).toMatchObject({ contextsExpired: 1, remaining: false });
  });

  test('are a hundred that wait at most, one more is refused', async () => {
    const { chord, store } = open();
    const { passed, open: go } = createGate();
    store.beforeDue = () => passed;
    const passes = Array.from({ length: 101 }, () => chord.runCleanup());
    expect(await rejectionOf(chord.runCleanup())).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      limit: 'maxQueuedCleanups',
      max: 100,
      actual: 101,
    });
    go();
    expect(await Promise.all(passes)).toHaveLength(101);
    expect(await chord.runCleanup()).toEqual(nothing);
  });

  test('fail with the store; what was done stays done, and the next one goes on', async () => {
    const { chord, store, clock } = open();
    for (let n = 0; n < 200; n++) await chord.setContext(`c${n}`, {}, { ttlMs: n + 1 });
    await clock.advance(1_000);
    store.beforeExpire = (id) => (id === 'c150' ? away() : undefined);
    expect(await rejectionOf(chord.runCleanup())).toMatchObject({ code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' });
    expect(chord.cleanupStatus()).toMatchObject({ failedRuns: 1, lastReport: null, lastRunAtMs: null });
    const done = store.expired.length;
    expect(done).toBeGreaterThanOrEqual(100);
    expect(done).toBeLessThan(190);
    store.beforeExpire = undefined;
    const report = await chord.runCleanup();
    expect(report.contextsExpired).toBe(200 - done);
    expect(chord.cleanupStatus()).toMatchObject({ failedRuns: 1, lastReport: report, lastRunAtMs: clock.now() });
  });

  test('say how long they took by the clock of the service, which may go back', async () => {
    const { chord, store, clock } = open();
    const took = async (ms: number) => {
      const nowMs = clock.now();
      store.beforeDue = (kind) => (kind === 'deltas' ? clock.set(nowMs + ms) : undefined);
      return (await chord.runCleanup()).durationMs;
    };
    expect(await took(70)).toBe(70);
    expect(await took(-70)).toBe(0);
  });

  test('give everybody else a turn, however much is due', async () => {
    const { chord, clock } = open();
    for (let n = 0; n < 3_000; n++) await chord.setContext(`c${n}`, {}, { ttlMs: 1 });
    await clock.advance(1);
    const pass = chord.runCleanup();
    let turns = 0;
    while (chord.cleanupStatus().lastReport === null) {
      await setImmediate();
      turns++;
    }
    expect((await pass).contextsExpired).toBe(3_000);
    expect(turns).toBeGreaterThanOrEqual(30);
  });

  test('work on some of a page at once, but not on all of it', async () => {
    const { chord, store, clock } = open();
    for (let n = 0; n < 100; n++) await chord.setContext(`c${n}`, {}, { ttlMs: 1 });
    await clock.advance(1);
    let underWay = 0;
    let most = 0;
    store.beforeExpire = async () => {
      most = Math.max(most, ++underWay);
      await setImmediate();
      underWay--;
    };
    await chord.runCleanup();
    expect(most).toBe(32);
  });

  test('cost what is due, not what there is', async () => {
    const { chord, store, clock } = open();
    for (let n = 0; n < 1_000; n++) await chord.setContext(`c${n}`, {}, { ttlMs: n < 10 ? 1 : 1_000_000 });
    await clock.advance(1);
    let steps = 0;
    store.beforeExpire = () => void steps++;
    await chord.runCleanup();
    expect(steps).toBe(10);
    expect(store.calls.heads + store.calls.read + store.calls.list).toBe(0);
  });

  test('end at the page that is under way when the service closes; those that wait are refused', async () => {
    const { chord, store, clock } = open();
    for (let n = 0; n < 500; n++) await chord.setContext(`c${n}`, {}, { ttlMs: 1 });
    await clock.advance(1);
    const { passed, open: go } = createGate();
    store.beforeExpire = () => passed;
    const pass = chord.runCleanup();
    const waiting = rejectionOf(chord.runCleanup());
    await settle();
    const closing = chord.close();
    expect(await isPending(closing)).toBe(true);
    go();
    await closing;
    expect(await pass).toMatchObject({ remaining: true });
    expect(store.expired.length).toBeLessThanOrEqual(32);
    expect(store.asked.filter(({ limit }) => limit > 1)).toEqual([{ kind: 'context', limit: 100 }]);
    expect(await waiting).toMatchObject({ code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' });
    expect(await rejectionOf(chord.runCleanup())).toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  });

  test('are told in the log, at level info when they did something', async () => {
    const logger = new RecordingLogger();
    const { chord, clock } = open({ logger });
    await chord.setContext('c', {}, { ttlMs: 1 });
    await chord.runCleanup();
    await clock.advance(1);
    const report = await chord.runCleanup();
    expect(logger.lines).toEqual([
      { level: 'debug', message: 'cleanup finished', fields: nothing },
      { level: 'info', message: 'cleanup finished', fields: report },
    ]);
  });
});

test.each([
  ['limit', { limit: 0 }],
  ['limit', { limit: 2 ** 31 }],
  ['limit', { limit: 1.5 }],
  ['offset', { offset: -1 }],
  ['offset', { offset: 2 ** 31 }],
  ['order', { order: 'UP' }],
  ['batch', { batch: 1 }],
])('a %s that a pass cannot take is refused', async (argument, options) => {
  const { chord, store } = open();
  // What a JavaScript user may pass.
  const failure = await rejectionOf(chord.runCleanup(options as object));
  expect(failure).toMatchObject({ code: 'BAD_USER_INPUT', argument });
  expect(store.asked).toEqual([]);
});

test('null counts as absent, and the largest numbers are taken', async () => {
  const { chord } = open();
  expect(await chord.runCleanup({ limit: null, offset: null, order: null })).toEqual(nothing);
  expect(await chord.runCleanup({ limit: 2 ** 31 - 1, offset: 2 ** 31 - 1 })).toEqual(nothing);
});

test('whatever is written and cleaned up, what is there is what a simple model says', () =>
  fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }), async (steps) => {
      await expect(playCleanup(steps)).resolves.toBeUndefined();
    }),
    { numRuns: 300 },
  ));
