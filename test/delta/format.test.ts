import * as fc from 'fast-check';
import jsonpatch from 'fast-json-patch';
import { describe, expect, test } from 'vitest';
import { toChange } from '../../src/delta/change.ts';
import type { Change, Changes, Delta } from '../../src/delta/delta.ts';
import { diff } from '../../src/delta/diff.ts';
import {
  flatFormatter,
  type JsonPatchOperation,
  toJsonPatch,
  toMergePatch,
  treeFormatter,
} from '../../src/delta/format.ts';
import { getKey, type JsonObject, type JsonValue } from '../../src/delta/json.ts';
import { jsonState, jsonValue, ranks, transitions } from '../support/arbitraries.ts';
import { canonical, canonicalChanges, clone, evaluateMergePatch, evaluatePatch, holdsNull } from './oracles.ts';
import { lastOf, shuffled } from './sequences.ts';

/** Two states, related or not. */
const pairs: fc.Arbitrary<readonly [JsonObject, JsonObject]> = fc.oneof(
  fc.tuple(jsonState, jsonState),
  transitions.map((states) => [states[0], lastOf(states)] as const),
);

function deltaOf(changes: Changes): Delta {
  return {
    kind: 'delta',
    contextId: 'call-7',
    epoch: 'e',
    fromVersion: 1,
    version: 2,
    changes,
    insertedAtMs: 0,
    origin: null,
  };
}

/** What fast-json-patch makes of it; the document is copied and the patch validated. */
function applyWithLibrary(state: JsonObject, operations: readonly JsonPatchOperation[]): JsonValue {
  return jsonpatch.applyPatch<JsonValue>(clone(state), clone([...operations]), true, false, false).newDocument;
}

/** The changes that a reader of the flat form understands. */
function fromFlat(formatted: JsonValue): readonly Change[] {
  const list = getKey(formatted as JsonObject, 'changes') as readonly JsonObject[];
  return list.map((entry) => {
    const key = getKey(entry, 'key') as string | readonly string[];
    return readChange(typeof key === 'string' ? [key] : key, entry);
  });
}

/** The changes that a reader of the tree understands. */
function fromTree(formatted: JsonValue): readonly Change[] {
  return readChildren([], getKey(formatted as JsonObject, 'changes') as JsonObject);
}

function readChildren(path: readonly string[], children: JsonObject): readonly Change[] {
  return Object.entries(children).flatMap(([key, node]) => {
    const inner = getKey(node as JsonObject, 'children') as JsonObject | undefined;
    if (inner !== undefined) return readChildren([...path, key], inner);
    return [readChange([...path, key], getKey(node as JsonObject, 'change') as JsonObject)];
  });
}

function readChange(path: readonly string[], entry: JsonObject): Change {
  const change = toChange(path, getKey(entry, 'old_value'), getKey(entry, 'value'));
  expect(getKey(entry, 'action')).toBe(change.action.toLowerCase());
  return change;
}

describe('law 8: every format says the same', () => {
  test('a JSON patch leads from one state to the other, by the letter of RFC 6902, for all keys', () =>
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        expect(canonical(evaluatePatch(a, toJsonPatch(diff(a, b))))).toBe(canonical(b));
      }),
      { numRuns: 500 },
    ));

  test('in whatever order the operations are run', () =>
    fc.assert(
      fc.property(pairs, ranks, ([a, b], numbers) => {
        expect(canonical(evaluatePatch(a, toJsonPatch(shuffled(diff(a, b), numbers))))).toBe(canonical(b));
      }),
    ));

  test('a JSON patch without a __proto__ segment leads there with fast-json-patch, in any order', () =>
    fc.assert(
      fc.property(pairs, ranks, ([a, b], numbers) => {
        const changes = diff(a, b);
        fc.pre(!changes.some((change) => change.path.includes('__proto__')));
        expect(canonical(applyWithLibrary(a, toJsonPatch(shuffled(changes, numbers))))).toBe(canonical(b));
      }),
      { numRuns: 500 },
    ));

  test('a JSON patch has one operation per change', () =>
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const changes = diff(a, b);
        const words = { ADDED: 'add', MODIFIED: 'replace', REMOVED: 'remove' };
        expect(toJsonPatch(changes).map(({ op }) => op)).toEqual(changes.map(({ action }) => words[action]));
      }),
    ));

  test('a merge patch leads from one state to the other whenever there is one', () =>
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const patch = toMergePatch(diff(a, b));
        fc.pre(patch !== null);
        expect(canonical(evaluateMergePatch(a, patch))).toBe(canonical(b));
      }),
      { numRuns: 500 },
    ));

  test('there is no merge patch exactly when a value is null or an object that holds null through objects', () =>
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const changes = diff(a, b);
        const isImpossible = changes.some((change) => change.action !== 'REMOVED' && holdsNull(change.value));
        expect(toMergePatch(changes) === null).toBe(isImpossible);
      }),
      { numRuns: 500 },
    ));

  test('the flat form says exactly the changes', () =>
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const changes = diff(a, b);
        expect(canonicalChanges(fromFlat(flatFormatter(deltaOf(changes))))).toEqual(canonicalChanges(changes));
      }),
    ));

  test('the tree says exactly the changes', () =>
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const changes = diff(a, b);
        expect(canonicalChanges(fromTree(treeFormatter(deltaOf(changes))))).toEqual(canonicalChanges(changes));
      }),
    ));

  test('and none of them changes the delta', () =>
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const changes = diff(a, b);
        const before = canonicalChanges(changes);
        for (const format of [flatFormatter, treeFormatter]) format(deltaOf(changes));
        toJsonPatch(changes);
        toMergePatch(changes);
        expect(canonicalChanges(changes)).toEqual(before);
      }),
    ));
});

