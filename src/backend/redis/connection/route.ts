import type { Cluster, Redis, RedisOptions } from 'ioredis';
import type { Link } from './link.ts';
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
  /** Why there is none; `isFinal`: and will be none before somebody changes something. */
  trouble(to: Destination): { readonly text: string; readonly isFinal: boolean };
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
  onWarning(text: string): void;
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
    // A server that loads its data is asked again so often.
    maxLoadingRetryTime: 250,
    // By default ioredis sends what was not answered again, and keeps what cannot be sent for later: writes would be
    // executed twice, and after we said that they were not. Without the first, it forgets to settle them, unless it may
    // not retry at all.
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResubscribe: false,
    retryStrategy: retryDelayMs,
  };
}

/** From 50 ms doubled to 1 s, and never the same for all processes at once. */
export function retryDelayMs(attempt: number): number {
  return Math.min(50 * 2 ** Math.min(attempt - 1, 10), 1_000) * (0.5 + Math.random() / 2);
}
