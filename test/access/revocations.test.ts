/* Access that is withdrawn, as the processes on one store know of it. */
import { afterEach, describe, expect, test } from 'vitest';
import { parseRevocations, RevocationList } from '../../src/access/revocation-list.ts';
import { Revocations } from '../../src/access/revocations.ts';
import { createViewer } from '../../src/access/viewer.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { BackendUnavailableError } from '../../src/errors.ts';
import { rejectionOf } from '../support/chord.ts';
import { ManualClock, settle } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';
import { recordingLogger } from './stage.ts';

const opened: Revocations[] = [];

afterEach(() => {
  for (const revocations of opened.splice(0)) revocations.close();
});

/** Two processes on one store, the first of which can lose it. */
function stage() {
  const clock = new ManualClock();
  const store = new MemoryBackend();
  const link = new FaultyBackend(store);
  const { logger, lines } = recordingLogger();
  const processes = [link, store].map((notes) => new Revocations({ notes, clock, logger }));
  opened.push(...processes);
  // There are two.
  const [near, far] = processes as [Revocations, Revocations];
  return { clock, store, link, near, far, lines };
}

const anna = createViewer({ id: 'anna' });
const bert = createViewer({ id: 'bert' });

describe('a revocation', () => {
  test('is known to every process that looks, and told to who listens', async () => {
    const { clock, near, far } = stage();
    near.start();
    await settle();
    let calls = 0;
    const deafen = near.listen(() => calls++);
    const revocation = await far.revoke({ viewerId: 'anna' });
    expect(revocation.revokedAtMs).toBe(clock.now());
    await clock.advance(250);
    expect(near.list.refusalOf(anna)?.code).toBe('UNAUTHENTICATED');
    expect(near.list.refusalOf(bert)).toBeUndefined();
    expect(calls).toBe(1);
    expect(await near.end(revocation.id)).toEqual(revocation);
    expect(await near.end(revocation.id)).toBeNull();
    await clock.advance(250);
    expect(near.list.refusalOf(anna)).toBeUndefined();
    expect(calls).toBe(2);
    deafen();
  });

  test('of two at once is not lost', async () => {
    const { near, far } = stage();
    await Promise.all([near.revoke({ viewerId: 'anna' }), far.revoke({ viewerId: 'bert' })]);
    expect(new Set((await near.read()).map(({ viewerId }) => viewerId))).toEqual(new Set(['anna', 'bert']));
    expect(await far.read()).toEqual(await near.read());
  });

  test('takes the place of an earlier one that ends no later', async () => {
    const { clock, near } = stage();
    const soonMs = clock.now() + 1_000;
    await near.revoke({ viewerId: 'anna', expiresAtMs: soonMs });
    const whole = await near.revoke({ viewerId: 'anna' });
    expect(await near.read()).toEqual([whole]);
    await near.revoke({ viewerId: 'anna', expiresAtMs: soonMs });
    await near.revoke({ viewerId: 'anna', contextId: 'c' });
    expect(await near.read()).toHaveLength(3);
  });

  test('is forgotten an hour after its time has come, for clocks differ and tokens hold a little longer', async () => {
    const { clock, near, far } = stage();
    near.start();
    await near.revoke({ viewerId: 'anna', expiresAtMs: clock.now() + 1_000 });
    await clock.advance(60_000);
    expect(near.list.refusalOf(anna)).toBeDefined();
    // Another one does not take it along.
    await far.revoke({ viewerId: 'bert' });
    expect(await near.read()).toHaveLength(2);
    await clock.advance(3_600_000);
    expect(near.list.refusalOf(anna)).toBeUndefined();
  });

  test('is never replaced by one of an earlier moment, from a clock that is behind', async () => {
    const { clock, near, far } = stage();
    const { revokedAtMs } = await near.revoke({ viewerId: 'anna' });
    clock.set(clock.now() - 20_000);
    expect(await far.revoke({ viewerId: 'anna' })).toMatchObject({ revokedAtMs });
    expect(await far.read()).toHaveLength(1);
  });

  test('of many contexts costs one look each', () => {
    const one = { id: '1', viewerId: 'anna', revokedAtMs: 1, expiresAtMs: null };
    const list = new RevocationList(Array.from({ length: 10_000 }, (_, n) => ({ ...one, contextId: `c${n}` })));
    expect(list.hiddenFrom(anna).size).toBe(10_000);
    expect(list.hiddenFrom(anna)).toBe(list.hiddenFrom(anna));
    expect(list.refusalOn(anna, 'c9999')?.code).toBe('FORBIDDEN');
    expect(list.refusalOn(anna, 'c10000')).toBeUndefined();
  });

  test('must concern somebody or something, and the time to come', async () => {
    const { clock, near } = stage();
    const argumentOf = async (options: Parameters<Revocations['revoke']>[0]) =>
      (await rejectionOf(near.revoke(options))) as { readonly code: string; readonly argument: string };
    expect(await argumentOf({})).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'viewerId' });
    expect(await argumentOf({ viewerId: '' })).toMatchObject({ argument: 'viewerId' });
    expect(await argumentOf({ viewerId: 'x'.repeat(257) })).toMatchObject({ argument: 'viewerId' });
    expect(await argumentOf({ contextId: '' })).toMatchObject({ argument: 'contextId' });
    for (const expiresAtMs of [clock.now(), Number.NaN]) {
      expect(await argumentOf({ viewerId: 'anna', expiresAtMs })).toMatchObject({ argument: 'expiresAt' });
    }
    expect(await near.read()).toEqual([]);
  });

  test('is refused when there are 10,000', async () => {
    const { store, near } = stage();
    const one = { viewerId: null, contextId: 'c', revokedAtMs: 1, expiresAtMs: null };
    const text = JSON.stringify(Array.from({ length: 10_000 }, (_, index) => ({ ...one, id: String(index) })));
    await store.writeNote('revocations', { text, revision: 'full' }, undefined);
    expect(await rejectionOf(near.revoke({ viewerId: 'anna' }))).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      limit: 'revocations',
      max: 10_000,
    });
    expect(await near.end('0')).toMatchObject({ id: '0' });
    await near.revoke({ viewerId: 'anna' });
  });
});

