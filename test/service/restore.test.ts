/** Restores: one ordinary write of what the provider answers, and versions that never go back. */
import { describe, expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { InvalidStateError } from '../../src/errors.ts';
import type { Provider } from '../../src/external/external.ts';
import type { RestoreOptions } from '../../src/service/chord.ts';
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
import { clientApply } from './oracle.ts';

const secret = 'https://storage.test/?token=s3cret';

/** A service whose exporter and provider are one archive. */
function openArchived(options: Partial<ServiceOptions> = {}) {
  const archive = new Archive();
  const logger = new RecordingLogger();
  return { ...openChord({ exporter: archive, provider: archive, logger, ...options }), archive, logger };
}

function openOnProvider(provider: Provider, options: Partial<ServiceOptions> = {}) {
  const logger = new RecordingLogger();
  return { ...openChord({ provider, logger, ...options }), logger };
}

/** Writes until that version, and exports it. */
async function exportedAt(chord: ChordService, version: number) {
  let at = 0;
  while (at < version) at = (await chord.setContext('c', { n: at + 1 })).version;
  return chord.exportContext('c');
}

test('defect 15: a restore writes its delta and the next version, and none that clients have ever comes back', async () => {
  const { chord } = openArchived();
  const ballast = { ballast: 'x'.repeat(300) };
  for (let n = 1; n <= 3; n++) await chord.setContext('c', { ...ballast, n });
  const exported = await chord.exportContext('c');
  const later = await chord.updateContext('c', { n: 'later', more: true });
  const restored = await chord.restoreContext('c');
  expect(restored).toMatchObject({ epoch: exported.epoch, version: 5, changed: true });
  const { nodes } = await chord.listDeltas({ contextId: 'c' });
  expect(nodes.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5]);
  expect(nodes.at(-1)).toEqual(restored.delta);
  const told = await chord.syncContext('c', clientAt(later));
  if (told?.kind !== 'delta') throw new Error(`told ${told?.kind}`);
  expect(clientApply({ ...ballast, n: 'later', more: true }, told.changes)).toEqual({ ...ballast, n: 3 });
  await chord.deleteContext('c');
  expect((await chord.restoreContext('c')).version).toBe(6);
});

describe('over a live context', () => {
  test('is one more version, and one delta to followers', async () => {
    const { chord } = openArchived();
    await exportedAt(chord, 2);
    const before = await chord.setContext('c', { other: true });
    const events = chord.follow('c');
    await nextEvent(events);
    const restored = await chord.restoreContext('c', { origin: 'backup' });
    expect(await nextEvent(events)).toEqual(restored.delta);
    expect(restored).toEqual({
      contextId: 'c',
      epoch: before.epoch,
      version: 4,
      changed: true,
      delta: expect.objectContaining({ fromVersion: 3, version: 4, origin: 'backup' }),
      context: expect.any(Function),
    });
    expect(await restored.context()).toMatchObject({ version: 4, state: { n: 2 } });
    expect(await isPending(events.next())).toBe(true);
  });

  test('that is as exported changes nothing, tells nobody, and renews its term', async () => {
    const { chord, clock } = openArchived();
    await chord.setContext('c', { n: 1 }, { ttlMs: 1_000 });
    await chord.exportContext('c');
    const events = chord.follow('c');
    await nextEvent(events);
    await clock.advance(500);
    const restored = await chord.restoreContext('c');
    expect(restored).toMatchObject({ version: 1, changed: false, delta: null });
    expect(await isPending(events.next())).toBe(true);
    expect((await chord.getContext('c'))?.expiresAtMs).toBe(clock.now() + 1_000);
  });

  test('goes one version on, however early or late the exported one is', async () => {
    for (const version of [1, 2 ** 52]) {
      const { chord } = openOnProvider(providerOf(() => ({ version, state: { restored: version } })));
      const { epoch } = await chord.setContext('c', {});
      await chord.updateContext('c', { n: 2 });
      expect(await chord.restoreContext('c')).toMatchObject({ epoch, version: 3 });
    }
  });

  test('that is written while the provider is asked goes on from that write', async () => {
    const { chord, archive } = openArchived();
    await exportedAt(chord, 1);
    const gate = createGate();
    archive.gate = gate.pass;
    const restoring = chord.restoreContext('c');
    await chord.updateContext('c', { n: 'meanwhile' });
    gate.open();
    expect(await restoring).toMatchObject({ version: 3, delta: { fromVersion: 2 } });
  });
});

