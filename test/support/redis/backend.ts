import { RedisBackend, type RedisOptions } from '../../../src/backend/redis/redis.ts';
import { freshPrefix } from './shared.ts';

/** A backend that remembers how it was opened. */
export interface TestedRedis extends RedisBackend {
  readonly openedWith: RedisOptions;
}

/** Opens a backend on keys of its own, and waits until it can be used. */
export async function openRedis(urls: readonly string[], options: Partial<RedisOptions> = {}): Promise<TestedRedis> {
  return open({ urls, prefix: freshPrefix(), ...options });
}

/** Opens the same data, as another process would. */
export async function openRedisAgain({ openedWith }: TestedRedis): Promise<TestedRedis> {
  return open(openedWith);
}

async function open(openedWith: RedisOptions): Promise<TestedRedis> {
  const backend = RedisBackend.open(openedWith);
  try {
    await backend.ready();
  } catch (error) {
    await backend.close();
    throw error;
  }
  return Object.assign(backend, { openedWith });
}
