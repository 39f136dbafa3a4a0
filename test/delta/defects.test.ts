/** The mistakes of docs/defects.md, by their numbers there, that belong to the delta algebra. */
import { describe, expect, test } from 'vitest';
import { apply } from '../../src/delta/apply.ts';
import { compose } from '../../src/delta/compose.ts';
import type { Changes, Delta } from '../../src/delta/delta.ts';
import { diff } from '../../src/delta/diff.ts';
import { flatFormatter, toJsonPatch, toMergePatch, treeFormatter } from '../../src/delta/format.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import { mergeChanges } from '../../src/delta/merge.ts';
import { deltasOf } from './sequences.ts';

const composed = (...states: JsonObject[]): Changes => compose(deltasOf(states));

function deltaOf(changes: Changes): Delta {
  return {
    kind: 'delta',
    contextId: 'c',
    epoch: 'e',
    fromVersion: 1,
    version: 2,
    changes,
    insertedAtMs: 0,
    origin: null,
  };
}

describe('defects of the reference', () => {
  test('defect 3: remove-then-add is a modification, and the client keeps the key', () => {
    const changes = composed({ a: 1 }, {}, { a: 2 });
    expect(changes).toEqual([{ action: 'MODIFIED', path: ['a'], oldValue: 1, value: 2 }]);
    expect(apply({ a: 1 }, changes)).toEqual({ a: 2 });
  });

  test('defect 4: add-then-modify is an addition of the last value', () => {
    expect(composed({}, { a: 1 }, { a: 2 })).toEqual([{ action: 'ADDED', path: ['a'], value: 2 }]);
  });

  test('defect 4: add-then-remove is no change', () => {
    expect(composed({}, { a: 1 }, {})).toEqual([]);
  });

  test('defect 4: a value that is back where it was is no change', () => {
    expect(composed({ a: 1, b: { c: 1 } }, { a: 2, b: {} }, { a: 1, b: { c: 1 } })).toEqual([]);
    expect(composed({ a: { b: 1 } }, {}, { a: { b: 1 } })).toEqual([]);
  });

  test('defect 5: the old value of a composed delta is the first one', () => {
    expect(composed({ a: 1 }, { a: 2 }, { a: 3 })).toEqual([
      { action: 'MODIFIED', path: ['a'], oldValue: 1, value: 3 },
    ]);
  });

  test('defect 6: a scalar that becomes an object that then changes inside composes', () => {
    const changes = composed({ a: 1 }, { a: { b: { c: 1 } } }, { a: { b: { c: 2 } } });
    expect(changes).toEqual([{ action: 'MODIFIED', path: ['a'], oldValue: 1, value: { b: { c: 2 } } }]);
  });

  test('defect 6: an object with a change inside that becomes a scalar composes', () => {
    const changes = composed({ a: { b: 1 } }, { a: { b: 2 } }, { a: 3 });
    expect(changes).toEqual([{ action: 'MODIFIED', path: ['a'], oldValue: { b: 1 }, value: 3 }]);
  });

  test('defect 7: an empty object as a value is in the delta and in every format of it', () => {
    const changes = mergeChanges({ b: 1 }, { a: {}, b: {} });
    expect(changes).toEqual([
      { action: 'ADDED', path: ['a'], value: {} },
      { action: 'MODIFIED', path: ['b'], oldValue: 1, value: {} },
    ]);
    expect(JSON.stringify(flatFormatter(deltaOf(changes)))).toContain('"key":"a","action":"added","value":{}');
    expect(JSON.stringify(treeFormatter(deltaOf(changes)))).toContain('"a":{"change":{"action":"added","value":{}}}');
    expect(toJsonPatch(changes)).toContainEqual({ op: 'add', path: '/a', value: {} });
    expect(toMergePatch(changes)).toEqual({ a: {}, b: {} });
  });

  test('defect 8: user keys named like our markers are ordinary keys in every format', () => {
    const changes = diff(
      { action: 'old' },
      { action: { action: 'added', value: 1 }, change: { children: {} }, old_value: 0 },
    );
    expect(flatFormatter(deltaOf(changes))).toEqual({
      version: 2,
      changes: [
        { key: 'action', action: 'modified', old_value: 'old', value: { action: 'added', value: 1 }, context_id: 'c' },
        { key: 'change', action: 'added', value: { children: {} }, context_id: 'c' },
        { key: 'old_value', action: 'added', value: 0, context_id: 'c' },
      ],
    });
    expect(treeFormatter(deltaOf(changes))).toEqual({
      version: 2,
      context_id: 'c',
      changes: {
        action: { change: { action: 'modified', old_value: 'old', value: { action: 'added', value: 1 } } },
        change: { change: { action: 'added', value: { children: {} } } },
        old_value: { change: { action: 'added', value: 0 } },
      },
    });
  });

  test('defect 8: a path of any depth is one flat list of keys', () => {
    const changes = diff({ a: { b: { c: { d: 1 } } } }, { a: { b: { c: { d: 2 } } } });
    expect(changes.map(({ path }) => path)).toEqual([['a', 'b', 'c', 'd']]);
    expect(JSON.stringify(flatFormatter(deltaOf(changes)))).toContain('"key":["a","b","c","d"]');
  });

  test('defect 9: 1 and 1.0 are one number, and so are 0 and -0', () => {
    expect(diff({ a: JSON.parse('1') as number }, { a: JSON.parse('1.0') as number })).toEqual([]);
    expect(diff({ a: 0, b: [0] }, { a: -0, b: [-0] })).toEqual([]);
    expect(mergeChanges({ a: 0 }, { a: -0 })).toEqual([]);
    expect(composed({ a: 0 }, { a: 1 }, { a: -0 })).toEqual([]);
  });
});
