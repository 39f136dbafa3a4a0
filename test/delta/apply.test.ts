import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { advance, apply, DeltaMismatchError } from '../../src/delta/apply.ts';
import type { Changes } from '../../src/delta/delta.ts';
import { diff } from '../../src/delta/diff.ts';
import { deepFreeze, type JsonObject } from '../../src/delta/json.ts';
import { anyChange, jsonState, transitions } from '../support/arbitraries.ts';
import { canonical, clone, fits, outcomeOf } from './oracles.ts';
import { deltasOf, lastOf } from './sequences.ts';

const modifyB: Changes = [{ action: 'MODIFIED', path: ['a', 'b'], oldValue: 1, value: 2 }];

/** An object that counts how often somebody asks for all its keys. */
function watched(object: JsonObject): { readonly object: JsonObject; readonly scans: () => number } {
  let scans = 0;
  const ownKeys = (target: JsonObject): (string | symbol)[] => {
    scans++;
    return Reflect.ownKeys(target);
  };
  return { object: new Proxy(object, { ownKeys }), scans: () => scans };
}

describe('apply', () => {
  test('copies the nodes on the way to a change and shares everything else', () => {
    const state = deepFreeze({ a: { b: 1, rest: { deep: [] } }, other: { c: 1 } });
    const result = apply(state, modifyB);
    expect(result).toEqual({ a: { b: 2, rest: { deep: [] } }, other: { c: 1 } });
    expect(result['other']).toBe(state.other);
    expect((result['a'] as JsonObject)['rest']).toBe(state.a.rest);
  });

  test('never changes its input, frozen or not', () =>
    fc.assert(
      fc.property(jsonState, jsonState, fc.boolean(), (a, b, isFrozen) => {
        const state = isFrozen ? deepFreeze(clone(a)) : a;
        const before = canonical(a);
        expect(canonical(apply(state, diff(a, b)))).toBe(canonical(b));
        expect(canonical(state)).toBe(before);
      }),
    ));

  test('copies a node once, however many changes are in it', () => {
    const numbers = Array.from({ length: 100 }, (_, index) => index);
    const before = deepFreeze({ a: Object.fromEntries(numbers.map((index) => [`key-${index}`, index])) });
    const after = { a: Object.fromEntries(numbers.map((index) => [`key-${index}`, index + 1])) };
    const changes = diff(before, after);
    const keys = vi.spyOn(Object, 'keys');
    const result = apply(before, changes);
    const listings = keys.mock.calls.length;
    keys.mockRestore();
    expect(result).toEqual(after);
    expect(listings).toBe(2);
  });

  test('gives back the state itself when there is nothing to change', () => {
    const state = { a: 1 };
    expect(apply(state, [])).toBe(state);
  });

  test('inserts values as they are', () => {
    const value = { x: [] };
    expect(apply({}, [{ action: 'ADDED', path: ['a'], value }])['a']).toBe(value);
  });

  test('does not write through a value that it inserted', () => {
    const value = { x: 1 };
    const notCanonical: Changes = [
      { action: 'MODIFIED', path: ['a'], oldValue: { x: 0 }, value },
      { action: 'MODIFIED', path: ['a', 'x'], oldValue: 1, value: 2 },
    ];
    expect(apply({ a: { x: 0 } }, notCanonical)).toEqual({ a: { x: 2 } });
    expect(value).toEqual({ x: 1 });
  });

  test.each<[string, JsonObject, Changes[number]]>([
    ['a missing parent', {}, { action: 'ADDED', path: ['a', 'b'], value: 1 }],
    ['a parent that is a scalar', { a: 1 }, { action: 'ADDED', path: ['a', 'b'], value: 1 }],
    ['a parent that is null', { a: null }, { action: 'ADDED', path: ['a', 'b'], value: 1 }],
    ['a parent that is an array', { a: [1] }, { action: 'MODIFIED', path: ['a', '0'], oldValue: 1, value: 2 }],
    ['an inherited parent', {}, { action: 'ADDED', path: ['__proto__', 'b'], value: 1 }],
    ['an inherited key', {}, { action: 'REMOVED', path: ['toString'], oldValue: 1 }],
    ['removing what is not there', {}, { action: 'REMOVED', path: ['a'], oldValue: 1 }],
    ['modifying what is not there', {}, { action: 'MODIFIED', path: ['a'], oldValue: 1, value: 2 }],
    ['adding what is there', { a: null }, { action: 'ADDED', path: ['a'], value: 1 }],
    ['an empty path', {}, { action: 'ADDED', path: [], value: 1 }],
  ])('refuses %s and names the path', (_name, state, change) => {
    expect(() => apply(state, [change])).toThrow(DeltaMismatchError);
    expect(() => apply(state, [change])).toThrow(JSON.stringify(change.path));
    expect(() => advance(state, [change])).toThrow(expect.objectContaining({ path: change.path }));
  });

  test('an own __proto__ is added, changed and removed like any key', () => {
    const added = apply({}, [{ action: 'ADDED', path: ['__proto__'], value: { x: 1 } }]);
    expect(JSON.stringify(added)).toBe('{"__proto__":{"x":1}}');
    expect(Object.getPrototypeOf(added)).toBe(Object.prototype);
    const changed = apply(added, [{ action: 'MODIFIED', path: ['__proto__', 'x'], oldValue: 1, value: 2 }]);
    expect(JSON.stringify(changed)).toBe('{"__proto__":{"x":2}}');
    expect(JSON.stringify(apply(changed, [{ action: 'REMOVED', path: ['__proto__'], oldValue: { x: 2 } }]))).toBe('{}');
  });
});

