/* The Redis set-ups that a run can have, and what can happen to each. */
import { Keys } from '../../src/backend/redis/keys.ts';
import type { Random } from '../fixtures/random.ts';
import { type RedisCluster, startCluster } from '../support/redis/cluster.ts';
import { cutConnections } from '../support/redis/faults.ts';
import { type RedisSentinel, startSentinel } from '../support/redis/sentinel.ts';
import { type RedisServer, startRedis } from '../support/redis/server.ts';
import { until } from '../support/wait.ts';
import type { Consequences, Fault } from './fault.ts';
import type { ServerOptions } from './server.ts';
import { passingFaults, restartFaults, rollbackFaults } from './server-faults.ts';

/** By name: what it is, and what it does to what was acknowledged. */
export const setupNames = {
  memory: 'one process, its store in memory, no faults',
  standalone: 'one Redis that appends every write to a file: nothing acknowledged may be lost',
  snapshot: 'one Redis that loses what it did since its last snapshot',
  sentinel: 'a master, two replicas and three sentinels: a replica may take over without the last writes',
  cluster: 'three masters with a replica each: slots move, replicas take over',
} as const;

/** The name of a set-up. */
export type SetupName = keyof typeof setupNames;

/** The servers of a run, started. */
export interface Setup {
  /** What the processes are told to find their store. */
  readonly app: ServerOptions;
  readonly processes: number;
  readonly faults: readonly Fault[];
  /** Cuts off all that listen to announcements. */
  cutSubscribers(): Promise<void>;
  stop(): Promise<void>;
}

const prefix = 'chaos:';

/** Starts its servers. */
export async function startSetup(name: SetupName, contexts: readonly string[]): Promise<Setup> {
  switch (name) {
    case 'memory':
      return { app: { backend: 'memory' }, processes: 1, faults: [], cutSubscribers: nothing, stop: nothing };
    case 'standalone': {
      const server = await startRedis({ appendOnly: true, args: ['--appendfsync', 'always'] });
      const choose = () => server;
      const faults = [...passingFaults(choose, { mostMs: 3_000 }), ...restartFaults(choose)];
      return single(server, faults);
    }
    case 'snapshot': {
      const server = await startRedis();
      const choose = () => server;
      return single(server, [...passingFaults(choose, { mostMs: 1_000 }), ...rollbackFaults(choose)]);
    }
    case 'sentinel': {
      const set = await startSentinel();
      const faults = [...passingFaults(() => set.master(), { mostMs: briefMs }), ...sentinelFaults(set)];
      return { app: appOf([set.url]), processes: 4, faults, ...handles(set.servers, set) };
    }
    case 'cluster': {
      const cluster = await startCluster();
      const anyMaster = async (random: Random) => random.pick(await cluster.masters());
      const faults = [...passingFaults(anyMaster, { mostMs: briefMs }), ...clusterFaults(cluster, contexts)];
      return { app: appOf(cluster.urls), processes: 4, faults, ...handles(cluster.nodes, cluster) };
    }
  }
}

/** Shorter than others take to hold a server to be dead. */
const briefMs = 500;

function single(server: RedisServer, faults: readonly Fault[]): Setup {
  return { app: appOf([server.url]), processes: 4, faults, ...handles([server], server) };
}

function handles(servers: readonly RedisServer[], whole: Pick<Setup, 'stop'>): Pick<Setup, 'cutSubscribers' | 'stop'> {
  return {
    cutSubscribers: async () => {
      await Promise.all(servers.map((server) => cutConnections(server, 'pubsub')));
    },
    stop: () => whole.stop(),
  };
}

async function nothing(): Promise<void> {}

function appOf(redisUrl: readonly string[]): ServerOptions {
  return { backend: 'redis', redisUrl, redisPrefix: prefix, redisTimeoutMs: 2_000 };
}

/** Replicas are that far behind at most when nothing keeps them from following. */
const lagMs = 1_000;

