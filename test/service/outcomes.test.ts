/** Writes on a store that is cold, slow, contended, or goes away: what is answered, and that it is true. */
import { describe, expect, test } from 'vitest';
import type { Known } from '../../src/backend/known.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import type { ServiceOptions } from '../../src/service/service.ts';
import { clientAt, isPending, nextEvent, openOn, positionOf, rejectionOf } from '../support/chord.ts';
import { ManualClock, settle } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';

function openFaulty(options: Partial<ServiceOptions> = {}) {
  const memory = new MemoryBackend();
  const backend = new FaultyBackend(memory);
  const clock = new ManualClock();
  return { chord: openOn(backend, clock, options), backend, clock, memory, direct: openOn(memory, clock, options) };
}

/** What the store knows now, to be remembered as a stale view. */
async function seen(memory: MemoryBackend, id = 'c'): Promise<Known> {
  return (await memory.readOutcome(id, undefined, 0)).known;
}

/** A gate that holds every operation at one point until it is opened. */
function gateAt(point: string) {
  let resolveOpened: (() => void) | undefined;
  const opened = new Promise<void>((resolve) => {
    resolveOpened = resolve;
  });
  const gate = (at: string) => (at === point ? opened : Promise.resolve());
  return { gate, open: () => resolveOpened?.() };
}

