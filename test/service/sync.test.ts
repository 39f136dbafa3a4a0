import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backend/memory.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import type { ContextEvent } from '../../src/model.ts';
import type { ChordService } from '../../src/service/service.ts';
import { canonical } from '../delta/oracles.ts';
import { jsonState, transitions } from '../support/arbitraries.ts';
import { clientAt, openChord, openOn, positionOf, rejectionOf } from '../support/chord.ts';
import { ManualClock } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';
import { answerOf, type Client, clientApply, type World, wordsOf } from './oracle.ts';

/** A context with the given lives, each a list of states; what is written down beside it is the oracle's world. */
async function live(chord: ChordService, clock: ManualClock, lives: readonly (readonly JsonObject[])[]) {
  const states = new Map<number, JsonObject>();
  const writtenAt: number[] = [];
  let firstVersion = 1;
  let version = 0;
  let epoch = '';
  for (const [index, life] of lives.entries()) {
    if (index > 0) await chord.deleteContext('c');
    firstVersion = version + 1;
    states.clear();
    writtenAt.length = 0;
    for (const state of life) {
      await clock.advance(1);
      const result = await chord.setContext('c', state);
      if (!result.changed) continue;
      ({ epoch, version } = result);
      states.set(version, state);
      writtenAt.push(clock.now());
    }
  }
  const stateAt = (at: number) => {
    const state = states.get(at);
    if (state === undefined) throw new Error(`no version ${at}`);
    return state;
  };
  return { epoch, firstVersion, version, stateAt, writtenAt };
}

/** What a client that was at the version has after it did what it was told. */
function told(event: ContextEvent | null, before: JsonObject | undefined): JsonObject | undefined {
  if (event?.kind === 'full') return event.context.state;
  if (event?.kind === 'delta') return clientApply(before ?? {}, event.changes);
  return event?.kind === 'noChange' ? before : undefined;
}

/** Asks from every position that there is, was or never was: where the answer is not the table's, or leads astray. */
async function faults(chord: ChordService, world: World, maxMerge: number): Promise<readonly string[]> {
  const found: string[] = [];
  const last = world.kind === 'context' ? world.version + 2 : 3;
  for (const epoch of [undefined, 'another epoch', world.kind === 'context' ? world.epoch : 'its epoch']) {
    for (let version = 0; version <= last; version++) {
      const client: Client = { epoch, version };
      const event = await chord.syncContext('c', { epoch, version });
      const answer = answerOf(client, world, { maxMerge });
      const hint = `${JSON.stringify(client)} of ${JSON.stringify(world)}`;
      if (wordsOf(event) !== answer) found.push(`${wordsOf(event)} instead of ${answer} for ${hint}`);
      else if (!leadsThere(event, client, world)) found.push(`${answer} leads astray for ${hint}`);
    }
  }
  return found;
}

/** Whether a client that does what it is told then has what the server has, and knows where it is. */
function leadsThere(event: ContextEvent | null, { version = 0 }: Client, world: World): boolean {
  if (world.kind !== 'context' || event === null) return true;
  if (event.kind === 'delta' && event.fromVersion !== version) return false;
  const had = version >= world.firstVersion && version <= world.version ? world.stateAt(version) : undefined;
  const isThere = event.epoch === world.epoch && event.version === world.version;
  return isThere && canonical(told(event, had)) === canonical(world.stateAt(world.version));
}

