/** The scheduler of cleanup: when it runs, what makes it run sooner, and what it does when something goes wrong. */
import { describe, expect, test } from 'vitest';
import type { CleanupReport, ScheduleOptions } from '../../src/service/chord.ts';
import { RecordingLogger } from '../support/app.ts';
import { isPending, nextEvent, openOn, rejectionOf, turnNow } from '../support/chord.ts';
import { ManualClock, settle } from '../support/clock.ts';
import { until } from '../support/wait.ts';
import { away, CleanupStore, createGate, RecordingExporter } from './cleanup-store.ts';

type Options = NonNullable<Parameters<typeof openOn>[2]>;

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

function open(options: Options = {}) {
  const store = new CleanupStore();
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const chord = openOn(store, clock, { logger, deltaTtlMs: null, tombstoneTtlMs: null, ...options });
  /** Resolves when the first run is over. */
  const start = async (schedule?: ScheduleOptions) => {
    await chord.startCleanup(schedule);
    await settle();
  };
  const isThere = async (id: string) => (await chord.getContext(id)) !== null;
  /** Every run asks once. */
  const runs = () => store.leases;
  return { chord, store, clock, logger, start, isThere, runs };
}

describe('once started, it', () => {
  test('runs at once and then at its interval', async () => {
    const { chord, clock, runs } = open();
    const startMs = clock.now();
    expect(await chord.startCleanup({ intervalMs: 10_000 })).toMatchObject({
      running: true,
      intervalMs: 10_000,
      nextRunAtMs: startMs,
      lastRunAtMs: null,
      lastReport: null,
    });
    await settle();
    expect(runs()).toBe(1);
    expect(chord.cleanupStatus()).toMatchObject({ lastRunAtMs: startMs, nextRunAtMs: startMs + 10_000 });
    await clock.advance(9_999);
    expect(runs()).toBe(1);
    await clock.advance(1);
    expect(runs()).toBe(2);
    await clock.advance(30_000);
    expect(runs()).toBe(5);
    expect(chord.cleanupStatus()).toMatchObject({ nextRunAtMs: startMs + 50_000, failedRuns: 0 });
  });

  test('takes an interval below a second at its word', async () => {
    const { start, clock, runs } = open();
    await start({ intervalMs: 100 });
    await clock.advance(1_000);
    expect(runs()).toBe(11);
  });

  test('waits for an interval that is longer than any timer', async () => {
    const { start, clock, runs } = open();
    await start({ intervalMs: 31_622_400_000_000 });
    for (let n = 0; n < 30; n++) {
      clock.set(clock.now() + dayMs);
      await clock.advance(minuteMs);
    }
    expect(runs()).toBe(1);
    clock.set(clock.now() + 31_622_400_000_000);
    await clock.advance(minuteMs);
    expect(runs()).toBe(2);
  });

  test.each([
    ['an hour by default', {}, hourMs],
    ['an hour when the option says 0', { cleanupIntervalMs: 0 }, hourMs],
    ['what the option says', { cleanupIntervalMs: minuteMs }, minuteMs],
  ])('waits %s', async (_what, options, intervalMs) => {
    const { chord, start, clock } = open(options);
    expect(chord.cleanupStatus()).toMatchObject({ running: false, intervalMs, limit: null, nextRunAtMs: null });
    await start();
    expect(chord.cleanupStatus().nextRunAtMs).toBe(clock.now() + intervalMs);
  });

  test('is updated, not begun anew, by another start', async () => {
    const { chord, clock, runs } = open();
    const startMs = clock.now();
    await chord.startCleanup({ intervalMs: hourMs, limit: 5 });
    await clock.advance(minuteMs);
    expect(await chord.startCleanup({ intervalMs: 2 * hourMs })).toMatchObject({
      limit: 5,
      nextRunAtMs: startMs + 2 * hourMs,
    });
    await settle();
    expect(runs()).toBe(1);
  });

  test('goes through everything that was due, in batches that give each kind its turn', async () => {
    const { chord, store, clock } = open({ deltaTtlMs: 1_000, tombstoneTtlMs: 1_000 });
    for (let n = 0; n < 7; n++) {
      await chord.setContext(`due${n}`, {}, { ttlMs: 1 });
      await chord.setContext(`gone${n}`, {});
      await chord.deleteContext(`gone${n}`);
    }
    await clock.advance(1_000);
    await chord.startCleanup({ limit: 3 });
    await until('the run is over', () => chord.cleanupStatus().lastReport !== null);
    expect(chord.cleanupStatus().lastReport).toEqual({
      contextsExpired: 7,
      // Of contexts whose turn had not come yet.
      deltasTrimmed: 4,
      tombstonesPurged: 7,
      exportsFailed: 0,
      remaining: false,
      durationMs: 0,
    });
    const pages = store.asked.filter(({ limit }) => limit === 3).map(({ kind }) => kind);
    expect(pages.slice(0, 4)).toEqual(['context', 'deltas', 'tombstone', 'context']);
  });

  test('tells whoever follows', async () => {
    const { chord, start, clock } = open();
    await chord.setContext('c', {}, { ttlMs: 5_000 });
    await start();
    const events = chord.follow('c');
    await nextEvent(events);
    const next = events.next();
    await clock.advance(5_000);
    expect((await turnNow(next)).value).toMatchObject({ kind: 'gone', cause: 'EXPIRED' });
    await events.return?.();
  });
});

