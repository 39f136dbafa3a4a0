/**
 * The mistakes of docs/defects.md, by their numbers there, that concern the verbs of the service. Those of the delta
 * algebra are in test/delta.
 */
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { BackendUnavailableError, ChordError } from '../../src/errors.ts';
import { clientAt, nextEvent, openChord, openOn, positionOf, rejectionOf } from '../support/chord.ts';
import { ManualClock } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';
import { clientApply } from './oracle.ts';

const ballast = { ballast: 'x'.repeat(300) };

test('defect 1: parallel updates of different fields, by two processes, are all kept, and no two share a version', async () => {
  const memory = new MemoryBackend();
  const clock = new ManualClock();
  const processes = [openOn(memory, clock), openOn(memory, clock)];
  await processes[0]?.setContext('c', {});
  const results = await Promise.all(
    Array.from({ length: 200 }, async (_, n) => processes[n % 2]?.updateContext('c', { [`f${n}`]: n })),
  );
  const record = await processes[1]?.getContext('c');
  expect(Object.keys(record?.state ?? {})).toHaveLength(200);
  expect(record?.version).toBe(201);
  expect(new Set(results.map((result) => result?.version)).size).toBe(200);
});

test('defect 2: a version never exists without its delta, also when the process dies in the commit', async () => {
  const memory = new MemoryBackend();
  const clock = new ManualClock();
  const dying = new FaultyBackend(memory);
  const chord = openOn(dying, clock);
  const created = await chord.setContext('c', ballast);
  for (const fault of ['notStored', 'storedThenUnknown'] as const) {
    dying.commitFaults.push(fault);
    expect(await rejectionOf(chord.updateContext('c', { [fault]: 1 }))).toBeInstanceOf(BackendUnavailableError);
    const survivor = openOn(memory, clock);
    const head = await survivor.getContext('c');
    const { nodes } = await survivor.listDeltas({ contextId: 'c', afterVersion: created.version });
    expect(nodes.map(({ version }) => version)).toEqual(
      Array.from({ length: (head?.version ?? 0) - 1 }, (_, n) => n + 2),
    );
    expect(
      clientApply(
        ballast,
        nodes.flatMap(({ changes }) => changes),
      ),
    ).toEqual(head?.state);
  }
});

test('defect 9: -0 is 0, before and after storing, so that setting one over the other changes nothing', async () => {
  const { chord } = openChord();
  await chord.setContext('c', { n: -0 });
  expect(Object.is((await chord.getContext('c'))?.state['n'], 0)).toBe(true);
  expect((await chord.setContext('c', { n: 0 })).changed).toBe(false);
  expect((await chord.updateContext('c', { n: -0 })).changed).toBe(false);
  expect((await chord.updateContext('c', { n: JSON.parse('1.0') as number })).delta?.changes).toHaveLength(1);
  expect((await chord.updateContext('c', { n: 1 })).changed).toBe(false);
});

test('defect 10: after part of the deltas has expired, a client from before is not sent a delta with a hole', async () => {
  const { chord, backend, clock } = openChord();
  const created = await chord.setContext('c', ballast);
  for (let n = 2; n <= 5; n++) {
    await clock.advance(1_000);
    await chord.updateContext('c', { [`k${n}`]: n });
  }
  await backend.trimDeltas('c', clock.now() - 2_000);
  expect(await chord.syncContext('c', clientAt(created))).toMatchObject({
    kind: 'full',
    reason: 'TOO_OLD',
    version: 5,
  });
  const inside = await chord.syncContext('c', { ...clientAt(created), version: 4 });
  expect(inside).toMatchObject({ kind: 'delta', fromVersion: 4, version: 5 });
});

test('defect 11: a client of a former life learns of the new one, whether it is ahead of it or behind', async () => {
  const { chord, backend, clock } = openChord();
  await chord.setContext('c', ballast);
  await chord.updateContext('c', { n: 1 });
  const before = await chord.updateContext('c', { n: 2 });
  await chord.deleteContext('c');
  expect(await chord.syncContext('c', clientAt(before))).toMatchObject({ kind: 'gone', ...positionOf(before) });
  await backend.purgeTombstone('c', clock.now());
  // Versions begin again: the client is ahead, then at the same number, then behind.
  for (let version = 1; version <= 5; version++) {
    await chord.setContext('c', { ...ballast, life: 2, version });
    const event = await chord.syncContext('c', clientAt(before));
    expect(event).toMatchObject({ kind: 'full', reason: 'EPOCH_CHANGED', version, context: { state: { life: 2 } } });
  }
  const ahead = await chord.syncContext('c', { version: 9 });
  expect(ahead).toMatchObject({ kind: 'full', reason: 'CLIENT_AHEAD' });
});

test('defect 12: the threshold keeps the newest deltas, so that those who are little behind get a delta', async () => {
  const { chord } = openChord({ deltaThreshold: 3 });
  const { epoch } = await chord.setContext('c', ballast);
  for (let n = 2; n <= 10; n++) await chord.updateContext('c', { n });
  const { nodes } = await chord.listDeltas({ contextId: 'c' });
  expect(nodes.map(({ version }) => version)).toEqual([8, 9, 10]);
  const at = (version: number) => chord.syncContext('c', { epoch, version });
  expect(await at(7)).toMatchObject({ kind: 'delta', fromVersion: 7, version: 10 });
  expect(await at(6)).toMatchObject({ kind: 'full', reason: 'TOO_OLD' });
});

