/** restoreOnMiss: a read that finds no context asks the provider first, and never says wrongly that there is nothing. */
import { describe, expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { BackendUnavailableError, ExternalStorageError } from '../../src/errors.ts';
import type { ChordService, ServiceOptions } from '../../src/service/service.ts';
import { RecordingLogger } from '../support/app.ts';
import { Archive, createGate, providerOf } from '../support/archive.ts';
import {
  clientAt,
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

const secret = 'https://storage.test/?token=s3cret';
const unavailable = { code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' };
const record = { version: 7, state: { n: 7 } };

/** A service that reads through to an archive, which has the context "c" at version 7. */
function openReading(options: Partial<ServiceOptions> = {}) {
  const archive = new Archive();
  archive.records.set('c', record);
  const logger = new RecordingLogger();
  const opened = openChord({ exporter: archive, provider: archive, restoreOnMiss: true, logger, ...options });
  return { ...opened, archive, logger };
}

type Reading = ReturnType<typeof openReading>;

/** The context was there, and has expired at version 1. */
async function expire({ chord, backend, clock }: Pick<Reading, 'chord' | 'backend' | 'clock'>) {
  const written = await chord.setContext('c', { n: 1 }, { ttlMs: 10 });
  await clock.advance(10);
  await backend.expire('c', clock.now());
  return written;
}

/** The three ways to read one context, each told as what it says there is. */
const reads: readonly (readonly [string, (chord: ChordService) => Promise<unknown>])[] = [
  ['getContext', async (chord) => chord.getContext('c')],
  ['syncContext', async (chord) => chord.syncContext('c')],
  ['the first event of follow', async (chord) => nextOf(chord)],
];

async function nextOf(chord: ChordService): Promise<unknown> {
  await using events = chord.follow('c');
  return (await events.next()).value;
}

describe('of what is not there', () => {
  test.each(reads)('%s answers what the provider has', async (_, read) => {
    const { chord, archive } = openReading();
    expect(await turnNow(read(chord))).toMatchObject({ version: 7 });
    expect(await chord.getContext('c')).toMatchObject({ version: 7, state: { n: 7 } });
    expect(archive.fetched).toEqual(['c']);
  });

  test('a client without a position is told FULL NO_POSITION, one of the exported life EPOCH_CHANGED', async () => {
    for (const [position, reason] of [
      [undefined, 'NO_POSITION'],
      [{ epoch: 'of-old', version: 7 }, 'EPOCH_CHANGED'],
    ] as const) {
      const told = { kind: 'full', reason, version: 7, context: { state: { n: 7 } } };
      expect(await openReading().chord.syncContext('c', position)).toMatchObject(told);
      expect(await nextEvent(openReading().chord.follow('c', position))).toMatchObject(told);
    }
  });

  test.each(reads)('%s says so when the provider has nothing either, and the next one asks again', async (_, read) => {
    const { chord, archive, logger } = openReading();
    archive.records.clear();
    const event = await turnNow(read(chord));
    expect(event === null || (event as { readonly kind?: unknown }).kind === 'noContext').toBe(true);
    archive.records.set('c', record);
    expect(await turnNow(read(chord))).toMatchObject({ version: 7 });
    expect(archive.fetched).toEqual(['c', 'c']);
    expect(logger.lines).toEqual([]);
  });

  test('nothing is asked unless the option is on', async () => {
    const { chord, archive } = openReading({ restoreOnMiss: false });
    expect(await chord.getContext('c')).toBeNull();
    expect(await chord.syncContext('c')).toBeNull();
    expect(await nextEvent(chord.follow('c'))).toMatchObject({ kind: 'noContext' });
    expect(archive.fetched).toEqual([]);
  });
});

describe('of what has expired', () => {
  test.each(reads)('%s answers what the provider has, at a version after the last one', async (_, read) => {
    const opened = openReading();
    const written = await expire(opened);
    opened.archive.records.set('c', { version: 1, state: { n: 1 } });
    expect(await turnNow(read(opened.chord))).toMatchObject({ version: 2 });
    expect((await opened.chord.getContext('c'))?.epoch).not.toBe(written.epoch);
  });

  test('it says GONE when the provider has nothing', async () => {
    const opened = openReading();
    const { chord, archive } = opened;
    const written = await expire(opened);
    archive.records.clear();
    const gone = { kind: 'gone', cause: 'EXPIRED', ...positionOf(written) };
    expect(await chord.getContext('c')).toBeNull();
    expect(await chord.syncContext('c', clientAt(written))).toMatchObject(gone);
    expect(await nextEvent(chord.follow('c'))).toMatchObject(gone);
    expect(archive.fetched).toHaveLength(3);
  });
});

describe('of what was deleted', () => {
  test('nothing comes back, and the provider is not asked', async () => {
    const { chord, archive } = openReading();
    await chord.setContext('c', {});
    await chord.deleteContext('c');
    expect(await chord.getContext('c')).toBeNull();
    expect(await chord.syncContext('c')).toMatchObject({ kind: 'gone', cause: 'DELETED' });
    expect(await nextEvent(chord.follow('c'))).toMatchObject({ kind: 'gone', cause: 'DELETED' });
    expect(archive.fetched).toEqual([]);
  });
});

describe('readers at once', () => {
  test('make one call, also fifty of them, and are told the same', async () => {
    const { chord, archive } = openReading();
    const gate = createGate();
    archive.gate = gate.pass;
    const answers = Array.from({ length: 50 }, (_, index) => index).map(async (index) => reads[index % 3]?.[1](chord));
    await settle();
    gate.open();
    const told = await Promise.all(answers);
    const stored = await chord.getContext('c');
    if (stored === null) throw new Error('nothing was restored');
    expect(told).toMatchObject(told.map(() => positionOf(stored)));
    expect(archive.fetched).toEqual(['c']);
  });

  test('of different contexts do not wait for each other', async () => {
    const { chord, archive } = openReading();
    const gate = createGate();
    archive.gate = gate.pass;
    const first = chord.getContext('c');
    await settle();
    archive.gate = undefined;
    archive.records.set('d', record);
    expect(await turnNow(chord.getContext('d'))).toMatchObject({ version: 7 });
    gate.open();
    expect(await first).toMatchObject({ version: 7 });
  });

  test('leave each by itself: one that goes is freed at once, and the others are answered', async () => {
    const { chord, archive } = openReading();
    const gate = createGate();
    archive.gate = gate.pass;
    const leaving = new AbortController();
    const left = chord.follow('c', {}, { signal: leaving.signal }).next();
    const stays = chord.follow('c').next();
    await settle();
    leaving.abort();
    expect(await turnNow(left)).toEqual({ done: true, value: undefined });
    expect(chord.stats()).toMatchObject({ followers: 1, watchedContexts: 1 });
    expect(archive.signals.map(({ aborted }) => aborted)).toEqual([false]);
    gate.open();
    expect(await stays).toMatchObject({ value: { kind: 'full', version: 7 } });
  });
});

describe('followers', () => {
  test('see what a read restored as FULL, after GONE and after NO_CONTEXT', async () => {
    const opened = openReading();
    const { chord, archive } = opened;
    const asked = archive.records.get('c');
    archive.records.clear();
    const early = chord.follow('c');
    expect(await nextEvent(early)).toMatchObject({ kind: 'noContext' });
    await expire(opened);
    expect(await nextEvent(early)).toMatchObject({ kind: 'gone', cause: 'EXPIRED' });
    if (asked !== undefined) archive.records.set('c', asked);
    const late = chord.follow('c');
    const told = await nextEvent(late);
    expect(told).toMatchObject({ kind: 'full', reason: 'NO_POSITION', version: 7 });
    expect(await nextEvent(early)).toMatchObject({ kind: 'full', reason: 'EPOCH_CHANGED', ...positionOf(told) });
    const change = await chord.updateContext('c', { n: 8 });
    for (const events of [early, late]) expect(await nextEvent(events)).toEqual(change.delta);
  });

  test('that are told later that it is gone, or compare with the store, ask nobody', async () => {
    const opened = openReading();
    const { chord, archive, clock } = opened;
    archive.records.clear();
    const events = chord.follow('c');
    await nextEvent(events);
    archive.records.set('c', record);
    archive.fetched.length = 0;
    const pending = events.next();
    for (let times = 0; times < 3; times++) await clock.advance(30_000);
    expect(await isPending(pending)).toBe(true);
    const written = await chord.setContext('c', { n: 1 }, { ttlMs: 10 });
    expect(await pending).toMatchObject({ value: { kind: 'full', ...positionOf(written) } });
    await clock.advance(10);
    await opened.backend.expire('c', clock.now());
    expect(await nextEvent(events)).toMatchObject({ kind: 'gone', cause: 'EXPIRED' });
    expect(archive.fetched).toEqual([]);
  });
});

describe('what is no read of one context', () => {
  test('asks nobody', async () => {
    const { chord, archive } = openReading();
    expect(await rejectionOf(chord.updateContext('c', {}))).toMatchObject({ code: 'CONTEXT_NOT_FOUND' });
    expect(await rejectionOf(chord.deleteContext('c'))).toMatchObject({ code: 'CONTEXT_NOT_FOUND' });
    expect(await rejectionOf(chord.exportContext('c'))).toMatchObject({ code: 'CONTEXT_NOT_FOUND' });
    expect((await chord.listContexts({ ids: ['c'] })).nodes).toEqual([]);
    expect((await chord.listDeltas({ contextId: 'c' })).nodes).toEqual([]);
    const written = await chord.setContext('c', { n: 1 });
    expect(written.version).toBe(1);
    await chord.deleteContext('c');
    expect(await written.context()).toBeNull();
    expect(archive.fetched).toEqual([]);
  });

  test('nor does what a write or a restore answers of a context that expired meanwhile', async () => {
    const opened = openReading();
    const written = await expire(opened);
    expect(await written.context()).toBeNull();
    expect(opened.archive.fetched).toEqual([]);
    const restored = await opened.chord.restoreContext('c', { expectedVersion: 0 });
    await opened.chord.updateContext('c', {}, { ttlMs: 10 });
    await opened.clock.advance(10);
    await opened.backend.expire('c', opened.clock.now());
    expect(await restored.context()).toBeNull();
    expect(opened.archive.fetched).toEqual(['c']);
  });
});

/** The answers of all reads, begun before and given after that. */
async function readDuring(opened: Reading, happen: () => Promise<unknown>) {
  const gate = createGate();
  opened.archive.gate = gate.pass;
  const answers = reads.map(async ([, read]) => read(opened.chord));
  await settle();
  expect(opened.archive.fetched).toEqual(['c']);
  await happen();
  gate.open();
  return Promise.all(answers);
}

describe('what happens while the provider is asked', () => {
  test('a context that is created wins', async () => {
    const opened = openReading();
    const told = await readDuring(opened, () => opened.chord.setContext('c', { mine: true }));
    expect(told).toMatchObject([
      { version: 1, state: { mine: true } },
      { version: 1, context: { state: { mine: true } } },
      { version: 1, context: { state: { mine: true } } },
    ]);
    expect(opened.logger.lines).toEqual([]);
  });

  test('one that is created and deleted stays deleted', async () => {
    const opened = openReading();
    const told = await readDuring(opened, async () => {
      await opened.chord.setContext('c', { mine: true });
      await opened.chord.deleteContext('c');
    });
    const gone = { kind: 'gone', cause: 'DELETED', version: 1 };
    expect(told).toMatchObject([null, gone, gone]);
  });

  test('one that is created and expires is not replaced by what was exported before it; the next read asks', async () => {
    const opened = openReading();
    const told = await readDuring(opened, async () => {
      await expire(opened);
      opened.archive.records.set('c', { version: 8, state: { later: true } });
    });
    const gone = { kind: 'gone', cause: 'EXPIRED', version: 1 };
    expect(told).toMatchObject([null, gone, gone]);
    opened.archive.gate = undefined;
    expect(await opened.chord.getContext('c')).toMatchObject({ version: 8, state: { later: true } });
  });

  test('a read after such an end does not wait for the older call', async () => {
    const opened = openReading();
    const gate = createGate();
    opened.archive.gate = gate.pass;
    const early = opened.chord.getContext('c');
    await settle();
    await expire(opened);
    opened.archive.gate = undefined;
    expect(await turnNow(opened.chord.getContext('c'))).toMatchObject({ version: 7 });
    gate.open();
    expect(await early).toMatchObject({ version: 7 });
    expect(await opened.chord.getContext('c')).toMatchObject({ version: 7 });
  });

  test('a tombstone that is purged is no reason to stop', async () => {
    const opened = openReading();
    await expire(opened);
    const told = await readDuring(opened, () => opened.backend.purgeTombstone('c', opened.clock.now()));
    expect(told).toMatchObject([{ version: 7 }, { version: 7 }, { version: 7 }]);
  });

  test('a stale view of a deletion is no reason to stop either', async () => {
    const memory = new MemoryBackend();
    const backend = new FaultyBackend(memory);
    const clock = new ManualClock();
    const chord = openOn(backend, clock, { provider: providerOf(() => record), restoreOnMiss: true });
    await chord.setContext('c', {});
    await chord.deleteContext('c');
    const { known } = await memory.readOutcome('c', undefined, 0);
    await memory.purgeTombstone('c', clock.now());
    backend.peekAs = () => known;
    expect(await chord.getContext('c')).toMatchObject({ version: 7 });
  });
});

describe('a provider that fails', () => {
  test.each(reads)('makes %s fail, not say that there is nothing, and the next one asks again', async (_, read) => {
    const { chord, archive, logger } = openReading();
    archive.gate = () => Promise.reject(new Error(secret));
    const error = await rejectionOf(read(chord));
    expect(error).toBeInstanceOf(BackendUnavailableError);
    expect(error).toMatchObject({ ...unavailable, cause: expect.any(ExternalStorageError) });
    expect((error as BackendUnavailableError).message).not.toContain('s3cret');
    expect(logger.lines).toMatchObject([{ level: 'warn', message: 'provider failed', fields: { id: 'c' } }]);
    archive.gate = undefined;
    expect(await turnNow(read(chord))).toMatchObject({ version: 7 });
  });

  test('for many readers is logged once', async () => {
    const { chord, archive, logger } = openReading();
    archive.gate = () => Promise.reject(new Error(secret));
    const errors = await Promise.all(Array.from({ length: 20 }, () => rejectionOf(chord.getContext('c'))));
    expect(new Set(errors).size).toBe(1);
    expect(logger.lines).toHaveLength(1);
  });

  test('to answer in time is given up, and readers with it', async () => {
    const { chord, archive, clock } = openReading();
    archive.gate = createGate().pass;
    const readers = reads.map(async ([, read]) => rejectionOf(read(chord)));
    await settle();
    await clock.advance(30_000);
    expect(await turnNow(Promise.all(readers))).toMatchObject([unavailable, unavailable, unavailable]);
    expect(archive.signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(chord.stats()).toMatchObject({ followers: 0, watchedContexts: 0 });
  });

  test.each([
    ['a state that is none', { version: 1, state: [1] }, 'INVALID_STATE'],
    ['a state over the limits', { version: 1, state: { a: 'x'.repeat(100) } }, 'LIMIT_EXCEEDED'],
    ['no version', { state: {} }, 'EXTERNAL_STORAGE'],
  ])('by answering %s does so too, and is logged once', async (_, answer, code) => {
    const logger = new RecordingLogger();
    const provider = providerOf(() => answer);
    const { chord } = openChord({ provider, restoreOnMiss: true, maxStateBytes: 64, logger });
    const errors = await Promise.all([rejectionOf(chord.getContext('c')), rejectionOf(chord.syncContext('c'))]);
    expect(errors).toMatchObject([unavailable, unavailable].map((error) => ({ ...error, cause: { code } })));
    expect(logger.lines).toMatchObject([{ level: 'warn', fields: { id: 'c', error: { code } } }]);
  });

  test('fails nobody who finds the context in the store', async () => {
    const { chord, archive } = openReading();
    archive.gate = () => Promise.reject(new Error(secret));
    await chord.setContext('c', {});
    for (const [, read] of reads) expect(await read(chord)).toMatchObject({ version: 1 });
    expect(archive.fetched).toEqual([]);
  });
});

describe('a store that goes away', () => {
  test.each(['notStored', 'storedThenUnknown'] as const)('in the commit (%s) is told as such', async (fault) => {
    const backend = new FaultyBackend(new MemoryBackend());
    const logger = new RecordingLogger();
    const provider = providerOf(() => record);
    const chord = openOn(backend, new ManualClock(), { provider, restoreOnMiss: true, logger });
    backend.commitFaults.push(fault);
    expect(await rejectionOf(chord.getContext('c'))).toMatchObject(unavailable);
    expect(logger.lines).toEqual([]);
    expect(await chord.getContext('c')).toMatchObject({ version: 7 });
  });
});

describe('closing', () => {
  test('ends the call and the readers that wait for it, at once and without a warning', async () => {
    const { chord, archive, logger } = openReading();
    archive.gate = createGate().pass;
    const [get, sync] = [rejectionOf(chord.getContext('c')), rejectionOf(chord.syncContext('c'))];
    const following = chord.follow('c').next();
    await settle();
    await chord.close();
    expect(await turnNow(Promise.all([get, sync]))).toMatchObject([unavailable, unavailable]);
    expect(await turnNow(following)).toMatchObject({ done: true });
    expect(archive.signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(logger.lines).toEqual([]);
  });
});

describe('two processes', () => {
  test('that read at once bring one life into being, and a follower sees it once', async () => {
    const archive = new Archive();
    archive.records.set('c', record);
    const memory = new MemoryBackend();
    const clock = new ManualClock();
    const first = openOn(memory, clock, { provider: archive, restoreOnMiss: true });
    const second = openOn(memory, clock, { provider: archive, restoreOnMiss: true });
    const follower = openOn(memory, clock).follow('c');
    expect(await nextEvent(follower)).toMatchObject({ kind: 'noContext' });
    const gate = createGate();
    archive.gate = gate.pass;
    const answers = [first.getContext('c'), second.getContext('c')];
    await settle();
    gate.open();
    const [one, other] = await Promise.all(answers);
    expect(one).toMatchObject({ version: 7 });
    expect(other).toEqual(one);
    expect(await nextEvent(follower)).toMatchObject({ kind: 'full', version: 7 });
    expect(await isPending(follower.next())).toBe(true);
    expect(archive.fetched).toEqual(['c', 'c']);
  });
});