describe('the table', () => {
  const heavy = Array.from({ length: 4 }, (_, n) => ({ [`key ${n}`]: n }));
  const light = heavy.map((state, n) => ({ n, ballast: 'x'.repeat(200), half: n < 2, same: { [n]: state } }));

  test('holds for every position in every small world', async () => {
    for (const states of [light, heavy]) {
      for (const before of [[], [[{ a: 1 }, { a: 2 }]]]) {
        for (let versions = 1; versions <= states.length; versions++) {
          for (let trimmed = 0; trimmed <= versions; trimmed++) {
            for (const maxMerge of [1, 2, 100]) {
              const { chord, backend, clock } = openChord({ maxMergeDeltas: maxMerge });
              const { writtenAt, ...made } = await live(chord, clock, [...before, states.slice(0, versions)]);
              await backend.trimDeltas('c', writtenAt[trimmed - 1] ?? 0);
              const floor = made.firstVersion + Math.max(0, trimmed - 1);
              expect(await faults(chord, { kind: 'context', ...made, floor }, maxMerge)).toEqual([]);
            }
          }
        }
      }
    }
  });

  test('holds where nothing was, where something was, and where all trace of it was purged', async () => {
    const { chord, backend, clock } = openChord();
    expect(await faults(chord, { kind: 'absent' }, 100)).toEqual([]);
    await chord.setContext('c', { a: 1 });
    await chord.updateContext('c', { a: 2 });
    await chord.deleteContext('c');
    expect(await faults(chord, { kind: 'tombstone' }, 100)).toEqual([]);
    await backend.purgeTombstone('c', clock.now());
    expect(await faults(chord, { kind: 'absent' }, 100)).toEqual([]);
  });

  test('holds for every position of any history, threshold and merge limit', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(transitions, { minLength: 1, maxLength: 2 }),
        fc.option(fc.nat({ max: 6 })),
        fc.integer({ min: 1, max: 12 }),
        async (lives, deltaThreshold, maxMerge) => {
          const { chord, clock } = openChord({ maxMergeDeltas: maxMerge, deltaThreshold });
          const { writtenAt: _, ...made } = await live(chord, clock, lives);
          // The floor rises with each write but the creating one, which finds nothing to trim.
          const isCreated = made.version === made.firstVersion;
          const kept = deltaThreshold === null || isCreated ? 0 : made.version - deltaThreshold;
          const floor = Math.max(made.firstVersion, kept);
          expect(await faults(chord, { kind: 'context', ...made, floor }, maxMerge)).toEqual([]);
        },
      ),
    ));
});

describe('a position', () => {
  test('without an epoch is answered as if that were right', async () => {
    const { chord } = openChord();
    await chord.setContext('c', { a: 1, ballast: 'x'.repeat(99) });
    await chord.updateContext('c', { a: 2 });
    expect(await chord.syncContext('c', { version: 1 })).toMatchObject({ kind: 'delta', fromVersion: 1 });
    expect(await chord.syncContext('c', { version: 2 })).toMatchObject({ kind: 'noChange' });
  });

  test.each([{}, { version: 0 }, { version: null }, { epoch: null }, { version: 0, epoch: 'e' }])(
    'like %j is none',
    async (position) => {
      const { chord } = openChord();
      await chord.setContext('c', { a: 1 });
      expect(await chord.syncContext('c', position)).toMatchObject({ kind: 'full', reason: 'NO_POSITION' });
    },
  );

  test.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1'])(
    'of version %s is bad input',
    async (version) => {
      const { chord } = openChord();
      const position = { version: version as number };
      const bad = { code: 'BAD_USER_INPUT', argument: 'clientVersion' };
      expect(await rejectionOf(chord.syncContext('c', position))).toMatchObject(bad);
      expect(() => chord.follow('c', position)).toThrow(expect.objectContaining(bad));
    },
  );
});

test('of the current version is no change, even when every delta has expired', async () => {
  const { chord, backend, clock } = openChord();
  const created = await chord.setContext('c', { a: 1 });
  await backend.trimDeltas('c', clock.now());
  expect(await chord.syncContext('c', clientAt(created))).toMatchObject({ kind: 'noChange', ...positionOf(created) });
});

describe('a full context', () => {
  test('is what getContext answers, with the reason', async () => {
    const { chord } = openChord();
    await chord.setContext('c', { a: 1 }, { ttlMs: 50 });
    const event = await chord.syncContext('c');
    expect(event).toEqual({
      kind: 'full',
      reason: 'NO_POSITION',
      contextId: 'c',
      epoch: event?.epoch,
      version: 1,
      context: await chord.getContext('c'),
    });
  });

  test('replaces a single delta too, when that is heavier than the state', async () => {
    const { chord } = openChord();
    const created = await chord.setContext('c', { a: 'x'.repeat(100) });
    await chord.setContext('c', { b: 1 });
    expect(await chord.syncContext('c', clientAt(created))).toMatchObject({ kind: 'full', reason: 'SMALLER' });
  });

  test('does not replace a delta that weighs exactly as much as the state', async () => {
    // REMOVED ["aaa"] weighs 7, ADDED ["b"] 5 and its value 1: 13. So does {"b":1,"":0}, with one byte for the object.
    for (const [key, kind] of [
      ['aaa', 'delta'],
      ['aaaa', 'full'],
    ] as const) {
      const { chord } = openChord();
      const created = await chord.setContext('c', { [key]: 0, '': 0 });
      await chord.setContext('c', { b: 1, '': 0 });
      expect(await chord.syncContext('c', clientAt(created))).toMatchObject({ kind });
    }
  });

  test('does not replace the empty delta of changes that cancel out', async () => {
    const { chord } = openChord();
    const created = await chord.setContext('c', {});
    await chord.setContext('c', { a: '' });
    await chord.setContext('c', {});
    const event = await chord.syncContext('c', clientAt(created));
    expect(event).toMatchObject({ kind: 'delta', changes: [], fromVersion: 1, version: 3 });
  });
});

