import type { Cluster, Redis, RedisOptions } from 'ioredis';
import { retryDelayMs } from './backoff.ts';
import type { ConnectionEvent, Link } from './link.ts';
import type { Log } from './log.ts';
import type { RedisTarget } from './target.ts';

/** Where a command is to go: the slot of its key, or a server of its own choice. */
export interface Destination {
  /** Of a Cluster; null: any server will do. */
  readonly slot: number | null;
  /** One of `masters`. */
  readonly address?: string | undefined;
}

/** Which connection a command goes to: there is one, or one for each master of a Cluster. */
export interface Route {
  readonly connection: Redis | Cluster;
  /** The connection that a command can be written to now. */
  find(to: Destination): Link | undefined;
  /** Why there is none, in words for operators; `isMistake`: and will be none before somebody changes something. */
  trouble(to: Destination): { readonly text: string; readonly isMistake: boolean };
  /** Every master that is known, up or not, by address. */
  masters(): readonly string[];
  /** Looks again who serves what. Cheap to call often. */
  look(): void;
  /** What a server answered instead of executing a command may say where to go. True: there is somewhere already. */
  heed(reply: Error): boolean;
  /** Ends every connection. Takes a moment, bounded. */
  close(): Promise<void>;
}

/** What a route tells. */
export interface RouteEvents {
  /** A command that could not be written may now have somewhere to go, or be known to have nowhere. */
  onChange(): void;
  /** A server cannot be reached or used, or can be again. Once per change. */
  onLog: Log;
  /** Absent: nobody counts them. */
  readonly onConnection?: ((event: ConnectionEvent) => void) | undefined;
}

/** Options of every connection. The shape of replies is not among them: it is a type of its own in ioredis. */
type CommonOptions = Omit<RedisOptions, 'replyMapping'>;

/** What all connections of a target have in common. */
export function commonOptions({ username, password, tls }: RedisTarget, timeoutMs: number): CommonOptions {
  return {
    username,
    password,
    ...(tls ? { tls: {} } : {}),
    connectionName: 'chord',
    connectTimeout: Math.min(timeoutMs, 2_000),
    // What is left of a connection that is told to end, when the server does not.
    disconnectTimeout: 200,
    // An open connection that is dead: nothing came for so long although something was asked.
    socketTimeout: timeoutMs,
    // Done by link.ts: that of ioredis prints to the console, and takes a server that does not let it look for a ready one.
    enableReadyCheck: false,
    // By default ioredis sends what was not answered again, and keeps what cannot be sent for later: writes would be
    // executed twice, and after we said that they were not. Without the first, it forgets to settle them, unless it may
    // not retry at all.
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResubscribe: false,
    retryStrategy: (attempt) => retryDelayMs(attempt),
  };
}
