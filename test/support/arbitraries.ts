/**
 * Arbitrary JSON, made to collide: few distinct keys and scalars, so that two states often share paths, and a path is
 * often a scalar on one side and an object on the other. Half of the keys are names that naive code trips over.
 */
import * as fc from 'fast-check';
import type { Change } from '../../src/delta/delta.ts';
import { copyObject, getKey, isJsonObject, type JsonObject, type JsonValue, setKey } from '../../src/delta/json.ts';

const HOSTILE_KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'toJSON',
  'hasOwnProperty',
  'action',
  'change',
  'children',
  'old_value',
  '',
  '0',
  '-',
  'a.b',
  'a/b',
  '~',
  '~1',
  '🙂',
  '\ud800',
  '\udc00x',
  '\u0000',
] as const;

/** A key of an object: mostly one of a few, often a hostile one. */
export const jsonKey: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('a', 'b', 'c') },
  { weight: 2, arbitrary: fc.constantFrom('__proto__', 'action', 'constructor') },
  { weight: 3, arbitrary: fc.constantFrom(...HOSTILE_KEYS) },
);

const jsonString: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom('', 'x', 'é', '€', '🙂', '"\\\n\u0007', '\ud83d', '\ude00\ud83d'),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)), maxLength: 6 }),
);

/** Without -0, which the service normalises. */
const jsonNumber: fc.Arbitrary<number> = fc
  .oneof(
    fc.constantFrom(0, 1, 9, 10, 99, 100, 999, 1000, 99_999, 1e6, -1, 0.5, 1e21, 1e-7),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  )
  .map((number) => (number === 0 ? 0 : number));

const jsonScalar: fc.Arbitrary<JsonValue> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<JsonValue>(null, true, false, 0, 1, 'x') },
  { weight: 1, arbitrary: jsonNumber },
  { weight: 1, arbitrary: jsonString },
);

/** Objects are made with `setKey`: an assignment would lose `__proto__`. */
export function toObject(entries: Iterable<readonly [string, JsonValue]>): JsonObject {
  const object = {};
  for (const [key, value] of entries) setKey(object, key, value);
  return object;
}

function objectOf(value: fc.Arbitrary<JsonValue>, maxLength: number): fc.Arbitrary<JsonObject> {
  return fc.array(fc.tuple(jsonKey, value), { maxLength }).map(toObject);
}

const { value: jsonValueOfTree } = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: 'medium' },
    { weight: 4, arbitrary: jsonScalar },
    { weight: 4, arbitrary: objectOf(tie('value'), 4) },
    { weight: 1, arbitrary: fc.array(tie('value'), { maxLength: 3 }) },
  ),
}));

/** Any JSON value. */
export const jsonValue: fc.Arbitrary<JsonValue> = jsonValueOfTree;

/** The state of a context: an object, often nested. */
export const jsonState: fc.Arbitrary<JsonObject> = objectOf(jsonValue, 6);

/** A path that often leads somewhere, also through arrays and scalars. */
export const jsonPath: fc.Arbitrary<readonly [string, ...string[]]> = fc
  .tuple(jsonKey, fc.array(jsonKey, { maxLength: 3 }))
  .map(([first, rest]) => [first, ...rest]);

/** A change of anything anywhere, which seldom fits a state. */
export const anyChange: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ action: fc.constant('ADDED' as const), path: jsonPath, value: jsonValue }),
  fc.record({ action: fc.constant('MODIFIED' as const), path: jsonPath, oldValue: jsonValue, value: jsonValue }),
  fc.record({ action: fc.constant('REMOVED' as const), path: jsonPath, oldValue: jsonValue }),
);

/** Numbers to bring up to twelve things into another order. */
export const ranks: fc.Arbitrary<readonly number[]> = fc.array(fc.nat(), { minLength: 12, maxLength: 12, size: 'max' });

/** What `updateContext` takes. */
export interface Update {
  readonly changes: JsonObject;
  readonly remove: readonly (readonly string[])[];
}

export const updates: fc.Arbitrary<Update> = fc.record({
  changes: fc.oneof({ weight: 4, arbitrary: objectOf(jsonValue, 4) }, { weight: 1, arbitrary: fc.constant({}) }),
  remove: fc.array(jsonPath, { maxLength: 4 }),
});

type Step =
  | {
      readonly kind: 'edit';
      readonly picks: readonly number[];
      readonly key: string;
      readonly value: JsonValue | undefined;
    }
  | { readonly kind: 'revert'; readonly back: number }
  | { readonly kind: 'replace'; readonly state: JsonObject };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('edit' as const),
      picks: fc.array(fc.nat({ max: 20 }), { maxLength: 4 }),
      key: jsonKey,
      value: fc.option(jsonValue, { nil: undefined, freq: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('revert' as const), back: fc.nat({ max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('replace' as const), state: jsonState }) },
);

/** States that follow one another: keys come, go and change their type, also inside each other, and all comes back. */
export const transitions: fc.Arbitrary<readonly [JsonObject, ...JsonObject[]]> = fc
  .tuple(jsonState, fc.array(step, { minLength: 1, maxLength: 10, size: 'max' }))
  .map(([first, steps]) => {
    const states: [JsonObject, ...JsonObject[]] = [first];
    for (const next of steps) states.push(take(next, states));
    return states;
  });

function take(next: Step, states: readonly [JsonObject, ...JsonObject[]]): JsonObject {
  const last = states.at(-1) ?? states[0];
  if (next.kind === 'replace') return next.state;
  if (next.kind === 'revert') return states.at(-1 - next.back) ?? states[0];
  return edit(last, next.picks, next.key, next.value);
}

/** Writes under a key that exists, when the picks find one, so that edits meet what earlier edits made. */
function edit(object: JsonObject, picks: readonly number[], key: string, value: JsonValue | undefined): JsonObject {
  const copy = copyObject(object);
  const keys = Object.keys(object);
  const [pick, ...rest] = picks;
  const chosen = pick === undefined ? key : (keys[pick % (keys.length + 1)] ?? key);
  const child = getKey(object, chosen);
  if (isJsonObject(child) && rest.length > 0) setKey(copy, chosen, edit(child, rest, key, value));
  else if (value === undefined) delete copy[chosen];
  else setKey(copy, chosen, value);
  return copy;
}

/** A state and what is to become of it: an update of anything, or one that mostly names what is there. */
export const statesWithUpdate: fc.Arbitrary<readonly [JsonObject, Update]> = fc.oneof(
  fc.tuple(jsonState, updates),
  fc
    .tuple(transitions, fc.array(fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 4 }), { maxLength: 4 }))
    .map(([states, picks]): readonly [JsonObject, Update] => {
      const changes = states.at(-1) ?? {};
      const remove = picks.map((path, index) => existingPath(index % 2 === 0 ? states[0] : changes, path));
      return [states[0], { changes, remove: remove.filter((path) => path.length > 0) }];
    }),
);

function existingPath(value: JsonValue | undefined, picks: readonly number[]): readonly string[] {
  const [pick, ...rest] = picks;
  if (pick === undefined || !isJsonObject(value)) return [];
  const keys = Object.keys(value);
  const key = keys[pick % keys.length];
  return key === undefined ? [] : [key, ...existingPath(getKey(value, key), rest)];
}