describe('toJsonPatch', () => {
  test('escapes tildes and slashes in pointers', () => {
    const changes: Changes = [{ action: 'REMOVED', path: ['a/b', '~1', '', 'm~n/'], oldValue: 1 }];
    expect(toJsonPatch(changes)).toEqual([{ op: 'remove', path: '/a~1b/~01//m~0n~1' }]);
  });

  test('of no change is empty', () => {
    expect(toJsonPatch([])).toEqual([]);
  });
});

describe('toMergePatch', () => {
  test('removes with null and nests objects', () => {
    const before = { a: { b: 1, c: 2 }, d: 0 };
    const after = { a: { b: 3 }, d: 0, e: [null, { x: null }] };
    expect(toMergePatch(diff(before, after))).toEqual({ a: { b: 3, c: null }, e: [null, { x: null }] });
  });

  test('of no change is an empty object', () => {
    expect(toMergePatch([])).toEqual({});
  });

  test.each<[string, JsonValue, boolean]>([
    ['null', null, false],
    ['an object that holds null', { x: null }, false],
    ['an object that holds null deeper', { x: { y: { z: null } } }, false],
    ['an array that holds null', [null], true],
    ['an object that holds an array that holds an object that holds null', { x: [{ y: null }] }, true],
    ['an empty object', {}, true],
  ])('a new value that is %s: can it be said? %#', (_name, value, isPossible) => {
    expect(toMergePatch(diff({}, { a: value })) !== null).toBe(isPossible);
    expect(toMergePatch(diff({ a: 'other' }, { a: value })) !== null).toBe(isPossible);
  });

  test('an old value may hold any null', () =>
    fc.assert(
      fc.property(jsonValue, (value) => {
        expect(toMergePatch(diff({ a: value }, {}))).toEqual({ a: null });
      }),
    ));
});

describe('flatFormatter', () => {
  test('has the form of Chord for Elixir', () => {
    const changes = diff({ a: 1, b: { c: 'x' }, d: null }, { a: 2, b: { c: 'x', e: {} } });
    expect(flatFormatter(deltaOf(changes))).toEqual({
      version: 2,
      changes: [
        { key: 'a', action: 'modified', old_value: 1, value: 2, context_id: 'call-7' },
        { key: ['b', 'e'], action: 'added', value: {}, context_id: 'call-7' },
        { key: 'd', action: 'removed', old_value: null, context_id: 'call-7' },
      ],
    });
  });
});

describe('treeFormatter', () => {
  test('nests children in the shape of the state', () => {
    const changes = diff({ user: { name: 'Ann', age: 1 } }, { user: { name: 'Bea' }, change: { children: 1 } });
    expect(treeFormatter(deltaOf(changes))).toEqual({
      version: 2,
      context_id: 'call-7',
      changes: {
        user: {
          children: {
            name: { change: { action: 'modified', old_value: 'Ann', value: 'Bea' } },
            age: { change: { action: 'removed', old_value: 1 } },
          },
        },
        change: { change: { action: 'added', value: { children: 1 } } },
      },
    });
  });
});
