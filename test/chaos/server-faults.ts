/* What may happen to one Redis server, whichever it is when the fault strikes. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../fixtures/random.ts';
import {
  cutConnections,
  fillMemory,
  flushScripts,
  type Heal,
  hang,
  holdCommands,
  makeReadOnly,
} from '../support/redis/faults.ts';
import type { RedisServer } from '../support/redis/server.ts';
import type { Consequences, Fault } from './fault.ts';

/** Chooses the server. */
export type Choose = (random: Random) => Promise<RedisServer> | RedisServer;

/** What ends by itself or at once, and changes nothing that is stored: for any server. */
export function passingFaults(choose: Choose, { mostMs }: { readonly mostMs: number }): readonly Fault[] {
  return [
    fault('connections cut', 3, choose, async (server, random) => {
      if (random.chance(0.8)) await cutConnections(server, 'normal');
      if (random.chance(0.8)) await cutConnections(server, 'pubsub');
    }),
    fault('commands held', 2, choose, async (server, random) => {
      const ms = random.integer(50, mostMs);
      await holdCommands(server, ms, random.pick(['ALL', 'WRITE']));
      await sleep(ms);
    }),
    fault('server hangs', 2, choose, (server, random) => lasting(() => hang(server), random.integer(50, mostMs))),
    fault('scripts forgotten', 2, choose, (server) => flushScripts(server)),
    fault('memory full', 2, choose, (server, random) => lasting(() => fillMemory(server), random.integer(50, 1_500))),
  ];
}

/** What gives a server alone another identity, and loses nothing that was written to its files. */
export function restartFaults(choose: Choose): readonly Fault[] {
  const consequences = { otherServerOf: 'all', isNewServer: true } as const;
  return [
    fault('server killed', 3, choose, async (server, random) => {
      await server.kill();
      await sleep(random.integer(0, 1_500));
      await server.start();
      return consequences;
    }),
    fault('server restarted', 1, choose, async (server) => {
      await server.restart();
      return consequences;
    }),
    fault('read only', 2, choose, async (server, random) => {
      await lasting(() => makeReadOnly(server), random.integer(50, 1_500));
      return consequences;
    }),
  ];
}

/** What brings a server without an append-only file back to where it was a while ago. */
export function rollbackFaults(choose: Choose): readonly Fault[] {
  return [
    fault('set back', 3, choose, async (server, random) => {
      const losesFromMs = performance.now();
      await server.cli('SAVE');
      await sleep(random.integer(50, 1_500));
      await server.kill();
      await server.start();
      return { losesFromMs, otherServerOf: 'all', isNewServer: true };
    }),
  ];
}

/** A fault of a server that is chosen when it strikes. */
export function fault(
  kind: string,
  weight: number,
  choose: Choose,
  strike: (server: RedisServer, random: Random) => Promise<Omit<Consequences, 'target'> | void>,
): Fault {
  return {
    kind,
    weight,
    strike: async (random) => {
      const server = await choose(random);
      return { target: server.address, ...(await strike(server, random)) };
    },
  };
}

async function lasting(begin: () => Promise<Heal>, ms: number): Promise<void> {
  const heal = await begin();
  await sleep(ms);
  await heal();
}