test('defect 16: a write that changes nothing has the shape of any other', async () => {
  const { chord } = openChord();
  const changed = await chord.setContext('c', { a: 1 });
  const unchanged = await chord.setContext('c', { a: 1 });
  expect(Object.keys(unchanged).toSorted()).toEqual(Object.keys(changed).toSorted());
  expect(unchanged).toMatchObject({ ...positionOf(changed), changed: false, delta: null });
  expect(await unchanged.context()).toEqual(await changed.context());
});

test('defect 16: {} on a new id is stored, at version 1', async () => {
  const { chord } = openChord();
  expect(await chord.setContext('c', {})).toMatchObject({ version: 1, changed: true, delta: { changes: [] } });
  expect(await chord.getContext('c')).toMatchObject({ version: 1, state: {} });
  expect(await chord.syncContext('c')).toMatchObject({ kind: 'full', context: { state: {} } });
});

test('defect 16: an unknown id is not found by delete and update, and errors come bare', async () => {
  const { chord } = openChord();
  for (const write of [chord.deleteContext('c'), chord.updateContext('c', { a: 1 })]) {
    const error = await rejectionOf(write);
    expect(error).toBeInstanceOf(ChordError);
    expect(error).toMatchObject({ code: 'CONTEXT_NOT_FOUND', contextId: 'c' });
    expect(error).not.toHaveProperty('cause');
  }
});

test('defect 17: a page looks at its own contexts only, and the order stands still between pages', async () => {
  const backend = new FaultyBackend(new MemoryBackend());
  const chord = openOn(backend, new ManualClock());
  const ids = Array.from({ length: 500 }, (_, n) => `c${String(n).padStart(3, '0')}`);
  await Promise.all(ids.toReversed().map((id) => chord.setContext(id, {})));
  const seen: string[] = [];
  let after: string | null = null;
  for (let page = 0; page < 50; page++) {
    backend.calls.read = 0;
    backend.headBatches.length = 0;
    const { nodes, endCursor } = await chord.listContexts({ limit: 10, after });
    expect(backend.calls.read).toBeLessThanOrEqual(11);
    expect(backend.headBatches.flat().length).toBeLessThanOrEqual(11);
    seen.push(...nodes.map(({ id }) => id));
    for (const id of [ids[page], ids[499 - page]]) await chord.updateContext(id ?? '', { page });
    after = endCursor;
  }
  expect(seen).toEqual(ids);
});

test('defect 17: the filters filter', async () => {
  const { chord } = openChord();
  for (const id of ['a1', 'a2', 'b1']) await chord.setContext(id, {});
  await chord.updateContext('a2', { n: 1 });
  const ids = async (filter: object) => (await chord.listContexts(filter)).nodes.map(({ id }) => id);
  expect(await ids({ idPrefix: 'a' })).toEqual(['a1', 'a2']);
  expect(await ids({ version: 2 })).toEqual(['a2']);
  expect(await ids({ ids: ['b1'] })).toEqual(['b1']);
  expect(await ids({ idPrefix: 'a', version: 1 })).toEqual(['a1']);
});

test('defect 19: without a threshold sync works, and every delta is kept', async () => {
  const { chord } = openChord({ deltaThreshold: null });
  const created = await chord.setContext('c', ballast);
  for (let n = 0; n < 300; n++) await chord.updateContext('c', { n });
  expect(await chord.syncContext('c', clientAt(created))).toMatchObject({
    kind: 'delta',
    fromVersion: 1,
    version: 301,
  });
});

test('defect 19: a time to live is in milliseconds of the injected clock', async () => {
  const { chord, clock } = openChord({ contextAutoDelete: true, contextTtlMs: 60_000 });
  await chord.setContext('c', {});
  await chord.setContext('own', {}, { ttlMs: 1 });
  expect((await chord.getContext('c'))?.expiresAtMs).toBe(clock.now() + 60_000);
  expect((await chord.getContext('own'))?.expiresAtMs).toBe(clock.now() + 1);
});

test('defect 20: the configured formatter is what formats deltas, from a write, a sync and a subscription', async () => {
  const formatted: unknown[] = [];
  const { chord } = openChord({
    deltaFormatter: (delta) => {
      formatted.push(delta);
      return { ours: delta.version };
    },
  });
  const created = await chord.setContext('c', ballast);
  const events = chord.follow('c', clientAt(created));
  await nextEvent(events);
  const { delta } = await chord.updateContext('c', { a: 1 });
  const synced = await chord.syncContext('c', clientAt(created));
  const live = await nextEvent(events);
  const deltas = [delta, synced, live].filter((each) => each?.kind === 'delta');
  expect(deltas.map((each) => chord.formatDelta(each))).toEqual([{ ours: 2 }, { ours: 2 }, { ours: 2 }]);
  expect(formatted).toHaveLength(3);
  await events.return?.();
});
