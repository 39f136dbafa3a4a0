import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { diff } from '../../src/delta/diff.ts';
import { deepFreeze, type JsonObject, type JsonValue } from '../../src/delta/json.ts';
import { merge, mergeChanges } from '../../src/delta/merge.ts';
import { statesWithUpdate, type Update } from '../support/arbitraries.ts';
import { canonical, canonicalChanges, clone, faultsOf, mergeModel, valueAt } from './oracles.ts';

const frozen = (update: Update): Update => ({
  changes: deepFreeze(clone(update.changes)),
  remove: Object.freeze(update.remove.map((path) => Object.freeze([...path]))),
});

/** The paths of objects that are no longer the same although no change is in them. */
function needlessCopies(
  before: JsonValue,
  after: JsonValue | undefined,
  changedPaths: readonly (readonly string[])[],
): number {
  if (changedPaths.some((path) => path.length === 0)) return 0;
  if (changedPaths.length === 0) return before === after ? 0 : 1;
  return Object.entries(before as JsonObject)
    .map(([key, child]) => {
      const inside = changedPaths.filter((path) => path[0] === key).map((path) => path.slice(1));
      return needlessCopies(child, valueAt(after as JsonObject, [key]), inside);
    })
    .reduce((sum, count) => sum + count, 0);
}

/** An object that nobody may ask for its keys. */
function unscannable(object: JsonObject): JsonObject {
  return new Proxy(object, { ownKeys: refuse });
}

function refuse(): never {
  throw new Error('somebody scans what the update does not name');
}

describe('law 7: merge changes nothing that is not named, in one walk, and shares what it does not touch', () => {
  test('the new state is what merging and then removing makes, one step at a time', () =>
    fc.assert(
      fc.property(statesWithUpdate, ([state, { changes, remove }]) => {
        expect(canonical(merge(state, changes, remove).state)).toBe(canonical(mergeModel(state, changes, remove)));
      }),
      { numRuns: 1000 },
    ));

  test('the delta is the net one: diff of the state before and after, in canonical form', () =>
    fc.assert(
      fc.property(statesWithUpdate, ([state, { changes, remove }]) => {
        const net = mergeChanges(state, changes, remove);
        expect(canonicalChanges(net)).toEqual(canonicalChanges(diff(state, mergeModel(state, changes, remove))));
        expect(faultsOf(net)).toEqual([]);
      }),
      { numRuns: 1000 },
    ));

  test('the inputs may be deep-frozen, and whatever has no change in it is the same object as before', () =>
    fc.assert(
      fc.property(statesWithUpdate, ([plain, update]) => {
        const state = deepFreeze(clone(plain));
        const { changes, remove } = frozen(update);
        const merged = merge(state, changes, remove);
        const changedPaths = merged.changes.map((change) => change.path);
        expect(needlessCopies(state, merged.state, changedPaths)).toBe(0);
      }),
      { numRuns: 500 },
    ));

  test('the inputs are not changed', () =>
    fc.assert(
      fc.property(statesWithUpdate, ([state, { changes, remove }]) => {
        const before = [canonical(state), canonical(changes), JSON.stringify(remove)];
        merge(state, changes, remove);
        expect([canonical(state), canonical(changes), JSON.stringify(remove)]).toEqual(before);
      }),
    ));

  test('an object that the update only passes through is not scanned', () => {
    const state = unscannable({ users: unscannable({ ann: unscannable({ muted: false, tags: [] }), bob: {} }) });
    const net = mergeChanges(state, { users: { ann: { muted: true } } }, [['users', 'bob']]);
    expect(net.map(({ action, path }) => [action, path])).toEqual([
      ['MODIFIED', ['users', 'ann', 'muted']],
      ['REMOVED', ['users', 'bob']],
    ]);
  });
});

