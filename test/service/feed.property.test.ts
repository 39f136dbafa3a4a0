import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LmdbBackend } from '../../src/backend/lmdb/lmdb.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import { jsonState } from '../support/arbitraries.ts';
import { temporaryDirectory } from '../support/lmdb.ts';
import { alwaysFull, type MakeFollow, rightFollow, waitingReturn, withoutGapCheck } from './mutants.ts';
import { type Command, type OpenStore, type Setting, World } from './world.ts';

const smallState: fc.Arbitrary<JsonObject> = fc.record(
  {
    a: fc.nat({ max: 3 }),
    b: fc.constantFrom<JsonObject[string]>(0, {}, { c: 1 }, { c: 2, d: 1 }),
    ballast: fc.constant('x'.repeat(60)),
  },
  { requiredKeys: [] },
);
const state = fc.oneof({ weight: 5, arbitrary: smallState }, { weight: 1, arbitrary: jsonState });
const process = fc.nat({ max: 1 });
const client = fc.nat({ max: 3 });
const pick = fc.nat({ max: 9 });

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('set' as const), process, state }) },
  { weight: 20, arbitrary: fc.record({ kind: fc.constant('update' as const), process, changes: state }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), process }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('join' as const), process, client }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('rejoin' as const), process, client }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), client }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('pull' as const), client }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('pullAll' as const) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('deliver' as const), pick }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('double' as const, 'lose' as const), pick }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('release' as const), pick }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('flush' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('trim' as const), back: fc.nat({ max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('purge' as const, 'recheck' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('away' as const), process, reads: fc.integer({ min: 1, max: 2 }) }),
  },
);

/** Somebody is there before anything happens. */
const opening: readonly Command[] = [
  { kind: 'set', process: 0, state: { a: 0, ballast: 'x'.repeat(60) } },
  { kind: 'flush' },
  { kind: 'join', process: 0, client: 0 },
  { kind: 'join', process: 1, client: 1 },
  { kind: 'pullAll' },
  { kind: 'flush' },
];

const setting: fc.Arbitrary<Setting> = fc.record({
  deltaThreshold: fc.constantFrom(0, 1, 2, 4, 100),
  maxMergeDeltas: fc.constantFrom(2, 100),
  isPostHeld: fc.boolean(),
  isStoreHeld: fc.boolean(),
  isCold: fc.boolean(),
  isPostLost: fc.boolean(),
});

const scripts = fc.array(command, { minLength: 10, maxLength: 100, size: 'max' });

/** The same on a store that outlives its process, whose services end now and then. */
const scriptsWithRestarts = fc.array(
  fc.oneof(
    { weight: 80, arbitrary: command },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
  ),
  { minLength: 10, maxLength: 100, size: 'max' },
);

/** Plays a script; answers what went wrong. */
async function play(
  given: Setting,
  script: readonly Command[],
  { makeFollow = rightFollow, openStore }: { readonly makeFollow?: MakeFollow; readonly openStore?: OpenStore } = {},
): Promise<string | undefined> {
  try {
    await new World(given, makeFollow, openStore).run(script);
    return undefined;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

describe('whatever happens', () => {
  test('every client has a real state after every event, is told by the table, and ends with what the store has', () =>
    fc.assert(
      fc.asyncProperty(setting, fc.boolean(), scripts, async (given, isOpened, script) => {
        expect(await play(given, isOpened ? [...opening, ...script] : script)).toBeUndefined();
      }),
      { numRuns: 500 },
    ));

  test('the same with a store on the disk, also when everything restarts on the way', () =>
    fc.assert(
      fc.asyncProperty(setting, fc.boolean(), scriptsWithRestarts, async (given, isOpened, script) => {
        const path = temporaryDirectory();
        // A cache that nothing fits in now and then: everything is read from the disk.
        const openStore = () => LmdbBackend.open({ path, ...(given.isCold ? { cacheBytes: 1 } : {}) });
        expect(await play(given, isOpened ? [...opening, ...script] : script, { openStore })).toBeUndefined();
      }),
      { numRuns: 100 },
    ));

  test.each<readonly [string, MakeFollow, RegExp]>([
    ['sends the whole context to everybody', alwaysFull, /told full TOO_OLD .* the table says (noChange|delta)/],
    ['does not look for gaps', withoutGapCheck, /a delta from .* for a client at/],
    ['lets return() wait for the pending next()', waitingReturn, /followers of . clients/],
  ])('the property catches a feed that %s', async (_, mutant, caught) => {
    // Only failures that say what is wrong with it count.
    const holds = fc.asyncProperty(setting, scripts, async (given, script) => {
      return !caught.test((await play(given, [...opening, ...script], { makeFollow: mutant })) ?? '');
    });
    const { failed } = await fc.check(holds, { numRuns: 1_000, endOnFailure: true });
    expect(failed).toBe(true);
  });
});