describe('stopped, it', () => {
  test('does not run, holds nothing, and begins at once when it is started again', async () => {
    const { chord, start, clock, runs } = open();
    await start({ intervalMs: 1_000 });
    expect(await chord.stopCleanup()).toMatchObject({ running: false, intervalMs: 1_000, nextRunAtMs: null });
    expect(clock.sleepers).toBe(0);
    await chord.setContext('c', {}, { ttlMs: 1 });
    await clock.advance(10_000);
    expect(runs()).toBe(1);
    expect(await chord.stopCleanup()).toMatchObject({ running: false });
    await start();
    expect(runs()).toBe(2);
    expect(await chord.getContext('c')).toBeNull();
  });

  test('leaves what its last run had not come to, and says so when that run has ended', async () => {
    const { chord, start, store, clock } = open();
    for (let n = 0; n < 10; n++) await chord.setContext(`c${n}`, {}, { ttlMs: 1 });
    await clock.advance(1);
    const { passed, open: go } = createGate();
    store.beforeExpire = () => passed;
    await start({ limit: 4 });
    const stopping = chord.stopCleanup();
    expect(await isPending(stopping)).toBe(true);
    expect(chord.cleanupStatus().running).toBe(false);
    go();
    expect(await stopping).toMatchObject({ lastReport: { contextsExpired: 4, remaining: true } });
  });

  test('gives up the exports of its run, which are nobody’s failure', async () => {
    const exporter = new RecordingExporter();
    exporter.before = () => new Promise(() => undefined);
    const { chord, start, store, clock, isThere, logger } = open({ exporter, exportBeforeExpire: true });
    await chord.setContext('c', {}, { ttlMs: 1 });
    await clock.advance(1);
    await start();
    expect(exporter.calls).toBe(1);
    store.nextDue = () => Promise.reject(new Error('Nobody wants to know.'));
    expect(await chord.stopCleanup()).toMatchObject({ failedRuns: 0, failingExports: 0 });
    expect(await isThere('c')).toBe(true);
    expect(logger.lines.filter(({ level }) => level !== 'debug')).toEqual([]);
  });

  test('before its turn has come, does nothing', async () => {
    const { chord, start, store } = open();
    const { passed, open: go } = createGate();
    store.beforeDue = () => passed;
    const pass = chord.runCleanup({ limit: 1 });
    await start();
    const stopping = chord.stopCleanup();
    go();
    await pass;
    const asked = store.asked.length;
    const { lastReport } = await stopping;
    expect(lastReport).toBe(await pass);
    expect(store.asked).toHaveLength(asked);
  });

  test('and started again while its last run has not ended, begins after that', async () => {
    const { chord, start, store, clock, isThere } = open();
    for (const id of ['a', 'b']) await chord.setContext(id, {}, { ttlMs: 1 });
    await clock.advance(1);
    const { passed, open: go } = createGate();
    store.beforeExpire = () => passed;
    await start({ limit: 1 });
    const stopping = chord.stopCleanup();
    expect(await chord.startCleanup()).toMatchObject({ running: true });
    go();
    await stopping;
    await until('both are gone', async () => !(await isThere('a')) && !(await isThere('b')));
    expect(chord.cleanupStatus()).toMatchObject({ running: true, failedRuns: 0 });
    expect(store.expired).toEqual(['a', 'b']);
  });
});

