/* What may happen to a master, its replicas and its sentinels. */
import type { RedisSentinel } from '../support/redis/sentinel.ts';
import { until } from '../support/wait.ts';
import type { Fault } from './fault.ts';
import type { FaultRecord } from './history.ts';
import { lagMs, relink, sleepAbout, unlink } from './replicas.ts';

/** All of them. */
export function sentinelFaults(set: RedisSentinel): readonly Fault[] {
  return [masterKilled(set), failover(set), sentinelKilled(set)];
}

const otherMaster = { isDisputed: true, otherServerOf: 'all', isNewServer: true } as const;

/**
 * Fail-overs that nobody asked for: a busy machine keeps a master from answering the sentinels for a second. They lose
 * what other ones lose.
 */
export async function unaskedFailovers(
  set: RedisSentinel,
  faults: readonly FaultRecord[],
): Promise<readonly FaultRecord[]> {
  const asked = faults.filter(({ otherServerOf }) => otherServerOf === 'all');
  return (await set.switches()).flatMap(({ to, fromMs, toMs }) => {
    const [beginMs, endMs] = [fromMs - performance.timeOrigin, toMs - performance.timeOrigin + demotedMs];
    if (asked.some((fault) => fault.beginMs <= beginMs + demotedMs && fault.endMs >= beginMs)) return [];
    const losesFromMs = beginMs - lagMs;
    return [{ kind: 'fail-over by itself', target: `to ${to}`, beginMs, endMs, losesFromMs, ...otherMaster }];
  });
}

/** So long after a switch the old master may not know of it, at most. */
const demotedMs = 3_000;

function masterKilled(set: RedisSentinel): Fault {
  return {
    kind: 'master killed, its last writes not replicated',
    weight: 2,
    strike: async (random) => {
      const losesFromMs = performance.now() - lagMs;
      const [master, replicas] = [await set.master(), await set.replicas()];
      await Promise.all(replicas.map(unlink));
      await sleepAbout(random, 400);
      await master.kill();
      await until('another master', async () => (await set.master()) !== master, 30_000);
      await Promise.all(replicas.map(relink));
      // As a replica. By itself it would be the master that it was, with the data of its last snapshot, until the sentinels
      // demote it; who has not heard of the new one would write there, and only `min-replicas-to-write` prevents that.
      const { port } = await set.master();
      await master.start(['--replicaof', `127.0.0.1 ${port}`]);
      // Its configuration may be of a time when it was a replica without a link: the sentinels have it written down.
      await relink(master);
      await set.settled();
      return { target: master.address, losesFromMs, ...otherMaster };
    },
  };
}

function failover(set: RedisSentinel): Fault {
  return {
    kind: 'fail-over asked for',
    weight: 1,
    strike: async () => {
      const losesFromMs = performance.now() - lagMs;
      const master = await set.failover();
      return { target: `to ${master.address}`, losesFromMs, ...otherMaster };
    },
  };
}

function sentinelKilled(set: RedisSentinel): Fault {
  return {
    kind: 'sentinel killed',
    weight: 1,
    strike: async (random) => {
      const sentinel = random.pick(set.sentinels);
      await sentinel.kill();
      await sleepAbout(random, 500);
      await set.startAgain(sentinel);
      await set.settled();
      return { target: sentinel.address };
    },
  };
}
