import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { diff } from '../../src/delta/diff.ts';
import { deepFreeze, equal, type JsonObject } from '../../src/delta/json.ts';
import { Trial } from '../../src/delta/trial.ts';
import { transitions } from '../support/arbitraries.ts';

/** A copy of its own, which may change. */
const owned = (state: JsonObject): JsonObject => JSON.parse(JSON.stringify(state)) as JsonObject;

test('a trial leads through every state, and its restore gives the first one back, the same object', () =>
  fc.assert(
    fc.property(transitions, fc.boolean(), ([first, ...rest], isFrozen) => {
      const start = isFrozen ? deepFreeze(owned(first)) : owned(first);
      const trial = new Trial(start);
      for (const next of rest) {
        const changes = deepFreezeAll(diff(trial.state ?? {}, next));
        expect(equal(trial.advance(changes), next)).toBe(true);
      }
      trial.restore();
      expect(equal(start, first)).toBe(true);
    }),
  ));

test('what happens after a clear does not concern the first state', () => {
  const start = { a: 1 };
  const trial = new Trial(start);
  trial.advance([{ action: 'MODIFIED', path: ['a'], oldValue: 1, value: 2 }]);
  trial.clear();
  expect(trial.state).toBeUndefined();
  expect(trial.advance([{ action: 'ADDED', path: ['b'], value: 1 }])).toEqual({ b: 1 });
  trial.restore();
  expect(start).toEqual({ a: 1 });
});

/** As every delta is before it is used: a trial must not change what a delta holds. */
function deepFreezeAll(changes: ReturnType<typeof diff>): ReturnType<typeof diff> {
  for (const change of changes) {
    if (change.action !== 'REMOVED') deepFreeze(change.value);
    if (change.action !== 'ADDED') deepFreeze(change.oldValue);
  }
  return changes;
}