test('defect 14: a new interval takes effect at once, not after the old one', async () => {
  const { chord, clock, runs } = open();
  await chord.startCleanup({ intervalMs: dayMs });
  await clock.advance(10 * minuteMs);
  expect(runs()).toBe(1);
  const { nextRunAtMs } = await chord.updateCleanup({ intervalMs: 15 * minuteMs });
  expect(nextRunAtMs).toBe(clock.now() + 5 * minuteMs);
  await clock.advance(5 * minuteMs);
  expect(runs()).toBe(2);
  // One that has passed already.
  await clock.advance(10 * minuteMs);
  await chord.updateCleanup({ intervalMs: minuteMs });
  await settle();
  expect(runs()).toBe(3);
  await chord.updateCleanup({ intervalMs: dayMs });
  await clock.advance(hourMs);
  expect(runs()).toBe(3);
});

test('defect 14: whatever it was started with, it can be stopped, and settings outlive that', async () => {
  const { chord, clock, runs } = open();
  await chord.startCleanup({ intervalMs: 1_000, limit: 7 });
  await settle();
  await chord.stopCleanup();
  expect(await chord.updateCleanup({ intervalMs: 2_000 })).toMatchObject({ running: false, nextRunAtMs: null });
  await clock.advance(minuteMs);
  expect(runs()).toBe(1);
  expect(await chord.startCleanup()).toMatchObject({ running: true, intervalMs: 2_000, limit: 7 });
});

describe('sooner than its interval it runs', () => {
  test('when a context expires that was there at its start', async () => {
    const { chord, start, clock, isThere } = open();
    await chord.setContext('c', {}, { ttlMs: 5_000 });
    await start();
    await clock.advance(4_999);
    expect(await isThere('c')).toBe(true);
    await clock.advance(1);
    expect(await isThere('c')).toBe(false);
  });

  test('when a context expires that was written since', async () => {
    const { chord, start, clock, isThere, runs } = open();
    await start();
    await chord.setContext('late', {}, { ttlMs: 50_000 });
    await chord.setContext('soon', {}, { ttlMs: 5_000 });
    expect(chord.cleanupStatus().nextRunAtMs).toBe(clock.now() + 5_000);
    await clock.advance(5_000);
    expect(await isThere('soon')).toBe(false);
    await clock.advance(45_000);
    expect(await isThere('late')).toBe(false);
    expect(runs()).toBe(3);
  });

  test('when a context expires that only had its time to live changed', async () => {
    const { chord, start, clock, isThere } = open();
    await chord.setContext('c', { a: 1 });
    await start();
    expect(await chord.setContext('c', { a: 1 }, { ttlMs: 5_000 })).toMatchObject({ changed: false });
    await clock.advance(5_000);
    expect(await isThere('c')).toBe(false);
  });

  test('when a context expires that was written during a run', async () => {
    const { chord, start, store, clock, isThere } = open();
    const { passed, open: go } = createGate();
    store.beforeDue = () => passed;
    await start();
    await chord.setContext('c', {}, { ttlMs: 5_000 });
    go();
    await settle();
    await clock.advance(5_000);
    expect(await isThere('c')).toBe(false);
  });

  test('when the deltas of a write are too old', async () => {
    const { chord, start, clock } = open({ deltaTtlMs: 5_000 });
    await start();
    await chord.setContext('c', {});
    const count = async () => (await chord.listDeltas({ contextId: 'c' })).nodes.length;
    await clock.advance(4_999);
    expect(await count()).toBe(1);
    await clock.advance(1);
    expect(await count()).toBe(0);
  });

  test('when the tombstone of a context that was deleted is too old', async () => {
    const { chord, start, clock } = open({ tombstoneTtlMs: 5_000 });
    await chord.setContext('c', {});
    await start();
    await chord.deleteContext('c');
    await clock.advance(4_999);
    expect(await chord.syncContext('c')).toMatchObject({ kind: 'gone' });
    await clock.advance(1);
    expect(await chord.syncContext('c')).toBeNull();
  });

  test('when the tombstones are too old of a pass that somebody asked for', async () => {
    const { chord, start, store, clock } = open({ tombstoneTtlMs: 5_000 });
    await start();
    // Of this one the scheduler has not heard.
    await openOn(store.inner, clock).setContext('c', {}, { ttlMs: minuteMs });
    await clock.advance(minuteMs);
    expect((await chord.runCleanup()).contextsExpired).toBe(1);
    await clock.advance(5_000);
    expect(await chord.syncContext('c')).toBeNull();
  });

  test('when a context expires that was written after the store had told what is due next', async () => {
    const { chord, store, clock, isThere } = open();
    const { passed, open: go } = createGate();
    store.nextDue = async (kind) => {
      const dueMs = await store.inner.nextDue(kind);
      await passed;
      return dueMs;
    };
    await chord.startCleanup();
    await settle();
    await chord.setContext('c', {}, { ttlMs: 5_000 });
    go();
    await settle();
    await clock.advance(5_000);
    expect(await isThere('c')).toBe(false);
  });

  test('when a context expires whose write was answered only when it was sent again', async () => {
    const { chord, start, store, clock, isThere } = open();
    await start();
    store.commitFaults.push('resent');
    await chord.setContext('c', {}, { ttlMs: 5_000 });
    await clock.advance(5_000);
    expect(await isThere('c')).toBe(false);
  });

  test('when a context is due whose export failed', async () => {
    const exporter = new RecordingExporter();
    exporter.before = () => Promise.reject(new Error('no'));
    const { chord, start, clock, isThere } = open({ exporter, exportBeforeExpire: true, exportRetryMs: 10_000 });
    await chord.setContext('c', {}, { ttlMs: 1_000 });
    await start();
    await clock.advance(1_000);
    expect(chord.cleanupStatus().failingExports).toBe(1);
    exporter.before = undefined;
    await clock.advance(10_000);
    expect(await isThere('c')).toBe(false);
    expect(exporter.calls).toBe(2);
  });

  test('but not more often than once a second', async () => {
    const { chord, start, clock, isThere, runs } = open();
    for (let n = 1; n <= 50; n++) await chord.setContext(`c${n}`, {}, { ttlMs: n * 100 });
    await start();
    for (let n = 0; n < 50; n++) await clock.advance(100);
    expect(runs()).toBe(6);
    expect(await isThere('c50')).toBe(false);
  });

  test('and a write that is due no sooner leaves the plan as it is', async () => {
    const { chord, start, clock, runs } = open({ deltaTtlMs: dayMs, tombstoneTtlMs: dayMs });
    await start();
    const { nextRunAtMs } = chord.cleanupStatus();
    for (let n = 0; n < 10; n++) await chord.setContext('c', { n }, { ttlMs: 2 * dayMs });
    await chord.deleteContext('c');
    await clock.advance(hourMs - 1);
    expect(chord.cleanupStatus().nextRunAtMs).toBe(nextRunAtMs);
    expect(runs()).toBe(1);
  });
});

