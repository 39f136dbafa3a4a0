/* A short run of each fuzzer; `npm run fuzz -- --help` says how to have longer ones. */
import { describe, expect, test } from 'vitest';
import { faultsOf } from './report.ts';
import { fuzz, type TargetName, targetNames } from './run.ts';
import { type SetupName, setupNames } from './victim.ts';

/** What must have come back, so that it was the server that was tried, and not only its door. */
const expected: Readonly<Record<TargetName, readonly string[]>> = {
  http: ['200', '400', '404', '405', '408', '415', '431', 'http BAD_USER_INPUT'],
  frames: ['101', 'result', 'message complete', 'close 4400', 'close 1002', 'websocket GRAPHQL_VALIDATION_FAILED'],
  operations: ['result', 'http GRAPHQL_PARSE_FAILED', 'sse BAD_USER_INPUT', 'message next'],
};

const expectedBySetup: Readonly<Record<SetupName, Readonly<Record<TargetName, readonly string[]>>>> = {
  open: { http: ['403'], frames: [], operations: [] },
  guarded: { http: ['401'], frames: ['close 4403'], operations: ['http UNAUTHENTICATED', 'http FORBIDDEN'] },
};

// The keys of objects whose types name them.
const targets = Object.keys(targetNames) as readonly TargetName[];
const setups = Object.keys(setupNames) as readonly SetupName[];

describe.each(targets)('whatever comes as %s', (target) => {
  test.each(setups)(
    'a server (%s) lives, says nothing that it should not, and holds no more than before',
    {
      timeout: 180_000,
    },
    async (setup) => {
      const report = await fuzz({ target, setup, seed: 20_261_123, length: { batches: 10 } });
      expect(faultsOf(report)).toEqual([]);
      expect([...report.counts.keys()]).toEqual(
        expect.arrayContaining([...expected[target], ...expectedBySetup[setup][target]]),
      );
    },
  );
});
