import { describe, expect, test } from 'vitest';
import { measureBackend } from '../../src/backend/measured.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { backendConformance } from '../../src/conformance/conformance.ts';
import type { ExportedContext } from '../../src/external/external.ts';
import type { ServiceOptions } from '../../src/service/service.ts';
import { clientAt, nextEvent, openOn, rejectionOf } from '../support/chord.ts';
import { ManualClock, settle } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';
import { RecordedMetrics } from './facts.ts';

function open(options: Partial<Omit<ServiceOptions, 'backend' | 'clock' | 'metrics'>> = {}) {
  const metrics = new RecordedMetrics();
  const backend = new FaultyBackend(new MemoryBackend());
  const clock = new ManualClock();
  const chord = openOn(backend, clock, { ...options, metrics });
  return { chord, backend, clock, metrics };
}

test('each write is counted once, by its verb and what became of it', async () => {
  const { chord, backend, metrics } = open({ maxStateBytes: 100 });
  await chord.setContext('c', { n: 1 }, { idempotencyKey: 'k' });
  await chord.setContext('c', { n: 1 }, { idempotencyKey: 'k' });
  await chord.updateContext('c', { n: 1 });
  await rejectionOf(chord.setContext('c', { n: 2 }, { idempotencyKey: 'k' }));
  await rejectionOf(chord.updateContext('c', { n: 2 }, { expectedVersion: 9 }));
  await rejectionOf(chord.updateContext('absent', { n: 2 }));
  await rejectionOf(chord.setContext('', {}));
  await rejectionOf(chord.setContext('c', { text: 'x'.repeat(200) }));
  await rejectionOf(chord.restoreContext('c'));
  backend.commitFaults.push('notStored');
  await rejectionOf(chord.updateContext('c', { n: 3 }));
  backend.commitFaults.push('storedThenUnknown');
  await rejectionOf(chord.updateContext('c', { n: 4 }));
  await chord.deleteContext('c');
  expect(metrics.counted('writes')).toEqual({
    'set done': 1,
    'set duplicate': 1,
    'set keyReused': 1,
    'set invalid': 1,
    'set limit': 1,
    'update unchanged': 1,
    'update conflict': 1,
    'update notFound': 1,
    'update notStored': 1,
    'update unknown': 1,
    'restore external': 1,
    'delete done': 1,
  });
  expect(metrics.observed('writeSeconds')['set']).toHaveLength(5);
});

test('answers are counted by who asked, their kind and their reason', async () => {
  const { chord, metrics } = open();
  const created = await chord.setContext('c', { n: 1, text: 'longer than what changes' });
  await chord.updateContext('c', { n: 2 });
  await chord.syncContext('absent');
  await chord.syncContext('c');
  await chord.syncContext('c', clientAt(created));
  await chord.syncContext('c', { epoch: created.epoch, version: 99 });
  await chord.syncContext('c', { epoch: 'other', version: 1 });
  const events = chord.follow('c', { epoch: created.epoch, version: 2 });
  await nextEvent(events);
  await nextEvent(chord.follow('absent'));
  expect(metrics.counted('answers')).toEqual({
    'query none': 1,
    'query full NO_POSITION': 1,
    'query delta': 1,
    'query full CLIENT_AHEAD': 1,
    'query full EPOCH_CHANGED': 1,
    'subscribe noChange': 1,
    'subscribe noContext': 1,
  });
  await chord.close();
});

test('a follower that was not asked for long is behind, and it is counted by how many versions', async () => {
  const { chord, metrics } = open();
  await chord.setContext('c', { n: 0, text: 'longer than what changes' });
  const events = chord.follow('c');
  await nextEvent(events);
  expect(chord.followersBehind).toBe(0);
  for (const n of [1, 2, 3]) await chord.updateContext('c', { n });
  expect(chord.followersBehind).toBe(1);
  await nextEvent(events);
  expect(chord.followersBehind).toBe(0);
  expect(metrics.observed('behindVersions')).toEqual({ '': [3] });
  expect(metrics.counted('answers')).toEqual({ 'subscribe full NO_POSITION': 1, 'catchUp delta': 1 });
  await chord.updateContext('c', { n: 4 });
  await nextEvent(events);
  // The announced delta led on.
  expect(metrics.counted('answers')['catchUp delta']).toBe(1);
  expect(metrics.counted('healedGaps')).toEqual({});
  await chord.close();
});

test('an interruption that hid a change is a healed gap, and one that hid nothing is none', async () => {
  const { chord, backend, metrics } = open();
  await chord.setContext('c', { n: 0 });
  const events = chord.follow('c');
  await nextEvent(events);
  const next = events.next();
  backend.interrupt();
  await settle();
  expect(metrics.counted('healedGaps')).toEqual({});
  backend.courier = () => undefined;
  await chord.updateContext('c', { n: 1 });
  backend.interrupt();
  expect(await next).toMatchObject({ value: { version: 2 } });
  expect(metrics.counted('healedGaps')).toEqual({ interrupted: 1 });
  await chord.close();
});

