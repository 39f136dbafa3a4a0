import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deepFreeze, isJsonObject, type JsonObject, type JsonValue } from '../../src/delta/json.ts';
import { type InvalidStateError, LimitExceededError } from '../../src/errors.ts';
import { parseState } from '../../src/service/input-state.ts';
import { canonical, clone } from '../delta/oracles.ts';
import { jsonState, transitions } from '../support/arbitraries.ts';

const limits = { maxStateDepth: 64, forbiddenKeys: new Set<string>() };

/** Every object and array in a value, itself included. */
function nodesOf(value: JsonValue): readonly object[] {
  if (typeof value !== 'object' || value === null) return [];
  return [value, ...Object.values(value).flatMap(nodesOf)];
}

/** The state and the order of its keys. */
const text = (state: JsonObject) => JSON.stringify(state);

describe('a state that is handed in beside one that is there', () => {
  test('is copied to what it is, frozen, and the one that is there stays as it was', () =>
    fc.assert(
      fc.property(transitions, ([first, ...others]) => {
        for (const next of others) {
          const before = text(first);
          const copy = parseState(next, limits, first);
          expect(canonical(copy)).toBe(canonical(next));
          expect(text(copy)).toBe(text(parseState(next, limits)));
          expect(nodesOf(copy).every((node) => Object.isFrozen(node))).toBe(true);
          expect(text(first)).toBe(before);
        }
      }),
    ));

  test('shares no node with what the caller may change', () =>
    fc.assert(
      fc.property(jsonState, jsonState, (first, next) => {
        const own = new Set(nodesOf(next));
        expect(nodesOf(parseState(next, limits, first)).some((node) => own.has(node))).toBe(false);
      }),
    ));

  test('is the one that is there when it is the same', () =>
    fc.assert(
      fc.property(jsonState, (state) => {
        expect(parseState(clone(state), limits, state)).toBe(state);
      }),
    ));

  test('keeps what is the same beside what is not', () => {
    const there = deepFreeze({ a: { b: [1, { c: 2 }] }, n: 1, z: { y: {} } });
    const copy = parseState({ a: { b: [1, { c: 2 }] }, n: 2, z: { y: {} } }, limits, there);
    expect(copy).toEqual({ a: { b: [1, { c: 2 }] }, n: 2, z: { y: {} } });
    expect(copy['a']).toBe(there.a);
    expect(copy['z']).toBe(there.z);
  });

  test('has its own keys in its own order, whatever the prototype of all objects has', () => {
    const there = deepFreeze({ a: 1, b: { c: 1 } });
    expect(text(parseState({ b: { c: 1 }, a: 1 }, limits, there))).toBe('{"b":{"c":1},"a":1}');
    expect(text(parseState({ a: 1 }, limits, there))).toBe('{"a":1}');
    expect(text(parseState({ a: 1, b: { c: 1 }, d: 0 }, limits, there))).toBe('{"a":1,"b":{"c":1},"d":0}');
    Reflect.set(Object.prototype, 'd', 0);
    try {
      const copy = parseState({ a: 1, d: 0 }, limits, deepFreeze({ a: 1 }));
      expect(Object.keys(copy)).toEqual(['a', 'd']);
    } finally {
      Reflect.deleteProperty(Object.prototype, 'd');
    }
  });
});

const problemOf = (value: unknown, like?: JsonObject, rules = limits) => {
  try {
    return parseState(value, rules, like);
  } catch (error) {
    // Nothing else is thrown for a state.
    return error as InvalidStateError | LimitExceededError;
  }
};

const getter = (value: unknown) => Object.defineProperty({}, 'k', { enumerable: true, get: () => value });

describe('what is refused', () => {
  const list = Object.defineProperty([0], 0, { enumerable: true, get: () => 0 });
  const cyclic: { a: { k: unknown } } = { a: { k: 0 } };
  cyclic.a.k = cyclic;

  test.each<readonly [string, unknown, JsonObject, readonly string[]]>([
    ['an accessor that says what is there', { a: getter(1) }, { a: { k: 1 } }, ['a', 'k']],
    ['an item that says what is there', { a: list }, { a: [0] }, ['a', '0']],
    ['NaN', { a: { k: Number.NaN } }, { a: { k: 0 } }, ['a', 'k']],
    ['what contains itself', cyclic, { a: { k: { a: { k: 0 } } } }, ['a', 'k']],
    ['undefined where there was something', { a: { k: undefined } }, { a: { k: 0 } }, ['a', 'k']],
    ['undefined where there was nothing', { a: { k: undefined } }, { a: {} }, ['a', 'k']],
    ['a Date beside the same', { a: 1, b: new Date(0) }, { a: 1 }, ['b']],
  ])('%s', (_, value, like, path) => {
    const problem = problemOf(value, deepFreeze(like));
    expect(problem).toMatchObject({ code: 'INVALID_STATE', path });
    expect(problem).toMatchObject({ message: (problemOf(value) as Error).message });
  });

  test('a forbidden key and too deep a node, also where they are there already', () => {
    const there = deepFreeze({ a: { b: { c: 1 } } });
    expect(problemOf(clone(there), there, { ...limits, forbiddenKeys: new Set(['c']) })).toMatchObject({
      code: 'INVALID_STATE',
      path: ['a', 'b', 'c'],
    });
    expect(problemOf(clone(there), there, { ...limits, maxStateDepth: 2 })).toBeInstanceOf(LimitExceededError);
    expect(problemOf(clone(there), there, { ...limits, maxStateDepth: 3 })).toBe(there);
  });

  test('-0 is stored as 0, beside 0 and beside something else', () => {
    for (const like of [{ n: 0 }, { n: 1 }, {}]) {
      const copy = parseState({ n: -0 }, limits, deepFreeze(like));
      expect(isJsonObject(copy) && Object.is(copy['n'], 0)).toBe(true);
    }
  });
});
