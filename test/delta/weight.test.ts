import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { apply } from '../../src/delta/apply.ts';
import type { Changes } from '../../src/delta/delta.ts';
import { diff } from '../../src/delta/diff.ts';
import type { JsonObject, JsonValue } from '../../src/delta/json.ts';
import { growth, weight, weightOfChanges, weightOfEntry } from '../../src/delta/weight.ts';
import { jsonKey, jsonState, jsonValue, updates } from '../support/arbitraries.ts';
import { mergeModel } from './oracles.ts';

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

/** The definition, word by word. */
function weightByDefinition(value: JsonValue): number {
  return bytesOf(value) + countNonEmptyObjects(value);
}

function countNonEmptyObjects(value: JsonValue): number {
  if (typeof value !== 'object' || value === null) return 0;
  const children: readonly JsonValue[] = Object.values(value);
  const own = Array.isArray(value) || children.length === 0 ? 0 : 1;
  return children.reduce<number>((sum, child) => sum + countNonEmptyObjects(child), own);
}

describe('weight', () => {
  test('is the UTF-8 length of compact JSON plus one byte per non-empty object', () =>
    fc.assert(
      fc.property(jsonValue, (value) => {
        expect(weight(value)).toBe(weightByDefinition(value));
      }),
      { numRuns: 1000 },
    ));

  test('is right for every single UTF-16 unit, alone and before a low surrogate', () => {
    const wrong: number[] = [];
    for (let unit = 0; unit <= 0xffff; unit++) {
      const text = String.fromCharCode(unit);
      const isRight = weight(text) === bytesOf(text) && weight(`${text}\udc00`) === bytesOf(`${text}\udc00`);
      if (!isRight) wrong.push(unit);
    }
    expect(wrong).toEqual([]);
  });

  test('is right for numbers of every length and kind', () =>
    fc.assert(
      fc.property(fc.oneof(fc.integer(), fc.maxSafeInteger(), finite, fc.nat(1_100_000)), (number) => {
        expect(weight(number)).toBe(JSON.stringify(number).length);
      }),
      { numRuns: 1000, examples: [[-0], [0], [999_999], [1e6], [9], [10], [99], [100], [9999], [1e4], [1e5]] },
    ));

  test('of an object is two and the sum of its entries', () =>
    fc.assert(
      fc.property(jsonState, (state) => {
        const entries = Object.entries(state).map(([key, value]) => weightOfEntry(key, value));
        expect(weight(state)).toBe(entries.reduce((sum, entry) => sum + entry, 2));
      }),
    ));

  test('of an entry is its key, two bytes and its value', () =>
    fc.assert(
      fc.property(jsonKey, jsonValue, (key, value) => {
        expect(weightOfEntry(key, value)).toBe(bytesOf(key) + 2 + weightByDefinition(value));
      }),
    ));
});

describe('growth', () => {
  test('is exactly by how much the state becomes heavier', () =>
    fc.assert(
      fc.property(jsonState, jsonState, (a, b) => {
        expect(growth(diff(a, b))).toBe(weightByDefinition(b) - weightByDefinition(a));
      }),
      { numRuns: 500 },
    ));

  test('keeps the weight of a state over a series of updates without weighing it again', () =>
    fc.assert(
      fc.property(jsonState, fc.array(updates, { maxLength: 6 }), (first, series) => {
        let state: JsonObject = first;
        let kept = weight(state);
        for (const { changes, remove } of series) {
          const net = diff(state, mergeModel(state, changes, remove));
          state = apply(state, net);
          kept += growth(net);
        }
        expect(kept).toBe(weightByDefinition(state));
      }),
    ));

  test('of an object that gets its first key or loses its last one counts the extra byte', () => {
    expect(growth(diff({ a: {} }, { a: { b: 1 } }))).toBe(6);
    expect(growth(diff({ a: { b: 1 } }, { a: {} }))).toBe(-6);
  });
});

describe('weightOfChanges', () => {
  test('is the bytes of each path as JSON and the weight of each new value', () => {
    const changes: Changes = [
      { action: 'ADDED', path: ['a', 'é'], value: { b: 1 } },
      { action: 'MODIFIED', path: ['c'], oldValue: 'long enough to be noticed', value: null },
      { action: 'REMOVED', path: ['d'], oldValue: 'long enough to be noticed' },
    ];
    expect(weightOfChanges(changes)).toBe(10 + 8 + (5 + 4) + 5);
  });

  test('for the changes between any two states', () =>
    fc.assert(
      fc.property(jsonState, jsonState, (a, b) => {
        const changes = diff(a, b);
        const expected = changes.map((change) => {
          return bytesOf(change.path) + (change.action === 'REMOVED' ? 0 : weightByDefinition(change.value));
        });
        expect(weightOfChanges(changes)).toBe(expected.reduce((sum, one) => sum + one, 0));
      }),
    ));
});
