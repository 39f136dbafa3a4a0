import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RedisBackend } from '../../src/backend/redis/redis.ts';
import { makeReadOnly } from '../support/redis/faults.ts';
import { startRedis } from '../support/redis/server.ts';
import { freshPrefix, sharedCluster, sharedRedis } from '../support/redis/shared.ts';
import type { Place } from './commands.ts';
import { opening, play, scriptsOfProcesses, setting } from './scripts.ts';

/** Each process has connections and a memory of its own; one of them, now and then, a memory in which nothing fits. */
function placeOn(urls: readonly string[]): Place {
  const prefix = freshPrefix();
  const open = (isCold: boolean) => RedisBackend.open({ urls, prefix, ...(isCold ? { cacheBytes: 1 } : {}) });
  return { open, isShared: true };
}

/** Many times what the scripts of a test take. */
const patienceMs = 150_000;

/** Plays random scripts, each in a place of its own. What went wrong, with the smallest script that shows it. */
async function failureOf(place: () => Place, numRuns: number): Promise<string | undefined> {
  const holds = fc.asyncProperty(setting, fc.boolean(), scriptsOfProcesses, async (given, isOpened, script) => {
    const commands = isOpened ? [...opening, ...script] : script;
    const failure = await play(given, commands, { place: place() });
    if (failure !== undefined) throw new Error(failure);
  });
  // All of them count: a machine that cannot play them in that time has shown nothing, and is told so. A failure is made
  // smaller for so long.
  const bound = { interruptAfterTimeLimit: patienceMs, markInterruptAsFailure: true };
  return fc.defaultReportMessage(await fc.check(holds, { numRuns, ...bound }));
}

describe('whatever happens, with writers and followers on different processes', { timeout: 2 * patienceMs }, () => {
  test('every client has a real state after every event, is told by the table, and ends with what Redis has', async () => {
    const urls = await sharedRedis();
    expect(await failureOf(() => placeOn(urls), 80)).toBeUndefined();
  });

  test('the same on a Cluster', async () => {
    const urls = await sharedCluster();
    expect(await failureOf(() => placeOn(urls), 15)).toBeUndefined();
  });

  test('the same when another server takes over on the way', async () => {
    await using server = await startRedis();
    const promote = async () => {
      const heal = await makeReadOnly(server);
      await heal();
    };
    expect(await failureOf(() => ({ ...placeOn([server.url]), promote }), 40)).toBeUndefined();
  });
});
