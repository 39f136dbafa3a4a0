import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LmdbBackend } from '../../src/backend/lmdb/lmdb.ts';
import { temporaryDirectory } from '../support/lmdb.ts';
import { alwaysFull, type MakeFollow, waitingReturn, withoutGapCheck } from './mutants.ts';
import { opening, play, scripts, scriptsWithRestarts, setting } from './scripts.ts';

describe('whatever happens', () => {
  test('every client has a real state after every event, is told by the table, and ends with what the store has', () =>
    fc.assert(
      fc.asyncProperty(setting, fc.boolean(), scripts, async (given, isOpened, script) => {
        expect(await play(given, isOpened ? [...opening, ...script] : script)).toBeUndefined();
      }),
      { numRuns: 500 },
    ));

  test('the same with a store on the disk, also when everything restarts on the way', () =>
    fc.assert(
      fc.asyncProperty(setting, fc.boolean(), scriptsWithRestarts, async (given, isOpened, script) => {
        const path = temporaryDirectory();
        // A cache that nothing fits in now and then: everything is read from the disk.
        const open = (isCold: boolean) => LmdbBackend.open({ path, ...(isCold ? { cacheBytes: 1 } : {}) });
        expect(await play(given, isOpened ? [...opening, ...script] : script, { place: { open } })).toBeUndefined();
      }),
      { numRuns: 100 },
    ));

  test.each<readonly [string, MakeFollow, RegExp]>([
    ['sends the whole context to everybody', alwaysFull, /told full TOO_OLD .* the table says (noChange|delta)/],
    ['does not look for gaps', withoutGapCheck, /a delta from .* for a client at/],
    ['lets return() wait for the pending next()', waitingReturn, /followers of . clients/],
  ])('the property catches a feed that %s', async (_, mutant, caught) => {
    // Only failures that say what is wrong with it count.
    const holds = fc.asyncProperty(setting, scripts, async (given, script) => {
      return !caught.test((await play(given, [...opening, ...script], { makeFollow: mutant })) ?? '');
    });
    const { failed } = await fc.check(holds, { numRuns: 1_000, endOnFailure: true });
    expect(failed).toBe(true);
  });
});
