/**
 * Which server tells of which slot: the one that serves the keys there, also where any server would do (pub/sub that is
 * not sharded is heard in a whole Cluster). What is published there is then heard without a detour.
 */
import { Cluster, Redis } from 'ioredis';
import type { RedisClient } from '../connection/client.ts';

/** Names the server of a slot and calls it. */
export interface Servers {
  /** The server that tells of the channels of this slot; undefined: it is not known yet. */
  serverOf(slot: number): string | undefined;
  /** A connection to that server, not yet begun. It ends with the first failure. */
  connectionTo(server: string): Redis;
  /** Whether the connection, now that it is made, leads there. */
  isAt(server: string, connection: Redis): boolean;
  /** Somebody answered unlike expected, or not at all: has the servers looked up again. */
  lookAgain(): void;
  close(): void;
}

/** What they are told. */
export interface ServersOptions {
  /** How long one attempt to connect may take. */
  readonly timeoutMs: number;
  /** Called when slots may have others. */
  readonly onLook: () => void;
}

/** @param client sends the commands, and so knows where the servers are. */
export function createServers(client: Pick<RedisClient, 'connection' | 'ping'>, options: ServersOptions): Servers {
  const { connection } = client;
  if (connection instanceof Cluster) return new ClusterServers(connection, options);
  return new OneServer(connection, { ...options, ping: () => client.ping() });
}

/** A connection has one life, so that ioredis sends and subscribes to nothing again without our knowing. */
const oneLife = {
  connectionName: 'chord-announcements',
  lazyConnect: true,
  retryStrategy: () => null,
  reconnectOnError: null,
  enableOfflineQueue: false,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  enableAutoPipelining: false,
  maxRetriesPerRequest: 0,
  enableReadyCheck: false,
  disconnectTimeout: 100,
  // It would take a server for dead when it is us who are slow; see heartbeat.ts.
  socketTimeout: undefined,
} as const;

/**
 * A server by itself, or the master that Sentinels name. Its name is the address that the connection for commands leads
 * to: when that is another after a fail-over, subscriptions follow.
 */
class OneServer implements Servers {
  readonly #connection: Redis;
  readonly #timeoutMs: number;
  readonly #onReady: () => void;
  readonly #ping: () => Promise<void>;
  #server: string | undefined;

  constructor(connection: Redis, { timeoutMs, onLook, ping }: ServersOptions & { readonly ping: () => Promise<void> }) {
    this.#connection = connection;
    this.#ping = ping;
    this.#timeoutMs = timeoutMs;
    this.#onReady = () => {
      // It may have been lost again before we are told.
      if (connection.status !== 'ready') return;
      this.#server = addressOf(connection);
      onLook();
    };
    connection.on('ready', this.#onReady);
    this.#onReady();
  }

  serverOf(): string | undefined {
    return this.#server;
  }

  connectionTo(): Redis {
    const { sentinels } = this.#connection.options;
    // Sentinels that do not answer must leave time to ask the others, and the server.
    const shareMs = this.#timeoutMs / (1 + (sentinels?.length ?? 0));
    return this.#connection.duplicate({
      ...oneLife,
      connectTimeout: shareMs,
      sentinelCommandTimeout: shareMs,
      sentinelRetryStrategy: () => null,
      failoverDetector: false,
    });
  }

  isAt(server: string, connection: Redis): boolean {
    // Sentinels may not agree yet. Behind any other name there may be several addresses at any time.
    return !connection.options.sentinels || addressOf(connection) === server;
  }

  lookAgain(): void {
    // If its server is as dead as ours seems to be, it is noticed by this, and another one is looked for.
    this.#ping().catch(() => undefined);
  }

  close(): void {
    this.#connection.off('ready', this.#onReady);
  }
}

function addressOf({ stream: { remoteAddress, remotePort } }: Redis): string {
  return `${remoteAddress}:${remotePort}`;
}

/** The masters of a Cluster, by `host:port`. */
class ClusterServers implements Servers {
  readonly #cluster: Cluster;
  readonly #onLook: () => void;

  constructor(cluster: Cluster, { onLook }: ServersOptions) {
    this.#cluster = cluster;
    this.#onLook = onLook;
    // Not on `+node` and `-node`: what ioredis makes of MOVED until the next refresh is not true of all slots.
    cluster.on('refresh', onLook);
  }

  serverOf(slot: number): string | undefined {
    return this.#cluster.slots[slot]?.[0];
  }

  connectionTo(server: string): Redis {
    const colon = server.lastIndexOf(':');
    const host = server.slice(0, colon);
    const port = Number(server.slice(colon + 1));
    return new Redis({ ...this.#cluster.options.redisOptions, ...oneLife, host, port, replyMapping: 'legacy' });
  }

  /** It was called by its address. */
  isAt(): boolean {
    return true;
  }

  lookAgain(): void {
    // Calls are one while it is asked; how it ended tells the event.
    this.#cluster.refreshSlotsCache();
  }

  close(): void {
    this.#cluster.off('refresh', this.#onLook);
  }
}
