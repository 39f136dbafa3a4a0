/* What a world may be told to do. */
import * as fc from 'fast-check';
import type { JsonObject } from '../../src/delta/json.ts';
import { jsonState } from '../support/arbitraries.ts';
import type { Command, Place, Setting } from './commands.ts';
import { type MakeFollow, rightFollow } from './mutants.ts';
import { World } from './world.ts';

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
export const opening: readonly Command[] = [
  { kind: 'set', process: 0, state: { a: 0, ballast: 'x'.repeat(60) } },
  { kind: 'flush' },
  { kind: 'join', process: 0, client: 0 },
  { kind: 'join', process: 1, client: 1 },
  { kind: 'pullAll' },
  { kind: 'flush' },
];

/** How it is set up. */
export const setting: fc.Arbitrary<Setting> = fc.record({
  deltaThreshold: fc.constantFrom(0, 1, 2, 4, 100),
  maxMergeDeltas: fc.constantFrom(2, 100),
  isPostHeld: fc.boolean(),
  isStoreHeld: fc.boolean(),
  isCold: fc.boolean(),
  isPostLost: fc.boolean(),
});

/** What happens in it. */
export const scripts = fc.array(command, { minLength: 10, maxLength: 100, size: 'max' });

/** The same on a store that outlives its process, whose services end now and then. */
export const scriptsWithRestarts = fc.array(
  fc.oneof(
    { weight: 80, arbitrary: command },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('restart' as const), process }) },
  ),
  { minLength: 10, maxLength: 100, size: 'max' },
);

/** What may coincide. Each of these is soon over by itself. */
const coinciding: fc.Arbitrary<Command> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('set' as const), process, state }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('update' as const), process, changes: state }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), process }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rejoin' as const), process, client }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pullAll' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const), pick }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('trim' as const), back: fc.nat({ max: 5 }) }) },
);

/** Too much for a state to be sent around with every write, and for a delta to be announced. */
const large: fc.Arbitrary<JsonObject> = fc
  .tuple(fc.constantFrom('y', 'z'), fc.constantFrom(7_000, 20_000, 70_000))
  .map(([letter, length]) => ({ large: letter.repeat(length) }));

/** Several of them. */
const together = fc.record({
  kind: fc.constant('together' as const),
  commands: fc.array(coinciding, { minLength: 2, maxLength: 8, size: 'max' }),
});

/** A life ends, is forgotten maybe, and another one begins. */
const anotherLife: fc.Arbitrary<readonly Command[]> = fc
  .tuple(process, fc.boolean(), fc.record({ kind: fc.constant('set' as const), process, state }))
  .map(([ender, isForgotten, set]) => [
    { kind: 'delete', process: ender },
    ...(isForgotten ? [{ kind: 'purge' } as const] : []),
    set,
  ]);

/** The same for processes that share a store: much happens at once, and one may end while the other goes on. */
export const scriptsOfProcesses: fc.Arbitrary<readonly Command[]> = fc
  .array(
    fc.oneof(
      { weight: 80, arbitrary: command.map((one) => [one]) },
      { weight: 16, arbitrary: together.map((one) => [one]) },
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant('update' as const), process, changes: large }).map((one) => [one]),
      },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('restart' as const), process }).map((one) => [one]) },
      { weight: 2, arbitrary: fc.constant([{ kind: 'promote' } as const]) },
      { weight: 3, arbitrary: anotherLife },
    ),
    { minLength: 10, maxLength: 100, size: 'max' },
  )
  .map((commands) => commands.flat());

/** Plays a script; answers what went wrong. */
export async function play(
  given: Setting,
  script: readonly Command[],
  { makeFollow = rightFollow, place }: { readonly makeFollow?: MakeFollow; readonly place?: Place } = {},
): Promise<string | undefined> {
  try {
    await new World(given, makeFollow, place).run(script);
    return undefined;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}
