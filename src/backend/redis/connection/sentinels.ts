/**
 * Hears from the Sentinels that there is another master.
 *
 * A master that is cut off from the Sentinels, but not from us, goes on answering: this is how we leave it. ioredis has
 * such a detector, too; it prints to the console when a Sentinel is away, and when it strikes while a connection is being
 * made, that one is never made again.
 */
import { Redis } from 'ioredis';
import { retryDelayMs } from './backoff.ts';
import type { RedisTarget } from './target.ts';

const channel = '+switch-master';

/** Listens to each Sentinel that the URL names; any of them will do. */
export class SentinelWatch {
  readonly #connections: readonly Redis[];

  constructor(target: Extract<RedisTarget, { readonly kind: 'sentinel' }>, onSwitch: () => void) {
    this.#connections = target.sentinels.map(({ host, port }) => {
      const redis = new Redis({
        host,
        port,
        username: target.sentinelUsername,
        password: target.sentinelPassword,
        ...(target.tls ? { tls: {} } : {}),
        connectionName: 'chord',
        connectTimeout: 2_000,
        disconnectTimeout: 200,
        enableReadyCheck: false,
        enableOfflineQueue: false,
        autoResubscribe: false,
        maxRetriesPerRequest: 0,
        // Seldom: the others tell as well.
        retryStrategy: (attempt) => 5 * retryDelayMs(attempt),
      });
      // One that is away is no news: the connection to the master asks all of them.
      redis.on('error', () => undefined);
      redis.on('ready', () => {
        redis.subscribe(channel).catch(() => undefined);
      });
      redis.on('message', (_channel, message) => {
        if (message.split(' ', 1)[0] === target.name) onSwitch();
      });
      return redis;
    });
  }

  close(): void {
    for (const redis of this.#connections) redis.disconnect();
  }
}