describe('while the store is away', () => {
  test('nobody is sure after a second, and everybody is when it is back', async () => {
    const { clock, link, near, far } = stage();
    near.start();
    await clock.advance(1);
    expect(near.ensureFresh()).toBeUndefined();
    link.failingReads = Number.POSITIVE_INFINITY;
    await far.revoke({ viewerId: 'anna' });
    await clock.advance(1_300);
    expect(await rejectionOf(near.ensureFresh() ?? Promise.resolve())).toBeInstanceOf(BackendUnavailableError);
    expect(near.list.refusalOf(anna)).toBeUndefined();

    const leave = new AbortController();
    const left = near.untilFresh(leave.signal);
    let isSure = false;
    const sure = near.untilFresh(new AbortController().signal).then(() => {
      isSure = true;
    });
    await clock.advance(10_000);
    expect(isSure).toBe(false);
    leave.abort();
    await left;
    link.failingReads = 0;
    await clock.advance(250);
    await sure;
    expect(near.list.refusalOf(anna)).toBeDefined();
  });

  test('who has left already is not waited for, and leaves no failure behind', async () => {
    const { link, near } = stage();
    link.failingReads = Number.POSITIVE_INFINITY;
    const rejections: unknown[] = [];
    const note = (reason: unknown) => rejections.push(reason);
    process.on('unhandledRejection', note);
    try {
      await near.untilFresh(AbortSignal.abort());
      near.close();
      await near.untilFresh(new AbortController().signal);
      // Node tells of rejections without an owner after the microtasks of a turn.
      await settle();
      await settle();
    } finally {
      process.off('unhandledRejection', note);
    }
    expect(rejections).toEqual([]);
    expect(link.calls.noteRevision).toBe(0);
  });

  test('a clock that is set back makes nothing newer', async () => {
    const { clock, far, near } = stage();
    await near.ensureFresh();
    await far.revoke({ viewerId: 'anna' });
    clock.set(clock.now() - 3_600_000);
    await near.ensureFresh();
    expect(near.list.refusalOf(anna)).toBeDefined();
    expect(near.ensureFresh()).toBeUndefined();
  });

  test('the outcome of a change is said, and the change is not made twice', async () => {
    const { link, near } = stage();
    link.noteFaults.push('storedThenUnknown');
    expect(await rejectionOf(near.revoke({ viewerId: 'anna' }))).toMatchObject({ outcome: 'UNKNOWN' });
    await near.revoke({ viewerId: 'anna' });
    expect(await near.read()).toHaveLength(1);
  });
});

test('a list that cannot be read does not count as an empty one', async () => {
  const { store, near, lines } = stage();
  await store.writeNote('revocations', { text: '[{"id":"anna-s-secret"}]', revision: '1' }, undefined);
  for (let time = 0; time < 2; time++) {
    expect(await rejectionOf(near.ensureFresh() ?? Promise.resolve())).toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  }
  expect(lines).toHaveLength(1);
  expect(JSON.stringify(lines)).not.toContain('anna');
  expect(() => parseRevocations('{}')).toThrow('none');
});

function issued(issuedAtMs: number | null) {
  return createViewer({ id: 'anna', issuedAtMs });
}

describe('credentials', () => {
  const revocation = { id: '1', viewerId: 'anna', contextId: null, revokedAtMs: 1_000, expiresAtMs: null };

  test('that were issued later are not concerned', () => {
    const list = new RevocationList([
      revocation,
      { ...revocation, id: '2', viewerId: null, contextId: 'c' },
      { ...revocation, id: '3', contextId: 'd' },
    ]);
    for (const issuedAtMs of [null, 0, 1_000]) {
      const viewer = issued(issuedAtMs);
      expect(list.refusalOf(viewer)).toBeDefined();
      expect(list.refusalOn(viewer, 'c')).toBeDefined();
      expect(list.refusalOn(viewer, 'd')).toBeDefined();
      expect(list.hiddenFrom(viewer)).toEqual(new Set(['c', 'd']));
    }
    const viewer = issued(1_001);
    expect(list.refusalOf(viewer)).toBeUndefined();
    expect(list.refusalOn(viewer, 'c')).toBeUndefined();
    expect(list.hiddenFrom(viewer).size).toBe(0);
  });

  test('of others are concerned where every viewer is', () => {
    const list = new RevocationList([revocation, { ...revocation, id: '2', viewerId: null, contextId: 'c' }]);
    expect(list.refusalOf(bert)).toBeUndefined();
    expect(list.refusalOn(bert, 'c')?.code).toBe('FORBIDDEN');
    expect(list.refusalOn(bert, 'd')).toBeUndefined();
  });
});
