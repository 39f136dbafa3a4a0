/* The Redis set-ups that a run can have, and what can happen to each. */
import { Keys } from '../../src/backend/redis/keys.ts';
import type { Random } from '../fixtures/random.ts';
import { startCluster } from '../support/redis/cluster.ts';
import { cutConnections } from '../support/redis/faults.ts';
import { startSentinel } from '../support/redis/sentinel.ts';
import { type RedisServer, startRedis } from '../support/redis/server.ts';
import { clusterFaults } from './cluster-faults.ts';
import type { Fault } from './fault.ts';
import type { FaultRecord } from './history.ts';
import { sentinelFaults, unaskedFailovers } from './sentinel-faults.ts';
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
  /** What happened beside these faults, by itself. */
  unasked?(faults: readonly FaultRecord[]): Promise<readonly FaultRecord[]>;
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
      const unasked: Setup['unasked'] = (asked) => unaskedFailovers(set, asked);
      return { app: appOf([set.url]), processes: 4, faults, unasked, ...handles(set.servers, set) };
    }
    case 'cluster': {
      const cluster = await startCluster();
      const anyMaster = async (random: Random) => random.pick(await cluster.masters());
      const keys = contexts.map((id) => ({ id, key: new Keys(prefix).context(id)[1] }));
      const faults = [...passingFaults(anyMaster, { mostMs: briefMs }), ...clusterFaults(cluster, keys)];
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
