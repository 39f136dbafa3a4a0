/**
 * The masters of a Cluster.
 *
 * ioredis knows who serves which slot and has the connections; which command goes where, and what becomes of it, is
 * decided here and in client.ts: its own way to send follows redirections and queues what cannot be sent, so that nobody
 * could say whether something that took too long will still be executed.
 */
import { Cluster, type Redis } from 'ioredis';
import { retryDelayMs } from './backoff.ts';
import { endOf } from './end.ts';
import { Link } from './link.ts';
import { mistakeOf, reasonOf } from './mistakes.ts';
import { movedTo } from './outcomes.ts';
import { commonOptions, type Destination, type Route, type RouteEvents } from './route.ts';
import { describeTarget, type RedisTarget } from './target.ts';

/** How often it is asked who serves what, beside when there is a reason to. */
const refreshMs = 2_000;

/** The route to a Cluster: a connection to each master. */
export class ClusterRoute implements Route {
  readonly connection: Cluster;
  readonly #name: string;
  readonly #isTls: boolean;
  readonly #timeoutMs: number;
  readonly #events: RouteEvents;
  /** By address; replicas, too, to which nothing is sent. */
  readonly #links = new Map<string, Link>();
  /** What was said of a master, or of the Cluster under its name, and is still so. */
  readonly #said = new Map<string, string>();
  #problem: string | undefined;
  #lookedAtMs = 0;
  /** Since something last changed for the better. */
  #looks = 0;
  readonly #refreshing: NodeJS.Timeout;

