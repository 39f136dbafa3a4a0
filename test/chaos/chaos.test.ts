import { expect, test } from 'vitest';
import { checkHistory } from './check.ts';
import { missingFrom } from './enough.ts';
import { run } from './run.ts';

/* A run ends when enough has happened. The seconds only bound it, for a machine that does other things. */

test('one process and no faults: everything that anybody is told is right', { timeout: 240_000 }, async () => {
  const enough = { writes: 1_000, faults: 0 };
  const { history } = await run({ setup: 'memory', seed: 1, seconds: 100, pauseMs: 100, enough });
  expect(checkHistory(history).violations).toEqual([]);
  expect(missingFrom(history, { ...enough, answers: ['done'] })).toEqual([]);
});

test('four processes on a Redis that faults strike: nothing acknowledged is lost or altered, everybody converges', {
  timeout: 420_000,
}, async () => {
  const enough = { writes: 1_500, faults: 10, faultKinds: 4 };
  const { history } = await run({
    setup: 'standalone',
    seed: 4,
    seconds: 240,
    pauseMs: 500,
    faultPauseMs: 700,
    enough,
  });
  const { violations, lostVersions } = checkHistory(history);
  expect(violations).toEqual([]);
  expect(lostVersions).toBe(0);
  // That it was a hard one: nothing here depends on how fast the machine is.
  expect(missingFrom(history, { ...enough, answers: ['done', 'duplicate'], fulls: ['EPOCH_CHANGED'] })).toEqual([]);
});
