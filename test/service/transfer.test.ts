/** Exports, and how every call to the user's code is bounded, told and logged. */
import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { BackendUnavailableError, ExternalStorageError } from '../../src/errors.ts';
import type { Exporter } from '../../src/external/external.ts';
import { createWriteIds, newEpoch } from '../../src/service/ids.ts';
import { Reader } from '../../src/service/reader.ts';
import { Transfers } from '../../src/service/transfer.ts';
import { Writer } from '../../src/service/writer.ts';
import { RecordingLogger } from '../support/app.ts';
import { Archive, createGate } from '../support/archive.ts';
import {
  isPending,
  nextEvent,
  openChord,
  openOn,
  positionOf,
  rejectionOf,
  serviceDefaults,
  turnNow,
} from '../support/chord.ts';
import { ManualClock, settle } from '../support/clock.ts';

const secret = 'https://storage.test/?token=s3cret';

function openExporting(exporter: Exporter = new Archive()) {
  const logger = new RecordingLogger();
  return { ...openChord({ exporter, logger }), logger };
}

/** Transfers as cleanup uses them. */
function openTransfers(exporter: Exporter | undefined = new Archive()) {
  const { chord, backend, clock } = openChord();
  const logger = new RecordingLogger();
  const transfers = new Transfers({
    ...serviceDefaults,
    clock,
    logger,
    exporter,
    reader: new Reader(backend, serviceDefaults),
    writer: new Writer({ ...serviceDefaults, backend, clock, newEpoch, defaultTtlMs: null }),
    limits: { maxStateDepth: 64, forbiddenKeys: new Set() },
    newWriteId: createWriteIds(),
  });
  return { chord, transfers, clock, logger };
}

/** An exporter that does this and nothing else. */
function exporterOf(exportContext: () => Promise<void>): Exporter {
  return { name: 'webhook', exportContext };
}

describe('an export', () => {
  test('hands out one frozen record, and answers where the context stood and who has it', async () => {
    const archive = new Archive();
    const { chord } = openExporting(archive);
    await chord.setContext('c', { a: 1 });
    const written = await chord.updateContext('c', { b: {} });
    const result = await chord.exportContext('c');
    expect(result).toEqual({ contextId: 'c', ...positionOf(written), exporter: 'archive' });
    const record = {
      format: 'chord.context/1',
      id: 'c',
      ...positionOf(written),
      state: { a: 1, b: {} },
      insertedAt: '2030-01-01T00:00:00.000Z',
    };
    expect(archive.exported).toEqual([record]);
    expect(Object.isFrozen(archive.exported[0]) && Object.isFrozen(archive.exported[0]?.state)).toBe(true);
  });

  test('tells when the version was written, to the millisecond', async () => {
    const archive = new Archive();
    const { chord, clock } = openExporting(archive);
    await clock.advance(12_345);
    await chord.setContext('c', {});
    await clock.advance(1_000);
    await chord.exportContext('c');
    expect(archive.exported[0]?.insertedAt).toBe('2030-01-01T00:00:12.345Z');
  });

  test('changes nothing in the store, and is no event', async () => {
    const { chord } = openExporting();
    await chord.setContext('c', { a: 1 }, { ttlMs: 1_000 });
    const before = await chord.getContext('c');
    const events = chord.follow('c');
    await nextEvent(events);
    await chord.exportContext('c');
    expect(await chord.getContext('c')).toEqual(before);
    expect(await isPending(events.next())).toBe(true);
  });

  test('hands out the state of one version, whatever is written while it is under way', async () => {
    const archive = new Archive();
    const gate = createGate();
    archive.gate = gate.pass;
    const { chord } = openExporting(archive);
    await chord.setContext('c', { n: 1 });
    const exporting = chord.exportContext('c');
    await chord.updateContext('c', { n: 2 });
    gate.open();
    expect(await exporting).toMatchObject({ version: 1 });
    expect(archive.records.get('c')).toMatchObject({ version: 1, state: { n: 1 } });
  });

  test('of what never was, or is deleted, is not found, and nobody is asked', async () => {
    const archive = new Archive();
    const { chord } = openExporting(archive);
    await chord.setContext('gone', {});
    await chord.deleteContext('gone');
    for (const id of ['never', 'gone']) {
      expect(await rejectionOf(chord.exportContext(id))).toMatchObject({ code: 'CONTEXT_NOT_FOUND', contextId: id });
    }
    expect(archive.exported).toEqual([]);
  });

  test('refuses an id that is none', async () => {
    const { chord } = openExporting();
    expect(await rejectionOf(chord.exportContext(''))).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'id' });
  });

  test('without an exporter is not configured, before anything else is looked at', async () => {
    const { chord } = openChord();
    expect(await rejectionOf(chord.exportContext(''))).toMatchObject({ code: 'NOT_CONFIGURED', option: 'exporter' });
  });
});