describe('a run that fails', () => {
  test('is counted, and the next ones come after longer and longer rests, up to a minute', async () => {
    const { chord, start, store, clock, isThere, runs } = open();
    await chord.setContext('c', {}, { ttlMs: 1 });
    await clock.advance(1);
    store.beforeDue = () => away();
    await start();
    expect(chord.cleanupStatus()).toMatchObject({ running: true, failedRuns: 1, lastReport: null });
    for (const [index, restMs] of [10_000, 20_000, 40_000, 60_000, 60_000].entries()) {
      await clock.advance(restMs - 1);
      expect(runs()).toBe(index + 1);
      await clock.advance(1);
      expect(runs()).toBe(index + 2);
    }
    store.beforeDue = undefined;
    await clock.advance(minuteMs);
    expect(await isThere('c')).toBe(false);
    expect(chord.cleanupStatus()).toMatchObject({ failedRuns: 6, lastReport: { contextsExpired: 1 } });
    store.beforeDue = () => away();
    await clock.advance(hourMs);
    const failed = runs();
    await clock.advance(9_999);
    expect(runs()).toBe(failed);
    await clock.advance(1);
    expect(runs()).toBe(failed + 1);
  });

  test('because the store is away is told of when that begins, and when it is over', async () => {
    const { start, store, clock, logger, runs } = open();
    const said = () => logger.lines.filter(({ level }) => level !== 'debug');
    store.beforeDue = () => away();
    await start();
    await clock.advance(10 * minuteMs);
    expect(runs()).toBeGreaterThan(10);
    const heldUp = {
      level: 'warn',
      message: 'cleanup is held up by the store',
      fields: { reason: 'The store is away.' },
    };
    expect(said()).toEqual([heldUp]);
    store.beforeDue = undefined;
    await clock.advance(2 * hourMs);
    expect(said()).toEqual([heldUp, { level: 'info', message: 'cleanup works again', fields: {} }]);
    store.beforeDue = () => away();
    await clock.advance(2 * hourMs);
    expect(said()).toHaveLength(3);
  });

  test('rests no longer than the interval', async () => {
    const { start, store, clock, runs } = open();
    store.beforeDue = () => away();
    await start({ intervalMs: 2_000 });
    await clock.advance(10_000);
    expect(runs()).toBe(6);
  });

  test('because the store cannot say what is due next rests as long', async () => {
    const { start, store, clock, logger, runs } = open();
    store.nextDue = () => Promise.reject(new Error('no'));
    await start();
    await clock.advance(9_999);
    expect([runs(), logger.errors.length]).toEqual([1, 1]);
    await clock.advance(1);
    expect([runs(), logger.errors.length]).toEqual([2, 2]);
  });

  test('is not brought forward by a write', async () => {
    const { chord, start, store, clock, runs } = open();
    store.beforeDue = () => away();
    await start();
    await chord.setContext('c', {}, { ttlMs: 1 });
    await clock.advance(9_000);
    expect(runs()).toBe(1);
  });

  test('because of the clock is logged; the loop goes on when the clock does', async () => {
    const clock = new ManualClock();
    const logger = new RecordingLogger();
    let isBroken = false;
    const broken = {
      now: () => (isBroken ? Number.NaN : clock.now()),
      sleep: (ms: number, signal?: AbortSignal) => clock.sleep(ms, signal),
    };
    const chord = openOn(new CleanupStore(), broken, { logger, deltaTtlMs: null, tombstoneTtlMs: null });
    await chord.setContext('c', {}, { ttlMs: 5_000 });
    await chord.startCleanup();
    await settle();
    isBroken = true;
    await clock.advance(5_000);
    isBroken = false;
    await clock.advance(minuteMs);
    expect(await chord.getContext('c')).toBeNull();
    isBroken = true;
    await chord.stopCleanup();
    expect(await rejectionOf(chord.startCleanup())).toBeInstanceOf(TypeError);
    expect(chord.cleanupStatus().running).toBe(false);
  });
});

