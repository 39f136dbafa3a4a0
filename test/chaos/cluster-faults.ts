/* What may happen to a Cluster: slots move, replicas take over. */
import type { Random } from '../fixtures/random.ts';
import type { RedisCluster } from '../support/redis/cluster.ts';
import type { RedisServer } from '../support/redis/server.ts';
import { until } from '../support/wait.ts';
import type { Fault } from './fault.ts';
import { lagMs, relink, sleepAbout, unlink } from './replicas.ts';

/** A context, and one of its keys, which are all in one slot. */
export interface KeyedContext {
  readonly id: string;
  readonly key: string;
}

/** All of them. */
export function clusterFaults(cluster: RedisCluster, contexts: readonly KeyedContext[]): readonly Fault[] {
  const served = new Served(cluster, contexts);
  return [slotMoved(cluster, served), masterKilled(cluster, served), failover(cluster, served), force(cluster, served)];
}

/** Which contexts a fault is about. */
class Served {
  readonly #cluster: RedisCluster;
  readonly #contexts: readonly KeyedContext[];

  constructor(cluster: RedisCluster, contexts: readonly KeyedContext[]) {
    this.#cluster = cluster;
    this.#contexts = contexts;
  }

  /** One of them, and its slot. */
  async pick(random: Random): Promise<{ readonly id: string; readonly slot: number }> {
    const { id, key } = random.pick(this.#contexts);
    return { id, slot: await this.#cluster.slotOf(key) };
  }

  async by(master: RedisServer): Promise<readonly string[]> {
    return this.#idsWhere(async (slot) => (await this.#cluster.masterOf(slot)) === master);
  }

  async inSlot(slot: number): Promise<readonly string[]> {
    return this.#idsWhere(async (other) => other === slot);
  }

  async #idsWhere(isMeant: (slot: number) => Promise<boolean>): Promise<readonly string[]> {
    const all = this.#contexts.map(async ({ id, key }) =>
      (await isMeant(await this.#cluster.slotOf(key))) ? [id] : [],
    );
    return (await Promise.all(all)).flat();
  }
}

function slotMoved(cluster: RedisCluster, served: Served): Fault {
  return {
    kind: 'slot moved',
    weight: 4,
    strike: async (random) => {
      const { id, slot } = await served.pick(random);
      const from = await cluster.masterOf(slot);
      const to = random.pick((await cluster.masters()).filter((master) => master !== from));
      await cluster.moveSlot(slot, to);
      const target = `${slot} (${id}) from ${from.address} to ${to.address}`;
      return { target, otherServerOf: await served.inSlot(slot) };
    },
  };
}

function masterKilled(cluster: RedisCluster, served: Served): Fault {
  return {
    kind: 'master killed, its last writes not replicated',
    weight: 2,
    strike: async (random) => {
      const losesFromMs = performance.now() - lagMs;
      const master = random.pick(await cluster.masters());
      const otherServerOf = await served.by(master);
      const [replica] = await cluster.replicasOf(master);
      if (replica === undefined) throw new Error(`Nobody replicates ${master.address}.`);
      await unlink(replica);
      await sleepAbout(random, 400);
      await master.kill();
      const isMaster = async () => (await replica.info('replication')).get('role') === 'master';
      await until('the replica to take over', isMaster, 30_000);
      await relink(replica);
      await master.start();
      await cluster.settled();
      return { target: master.address, losesFromMs, otherServerOf, isDisputed: true, isNewServer: true };
    },
  };
}

function failover(cluster: RedisCluster, served: Served): Fault {
  return {
    kind: 'fail-over agreed on',
    weight: 1,
    strike: async (random) => {
      const master = random.pick(await cluster.masters());
      const otherServerOf = await served.by(master);
      const replica = await cluster.failover(master);
      return { target: `${master.address} to ${replica.address}`, otherServerOf, isNewServer: true };
    },
  };
}

function force(cluster: RedisCluster, served: Served): Fault {
  return {
    kind: 'fail-over by force',
    weight: 1,
    strike: async (random) => {
      const losesFromMs = performance.now() - lagMs;
      const master = random.pick(await cluster.masters());
      const otherServerOf = await served.by(master);
      const replica = await cluster.failover(master, random.pick(['FORCE', 'TAKEOVER']));
      const target = `${master.address} to ${replica.address}`;
      return { target, losesFromMs, otherServerOf, isDisputed: true, isNewServer: true };
    },
  };
}