  constructor(
    target: Extract<RedisTarget, { readonly kind: 'cluster' }>,
    { timeoutMs, events }: { readonly timeoutMs: number; readonly events: RouteEvents },
  ) {
    this.#name = describeTarget(target);
    this.#isTls = target.tls;
    this.#timeoutMs = timeoutMs;
    this.#events = events;
    const nodes = target.nodes.map(({ host, port }) => ({ host, port }));
    this.connection = new Cluster(nodes, {
      redisOptions: commonOptions(target, timeoutMs),
      clusterRetryStrategy: (attempt) => retryDelayMs(attempt),
      // Asked by a timer of ours: that of ioredis outlives a connection that is closed while it asks.
      slotsRefreshInterval: 0,
      slotsRefreshTimeout: Math.min(timeoutMs, 1_000),
      // A slot that nobody serves is not our affair when the command is for another one.
      enableReadyCheck: false,
      scaleReads: 'master',
      retryDelayOnFailover: 0,
      // Names stay names: certificates are for these.
      dnsLookup: (name, callback) => callback(null, name),
    });
    this.connection.on('+node', (redis: Redis) => this.#add(redis));
    this.connection.on('-node', (redis: Redis) => this.#remove(redis));
    this.connection.on('refresh', () => this.#refresh());
    this.connection.on('error', (error: Error) => this.#fail(error));
    this.#refreshing = setInterval(() => {
      if (this.connection.status === 'ready') this.connection.refreshSlotsCache();
    }, refreshMs);
    this.#refreshing.unref();
  }

  find(to: Destination): Link | undefined {
    const address = this.#addressOf(to);
    const link = address === undefined ? this.#anyone() : this.#links.get(address);
    return link?.canSend === true ? link : undefined;
  }

  masters(): readonly string[] {
    // ioredis forgets those that are away.
    const { slots } = this.connection;
    return [...new Set(slots.flatMap(([address]) => address ?? []))];
  }

  trouble(to: Destination): { readonly text: string; readonly isMistake: boolean } {
    const address = this.#addressOf(to);
    const state = this.#links.get(address ?? '')?.state;
    if (state?.kind === 'mistake') return { text: `Redis at ${address} ${state.problem}`, isMistake: true };
    if (this.#problem !== undefined) return { text: `Redis at ${this.#name} ${this.#problem}`, isMistake: true };
    if (address === undefined) {
      const said = this.#said.get(this.#name) ?? 'is away: no master is connected';
      return { text: `Redis at ${this.#name} ${said}`, isMistake: false };
    }
    if (state?.kind === 'up') return { text: `Redis at ${address} does not answer`, isMistake: false };
    return {
      text: `Redis at ${address} is away: ${state?.reason ?? 'there is no connection yet'}`,
      isMistake: false,
    };
  }

  look(): void {
    const nowMs = performance.now();
    // As long as it does not help, ever more seldom.
    const pauseMs = Math.min(100 * (1 + this.#looks), 1_000);
    if (nowMs - this.#lookedAtMs < pauseMs || this.connection.status !== 'ready') return;
    this.#lookedAtMs = nowMs;
    this.#looks++;
    this.connection.refreshSlotsCache();
  }

  heed(reply: Error): boolean {
    const moved = movedTo(reply);
    if (moved === undefined) return false;
    // What ioredis does, too: the next look corrects it, should it be wrong.
    this.connection.slots[moved.slot] = [moved.address];
    this.look();
    return true;
  }

  async close(): Promise<void> {
    clearInterval(this.#refreshing);
    const connections = [...this.#links.values()].map(({ redis }) => redis);
    this.connection.disconnect();
    await Promise.all(connections.map(endOf));
  }

  /** Undefined: any master. */
  #addressOf({ slot, address }: Destination): string | undefined {
    return address ?? (slot === null ? undefined : this.connection.slots[slot]?.[0]);
  }

  #anyone(): Link | undefined {
    return this.connection
      .nodes('master')
      .map((redis) => this.#links.get(addressOf(redis)))
      .find((link) => link?.canSend);
  }

  #add(redis: Redis): void {
    const server = addressOf(redis);
    const link = new Link(redis, {
      server,
      isCluster: true,
      isTls: this.#isTls,
      timeoutMs: this.#timeoutMs,
      onChange: () => this.#change(link),
      onConnection: this.#events.onConnection,
    });
    this.#links.set(server, link);
  }

  #remove(redis: Redis): void {
    const address = addressOf(redis);
    if (this.#links.get(address)?.redis === redis) this.#links.delete(address);
  }

  /** Who serves what is known anew: all masters are connected to, so that the first command need not wait. */
  #refresh(): void {
    const masters = this.connection.nodes('master');
    if (masters.length === 0) {
      // A node that never met another does not know what it is called.
      this.#problem = 'has no slots, or its nodes do not know their own addresses (cluster-announce-ip)';
      this.#say(this.#name, this.#problem, true);
      this.#events.onChange();
      return;
    }
    this.#problem = undefined;
    this.#heal(this.#name);
    for (const redis of masters) {
      // Also what fails is told by events.
      if (redis.status === 'wait') redis.connect().catch(() => undefined);
    }
    const addresses = new Set(masters.map(addressOf));
    for (const address of this.#said.keys()) if (!addresses.has(address)) this.#said.delete(address);
    this.#events.onChange();
  }

  #change(link: Link): void {
    const address = addressOf(link.redis);
    const { state } = link;
    if (state.kind === 'up') {
      this.#looks = 0;
      this.#heal(address);
    } else if (this.connection.nodes('master').includes(link.redis)) {
      // Not one that was left because it serves nothing any more.
      const isMistake = state.kind === 'mistake';
      this.#say(address, isMistake ? state.problem : `is away: ${state.reason}`, isMistake);
    }
    this.#events.onChange();
  }

  /** No node answers who serves what. */
  #fail(error: Error): void {
    const cause: unknown = Reflect.get(error, 'lastNodeError');
    const last = cause instanceof Error ? cause : error;
    this.#problem = mistakeOf(last);
    this.#say(this.#name, this.#problem ?? `is away: ${reasonOf(last)}`, this.#problem !== undefined);
    this.#events.onChange();
  }

  #say(name: string, problem: string, isMistake: boolean): void {
    const said = this.#said.get(name);
    // The reason of being away changes from one attempt to the next.
    if (said === problem || (said !== undefined && !isMistake)) return;
    this.#said.set(name, problem);
    this.#events.onLog({ level: 'warn', text: `Redis at ${name} ${problem}` });
  }

  #heal(name: string): void {
    if (!this.#said.delete(name)) return;
    this.#events.onLog({ level: 'info', text: `Redis at ${name} is there again` });
  }
}

function addressOf({ options: { host, port } }: Redis): string {
  return `${host}:${port}`;
}