const ballasted = (): JsonObject => ({ ballast: 'x'.repeat(99) });

describe('a hole in the chain', () => {
  test.each([2, 3, 4])('at version %s sends the whole context to those who need it', async (hole) => {
    const backend = new FaultyBackend(new MemoryBackend());
    const chord = openOn(backend, new ManualClock());
    const { epoch } = await chord.setContext('c', { ballast: 'x'.repeat(99) });
    for (let n = 2; n <= 4; n++) await chord.updateContext('c', { [`k${n}`]: n });
    backend.hole = hole;
    for (let version = 1; version <= 4; version++) {
      const world: World = { kind: 'context', epoch, firstVersion: 1, floor: 1, version: 4, stateAt: ballasted, hole };
      const event = await chord.syncContext('c', { epoch, version });
      expect(wordsOf(event)).toBe(answerOf({ version }, world, { maxMerge: 10 }));
    }
  });
});

/** What a client is told that slept through writes of these origins. */
async function merged(origins: readonly (string | null)[]) {
  const { chord, clock } = openChord();
  const created = await chord.setContext('c', { ballast: 'x'.repeat(200) }, { origin: 'creator' });
  for (const [n, origin] of origins.entries()) {
    await clock.advance(1_000);
    await chord.updateContext('c', { [`k${n}`]: n }, { origin });
  }
  return { event: await chord.syncContext('c', clientAt(created)), nowMs: clock.now() };
}

describe('a merged delta', () => {
  test.each<readonly [readonly (string | null)[], string | null]>([
    [['a'], 'a'],
    [['a', 'a', 'a'], 'a'],
    [['a', 'b'], null],
    [['a', 'a', null], null],
    [[null, 'a'], null],
    [[null, null], null],
  ])('of the origins %j has the origin %s, and the time of its last write', async (origins, origin) => {
    const { event, nowMs } = await merged(origins);
    expect(event).toMatchObject({ kind: 'delta', origin, insertedAtMs: nowMs });
  });
});

describe('one view', () => {
  test('is what an answer is decided on, also when the state has to be fetched with a second read', async () => {
    const backend = new FaultyBackend(new MemoryBackend());
    const chord = openOn(backend, new ManualClock());
    const created = await chord.setContext('c', { a: 'x'.repeat(100) });
    await chord.setContext('c', { b: 1 });
    let reads = 0;
    backend.beforeRead = async () => {
      reads++;
      if (reads === 2) await chord.setContext('c', { b: 2 });
    };
    const event = await chord.syncContext('c', clientAt(created));
    expect(event).toMatchObject({
      kind: 'full',
      reason: 'SMALLER',
      version: 3,
      context: { version: 3, state: { b: 2 } },
    });
    reads = 0;
    backend.beforeRead = async () => {
      reads++;
      if (reads === 2) await chord.deleteContext('c');
    };
    expect(await chord.syncContext('c', clientAt(created))).toMatchObject({ kind: 'gone', version: 3 });
  });

  test('is begun after the request arrived: a write that was acknowledged before is seen', () =>
    fc.assert(
      fc.asyncProperty(fc.array(jsonState, { minLength: 2, maxLength: 6 }), async (states) => {
        const { chord } = openChord();
        for (const state of states) {
          const { version } = await chord.setContext('c', state);
          expect((await chord.syncContext('c'))?.version).toBe(version);
        }
      }),
      { numRuns: 20 },
    ));
});