describe('where no context is', () => {
  const ends = [
    ['deleted', 'DELETED', async ({ chord }: ReturnType<typeof openArchived>) => chord.deleteContext('c')],
    [
      'expired',
      'EXPIRED',
      async ({ chord, backend, clock }: ReturnType<typeof openArchived>) => {
        await chord.updateContext('c', {}, { ttlMs: 10 });
        await clock.advance(10);
        await backend.expire('c', clock.now());
      },
    ],
  ] as const;

  test.each(ends)(
    'since it was %s, a follower sees FULL, GONE, FULL with versions that go on',
    async (_, cause, end) => {
      const opened = openArchived();
      const { chord } = opened;
      const exported = await exportedAt(chord, 3);
      await chord.updateContext('c', { n: 'lost' });
      const events = chord.follow('c');
      expect(await nextEvent(events)).toMatchObject({ kind: 'full', version: 4 });
      await end(opened);
      expect(await nextEvent(events)).toMatchObject({ kind: 'gone', cause, version: 4 });
      const restored = await chord.restoreContext('c');
      const context = { version: 5, state: { n: 3 } };
      expect(await nextEvent(events)).toMatchObject({ kind: 'full', reason: 'EPOCH_CHANGED', version: 5, context });
      expect(restored).toMatchObject({ version: 5, changed: true, delta: { fromVersion: 0, version: 5 } });
      expect(restored.epoch).not.toBe(exported.epoch);
      expect(await chord.updateContext('c', { n: 4 })).toMatchObject({ epoch: restored.epoch, version: 6 });
      expect(await nextEvent(events)).toMatchObject({ kind: 'delta', fromVersion: 5, version: 6 });
    },
  );

  test('begins with the exported version when that is later than the tombstone', async () => {
    const { chord } = openOnProvider(providerOf(() => ({ version: 70, state: { n: 70 } })));
    await chord.setContext('c', {});
    await chord.deleteContext('c');
    expect(await chord.restoreContext('c')).toMatchObject({ version: 70 });
  });

  test.each([1, 7, 2 ** 52])('nor a trace of one, begins a new epoch with the exported version %s', async (version) => {
    const { chord } = openOnProvider(providerOf(() => ({ version, state: { a: { b: 1 } }, epoch: 'of-old' })));
    const restored = await chord.restoreContext('c');
    expect(restored).toMatchObject({ version, changed: true, delta: { fromVersion: 0, version } });
    expect(restored.epoch).not.toBe('of-old');
    expect(await chord.syncContext('c', clientAt(restored))).toMatchObject({ kind: 'noChange' });
    expect(await chord.updateContext('c', { a: { b: 2 } })).toMatchObject({ version: version + 1 });
    expect(await chord.syncContext('c', clientAt(restored))).toMatchObject({ kind: 'delta', fromVersion: version });
  });

  test('nobody who names an earlier version is sent a delta', async () => {
    const { chord } = openOnProvider(providerOf(() => ({ version: 7, state: { n: 7 } })));
    const { epoch } = await chord.restoreContext('c');
    await chord.updateContext('c', { n: 8 });
    for (const version of [1, 6]) {
      const told = { kind: 'full', reason: 'EPOCH_CHANGED', version: 8 };
      expect(await chord.syncContext('c', { epoch, version })).toMatchObject(told);
      expect(await chord.syncContext('c', { version })).toMatchObject(told);
    }
  });

  test('its deltas are kept up to the threshold, however far below its version that is', async () => {
    const { chord } = openOnProvider(
      providerOf(() => ({ version: 500, state: {} })),
      { deltaThreshold: 2 },
    );
    const kept = async () => (await chord.listDeltas({ contextId: 'c' })).nodes.map(({ version }) => version);
    await chord.restoreContext('c');
    expect(await kept()).toEqual([500]);
    for (let n = 1; n <= 3; n++) await chord.updateContext('c', { n });
    expect(await kept()).toEqual([502, 503]);
  });

  test('the term is the one for contexts that were never given any', async () => {
    const provider = providerOf(() => ({ version: 1, state: {} }));
    const { chord, clock } = openOnProvider(provider, { contextAutoDelete: true, contextTtlMs: 5_000 });
    await chord.setContext('c', {}, { ttlMs: 100 });
    await chord.deleteContext('c');
    await chord.restoreContext('c');
    expect((await chord.getContext('c'))?.expiresAtMs).toBe(clock.now() + 5_000);
  });

  test.each([5_000, null])('it has the time to live that was exported: %s', async (ttlMs) => {
    const { chord, clock, archive } = openArchived({ contextAutoDelete: true, contextTtlMs: 100 });
    await chord.setContext('c', {}, { ttlMs });
    await chord.exportContext('c');
    expect(archive.exported[0]).toMatchObject({ ttlMs });
    await chord.deleteContext('c');
    await chord.restoreContext('c');
    const term = ttlMs === null ? null : clock.now() + ttlMs;
    expect((await chord.getContext('c'))?.expiresAtMs).toBe(term);
    await chord.updateContext('c', { a: 1 });
    expect((await chord.getContext('c'))?.expiresAtMs, 'It is sticky').toBe(term);
  });

  test('and the provider has none either, is not found', async () => {
    const { chord, logger } = openArchived();
    expect(await rejectionOf(chord.restoreContext('c'))).toMatchObject({ code: 'CONTEXT_NOT_FOUND', contextId: 'c' });
    expect(logger.lines).toEqual([]);
  });
});

