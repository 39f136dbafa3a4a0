import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { apply } from '../../src/delta/apply.ts';
import { compose, invert } from '../../src/delta/compose.ts';
import { diff } from '../../src/delta/diff.ts';
import { deepFreeze, equal, type JsonObject } from '../../src/delta/json.ts';
import { mergeChanges } from '../../src/delta/merge.ts';
import { weight } from '../../src/delta/weight.ts';
import { anyChange, jsonState, ranks, transitions } from '../support/arbitraries.ts';
import { canonical, canonicalChanges, clone, faultsOf, fits, outcomeOf, valueAt, writeModel } from './oracles.ts';
import { deltasOf, lastOf, shuffled } from './sequences.ts';

describe('law 1: apply(a, diff(a, b)) equals b', () => {
  test('for states that have nothing to do with each other', () =>
    fc.assert(
      fc.property(jsonState, jsonState, (a, b) => {
        expect(canonical(apply(a, diff(a, b)))).toBe(canonical(b));
      }),
    ));

  test('for states that follow one another', () =>
    fc.assert(
      fc.property(transitions, (states) => {
        for (const [index, changes] of deltasOf(states).entries()) {
          expect(canonical(apply(states[index] ?? {}, changes))).toBe(canonical(states[index + 1]));
        }
      }),
    ));

  test('in whatever order the changes are applied', () =>
    fc.assert(
      fc.property(jsonState, jsonState, ranks, (a, b, numbers) => {
        expect(canonical(apply(a, shuffled(diff(a, b), numbers)))).toBe(canonical(b));
      }),
    ));

  test('and neither of the two is changed by it', () =>
    fc.assert(
      fc.property(jsonState, jsonState, (a, b) => {
        const before = [canonical(a), canonical(b)];
        apply(a, diff(a, b));
        expect([canonical(a), canonical(b)]).toEqual(before);
      }),
    ));

  test('an object that loses its last key is told from one that is removed', () => {
    expect(diff({ a: { a: 0 } }, {})).toEqual([{ action: 'REMOVED', path: ['a'], oldValue: { a: 0 } }]);
    expect(diff({ b: { a: 0 } }, { b: {} })).toEqual([{ action: 'REMOVED', path: ['b', 'a'], oldValue: 0 }]);
  });
});

describe('law 2: diff(a, b) is empty exactly when a equals b', () => {
  test('for any two states', () =>
    fc.assert(
      fc.property(jsonState, jsonState, (a, b) => {
        expect(diff(a, b).length === 0).toBe(canonical(a) === canonical(b));
      }),
    ));

  test('for a state and its copy', () =>
    fc.assert(
      fc.property(jsonState, (a) => {
        expect(diff(a, clone(a))).toEqual([]);
      }),
    ));

  test('for states of a history, where reverts are common', () =>
    fc.assert(
      fc.property(transitions, (states) => {
        const last = lastOf(states);
        for (const state of states) expect(diff(state, last).length === 0).toBe(canonical(state) === canonical(last));
      }),
    ));

  test('and the changes are in canonical form', () =>
    fc.assert(
      fc.property(jsonState, jsonState, (a, b) => {
        expect(faultsOf(diff(a, b))).toEqual([]);
      }),
    ));
});

describe('law 3: composing is applying one by one', () => {
  test('apply(first, compose(d1…dn)) equals applying d1…dn', () =>
    fc.assert(
      fc.property(transitions, (states) => {
        expect(canonical(apply(states[0], compose(deltasOf(states))))).toBe(canonical(lastOf(states)));
      }),
      { numRuns: 500 },
    ));

  test('compose(d1…dn) is diff(first, last)', () =>
    fc.assert(
      fc.property(transitions, (states) => {
        const composed = compose(deltasOf(states));
        expect(canonicalChanges(composed)).toEqual(canonicalChanges(diff(states[0], lastOf(states))));
        expect(faultsOf(composed)).toEqual([]);
      }),
      { numRuns: 500 },
    ));

  test('whatever the order of the changes inside each delta', () =>
    fc.assert(
      fc.property(transitions, ranks, (states, numbers) => {
        const deltas = deltasOf(states).map((changes) => shuffled(changes, numbers));
        expect(canonicalChanges(compose(deltas))).toEqual(canonicalChanges(diff(states[0], lastOf(states))));
      }),
    ));

  test('and the deltas are not changed by it', () =>
    fc.assert(
      fc.property(transitions, (states) => {
        const deltas = deltasOf(clone(states));
        const before = deltas.map(canonicalChanges);
        compose(deltas);
        expect(deltas.map(canonicalChanges)).toEqual(before);
      }),
    ));

  test('nor need they be: frozen ones compose as well', () =>
    fc.assert(
      fc.property(transitions, (states) => {
        const deltas = deltasOf(states.map((state) => deepFreeze(clone(state))));
        expect(canonicalChanges(compose(deltas))).toEqual(canonicalChanges(diff(states[0], lastOf(states))));
      }),
    ));
});

