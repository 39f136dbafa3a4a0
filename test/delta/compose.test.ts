import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DeltaMismatchError } from '../../src/delta/apply.ts';
import { Composer, compose, invert } from '../../src/delta/compose.ts';
import type { Change, Changes } from '../../src/delta/delta.ts';
import { diff } from '../../src/delta/diff.ts';
import { deepFreeze, type JsonValue } from '../../src/delta/json.ts';
import { transitions } from '../support/arbitraries.ts';
import { canonicalChanges } from './oracles.ts';
import { deltasOf } from './sequences.ts';

const added = (path: string[], value: JsonValue): Change => ({ action: 'ADDED', path, value });
const modified = (path: string[], oldValue: JsonValue, value: JsonValue): Change => ({
  action: 'MODIFIED',
  path,
  oldValue,
  value,
});
const removed = (path: string[], oldValue: JsonValue): Change => ({ action: 'REMOVED', path, oldValue });

describe('compose', () => {
  test.each<[string, Changes[], Changes]>([
    ['no delta at all', [], []],
    ['one delta', [[added(['a'], 1)]], [added(['a'], 1)]],
    ['changes of different keys', [[added(['a'], 1)], [removed(['b'], 1)]], [added(['a'], 1), removed(['b'], 1)]],
    [
      'a change inside what was added',
      [[added(['a'], { b: { c: 1 } })], [modified(['a', 'b', 'c'], 1, 2)], [added(['a', 'd'], [])]],
      [added(['a'], { b: { c: 2 }, d: [] })],
    ],
    [
      'a removal of an object with changes inside',
      [
        [modified(['a', 'b'], 1, 2)],
        [added(['a', 'c'], 3)],
        [removed(['a', 'd'], 4)],
        [removed(['a'], { b: 2, c: 3 })],
      ],
      [removed(['a'], { b: 1, d: 4 })],
    ],
    [
      'an object that is removed and comes back almost the same',
      [[removed(['a'], { b: 1, c: { d: 1 } })], [added(['a'], { b: 1, c: { d: 2 } })]],
      [modified(['a', 'c', 'd'], 1, 2)],
    ],
    [
      'an object that comes back the same, inside an object with no other change',
      [[modified(['o', 'p', 'a'], { b: 1 }, 5)], [modified(['o', 'p', 'a'], 5, { b: 1 })]],
      [],
    ],
    [
      'a change that is taken back beside one that is not',
      [[modified(['a', 'b'], 1, 2), modified(['a', 'c'], 1, 2)], [modified(['a', 'b'], 2, 1)]],
      [modified(['a', 'c'], 1, 2)],
    ],
    [
      'an object that is emptied and removed',
      [[removed(['a', 'b'], 1)], [removed(['a'], {})]],
      [removed(['a'], { b: 1 })],
    ],
    [
      'an object that is replaced while its inside had changed, and comes back as it was',
      [[modified(['a', 'b'], 1, 2)], [modified(['a'], { b: 2 }, [])], [modified(['a'], [], { b: 1 })]],
      [],
    ],
  ])('%s', (_name, deltas, expected) => {
    expect(canonicalChanges(compose(deltas))).toEqual(canonicalChanges(expected));
  });

  test.each<[string, Changes[]]>([
    ['added twice', [[added(['a'], 1)], [added(['a'], 2)]]],
    ['modified after it was removed', [[removed(['a'], 1)], [modified(['a'], 1, 2)]]],
    ['changed inside after it was removed', [[removed(['a'], { b: 1 })], [modified(['a', 'b'], 1, 2)]]],
    ['changed inside where it is a scalar', [[modified(['a'], {}, 1)], [added(['a', 'b'], 2)]]],
    ['changed inside where nothing is', [[added(['a'], {})], [removed(['a', 'b'], 2)]]],
    ['added where an object has changes', [[added(['a', 'b'], 1)], [added(['a'], 1)]]],
    ['removed as a scalar where an object has changes', [[added(['a', 'b'], 1)], [removed(['a'], 1)]]],
    ['removed without the key that was added inside', [[added(['a', 'b'], 1)], [removed(['a'], {})]]],
    ['a change of nowhere', [[added([], 1)]]],
  ])('refuses deltas that do not follow one another: %s', (_name, deltas) => {
    expect(() => compose(deltas)).toThrow(DeltaMismatchError);
  });

  test('takes anything that can be iterated', () => {
    expect(compose(new Set([[added(['a'], 1)], [removed(['b'], 1)]]))).toHaveLength(2);
  });

  test('ten thousand deltas about one key are one change', () => {
    const deltas = Array.from({ length: 10_000 }, (_, index) => [modified(['a', 'n'], index, index + 1)]);
    expect(compose(deltas)).toEqual([modified(['a', 'n'], 0, 10_000)]);
  });
});

describe('Composer', () => {
  test('says the net changes so far at any time, and goes on', () =>
    fc.assert(
      fc.property(transitions, (states) => {
        const composer = new Composer();
        for (const [index, changes] of deltasOf(states).entries()) {
          composer.add(changes);
          const expected = diff(states[0], states[index + 1] ?? {});
          expect(canonicalChanges(composer.changes())).toEqual(canonicalChanges(expected));
        }
      }),
    ));

  test('what it handed out does not change with what is added later', () =>
    fc.assert(
      fc.property(transitions, (states) => {
        const composer = new Composer();
        const handedOut: { readonly changes: Changes; readonly texts: readonly string[] }[] = [];
        for (const changes of deltasOf(states)) {
          composer.add(changes);
          const net = composer.changes();
          handedOut.push({ changes: net, texts: canonicalChanges(net) });
        }
        for (const { changes, texts } of handedOut) expect(canonicalChanges(changes)).toEqual(texts);
      }),
    ));

  test('what it handed out may be frozen before more is added', () => {
    const composer = new Composer();
    composer.add([added(['a'], { b: { c: 1 } })]);
    composer.add([modified(['a', 'b', 'c'], 1, 2)]);
    const [first] = composer.changes();
    if (first?.action === 'ADDED') deepFreeze(first.value);
    composer.add([modified(['a', 'b', 'c'], 2, 3)]);
    expect(composer.changes()).toEqual([added(['a'], { b: { c: 3 } })]);
    expect(first).toEqual(added(['a'], { b: { c: 2 } }));
  });

  test('a value that came twice is changed in one place only', () => {
    const value = { n: 1 };
    const changes = compose([[added(['a'], value), added(['b'], value)], [modified(['a', 'n'], 1, 2)]]);
    expect(changes).toEqual([added(['a'], { n: 2 }), added(['b'], { n: 1 })]);
    expect(value).toEqual({ n: 1 });
  });
});

describe('invert', () => {
  test('turns each change around', () => {
    const there = [added(['a'], 1), modified(['b'], 1, 2), removed(['c'], 3)];
    const back = [removed(['a'], 1), modified(['b'], 2, 1), added(['c'], 3)];
    expect(invert(there)).toEqual(back);
    expect(invert(back)).toEqual(there);
  });
});