describe('what the provider answers', () => {
  const badVersion = 'The provider "careless" answered a version that is no integer from 1 to 2^52.';
  const badTtl = 'The provider "careless" answered a ttlMs that is no time to live.';
  const noContext = 'The provider "careless" answered what is no context.';
  const badAnswers: readonly (readonly [string, unknown, string])[] = [
    ['a version of 0', { version: 0, state: {} }, badVersion],
    ['a time to live of 0', { version: 1, state: {}, ttlMs: 0 }, badTtl],
    ['a time to live that is text', { version: 1, state: {}, ttlMs: '5' }, badTtl],
    ['a negative version', { version: -1, state: {} }, badVersion],
    ['a fraction as the version', { version: 1.5, state: {} }, badVersion],
    ['a version beyond 2^52', { version: 2 ** 52 + 1, state: {} }, badVersion],
    ['a version that is no number', { version: Number.NaN, state: {} }, badVersion],
    ['a version in text', { version: '3', state: {} }, badVersion],
    ['no version', { state: {} }, badVersion],
    ['a list', [], badVersion],
    ['nothing at all', undefined, noContext],
    ['a text', '{"version":1,"state":{}}', noContext],
    ['a number', 7, noContext],
  ];

  test.each(badAnswers)(
    'is refused when it is %s, with a warning, and nothing is stored',
    async (_, answer, message) => {
      const { chord, logger } = openOnProvider(providerOf(() => answer));
      const error = await rejectionOf(chord.restoreContext('c'));
      expect(error).toMatchObject({ code: 'EXTERNAL_STORAGE', message });
      expect(logger.lines).toEqual([{ level: 'warn', message: 'provider failed', fields: { id: 'c', error } }]);
      expect(await chord.syncContext('c')).toBeNull();
    },
  );

  const deep = { a: { b: { c: 1 } } };
  const badStates: readonly (readonly [string, unknown, object])[] = [
    ['missing', undefined, { code: 'INVALID_STATE', path: [] }],
    ['null', null, { code: 'INVALID_STATE', path: [] }],
    ['a list', [1], { code: 'INVALID_STATE', path: [] }],
    ['one that holds NaN', { a: [1, Number.NaN] }, { code: 'INVALID_STATE', path: ['a', '1'] }],
    ['one with a forbidden key', { a: { secret: 1 } }, { code: 'INVALID_STATE', path: ['a', 'secret'] }],
    ['too deep', deep, { code: 'LIMIT_EXCEEDED', limit: 'maxStateDepth', max: 2, actual: 3 }],
    ['too heavy', { a: 'x'.repeat(100) }, { code: 'LIMIT_EXCEEDED', limit: 'maxStateBytes', max: 64, actual: 109 }],
  ];

  test.each(badStates)('is refused when the state is %s, and nothing is stored', async (_, state, refusal) => {
    const limits = { maxStateDepth: 2, maxStateBytes: 64, forbiddenKeys: ['secret'] };
    const { chord } = openOnProvider(
      providerOf(() => ({ version: 3, state })),
      limits,
    );
    expect(await rejectionOf(chord.restoreContext('c'))).toMatchObject(refusal);
    expect(await chord.syncContext('c')).toBeNull();
  });

  test('may have any key, and -0', async () => {
    const state: unknown = JSON.parse('{"__proto__":{"constructor":1},"":{"toString":-0}}');
    const { chord } = openOnProvider(providerOf(() => ({ version: 3, state })));
    await chord.restoreContext('c');
    const restored = await chord.getContext('c');
    expect(JSON.stringify(restored?.state)).toBe('{"__proto__":{"constructor":1},"":{"toString":0}}');
  });

  test('is copied: what becomes of it later changes nothing here', async () => {
    const state = { n: 1 };
    const { chord } = openOnProvider(providerOf(() => ({ version: 3, state })));
    await chord.restoreContext('c');
    state.n = 2;
    expect((await chord.getContext('c'))?.state).toEqual({ n: 1 });
  });

  test('that cannot be read at all is a failure of the provider, told without its words', async () => {
    const answer = {
      get version(): number {
        throw new Error(secret);
      },
    };
    const { chord } = openOnProvider(providerOf(() => answer));
    const error = await rejectionOf(chord.restoreContext('c'));
    expect(error).toMatchObject({ code: 'EXTERNAL_STORAGE', message: 'The provider "careless" failed.' });
  });
});