describe('law 4: compose is associative and invert cancels', () => {
  test('composing parts first makes no difference', () =>
    fc.assert(
      fc.property(transitions, fc.nat(), fc.nat(), (states, one, other) => {
        const deltas = deltasOf(states);
        const cuts = [one, other].map((cut) => cut % (deltas.length + 1)).toSorted((a, b) => a - b);
        const [from = 0, to = 0] = cuts;
        const parts = [deltas.slice(0, from), deltas.slice(from, to), deltas.slice(to)].map(compose);
        expect(canonicalChanges(compose(parts))).toEqual(canonicalChanges(compose(deltas)));
      }),
      { numRuns: 500 },
    ));

  test('compose(d, invert(d)) is empty', () =>
    fc.assert(
      fc.property(jsonState, jsonState, (a, b) => {
        const changes = diff(a, b);
        expect(compose([changes, invert(changes)])).toEqual([]);
      }),
    ));

  test('a whole history and its way back compose to nothing', () =>
    fc.assert(
      fc.property(transitions, (states) => {
        const deltas = deltasOf(states);
        expect(compose([...deltas, ...deltas.toReversed().map(invert)])).toEqual([]);
      }),
    ));
});

describe('law 5: invert leads back, and apply refuses what does not fit', () => {
  test('apply(apply(a, d), invert(d)) equals a', () =>
    fc.assert(
      fc.property(jsonState, jsonState, (a, b) => {
        const changes = diff(a, b);
        expect(canonical(apply(apply(a, changes), invert(changes)))).toBe(canonical(a));
      }),
    ));

  test('invert(diff(a, b)) is diff(b, a)', () =>
    fc.assert(
      fc.property(jsonState, jsonState, (a, b) => {
        expect(canonicalChanges(invert(diff(a, b)))).toEqual(canonicalChanges(diff(b, a)));
      }),
    ));

  test('a change is refused exactly when its parent is missing, or its key is there and should not be, or is not', () =>
    fc.assert(
      fc.property(jsonState, anyChange, (state, change) => {
        const expected = fits(state, change) ? canonical(writeModel(state, change)) : 'refused';
        expect(outcomeOf(() => apply(state, [change]))).toBe(expected);
      }),
      { numRuns: 1000 },
    ));
});

describe('law 6: a composed delta says what the client has before it and after it', () => {
  test('oldValue is what the first state has, value what the last one has', () =>
    fc.assert(
      fc.property(transitions, (states) => {
        for (const change of compose(deltasOf(states))) {
          const oldValue = change.action === 'ADDED' ? undefined : change.oldValue;
          const value = change.action === 'REMOVED' ? undefined : change.value;
          expect(canonical(oldValue)).toBe(canonical(valueAt(states[0], change.path)));
          expect(canonical(value)).toBe(canonical(valueAt(lastOf(states), change.path)));
        }
      }),
    ));

  test('a history that ends where it began composes to an empty delta', () =>
    fc.assert(
      fc.property(transitions, (states) => {
        expect(compose(deltasOf([...states, clone(states[0])]))).toEqual([]);
      }),
    ));
});

function nested(leaf: number): JsonObject {
  let state: JsonObject = { leaf };
  for (let depth = 0; depth < 2000; depth++) state = { a: state };
  return state;
}

describe('depth', () => {
  test('a state two thousand objects deep is compared, changed, composed and merged', () => {
    const changes = diff(nested(1), nested(2));
    expect(changes.map(({ path }) => path.length)).toEqual([2001]);
    expect(equal(apply(nested(1), changes), nested(2))).toBe(true);
    expect(compose([changes, diff(nested(2), nested(1))])).toEqual([]);
    expect(mergeChanges(nested(1), nested(2))).toEqual(changes);
    expect(weight(nested(1))).toBe(11 + 2000 * 7);
  });
});
