import { expect, test } from 'vitest';
import { checkHistory } from './check.ts';
import { summarize } from './report.ts';
import { run } from './run.ts';

test('Sentinel promotes replicas under load: what is lost with a tail is never mixed with what comes after', {
  timeout: 300_000,
}, async () => {
  const kinds = ['master killed, its last writes not replicated', 'fail-over asked for'];
  const enough = { writes: 800, faults: 2 };
  const { history } = await run({ setup: 'sentinel', seed: 1, seconds: 180, kinds, isInTurn: true, enough });
  const { violations } = checkHistory(history);
  expect(violations).toEqual([]);
  const { fulls, faults } = summarize(history);
  expect([...faults.keys()].toSorted()).toEqual(kinds.toSorted());
  // What clients saw: the epoch that each context began with its next change.
  expect(fulls.get('EPOCH_CHANGED')).toBeGreaterThan(0);
});

test('a Cluster moves slots and promotes replicas under load', { timeout: 300_000 }, async () => {
  const kinds = [
    'slot moved',
    'master killed, its last writes not replicated',
    'fail-over agreed on',
    'fail-over by force',
  ];
  const enough = { writes: 800, faults: 8 };
  const { history } = await run({ setup: 'cluster', seed: 1, seconds: 180, kinds, isInTurn: true, enough });
  const { violations } = checkHistory(history);
  expect(violations).toEqual([]);
  const { fulls, faults } = summarize(history);
  expect([...faults.keys()].toSorted()).toEqual(kinds.toSorted());
  expect(fulls.get('EPOCH_CHANGED')).toBeGreaterThan(0);
});