describe('the expectations', () => {
  const met: readonly RestoreOptions[] = [
    { expectedVersion: 2 },
    { expectedVersion: null, expectedEpoch: null, origin: null },
  ];
  test.each(met)('%j accept a live context at version 2', async (options) => {
    const { chord } = openArchived();
    await exportedAt(chord, 1);
    await chord.updateContext('c', { n: 2 });
    expect(await chord.restoreContext('c', options)).toMatchObject({ version: 3 });
  });

  const unmet: readonly RestoreOptions[] = [
    { expectedVersion: 1 },
    { expectedVersion: 0 },
    { expectedEpoch: 'another' },
    { expectedVersion: 2, expectedEpoch: 'another' },
  ];
  test.each(unmet)('%j refuse it, and nothing is stored', async (options) => {
    const { chord } = openArchived();
    await exportedAt(chord, 1);
    const { epoch } = await chord.updateContext('c', { n: 2 });
    const conflict = { code: 'VERSION_CONFLICT', currentVersion: 2, currentEpoch: epoch };
    expect(await rejectionOf(chord.restoreContext('c', options))).toMatchObject(conflict);
    expect(await chord.getContext('c')).toMatchObject({ version: 2, state: { n: 2 } });
  });

  test('expectedEpoch alone accepts any version of that life', async () => {
    const { chord } = openArchived();
    const { epoch } = await exportedAt(chord, 1);
    await chord.updateContext('c', { n: 2 });
    expect(await chord.restoreContext('c', { expectedEpoch: epoch })).toMatchObject({ version: 3 });
  });

  test('where nothing lives, expectedVersion 0 holds, and any other is a conflict with version 0', async () => {
    const { chord } = openArchived();
    const { epoch } = await exportedAt(chord, 2);
    await chord.deleteContext('c');
    for (const options of [{ expectedVersion: 2 }, { expectedEpoch: epoch }]) {
      const conflict = { code: 'VERSION_CONFLICT', currentVersion: 0, currentEpoch: null };
      expect(await rejectionOf(chord.restoreContext('c', options))).toMatchObject(conflict);
    }
    expect(await chord.restoreContext('c', { expectedVersion: 0 })).toMatchObject({ version: 3 });
  });

  test('are held against what is there when it is written, not when the provider was asked', async () => {
    const { chord, archive } = openArchived();
    await exportedAt(chord, 1);
    const gate = createGate();
    archive.gate = gate.pass;
    const restoring = rejectionOf(chord.restoreContext('c', { expectedVersion: 1 }));
    await chord.updateContext('c', { n: 'meanwhile' });
    gate.open();
    expect(await restoring).toMatchObject({ code: 'VERSION_CONFLICT', currentVersion: 2 });
  });

  test('refuse nothing on a stale view', async () => {
    const memory = new MemoryBackend();
    const backend = new FaultyBackend(memory);
    const archive = new Archive();
    const clock = new ManualClock();
    const chord = openOn(backend, clock, { exporter: archive, provider: archive });
    const other = openOn(memory, clock);
    await exportedAt(chord, 1);
    const stale = await memory.readOutcome('c', undefined, 0);
    await other.updateContext('c', { n: 2 });
    backend.peekAs = () => stale.known;
    expect(await chord.restoreContext('c', { expectedVersion: 2 })).toMatchObject({ version: 3 });
  });
});

describe('what is wrong with a request', () => {
  const wrong: readonly (readonly [string, object, string])[] = [
    ['', {}, 'id'],
    ['c', { expectedVersion: -1 }, 'expectedVersion'],
    ['c', { origin: '' }, 'origin'],
    ['c', { idempotencyKey: 'k' }, 'idempotencyKey'],
    ['c', { ttlMs: 5 }, 'ttlMs'],
  ];
  test.each(wrong)('of %j with %j is told before the provider is asked', async (id, options, argument) => {
    const { chord, archive } = openArchived();
    const refused = rejectionOf(chord.restoreContext(id, options));
    expect(await refused).toMatchObject({ code: 'BAD_USER_INPUT', argument });
    expect(archive.fetched).toEqual([]);
  });

  test('is told after that there is no provider', async () => {
    const { chord } = openChord();
    expect(await rejectionOf(chord.restoreContext(''))).toMatchObject({ code: 'NOT_CONFIGURED', option: 'provider' });
  });
});