function sentinelFaults(set: RedisSentinel): readonly Fault[] {
  const other = { isDisputed: true, otherServerOf: 'all', isNewServer: true } as const;
  return [
    {
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
        await master.start();
        // Its configuration may be of a time when it was a replica without a link: the sentinels have it written down.
        await relink(master);
        await set.settled();
        return { target: master.address, losesFromMs, ...other };
      },
    },
    {
      kind: 'fail-over asked for',
      weight: 1,
      strike: async () => {
        const losesFromMs = performance.now() - lagMs;
        const master = await set.failover();
        return { target: `to ${master.address}`, losesFromMs, ...other };
      },
    },
    {
      kind: 'sentinel killed',
      weight: 1,
      strike: async (random) => {
        const sentinel = random.pick(set.sentinels);
        await sentinel.kill();
        await sleepAbout(random, 500);
        await sentinel.start();
        await set.settled();
        return { target: sentinel.address };
      },
    },
  ];
}

function clusterFaults(cluster: RedisCluster, contexts: readonly string[]): readonly Fault[] {
  const keys = new Keys(prefix);
  const slotOf = (contextId: string) => cluster.slotOf(keys.head(contextId));
  const servedBy = async (master: RedisServer) => {
    const owners = await Promise.all(contexts.map(async (id) => cluster.masterOf(await slotOf(id))));
    return contexts.filter((_, index) => owners[index] === master);
  };
  const failOver = async (random: Random, master: RedisServer): Promise<Consequences> => {
    const losesFromMs = performance.now() - lagMs;
    const otherServerOf = await servedBy(master);
    const [replica] = await cluster.replicasOf(master);
    if (replica === undefined) throw new Error(`Nobody replicates ${master.address}.`);
    await unlink(replica);
    await sleepAbout(random, 400);
    await master.kill();
    await until(
      'the replica to take over',
      async () => (await replica.info('replication')).get('role') === 'master',
      30_000,
    );
    await relink(replica);
    await master.start();
    await cluster.settled();
    return { target: master.address, losesFromMs, otherServerOf, isDisputed: true, isNewServer: true };
  };
  return [
    {
      kind: 'slot moved',
      weight: 4,
      strike: async (random) => {
        const contextId = random.pick(contexts);
        const slot = await slotOf(contextId);
        const from = await cluster.masterOf(slot);
        const to = random.pick((await cluster.masters()).filter((master) => master !== from));
        await cluster.moveSlot(slot, to);
        const slots = await Promise.all(contexts.map(slotOf));
        const otherServerOf = contexts.filter((_, index) => slots[index] === slot);
        return { target: `${slot} (${contextId}) from ${from.address} to ${to.address}`, otherServerOf };
      },
    },
    {
      kind: 'master killed, its last writes not replicated',
      weight: 2,
      strike: async (random) => failOver(random, random.pick(await cluster.masters())),
    },
    {
      kind: 'fail-over agreed on',
      weight: 1,
      strike: async (random) => {
        const master = random.pick(await cluster.masters());
        const otherServerOf = await servedBy(master);
        const replica = await cluster.failover(master);
        return { target: `${master.address} to ${replica.address}`, otherServerOf, isNewServer: true };
      },
    },
    {
      kind: 'fail-over by force',
      weight: 1,
      strike: async (random) => {
        const losesFromMs = performance.now() - lagMs;
        const master = random.pick(await cluster.masters());
        const otherServerOf = await servedBy(master);
        const replica = await cluster.failover(master, random.pick(['FORCE', 'TAKEOVER']));
        const target = `${master.address} to ${replica.address}`;
        return { target, losesFromMs, otherServerOf, isDisputed: true, isNewServer: true };
      },
    },
  ];
}

/** It follows its master no more, and cannot again: it gives a name that the master does not know. */
async function unlink(replica: RedisServer): Promise<void> {
  await replica.cli('CONFIG', 'SET', 'masteruser', 'nobody', 'masterauth', 'nothing');
  await replica.cli('CLIENT', 'KILL', 'TYPE', 'master');
}

async function relink(replica: RedisServer): Promise<void> {
  await replica.cli('CONFIG', 'SET', 'masteruser', '', 'masterauth', '');
}

function sleepAbout(random: Random, ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms * (0.5 + random.next()));
  });
}