describe('the store goes away', () => {
  test('after it stored: UNKNOWN, and the retry with the same key finds the first outcome', async () => {
    const { chord, backend } = openFaulty();
    backend.commitFaults.push('storedThenUnknown');
    const write = () => chord.setContext('c', { a: 1 }, { idempotencyKey: 'k', expectedVersion: 0 });
    expect(await rejectionOf(write())).toMatchObject({ code: 'BACKEND_UNAVAILABLE', outcome: 'UNKNOWN' });
    expect(await write()).toMatchObject({ version: 1, changed: true, duplicate: true, delta: { version: 1 } });
    expect((await chord.getContext('c'))?.version).toBe(1);
  });

  test('before it stored: NOT_STORED, and the retry with the same key does it', async () => {
    const { chord, backend } = openFaulty();
    backend.commitFaults.push('notStored');
    const write = () => chord.setContext('c', { a: 1 }, { idempotencyKey: 'k' });
    expect(await rejectionOf(write())).toMatchObject({ code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' });
    expect(await chord.getContext('c')).toBeNull();
    expect(await write()).toMatchObject({ version: 1, duplicate: false });
  });

  test('under a batch: every write of it is told so, and the next batch goes on', async () => {
    const { chord, backend } = openFaulty();
    await chord.setContext('c', {});
    backend.commitFaults.push('none', 'storedThenUnknown', 'none');
    const outcomes = await Promise.allSettled(
      Array.from({ length: 300 }, (_, n) => chord.updateContext('c', { [`k${n}`]: n })),
    );
    const failed = outcomes.flatMap((outcome, index) => (outcome.status === 'rejected' ? [index] : []));
    expect(failed).toEqual(Array.from({ length: 256 }, (_, index) => index + 1));
    expect((await chord.getContext('c'))?.version).toBe(301);
  });

  test.each([
    ['each expects an epoch', (epoch: string) => ({ expectedEpoch: epoch })],
    ['all have one idempotency key', () => ({ idempotencyKey: 'k' })],
  ])('for long: writes that cannot share a batch do not wait for one another (%s)', async (_, optionsFor) => {
    const { chord, backend, clock } = openFaulty();
    const { epoch } = await chord.setContext('c', {});
    const reply = gateAt('commit');
    backend.gate = reply.gate;
    backend.commitFaults.push('notStored');
    const writes = Array.from({ length: 20 }, () => chord.updateContext('c', { n: 1 }, optionsFor(epoch)));
    await settle();
    await clock.advance(1_000);
    const late = chord.updateContext('c', { n: 2 });
    reply.open();
    for (const write of writes) expect(await rejectionOf(write)).toMatchObject({ outcome: 'NOT_STORED' });
    // Who came later has a try of its own.
    expect(await late).toMatchObject({ version: 2 });
  });

  test('while a refusal is confirmed: NOT_STORED, since nothing was', async () => {
    const { chord, backend } = openFaulty();
    backend.failingReads = 1;
    expect(await rejectionOf(chord.updateContext('c', {}))).toMatchObject({ outcome: 'NOT_STORED' });
  });

  test('under a batch that a refused write was planned with: that one is still decided on a fresh view', async () => {
    const { chord, backend, memory, direct } = openFaulty();
    await direct.setContext('c', { a: 1 });
    const stale = await seen(memory);
    await direct.updateContext('c', { a: 2 });
    backend.peekAs = () => stale;
    const first = gateAt('commit');
    backend.gate = first.gate;
    const opening = chord.updateContext('c', { b: 1 });
    // Both wait for the first, and go as one batch: of that only the plain one can be planned on the stale view.
    const plain = chord.updateContext('c', { c: 1 });
    const exact = chord.updateContext('c', { d: 1 }, { expectedVersion: 3 });
    backend.commitFaults.push('none', 'none', 'notStored');
    first.open();
    await opening;
    expect(await rejectionOf(plain)).toMatchObject({ outcome: 'NOT_STORED' });
    expect(await exact).toMatchObject({ version: 4, changed: true });
    expect(await direct.getContext('c')).toMatchObject({ version: 4, state: { a: 2, b: 1, d: 1 } });
  });
});

describe('a commit that was stored, and whose lost reply made the store see it again', () => {
  test('is a success, once', async () => {
    const { chord, backend } = openFaulty();
    const resent = <T>(write: () => Promise<T>) => {
      backend.commitFaults.push('resent');
      return write();
    };
    const created = await resent(() => chord.setContext('c', { a: 1 }, { origin: 'o', expectedVersion: 0 }));
    expect(created).toMatchObject({ version: 1, changed: true, duplicate: false });
    expect(created.delta).toMatchObject({ fromVersion: 0, origin: 'o' });
    const changed = await resent(() => chord.updateContext('c', { a: 2 }, { expectedVersion: 1 }));
    expect(changed).toMatchObject({ version: 2, epoch: created.epoch, delta: { fromVersion: 1, version: 2 } });
    const touched = await resent(() => chord.updateContext('c', { a: 2 }, { expectedVersion: 2, ttlMs: 5 }));
    expect(touched).toMatchObject({ version: 2, changed: false });
    const gone = await resent(() => chord.deleteContext('c', { expectedVersion: 2 }));
    expect(gone).toMatchObject(positionOf(changed));
    const again = await resent(() => chord.setContext('c', {}, { expectedVersion: 0 }));
    expect(again).toMatchObject({ version: 3, changed: true });
    expect((await chord.getContext('c'))?.version).toBe(3);
    expect(backend.commitFaults).toEqual([]);
  });

  test('with an idempotency key is a duplicate of itself', async () => {
    const { chord, backend } = openFaulty();
    backend.everyCommit = 'resent';
    expect(await chord.setContext('c', { a: 1 }, { idempotencyKey: 'k' })).toMatchObject({ version: 1 });
    expect((await chord.getContext('c'))?.version).toBe(1);
  });

  test('is recognised for every write of its batch, also for those that a later one of it undid', async () => {
    const { chord, backend } = openFaulty();
    await chord.setContext('c', { n: 0 });
    const first = gateAt('commit');
    backend.gate = first.gate;
    const opening = chord.updateContext('c', { n: 1 });
    const batch = Promise.all([
      chord.setContext('c', { n: 2 }, { origin: 'two' }),
      chord.updateContext('c', { n: 2 }),
      chord.updateContext('c', { n: 3 }, { expectedVersion: 3 }),
      chord.deleteContext('c', { expectedVersion: 4 }),
    ]);
    backend.commitFaults.push('none', 'resent');
    first.open();
    await opening;
    const [two, same, three, gone] = await batch;
    expect(two).toMatchObject({ version: 3, changed: true, delta: { version: 3, origin: 'two' } });
    expect(same).toMatchObject({ version: 3, changed: false, delta: null });
    expect(three).toMatchObject({ version: 4, changed: true, delta: { fromVersion: 3, version: 4 } });
    expect(gone.version).toBe(4);
    expect(await chord.getContext('c')).toBeNull();
    expect(await chord.syncContext('c')).toMatchObject({ kind: 'gone', version: 4 });
  });

  test('is recognised although others have written since', async () => {
    const { chord, backend, direct } = openFaulty();
    await chord.setContext('c', { n: 0 });
    const held = gateAt('commit reply');
    backend.gate = held.gate;
    backend.commitFaults.push('resent');
    const write = chord.updateContext('c', { n: 1 }, { expectedVersion: 1 });
    await settle();
    await direct.updateContext('c', { n: 2 });
    held.open();
    expect(await write).toMatchObject({ version: 2, changed: true });
    expect(await chord.getContext('c')).toMatchObject({ version: 3, state: { n: 2 } });
  });
});

describe('a cold or stale view', () => {
  test('of nothing does not keep a write from what is there', async () => {
    const { chord, backend, direct } = openFaulty();
    const { epoch } = await direct.setContext('c', { a: 1 });
    backend.peekAs = () => undefined;
    expect(await chord.updateContext('c', { b: 1 })).toMatchObject({ version: 2 });
    expect(await chord.updateContext('c', { c: 1 }, { expectedVersion: 2, expectedEpoch: epoch })).toMatchObject({
      version: 3,
    });
    expect(await chord.setContext('c', { d: 1 }, { expectedVersion: 3 })).toMatchObject({ version: 4, epoch });
    expect(await chord.setContext('c', { e: 1 })).toMatchObject({ version: 5, epoch });
    expect(await rejectionOf(chord.setContext('c', {}, { expectedVersion: 0 }))).toMatchObject({ currentVersion: 5 });
    expect(await chord.deleteContext('c', { expectedVersion: 5 })).toMatchObject({ version: 5, epoch });
    expect(await rejectionOf(chord.updateContext('c', {}))).toMatchObject({ code: 'CONTEXT_NOT_FOUND' });
  });

  test('of a tombstone does not keep a write from the life after it', async () => {
    const { chord, backend, memory, direct } = openFaulty();
    await direct.setContext('c', {});
    await direct.deleteContext('c');
    const stale = await seen(memory);
    const { epoch } = await direct.setContext('c', { a: 1 });
    backend.peekAs = () => stale;
    expect(await chord.updateContext('c', { b: 1 })).toMatchObject({ version: 3, epoch });
  });

  test('of an older version neither refuses nor accepts by it', async () => {
    const { chord, backend, memory, direct } = openFaulty();
    await direct.setContext('c', { n: 0 });
    const stale = await seen(memory);
    await direct.updateContext('c', { n: 1 });
    backend.peekAs = () => stale;
    const conflict = await rejectionOf(chord.updateContext('c', { n: 9 }, { expectedVersion: 1 }));
    expect(conflict).toMatchObject({ code: 'VERSION_CONFLICT', currentVersion: 2 });
    expect(await chord.updateContext('c', { n: 2 }, { expectedVersion: 2 })).toMatchObject({ version: 3 });
  });

  test('of an older version does not make a write a no-op', async () => {
    const { chord, backend, memory, direct } = openFaulty();
    await direct.setContext('c', { n: 0 });
    const stale = await seen(memory);
    await direct.updateContext('c', { n: 1 });
    backend.peekAs = () => stale;
    const result = await chord.updateContext('c', { n: 0 });
    expect(result).toMatchObject({ version: 3, changed: true });
    expect(result.delta?.changes).toEqual([{ action: 'MODIFIED', path: ['n'], oldValue: 1, value: 0 }]);
  });

  test('of a smaller state does not let it grow over the limit', async () => {
    const { chord, backend, memory, direct } = openFaulty({ maxStateBytes: 60 });
    await direct.setContext('c', {});
    const stale = await seen(memory);
    await direct.updateContext('c', { a: 'x'.repeat(40) });
    backend.peekAs = () => stale;
    const refusal = await rejectionOf(chord.updateContext('c', { b: 'x'.repeat(20) }));
    expect(refusal).toMatchObject({ code: 'LIMIT_EXCEEDED', limit: 'maxStateBytes' });
  });
});

describe('a broken store', () => {
  test.each([1, -1, 0])(
    'that says write %d of the batch is a duplicate, and it cannot be, fails the batch instead of being asked for ever',
    async (index) => {
      const { chord, backend } = openFaulty();
      await chord.setContext('c', {});
      backend.calls.commit = 0;
      const outcome = { epoch: 'e', version: 1, requestHash: 'h', changed: true };
      backend.commit = async () => {
        // The loop that this is about would never let the event loop go on.
        if (backend.calls.commit++ > 1_000) throw new Error('asked for ever');
        return { kind: 'duplicate', index, outcome };
      };
      const failure = await rejectionOf(chord.updateContext('c', { a: 1 }));
      expect(String(failure)).toContain('The backend is broken');
      expect(backend.calls.commit).toBe(1);
      expect(chord.stats().queuedWrites).toBe(0);
    },
  );
});

describe('other writers', () => {
  test('who always win: after 32 losses the write is given back as NOT_STORED, and was not', async () => {
    const { chord, backend } = openFaulty();
    await chord.setContext('c', { n: 0 });
    backend.calls.commit = 0;
    backend.everyCommit = 'lost';
    const refusal = await rejectionOf(chord.updateContext('c', { n: 1 }));
    expect(refusal).toMatchObject({ code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' });
    expect(backend.calls.commit).toBe(32);
    backend.everyCommit = 'none';
    expect(await chord.getContext('c')).toMatchObject({ version: 1, state: { n: 0 } });
    expect(await chord.updateContext('c', { n: 2 })).toMatchObject({ version: 2 });
  });

  test('who win a few times: the write is stored on what they left', async () => {
    const { chord, backend } = openFaulty();
    await chord.setContext('c', { n: 0 });
    backend.commitFaults.push('lost', 'lost', 'lost');
    expect(await chord.updateContext('c', { n: 1 })).toMatchObject({ version: 2 });
  });

  test('of other processes, none of which sees what the others do: every write is there once', async () => {
    const memory = new MemoryBackend();
    const clock = new ManualClock();
    const processes = [0, 1, 2].map(() => {
      const backend = new FaultyBackend(memory);
      let last: Known | undefined;
      backend.peekAs = () => last;
      const commit = backend.commit.bind(backend);
      backend.commit = async (...args) => {
        const result = await commit(...args);
        last = await seen(memory);
        return result;
      };
      return openOn(backend, clock, { deltaThreshold: null });
    });
    await processes[0]?.setContext('c', {});
    const writes = Array.from({ length: 150 }, async (_, n) => {
      for (let tick = 0; tick < n % 5; tick++) await settle();
      return processes[n % 3]?.updateContext('c', { [`k${n}`]: n });
    });
    const results = await Promise.all(writes);
    const record = await processes[0]?.getContext('c');
    expect(record?.version).toBe(151);
    expect(Object.keys(record?.state ?? {})).toHaveLength(150);
    expect(new Set(results.map((result) => result?.version)).size).toBe(150);
    for (const [n, result] of results.entries()) {
      expect(result?.delta?.changes).toEqual([{ action: 'ADDED', path: [`k${n}`], value: n }]);
    }
  });
});

describe('a slow store', () => {
  test('shows nothing and announces nothing before the write is stored', async () => {
    const { chord, backend } = openFaulty();
    const created = await chord.setContext('c', { n: 0 });
    const events = chord.follow('c', clientAt(created));
    await nextEvent(events);
    const next = events.next();
    const held = gateAt('commit');
    backend.gate = held.gate;
    const write = chord.updateContext('c', { n: 1 });
    expect(await isPending(write)).toBe(true);
    expect(await isPending(next)).toBe(true);
    expect((await chord.getContext('c'))?.state).toEqual({ n: 0 });
    expect(await chord.syncContext('c', clientAt(created))).toMatchObject({ kind: 'noChange' });
    held.open();
    await write;
    expect((await next).value).toMatchObject({ kind: 'delta', version: 2 });
    await events.return?.();
  });

  test('gets what waits as one commit, and other contexts do not wait', async () => {
    const { chord, backend } = openFaulty();
    const held = gateAt('commit');
    backend.gate = held.gate;
    const writes = Array.from({ length: 100 }, (_, n) => chord.setContext('c', { n }));
    await settle();
    expect(chord.stats().queuedWrites).toBe(100);
    backend.gate = undefined;
    await chord.setContext('other', {});
    held.open();
    await Promise.all(writes);
    expect(backend.commits.filter(({ id }) => id === 'c').map(({ writes: batch }) => batch.length)).toEqual([1, 99]);
  });
});

describe('a context that was last written under another server identity', () => {
  test('begins an epoch with the next write, which its writer and its followers are told like a creating one', async () => {
    const { chord, backend } = openFaulty();
    const created = await chord.setContext('c', { n: 0 });
    const events = chord.follow('c', clientAt(created));
    await nextEvent(events);
    backend.isOtherServer = true;
    const write = await chord.updateContext('c', { n: 1 });
    expect(write).toMatchObject({
      version: 2,
      changed: true,
      delta: { epoch: write.epoch, fromVersion: 0, version: 2 },
    });
    expect(write.epoch).not.toBe(created.epoch);
    expect(await chord.getContext('c')).toMatchObject({ ...positionOf(write), state: { n: 1 } });
    expect(await nextEvent(events)).toMatchObject({ kind: 'full', reason: 'EPOCH_CHANGED', ...positionOf(write) });
    expect(await chord.syncContext('c', clientAt(created))).toMatchObject({ kind: 'full', reason: 'EPOCH_CHANGED' });
    await chord.updateContext('c', { n: 2 });
    expect(await nextEvent(events)).toMatchObject({ kind: 'delta', epoch: write.epoch, fromVersion: 2, version: 3 });
    await events.return?.();
  });

  test('begins it with the first write of a batch that changes something; a new life in it has its own', async () => {
    const { chord, backend } = openFaulty();
    const created = await chord.setContext('c', { n: 0 });
    const held = gateAt('commit');
    backend.gate = held.gate;
    const opening = chord.setContext('c', { n: 0 });
    const batch = Promise.all([
      chord.updateContext('c', { n: 0 }),
      chord.updateContext('c', { n: 1 }),
      chord.updateContext('c', { n: 2 }),
      chord.deleteContext('c'),
      chord.setContext('c', { n: 3 }),
      chord.updateContext('c', { n: 4 }),
    ]);
    backend.isOtherServer = true;
    held.open();
    await opening;
    const [same, first, second, gone, again, last] = await batch;
    expect(same).toMatchObject({ ...positionOf(created), changed: false });
    expect(first.epoch).not.toBe(created.epoch);
    expect(first.delta).toMatchObject({ epoch: first.epoch, fromVersion: 0, version: 2 });
    expect(second.delta).toMatchObject({ epoch: first.epoch, fromVersion: 2, version: 3 });
    expect(gone).toMatchObject(positionOf(second));
    expect(again.delta).toMatchObject({ epoch: again.epoch, fromVersion: 0, version: 4 });
    expect(again.epoch).not.toBe(first.epoch);
    expect(last.delta).toMatchObject({ epoch: again.epoch, fromVersion: 4, version: 5 });
  });
});