describe('merge', () => {
  test.each<[string, JsonObject, JsonObject, string[][], JsonObject]>([
    ['an object merges into an object', { a: { b: 1 } }, { a: { c: 2 } }, [], { a: { b: 1, c: 2 } }],
    ['an object replaces a scalar', { a: 1 }, { a: { c: 2 } }, [], { a: { c: 2 } }],
    ['an object replaces an array', { a: [1] }, { a: {} }, [], { a: {} }],
    ['an object replaces null', { a: null }, { a: {} }, [], { a: {} }],
    ['an array replaces an object', { a: { b: 1 } }, { a: [1] }, [], { a: [1] }],
    ['an array replaces an array', { a: [1, 2] }, { a: [3] }, [], { a: [3] }],
    ['null replaces an object', { a: { b: 1 } }, { a: null }, [], { a: null }],
    ['null is added like any value', {}, { a: null }, [], { a: null }],
    ['an empty object changes no object', { a: { b: 1 } }, { a: {} }, [], { a: { b: 1 } }],
    ['an empty object is added like any value', {}, { a: {} }, [], { a: {} }],
    ['removing acts after merging', { a: 1 }, { a: 2 }, [['a']], {}],
    ['removing hits what was just added', {}, { a: { b: 1, c: { d: 1 } } }, [['a', 'c', 'd']], { a: { b: 1, c: {} } }],
    ['removing nothing changes nothing', { a: 1 }, {}, [['b'], ['b', 'c']], { a: 1 }],
    [
      'removing through a scalar changes nothing',
      { a: 1, n: null },
      {},
      [
        ['a', 'b'],
        ['n', 'b'],
      ],
      { a: 1, n: null },
    ],
    ['removing through an array changes nothing', { a: [{ b: 1 }] }, {}, [['a', '0']], { a: [{ b: 1 }] }],
    ['removing what is inherited changes nothing', {}, {}, [['toString'], ['__proto__', 'toString']], {}],
    [
      'a shorter path outranks a longer one',
      { a: { b: { c: 1 } } },
      {},
      [
        ['a', 'b', 'c'],
        ['a', 'b'],
      ],
      { a: {} },
    ],
    [
      'and the other way round',
      { a: { b: { c: 1 } } },
      {},
      [
        ['a', 'b'],
        ['a', 'b', 'c'],
      ],
      { a: {} },
    ],
    ['removing inside what replaced an object', { a: { b: 1 } }, { a: [] }, [['a', 'b']], { a: [] }],
  ])('%s', (_name, state, changes, remove, expected) => {
    expect(merge(state, changes, remove).state).toEqual(expected);
  });

  test('what is added and pruned by the same update is pruned in the delta too', () => {
    const value = { b: 1, c: 2 };
    expect(mergeChanges({}, { a: value }, [['a', 'b']])).toEqual([{ action: 'ADDED', path: ['a'], value: { c: 2 } }]);
    expect(value).toEqual({ b: 1, c: 2 });
    expect(mergeChanges({}, { a: value }, [['a']])).toEqual([]);
  });

  test('equal values are no change, and the state stays the same object', () => {
    const state = { a: { list: [1, { b: null }], n: 0 } };
    const merged = merge(state, { a: { list: [1, { b: null }], n: -0 } });
    expect(merged.changes).toEqual([]);
    expect(merged.state).toBe(state);
  });

  test('a value that is replaced by one that pruning makes equal is no change', () => {
    expect(mergeChanges({ a: 1 }, { a: { b: 1 } }, [['a', 'b']])).toEqual([
      { action: 'MODIFIED', path: ['a'], oldValue: 1, value: {} },
    ]);
    expect(mergeChanges({ a: { b: 1 } }, { a: { b: 2 } }, [['a', 'b']])).toEqual([
      { action: 'REMOVED', path: ['a', 'b'], oldValue: 1 },
    ]);
  });

  test('an empty path to remove is a TypeError', () => {
    expect(() => mergeChanges({}, {}, [[]])).toThrow(TypeError);
  });
});
