import { expect, test } from 'vitest';
import { isEnough, missingFrom } from './enough.ts';
import type { History } from './history.ts';

const limits = { deltaThreshold: null, maxMergeDeltas: 10_000, answerWithinMs: 20_000 };
const empty: History = { limits, writes: [], readers: [], finals: [], faults: [], incidents: [] };
const fault = { kind: 'slot moved', target: 'one', beginMs: 0, endMs: 1 };

test('of a run in which nothing happened all that was wanted is missing', () => {
  const wanted = { writes: 5, faults: 1, faultKinds: 1, answers: ['done'], fulls: ['EPOCH_CHANGED'] };
  expect(missingFrom(empty, wanted)).toEqual([
    'not enough happened: 0 of 5 writes',
    'not enough happened: 0 of 1 faults',
    'not enough happened: 0 of 1 kinds of faults',
    'not enough happened: 0 of 1 answers "done"',
    'not enough happened: 0 of 1 FULLs "EPOCH_CHANGED"',
  ]);
  expect(missingFrom(empty, { writes: 0, faults: 0 })).toEqual([]);
});

test('a run goes on while its faults are all of one kind', () => {
  const history = { ...empty, faults: [fault, fault] };
  expect(isEnough(history, { writes: 0, faults: 2, faultKinds: 2 })).toBe(false);
  expect(
    isEnough({ ...history, faults: [fault, { ...fault, kind: 'other' }] }, { writes: 0, faults: 2, faultKinds: 2 }),
  ).toBe(true);
});