describe('a call that fails', () => {
  const failed = new Error(secret);
  const failures: readonly (readonly [string, unknown, () => Promise<void>])[] = [
    ['rejects', failed, () => Promise.reject(failed)],
    [
      'throws at once',
      failed,
      () => {
        throw failed;
      },
    ],
    ['rejects with what is no error', secret, () => Promise.reject(secret)],
  ];

  test.each(failures)(
    'because it %s is told without its words, and keeps them as the cause',
    async (_, cause, fail) => {
      const { chord } = openExporting(exporterOf(fail));
      await chord.setContext('c', {});
      const error = await rejectionOf(chord.exportContext('c'));
      expect(error).toBeInstanceOf(ExternalStorageError);
      expect(error).toMatchObject({ code: 'EXTERNAL_STORAGE', message: 'The exporter "webhook" failed.', cause });
    },
  );

  test('with an error like ours is told without its words either', async () => {
    const { chord } = openExporting(exporterOf(() => Promise.reject(new ExternalStorageError(secret))));
    await chord.setContext('c', {});
    expect(await rejectionOf(chord.exportContext('c'))).toMatchObject({ message: 'The exporter "webhook" failed.' });
  });

  test('is logged once, as a warning with the id and the error', async () => {
    const { chord, logger } = openExporting(exporterOf(() => Promise.reject(new Error(secret))));
    await chord.setContext('c', {});
    const error = await rejectionOf(chord.exportContext('c'));
    expect(logger.lines).toEqual([{ level: 'warn', message: 'exporter failed', fields: { id: 'c', error } }]);
  });
});

describe('a call that does not answer', () => {
  test('is given up when its time is over, not before, and its signal says so', async () => {
    const archive = new Archive();
    archive.gate = createGate().pass;
    const { chord, clock, logger } = openExporting(archive);
    await chord.setContext('c', {});
    const exporting = rejectionOf(chord.exportContext('c'));
    await settle();
    await clock.advance(29_999);
    expect(await isPending(exporting)).toBe(true);
    expect(archive.signals[0]?.aborted).toBe(false);
    await clock.advance(1);
    const error = await turnNow(exporting);
    expect(error).toBeInstanceOf(ExternalStorageError);
    expect(error).toMatchObject({ message: 'The exporter "archive" did not finish within 30000 ms.' });
    expect(archive.signals[0]).toMatchObject({ aborted: true, reason: { name: 'TimeoutError' } });
    expect(logger.lines).toEqual([{ level: 'warn', message: 'exporter failed', fields: { id: 'c', error } }]);
    expect(clock.sleepers).toBe(0);
  });

  test('and says what it waited for when it is told to end, is logged with that', async () => {
    const reason = new Error('503 from the archive');
    const telling: Exporter = {
      name: 'webhook',
      exportContext: (_record, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(reason))),
    };
    const { chord, clock, logger } = openExporting(telling);
    await chord.setContext('c', {});
    const exporting = rejectionOf(chord.exportContext('c'));
    await settle();
    await clock.advance(30_000);
    const error = await exporting;
    expect(error).toMatchObject({ cause: reason });
    expect(logger.lines).toEqual([{ level: 'warn', message: 'exporter failed', fields: { id: 'c', error } }]);
  });

  test('and fails when it is told to end, is told as too slow, and logged once', async () => {
    const obedient: Exporter = {
      name: 'webhook',
      exportContext: (_record, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error(secret)));
        }),
    };
    const { chord, clock, logger } = openExporting(obedient);
    await chord.setContext('c', {});
    const exporting = rejectionOf(chord.exportContext('c'));
    await settle();
    await clock.advance(30_000);
    expect(await exporting).toMatchObject({ message: 'The exporter "webhook" did not finish within 30000 ms.' });
    expect(logger.lines).toHaveLength(1);
  });

  test('and fails later, fails nobody', async () => {
    let failLate: ((error: Error) => void) | undefined;
    const late = new Promise<void>((_resolve, reject) => {
      failLate = reject;
    });
    const { chord, clock, logger } = openExporting(exporterOf(() => late));
    await chord.setContext('c', {});
    const exporting = rejectionOf(chord.exportContext('c'));
    await settle();
    await clock.advance(30_000);
    await exporting;
    failLate?.(new Error(secret));
    await settle();
    expect(logger.lines).toHaveLength(1);
  });

  test('in time leaves nothing that waits, and its signal alone', async () => {
    const archive = new Archive();
    const { chord, clock } = openExporting(archive);
    await chord.setContext('c', {});
    await chord.exportContext('c');
    expect(clock.sleepers).toBe(0);
    await clock.advance(60_000);
    await chord.close();
    expect(archive.signals.map(({ aborted }) => aborted)).toEqual([false]);
  });
});

