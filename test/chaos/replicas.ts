/* What faults do to replicas. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../fixtures/random.ts';
import type { RedisServer } from '../support/redis/server.ts';
import { until } from '../support/wait.ts';

/** Replicas are that far behind at most when nothing keeps them from following. */
export const lagMs = 1_000;

/** It follows its master no more, and cannot again: it gives a name that the master does not know. */
export async function unlink(replica: RedisServer): Promise<void> {
  await setUser(replica, ['masteruser', 'nobody', 'masterauth', 'nothing']);
  await replica.cli('CLIENT', 'KILL', 'TYPE', 'master');
}

/** It may follow its master again. */
export async function relink(replica: RedisServer): Promise<void> {
  await setUser(replica, ['masteruser', '', 'masterauth', '']);
}

/** Sentinels that give a server another master just then close its connections: it is told again. */
async function setUser(server: RedisServer, settings: readonly string[]): Promise<void> {
  await until(`${server.address} to take ${settings[0]}`, () =>
    server.cli('CONFIG', 'SET', ...settings).then(
      () => true,
      () => false,
    ),
  );
}

/** From half of it to one and a half. */
export function sleepAbout(random: Random, ms: number): Promise<void> {
  return sleep(ms * (0.5 + random.next()));
}