describe('advance', () => {
  test('gives the same state as apply', () =>
    fc.assert(
      fc.property(transitions, (states) => {
        let state = clone(states[0]);
        for (const changes of deltasOf(states)) state = advance(state, deepFreeze(clone([...changes])));
        expect(canonical(state)).toBe(canonical(lastOf(states)));
      }),
    ));

  test('changes a state that is extensible in place, and gives it back', () => {
    const inner = { b: 1 };
    const state = { a: inner };
    expect(advance(state, modifyB)).toBe(state);
    expect(state).toEqual({ a: { b: 2 } });
    expect(state.a).toBe(inner);
  });

  test('copies frozen nodes, and owns the copies from then on', () => {
    const state = deepFreeze({ a: { b: 1 }, c: {} });
    const advanced = advance(state, modifyB);
    expect(advanced).not.toBe(state);
    expect(advanced['c']).toBe(state.c);
    expect(state).toEqual({ a: { b: 1 }, c: {} });
    expect(advance(advanced, [{ action: 'MODIFIED', path: ['a', 'b'], oldValue: 2, value: 3 }])).toBe(advanced);
    expect(advanced).toEqual({ a: { b: 3 }, c: {} });
  });

  test('never changes a snapshot that was frozen on the way', () =>
    fc.assert(
      fc.property(transitions, fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }), (states, freezes) => {
        const snapshots: { readonly state: JsonObject; readonly text: string }[] = [];
        let state = clone(states[0]);
        for (const [index, changes] of deltasOf(states).entries()) {
          if (freezes[index] === true) snapshots.push({ state: deepFreeze(state), text: canonical(state) });
          state = advance(state, deepFreeze(clone([...changes])));
          expect(canonical(state)).toBe(canonical(states[index + 1]));
        }
        expect(snapshots.map((snapshot) => canonical(snapshot.state))).toEqual(snapshots.map(({ text }) => text));
      }),
    ));

  test('leaves the state unchanged when it refuses, also when the last of many changes does not fit', () =>
    fc.assert(
      fc.property(jsonState, jsonState, anyChange, (a, b, change) => {
        fc.pre(!fits(a, change));
        const state = clone(a);
        expect(outcomeOf(() => advance(state, [...diff(a, b), change]))).toBe('refused');
        expect(canonical(state)).toBe(canonical(a));
      }),
    ));

  test('does not look at the other keys of a wide object', () => {
    const { object, scans } = watched({ b: 1 });
    const wide = watched({ inner: object });
    advance(wide.object, [
      { action: 'MODIFIED', path: ['inner', 'b'], oldValue: 1, value: 2 },
      { action: 'ADDED', path: ['inner', 'c'], value: 2 },
      { action: 'ADDED', path: ['d'], value: 3 },
    ]);
    expect(scans() + wide.scans()).toBe(0);
    expect(wide.object).toEqual({ inner: { b: 2, c: 2 }, d: 3 });
  });
});
