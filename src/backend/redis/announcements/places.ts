/**
 * Which server tells of which slot: the one that serves the keys there, also where any server would do (pub/sub that is
 * not sharded is heard in a whole Cluster). What is published there is then heard without a detour.
 */
import { Cluster, Redis } from 'ioredis';

/** Names the server of a slot and calls it. */
export interface Places {
  /** The server that tells of the channels of this slot; undefined: it is not known yet. */
  placeOf(slot: number): string | undefined;
  /** A connection to that server, not yet begun. It ends with the first failure. */
  connectionTo(place: string): Redis;
  /** Whether the connection, now that it is made, leads there. */
  isAt(place: string, connection: Redis): boolean;
  /** Somebody answered unlike expected, or not at all: has the places looked up again. */
  lookAgain(): void;
  close(): void;
}

/** What the places are told. */
export interface PlacesOptions {
  /** How long one attempt to connect may take. */
  readonly timeoutMs: number;
  /** Called when places may have changed. */
  readonly onLook: () => void;
}

/** @param connection the one for commands. */
export function createPlaces(connection: Redis | Cluster, options: PlacesOptions): Places {
  return connection instanceof Cluster ? new ClusterPlaces(connection, options) : new OnePlace(connection, options);
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
  // Subscriptions begin when the data is loaded: who hears of them looks at the store.
  enableReadyCheck: true,
  maxLoadingRetryTime: 250,
  disconnectTimeout: 100,
  // It would take a server for dead when it is us who are slow; see heartbeat.ts.
  socketTimeout: undefined,
} as const;

/**
 * A server by itself, or the master that Sentinels name. Its name is the address that the connection for commands leads
 * to: when that is another after a fail-over, subscriptions follow.
 */
class OnePlace implements Places {
  readonly #connection: Redis;
  readonly #timeoutMs: number;
  readonly #onReady: () => void;
  #place: string | undefined;

  constructor(connection: Redis, { timeoutMs, onLook }: PlacesOptions) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
    this.#onReady = () => {
      // It may have been lost again before we are told.
      if (connection.status !== 'ready') return;
      this.#place = addressOf(connection);
      onLook();
    };
    connection.on('ready', this.#onReady);
    this.#onReady();
  }

  placeOf(): string | undefined {
    return this.#place;
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

  isAt(place: string, connection: Redis): boolean {
    // Sentinels may not agree yet. Behind any other name there may be several addresses at any time.
    return !connection.options.sentinels || addressOf(connection) === place;
  }

  lookAgain(): void {
    // If its server is as dead as ours seems to be, it is noticed by this, and another one is looked for.
    this.#connection.ping().catch(() => undefined);
  }

  close(): void {
    this.#connection.off('ready', this.#onReady);
  }
}

function addressOf({ stream: { remoteAddress, remotePort } }: Redis): string {
  return `${remoteAddress}:${remotePort}`;
}

/** The masters of a Cluster, by `host:port`. */
class ClusterPlaces implements Places {
  readonly #cluster: Cluster;
  readonly #onLook: () => void;

  constructor(cluster: Cluster, { onLook }: PlacesOptions) {
    this.#cluster = cluster;
    this.#onLook = onLook;
    // Not on `+node` and `-node`: what ioredis makes of MOVED until the next refresh is not true of all slots.
    cluster.on('refresh', onLook);
  }

  placeOf(slot: number): string | undefined {
    return this.#cluster.slots[slot]?.[0];
  }

  connectionTo(place: string): Redis {
    const colon = place.lastIndexOf(':');
    const host = place.slice(0, colon);
    const port = Number(place.slice(colon + 1));
    return new Redis({ ...this.#cluster.options.redisOptions, ...oneLife, host, port, replyMapping: 'legacy' });
  }

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