describe('a clock', () => {
  test('that is put back does not keep it from running', async () => {
    const timers = new ManualClock();
    let backMs = 0;
    const clock = {
      now: () => timers.now() - backMs,
      sleep: (ms: number, signal?: AbortSignal) => timers.sleep(ms, signal),
    };
    const store = new CleanupStore();
    const chord = openOn(store, clock);
    await chord.startCleanup();
    await settle();
    backMs = 30 * dayMs;
    await timers.advance(minuteMs);
    expect(store.leases).toBe(2);
    await timers.advance(hourMs);
    expect(store.leases).toBe(3);
  });

  test('that is put forward is noticed within a minute', async () => {
    const { chord, start, clock, isThere } = open();
    await chord.setContext('c', {}, { ttlMs: 2 * dayMs });
    await start({ intervalMs: 10 * dayMs });
    clock.set(clock.now() + 2 * dayMs);
    await clock.advance(minuteMs);
    expect(await isThere('c')).toBe(false);
  });
});

describe('of several processes on one store', () => {
  test('defect 13: one runs at a time; a run that finds another is skipped, and made up for soon', async () => {
    const { chord, start, store, clock, logger, isThere } = open();
    await chord.setContext('c', {}, { ttlMs: 1 });
    await clock.advance(1);
    const lease = await store.inner.lease('cleanup', minuteMs, clock.now());
    await start();
    expect(await isThere('c')).toBe(true);
    expect(logger.lines).toMatchObject([{ level: 'debug', message: 'cleanup skipped' }]);
    expect(chord.cleanupStatus()).toMatchObject({ lastReport: null, failedRuns: 0 });
    await lease?.release();
    await clock.advance(10_000);
    expect(await isThere('c')).toBe(false);
  });

  test('a holder that died keeps the others from it no longer than its lease', async () => {
    const { start, store, clock } = open();
    const { passed } = createGate();
    store.beforeDue = () => passed;
    await start();
    const other = openOn(store.inner, clock);
    await other.setContext('c', {}, { ttlMs: 1 });
    await clock.advance(89_000);
    await other.startCleanup();
    await settle();
    expect(await other.getContext('c')).not.toBeNull();
    await clock.advance(11_000);
    expect(await other.getContext('c')).toBeNull();
  });

  test('nothing is removed twice, and each removal is in one report', async () => {
    const store = new CleanupStore();
    const clock = new ManualClock();
    const loggers = [new RecordingLogger(), new RecordingLogger()];
    const processes = loggers.map((logger) => openOn(store, clock, { logger }));
    for (let n = 0; n < 40; n++) await processes[n % 2]?.setContext(`c${n}`, { n }, { ttlMs: 100 + 50 * n });
    await Promise.all(processes.map((chord) => chord.startCleanup()));
    for (let n = 0; n < 30; n++) await clock.advance(500);
    const reports = loggers
      .flatMap(({ lines }) => lines)
      .filter(({ message }) => message === 'cleanup finished')
      // The log line is the report.
      .map(({ fields }) => fields as unknown as CleanupReport);
    expect(reports.reduce((sum, { contextsExpired }) => sum + contextsExpired, 0)).toBe(40);
    expect(new Set(store.expired).size).toBe(40);
    expect(store.expired).toHaveLength(40);
  });

  test('a pass that somebody asks for needs no lease', async () => {
    const { chord, store, clock } = open();
    await chord.setContext('c', {}, { ttlMs: 1 });
    await clock.advance(1);
    await store.inner.lease('cleanup', minuteMs, clock.now());
    expect((await chord.runCleanup()).contextsExpired).toBe(1);
    expect(store.leases).toBe(0);
  });

  test.each([
    [false, 300],
    [true, 100],
  ])('a run that takes long renews its lease, and ends when it has lost it: %s', async (isLost, expired) => {
    const { chord, store, clock } = open();
    for (let n = 0; n < 300; n++) await chord.setContext(`c${String(n).padStart(3, '0')}`, {}, { ttlMs: 1 });
    await clock.advance(1);
    store.isLeaseLost = isLost;
    // Each page takes longer than a third of the lease.
    store.beforeExpire = (id) => void (id.endsWith('99') && clock.set(clock.now() + 40_000));
    await chord.startCleanup();
    await until('the run is over', () => chord.cleanupStatus().lastReport !== null);
    expect(chord.cleanupStatus().lastReport).toMatchObject({ contextsExpired: expired, remaining: isLost });
  });
});