describe('of 1,001 calls at once', () => {
  test('the last one fails at once by the bound, and the next one finds room again', async () => {
    const archive = new Archive();
    const gate = createGate();
    archive.gate = gate.pass;
    const { chord } = openExporting(archive);
    await chord.setContext('c', {});
    const calls = Array.from({ length: 1_000 }, () => chord.exportContext('c'));
    await settle();
    const error = await turnNow(rejectionOf(chord.exportContext('c')));
    expect(error).toBeInstanceOf(ExternalStorageError);
    expect(error).toMatchObject({ message: 'The exporter "archive" has 1000 calls under way, and gets no more.' });
    expect(archive.exported).toHaveLength(1_000);
    gate.open();
    await Promise.all(calls);
    expect(await chord.exportContext('c')).toMatchObject({ version: 1 });
  });
});

describe('closing', () => {
  test('ends a call that is under way at once, tells its signal, and logs no failure', async () => {
    const archive = new Archive();
    archive.gate = createGate().pass;
    const { chord, clock, logger } = openExporting(archive);
    await chord.setContext('c', {});
    const exporting = rejectionOf(chord.exportContext('c'));
    await settle();
    await chord.close();
    const error = await turnNow(exporting);
    expect(error).toBeInstanceOf(BackendUnavailableError);
    expect(error).toMatchObject({ outcome: 'NOT_STORED' });
    expect(archive.signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(logger.lines).toEqual([]);
    expect(clock.sleepers).toBe(0);
  });

  test('refuses whatever comes later, without a call', async () => {
    const archive = new Archive();
    const chord = openOn(new MemoryBackend(), new ManualClock(), { exporter: archive, provider: archive });
    await chord.close();
    for (const late of [chord.exportContext('c'), chord.restoreContext('c')]) {
      expect(await rejectionOf(late)).toMatchObject({ code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' });
    }
    expect(archive.fetched).toEqual([]);
  });
});

describe('an export before expiry', () => {
  const never = new AbortController().signal;

  test('answers where the context stood, or that there is none', async () => {
    const { chord, transfers } = openTransfers();
    const written = await chord.setContext('c', {});
    await chord.setContext('gone', {});
    await chord.deleteContext('gone');
    expect(await transfers.exportForExpiry('c', never)).toEqual(positionOf(written));
    expect(await transfers.exportForExpiry('gone', never)).toBeUndefined();
    expect(await transfers.exportForExpiry('never', never)).toBeUndefined();
  });

  test('rejects with what is logged already', async () => {
    const { chord, transfers, logger } = openTransfers(exporterOf(() => Promise.reject(new Error(secret))));
    await chord.setContext('c', {});
    const error = await rejectionOf(transfers.exportForExpiry('c', never));
    expect(error).toBeInstanceOf(ExternalStorageError);
    expect(logger.lines).toEqual([{ level: 'warn', message: 'exporter failed', fields: { id: 'c', error } }]);
  });

  test('leaves no listener on its signal, which may be that of a whole pass', async () => {
    const { chord, transfers } = openTransfers();
    await chord.setContext('c', {});
    const pass = new AbortController();
    await Promise.all([1, 2, 3].map(() => transfers.exportForExpiry('c', pass.signal)));
    expect(getEventListeners(pass.signal, 'abort')).toEqual([]);
  });

  test('is given up by its signal, also one that aborted before, without a warning', async () => {
    const archive = new Archive();
    archive.gate = createGate().pass;
    const { chord, transfers, clock, logger } = openTransfers(archive);
    await chord.setContext('c', {});
    const leaving = new AbortController();
    const exporting = rejectionOf(transfers.exportForExpiry('c', leaving.signal));
    await settle();
    leaving.abort();
    expect(await turnNow(exporting)).toBeInstanceOf(ExternalStorageError);
    expect(await rejectionOf(transfers.exportForExpiry('c', leaving.signal))).toBeInstanceOf(ExternalStorageError);
    expect(archive.signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(logger.lines).toEqual([]);
    expect(clock.sleepers).toBe(0);
  });
});
