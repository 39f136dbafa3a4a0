import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { copyObject, deepFreeze, equal, getKey, isJsonObject, type JsonValue, setKey } from '../../src/delta/json.ts';
import { jsonState, jsonValue } from '../support/arbitraries.ts';
import { canonical, clone } from './oracles.ts';

const reversed = (value: JsonValue): JsonValue => {
  if (!isJsonObject(value)) return value;
  const copy = {};
  for (const [key, child] of Object.entries(value).toReversed()) setKey(copy, key, reversed(child));
  return copy;
};

describe('equal', () => {
  test('says whether two values are the same JSON', () =>
    fc.assert(
      fc.property(jsonValue, jsonValue, (a, b) => {
        expect(equal(a, b)).toBe(canonical(a) === canonical(b));
      }),
      { numRuns: 1000 },
    ));

  test('does not mind the order of keys', () =>
    fc.assert(
      fc.property(jsonValue, (value) => {
        expect(equal(value, reversed(clone(value)))).toBe(true);
      }),
    ));

  test('holds -0 and 0 for the same number', () => {
    expect(equal(0, -0)).toBe(true);
    expect(equal({ a: [-0] }, { a: [0] })).toBe(true);
  });

  test.each<[string, JsonValue, JsonValue]>([
    ['null and an empty object', null, {}],
    ['an empty array and an empty object', [], {}],
    ['an empty object and an empty array', {}, []],
    ['an array and the object with its indexes', ['x'], { 0: 'x' }],
    ['a number and its text', 1, '1'],
    ['a missing key and null', {}, { a: null }],
    ['an own key and an inherited one', { toString: null }, { a: null }],
    ['an array and its beginning', [1, 2], [1]],
    // Object.prototype has no enumerable keys: it would pass for the empty object.
    ['an own __proto__ and the inherited one', JSON.parse('{"__proto__":{}}') as JsonValue, { a: 1 }],
  ])('tells %s apart', (_name, a, b) => {
    expect(equal(a, b)).toBe(false);
    expect(equal(b, a)).toBe(false);
  });
});

describe('keys', () => {
  test('only own properties are read', () => {
    expect(['__proto__', 'toString', 'constructor'].map((key) => getKey({}, key))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('__proto__ is written as an own property', () => {
    const object = {};
    setKey(object, '__proto__', { a: 1 });
    expect(JSON.stringify(object)).toBe('{"__proto__":{"a":1}}');
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype);
    setKey(object, '__proto__', 2);
    expect(getKey(object, '__proto__')).toBe(2);
  });

  test('a copy has the same own keys in the same order, and shares the values', () =>
    fc.assert(
      fc.property(jsonState, (state) => {
        const copy = copyObject(deepFreeze(state));
        expect(JSON.stringify(copy)).toBe(JSON.stringify(state));
        expect(Object.keys(state).every((key) => getKey(copy, key) === getKey(state, key))).toBe(true);
        expect(Object.isExtensible(copy)).toBe(true);
      }),
    ));
});

describe('deepFreeze', () => {
  test('freezes a value and everything in it', () => {
    const state = deepFreeze({ a: [{ b: {} }] });
    expect(Object.isFrozen(state) && Object.isFrozen(state.a) && Object.isFrozen(state.a[0]?.b)).toBe(true);
  });

  test('does not go into what is frozen already', () => {
    const inner = Object.freeze({ a: {} });
    deepFreeze({ inner });
    expect(Object.isFrozen(inner.a)).toBe(false);
  });
});