describe('the end of the service', () => {
  test('is that of the scheduler: nothing sleeps, and no start or update is accepted', async () => {
    const { chord, start, clock } = open();
    await start();
    await chord.close();
    expect(clock.sleepers).toBe(0);
    expect(chord.cleanupStatus()).toMatchObject({ running: false, nextRunAtMs: null });
    for (const refused of [chord.startCleanup(), chord.updateCleanup({ intervalMs: 5 })]) {
      expect(await rejectionOf(refused)).toMatchObject({ code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' });
    }
    expect(await chord.stopCleanup()).toMatchObject({ running: false });
  });

  test('does not take a run for failed that it cuts short', async () => {
    const { chord, logger } = open();
    await chord.startCleanup();
    await chord.close();
    expect(logger.lines.filter(({ level }) => level !== 'debug')).toEqual([]);
    expect(chord.cleanupStatus().failedRuns).toBe(0);
  });

  test('closes the store half a second later under a run that does not end', async () => {
    const { chord, start, store, clock, logger } = open();
    let isClosed = false;
    store.close = async () => {
      isClosed = true;
    };
    store.beforeDue = () => new Promise(() => undefined);
    await start();
    const closing = chord.close();
    await clock.advance(499);
    expect(isClosed).toBe(false);
    await clock.advance(1);
    await turnNow(closing);
    expect([isClosed, logger.errors]).toEqual([true, []]);
  });

  test('waits for a run that is under way, and closes the store after it', async () => {
    const { chord, start, store, clock, logger } = open();
    await chord.setContext('c', {}, { ttlMs: 1 });
    await clock.advance(1);
    const { passed, open: go } = createGate();
    store.beforeExpire = () => passed;
    await start();
    const closing = chord.close();
    expect(await isPending(closing)).toBe(true);
    go();
    await closing;
    expect(store.expired).toEqual(['c']);
    expect(logger.errors).toEqual([]);
  });
});

test.each([
  ['intervalMs', { intervalMs: 0 }],
  ['intervalMs', { intervalMs: 31_622_400_000_001 }],
  ['intervalMs', { intervalMs: '5' }],
  ['limit', { limit: 0 }],
  ['limit', { limit: 2 ** 31 }],
  ['interval', { interval: 5 }],
])('an %s that it cannot take is refused, and changes nothing', async (argument, options) => {
  const { chord, runs } = open();
  const before = chord.cleanupStatus();
  // What a JavaScript user may pass.
  for (const verb of [chord.startCleanup(options as object), chord.updateCleanup(options as object)]) {
    expect(await rejectionOf(verb)).toMatchObject({ code: 'BAD_USER_INPUT', argument });
  }
  expect(chord.cleanupStatus()).toEqual(before);
  expect(runs()).toBe(0);
});
