import { until } from '../wait.ts';
import { clusterText, type NodeView, serves, viewsOf } from './cluster-view.ts';
import { type RedisServer, startRedis } from './server.ts';

/** How to start a cluster. */
export interface ClusterOptions {
  /** Default 3. They share the slots evenly. */
  readonly masters?: number;
  /** Of each master. Default 1. */
  readonly replicas?: number;
  readonly args?: readonly string[];
  /** Of the user `default`, on all nodes. */
  readonly password?: string;
}

const slotCount = 16_384;

/** After which a node is held to be dead. Its replica is master about half a second later. */
const nodeTimeoutMs = 1_000;

/** Starts a cluster. Most of the time (2 s) each master waits after its start before it accepts writes. */
export async function startCluster(options: ClusterOptions = {}): Promise<RedisCluster> {
  const { masters = 3, replicas = 1, ...rest } = options;
  const started = await Promise.allSettled(Array.from({ length: masters * (1 + replicas) }, () => startNode(rest)));
  const nodes = started.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const cluster = new RedisCluster(nodes);
  try {
    for (const start of started) if (start.status === 'rejected') throw start.reason;
    await join(nodes, masters);
    await cluster.settled();
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

function startNode(options: Pick<ClusterOptions, 'args' | 'password'>): Promise<RedisServer> {
  return startRedis({
    ...options,
    role: (_port, busPort) => [
      'cluster-enabled yes',
      `cluster-port ${busPort}`,
      `cluster-node-timeout ${nodeTimeoutMs}`,
      // A master that lost its replica is not given one of another: tests know who replicates whom.
      'cluster-allow-replica-migration no',
    ],
  });
}

/** As `redis-cli --cluster create` does, which takes 5 s: each node meets each, so that nobody waits for gossip. */
async function join(nodes: readonly RedisServer[], masters: number): Promise<void> {
  const slotsEach = Math.ceil(slotCount / masters);
  await Promise.all(
    nodes.map(async (node, index) => {
      // Masters of one epoch would first have to find out who yields.
      await node.cli('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
      if (index >= masters) return;
      const last = Math.min((index + 1) * slotsEach, slotCount) - 1;
      await node.cli('CLUSTER', 'ADDSLOTSRANGE', index * slotsEach, last);
    }),
  );
  for (const [index, node] of nodes.entries()) {
    await Promise.all(nodes.slice(index + 1).map((other) => meet(node, other)));
  }
  await Promise.all(nodes.map((node) => until('the nodes to know each other', () => knows(node, nodes.length))));
  await Promise.all(
    nodes.slice(masters).map(async (node, index) => {
      const master = nodes[index % masters];
      if (master !== undefined) await node.cli('CLUSTER', 'REPLICATE', await idOf(master));
    }),
  );
}

async function meet(node: RedisServer, other: RedisServer): Promise<void> {
  const self = (await viewsOf(other)).find(({ flags }) => flags.includes('myself'));
  await node.cli('CLUSTER', 'MEET', '127.0.0.1', other.port, self?.busPort ?? 0);
}

async function knows(node: RedisServer, count: number): Promise<boolean> {
  const views = await viewsOf(node);
  return views.length === count && !views.some(({ flags }) => flags.includes('handshake'));
}

async function idOf(node: RedisServer): Promise<string> {
  return clusterText(node, 'MYID');
}

/** A cluster of ours. */
export class RedisCluster {
  readonly nodes: readonly RedisServer[];

  constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
  }

  /** Of all nodes. */
  get urls(): readonly string[] {
    return this.nodes.map((node) => node.url);
  }

  /** Sends a command to the first node that runs. */
  cli(name: string, ...args: readonly (string | number)[]): Promise<unknown> {
    return this.#anyone().cli(name, ...args);
  }

  get #running(): readonly RedisServer[] {
    return this.nodes.filter((node) => node.isRunning && !node.isPaused);
  }

  #anyone(): RedisServer {
    const [node] = this.#running;
    if (node === undefined) throw new Error('No node of the cluster runs.');
    return node;
  }

  /** The node that serves the slot, as the first one that runs sees it. */
  async masterOf(slot: number): Promise<RedisServer> {
    const views = await viewsOf(this.#anyone());
    const view = views.find((each) => serves(each, slot));
    return this.#nodeAt(view, `slot ${slot}`);
  }

  /** The slot of a key. */
  async slotOf(key: string): Promise<number> {
    return Number(await this.cli('CLUSTER', 'KEYSLOT', key));
  }

  /** The masters that have slots, in the order of these. */
  async masters(): Promise<readonly RedisServer[]> {
    const views = (await viewsOf(this.#anyone())).filter(({ ranges }) => ranges.length > 0);
    const inOrder = views.toSorted((one, other) => (one.ranges[0]?.[0] ?? 0) - (other.ranges[0]?.[0] ?? 0));
    return inOrder.map((view) => this.#nodeAt(view, 'a master'));
  }

  /** Those that replicate the node and run. */
  async replicasOf(master: RedisServer): Promise<readonly RedisServer[]> {
    const id = await idOf(master);
    const views = (await viewsOf(master)).filter((view) => view.masterId === id);
    return views.map((view) => this.#nodeAt(view, 'a replica')).filter((node) => this.#running.includes(node));
  }

  #nodeAt(view: NodeView | undefined, what: string): RedisServer {
    const node = this.nodes.find(({ port }) => port === view?.port);
    if (node === undefined) throw new Error(`No node serves as ${what}.`);
    return node;
  }

  /**
   * Makes a replica of this master the master of its slots, and resolves when all know.
   *
   * In agreement (the default) the master holds writes back until the replica has all of them: nothing is lost. With
   * `FORCE` the replica does not ask the master, with `TAKEOVER` nobody: what it has not got is lost.
   */
  async failover(master: RedisServer, how?: 'FORCE' | 'TAKEOVER'): Promise<RedisServer> {
    const [replica] = await this.replicasOf(master);
    if (replica === undefined) throw new Error(`Nobody replicates ${master.address}.`);
    await replica.cli('CLUSTER', 'FAILOVER', ...(how === undefined ? [] : [how]));
    await until(
      `${replica.address} as master`,
      async () => (await replica.info('replication')).get('role') === 'master',
    );
    await this.settled();
    return replica;
  }

  /**
   * Moves a slot and its keys, as resharding does: each key is for a moment where clients do not look for it first
   * (ASK), and when all are there, the slot is the other's (MOVED).
   */
  async moveSlot(
    slot: number,
    to: RedisServer,
    { onKey }: { readonly onKey?: (key: string) => unknown } = {},
  ): Promise<void> {
    const from = await this.masterOf(slot);
    if (from === to) return;
    const [fromId, toId] = [await idOf(from), await idOf(to)];
    const login = to.password === undefined ? [] : ['AUTH', to.password];
    await to.cli('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
    await from.cli('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
    for (let keys = await keysIn(from, slot); keys.length > 0; keys = await keysIn(from, slot)) {
      for (const key of keys) {
        await from.cli('MIGRATE', '127.0.0.1', to.port, key, 0, 5_000, ...login);
        await onKey?.(key);
      }
    }
    // First who gets it, so that there is no moment at which it is nobody's.
    await to.cli('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
    await from.cli('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
    await until(`slot ${slot} at ${to.address}`, async () => {
      const views = await Promise.all(this.#running.map(viewsOf));
      return views.every((seen) => seen.some((view) => view.port === to.port && serves(view, slot)));
    });
  }

  /** Resolves when all nodes that run agree on who serves which slots, all slots are served, and replicas follow. */
  async settled(): Promise<void> {
    await until('the cluster to settle', async () => {
      const maps = await Promise.all(this.#running.map((node) => this.#slotMap(node).catch(() => undefined)));
      return maps[0] !== undefined && maps.every((map) => map === maps[0]);
    });
  }

  /** Which of those that run serves what, as this node sees it; undefined while it sees something amiss. */
  async #slotMap(node: RedisServer): Promise<string | undefined> {
    if (!/cluster_state:ok/.test(await clusterText(node, 'INFO'))) return undefined;
    const replication = await node.info('replication');
    if (replication.get('role') === 'slave' && replication.get('master_link_status') !== 'up') return undefined;
    const running = new Set(this.#running.map(({ port }) => port));
    const views = (await viewsOf(node)).filter(({ port }) => running.has(port));
    if (views.length < running.size || views.some(isAmiss) || servedBy(views) < slotCount) return undefined;
    return views
      .map(({ id, masterId, ranges }) => `${id} ${masterId} ${ranges.join(' ')}`)
      .toSorted(byText)
      .join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function isAmiss({ flags, isConnected }: NodeView): boolean {
  return !isConnected || flags.some((flag) => /fail|handshake|noaddr/.test(flag));
}

function servedBy(views: readonly NodeView[]): number {
  return views.flatMap(({ ranges }) => ranges).reduce((sum, [first, last]) => sum + last - first + 1, 0);
}

function byText(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

async function keysIn(node: RedisServer, slot: number): Promise<readonly string[]> {
  // An array of keys, by its documentation.
  return (await node.cli('CLUSTER', 'GETKEYSINSLOT', slot, 100)) as readonly string[];
}