describe('a provider', () => {
  test('that fails is told without its words, kept as the cause, and logged once', async () => {
    const cause = new InvalidStateError(secret, []);
    const { chord, logger } = openOnProvider({ name: 's3', fetchContext: () => Promise.reject(cause) });
    const error = await rejectionOf(chord.restoreContext('c'));
    expect(error).toMatchObject({ code: 'EXTERNAL_STORAGE', message: 'The provider "s3" failed.', cause });
    expect(logger.lines).toEqual([{ level: 'warn', message: 'provider failed', fields: { id: 'c', error } }]);
  });

  test('that does not answer is given up when its time is over, and what comes later is not written', async () => {
    const { chord, archive, clock } = openArchived({ externalTimeoutMs: 100 });
    await exportedAt(chord, 1);
    await chord.deleteContext('c');
    const gate = createGate();
    archive.gate = gate.pass;
    const restoring = rejectionOf(chord.restoreContext('c'));
    await settle();
    await clock.advance(99);
    expect(await isPending(restoring)).toBe(true);
    await clock.advance(1);
    const message = 'The provider "archive" did not finish within 100 ms.';
    expect(await turnNow(restoring)).toMatchObject({ code: 'EXTERNAL_STORAGE', message });
    expect(archive.signals.at(-1)?.aborted).toBe(true);
    gate.open();
    await settle();
    expect(await chord.getContext('c')).toBeNull();
    expect(clock.sleepers).toBe(0);
  });

  test('is given up when the service closes', async () => {
    const { chord, archive, logger } = openArchived();
    archive.gate = createGate().pass;
    const restoring = rejectionOf(chord.restoreContext('c'));
    await settle();
    await chord.close();
    expect(await turnNow(restoring)).toMatchObject({ code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' });
    expect(archive.signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(logger.lines).toEqual([]);
  });
});

describe('two processes', () => {
  test('that restore one context at once bring one life into being, which followers of both see', async () => {
    const archive = new Archive();
    const memory = new MemoryBackend();
    const clock = new ManualClock();
    const first = openOn(memory, clock, { exporter: archive, provider: archive });
    const second = openOn(memory, clock, { exporter: archive, provider: archive });
    await exportedAt(first, 3);
    await first.deleteContext('c');
    const events = second.follow('c');
    expect(await nextEvent(events)).toMatchObject({ kind: 'gone', version: 3 });
    const results = await Promise.all([first.restoreContext('c'), second.restoreContext('c')]);
    expect(results.map(({ version }) => version)).toEqual([4, 4]);
    expect(results.filter(({ changed }) => changed)).toHaveLength(1);
    expect(await nextEvent(events)).toMatchObject({ kind: 'full', version: 4, context: { state: { n: 3 } } });
    expect(await isPending(events.next())).toBe(true);
  });

  test('of which one does not know what the other did: the restore goes on from there', async () => {
    const archive = new Archive();
    const memory = new MemoryBackend();
    const backend = new FaultyBackend(memory);
    const clock = new ManualClock();
    const first = openOn(memory, clock, { exporter: archive });
    const second = openOn(backend, clock, { provider: archive });
    await exportedAt(first, 3);
    backend.peekAs = () => undefined;
    await first.deleteContext('c');
    await first.setContext('c', { again: 1 });
    await first.deleteContext('c');
    const restored = await second.restoreContext('c');
    expect(restored).toMatchObject({ version: 5, changed: true });
    expect(await first.getContext('c')).toMatchObject({ ...positionOf(restored), state: { n: 3 } });
  });

  test('a restore whose commit is lost and found again is one restore', async () => {
    const archive = new Archive();
    const backend = new FaultyBackend(new MemoryBackend());
    const chord = openOn(backend, new ManualClock(), { exporter: archive, provider: archive });
    await exportedAt(chord, 2);
    await chord.deleteContext('c');
    backend.everyCommit = 'resent';
    expect(await chord.restoreContext('c')).toMatchObject({ version: 3, changed: true });
    expect((await chord.getContext('c'))?.version).toBe(3);
  });
});