test('a change of which nothing was announced is a healed gap of the recheck', async () => {
  const { chord, backend, clock, metrics } = open({ recheckMs: 1_000 });
  await chord.setContext('c', { n: 0 });
  const events = [chord.follow('c'), chord.follow('c')];
  for (const each of events) await nextEvent(each);
  const next = events.map((each) => each.next());
  backend.courier = () => undefined;
  await chord.updateContext('c', { n: 1 });
  await clock.advance(2_000);
  expect(await Promise.all(next)).toMatchObject([{ value: { version: 2 } }, { value: { version: 2 } }]);
  // Of the context, however many follow it.
  expect(metrics.counted('healedGaps')).toEqual({ recheck: 1 });
  await chord.close();
});

test('passes of cleanup are counted with what they removed', async () => {
  const { chord, clock, metrics } = open({ tombstoneTtlMs: 100 });
  await chord.setContext('a', { n: 1 }, { ttlMs: 10 });
  await chord.setContext('b', { n: 1 }, { ttlMs: 10 });
  await clock.advance(1_000);
  await chord.runCleanup();
  await clock.advance(1_000);
  await chord.runCleanup();
  await chord.close();
  expect(metrics.counted('cleanupRuns')).toEqual({ done: 2 });
  expect(metrics.counted('cleanupRemoved')).toEqual({ context: 2, delta: 0, tombstone: 2 });
});

test('calls of exporter and provider are measured by their outcome', async () => {
  const kept = new Map<string, ExportedContext>();
  const { chord, metrics } = open({
    restoreOnMiss: true,
    exporter: {
      name: 'own',
      exportContext: async (context) => {
        if (context.id === 'broken') throw new Error('no');
        kept.set(context.id, context);
      },
    },
    provider: { name: 'own', fetchContext: async (id) => kept.get(id) ?? null },
  });
  await chord.setContext('c', { n: 1 });
  await chord.setContext('broken', { n: 1 });
  await chord.exportContext('c');
  await rejectionOf(chord.exportContext('broken'));
  // Reads through.
  kept.set('moved', { ...exported(kept), id: 'moved' });
  await chord.getContext('moved');
  await chord.getContext('nowhere');
  await chord.restoreContext('c');
  const measured = Object.entries(metrics.observed('externalSeconds'));
  expect(Object.fromEntries(measured.map(([labels, { length }]) => [labels, length]))).toEqual({
    'exporter done': 1,
    'exporter failed': 1,
    'provider done': 2,
    'provider none': 1,
  });
  expect(metrics.counted('writes')).toMatchObject({ 'fill done': 1, 'restore unchanged': 1 });
  await chord.close();
});

function exported(kept: ReadonlyMap<string, ExportedContext>): ExportedContext {
  const [first] = kept.values();
  if (first === undefined) throw new Error('nothing was exported');
  return first;
}

describe('a measured store', () => {
  const calls: string[] = [];
  const heard: string[] = [];
  const measured = (store: MemoryBackend | FaultyBackend) =>
    measureBackend(store, {
      onCall: (method, size) => (outcome) => void calls.push(`${method} ${outcome}${size === 1 ? '' : ` of ${size}`}`),
      onAnnouncement: (kind) => void heard.push(kind),
    });

  test('says how each call ended, and what was announced', async () => {
    const store = new FaultyBackend(new MemoryBackend());
    const chord = openOn(measured(store), new ManualClock());
    await chord.setContext('c', { n: 1 }, { idempotencyKey: 'k' });
    const events = chord.follow('c');
    await nextEvent(events);
    store.commitFaults.push('lost', 'none', 'storedThenUnknown', 'notStored');
    await chord.updateContext('c', { n: 2 });
    await rejectionOf(chord.updateContext('c', { n: 3 }));
    await rejectionOf(chord.updateContext('c', { n: 4 }));
    await chord.setContext('c', { n: 1 }, { idempotencyKey: 'k' });
    expect(calls.filter((call) => call.startsWith('commit '))).toEqual([
      'commit done',
      'commit behind',
      'commit done',
      'commit unknown',
      'commit notStored',
      'commit duplicate',
    ]);
    expect(calls).toContain('watch done');
    expect(calls).toContain('read done');
    expect(heard).toEqual(['changed', 'changed']);
    await chord.close();
  });
});

backendConformance('memory, measured', () => measureBackend(new MemoryBackend(), { onCall: () => () => undefined }), {
  describe,
  test,
});
