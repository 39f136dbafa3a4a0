import { expect, test } from 'vitest';
import { checkHistory } from './check.ts';
import { summarize } from './report.ts';
import { run } from './run.ts';

test('one process and no faults: everything that anybody is told is right', { timeout: 120_000 }, async () => {
  const { history } = await run({
    setup: 'memory',
    seed: 1,
    seconds: 30,
    pauseMs: 100,
    enough: { writes: 1_000, faults: 0 },
  });
  expect(checkHistory(history).violations).toEqual([]);
  // Of a run that nobody answered there is nothing wrong to find.
  expect(summarize(history).answers.get('done')).toBeGreaterThan(100);
});

test('four processes on a Redis that faults strike: nothing acknowledged is lost or altered, everybody converges', {
  timeout: 300_000,
}, async () => {
  const enough = { writes: 1_500, faults: 10 };
  const { history } = await run({
    setup: 'standalone',
    seed: 4,
    seconds: 120,
    pauseMs: 500,
    faultPauseMs: 700,
    enough,
  });
  const { violations, lostVersions } = checkHistory(history);
  expect(violations).toEqual([]);
  expect(lostVersions).toBe(0);
  const { answers, fulls, faults } = summarize(history);
  // That it was a hard one: nothing here depends on how fast the machine is.
  expect(faults.size).toBeGreaterThan(3);
  expect(answers.get('duplicate')).toBeGreaterThan(0);
  expect(fulls.get('EPOCH_CHANGED')).toBeGreaterThan(0);
});
