import { expect, test } from 'vitest';
import { checkHistory } from './check.ts';
import { missingFrom } from './enough.ts';
import type { History } from './history.ts';
import { summarize } from './report.ts';
import { run } from './run.ts';

/** That it was a hard one; and what clients saw: the epoch that each context began with its next change. */
function expectHardship(history: History, enough: { readonly writes: number; readonly faults: number }) {
  expect(missingFrom(history, { ...enough, answers: ['done'], fulls: ['EPOCH_CHANGED'] })).toEqual([]);
}

test('Sentinel promotes replicas under load: what is lost with a tail is never mixed with what comes after', {
  timeout: 420_000,
}, async () => {
  const kinds = ['master killed, its last writes not replicated', 'fail-over asked for'];
  const enough = { writes: 800, faults: 2, faultKinds: kinds.length };
  const { history } = await run({ setup: 'sentinel', seed: 1, seconds: 240, kinds, isInTurn: true, enough });
  expect(checkHistory(history).violations).toEqual([]);
  expectHardship(history, enough);
  expect([...summarize(history).faults.keys()].toSorted()).toEqual(kinds.toSorted());
});

test('a Cluster moves slots and promotes replicas under load', { timeout: 420_000 }, async () => {
  const kinds = [
    'slot moved',
    'master killed, its last writes not replicated',
    'fail-over agreed on',
    'fail-over by force',
  ];
  const enough = { writes: 800, faults: 8, faultKinds: kinds.length };
  const { history } = await run({ setup: 'cluster', seed: 1, seconds: 240, kinds, isInTurn: true, enough });
  expect(checkHistory(history).violations).toEqual([]);
  expectHardship(history, enough);
  expect([...summarize(history).faults.keys()].toSorted()).toEqual(kinds.toSorted());
});
