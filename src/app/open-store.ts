/** The built-in stores: which one the options name, and how it is opened. */
import { resolve } from 'node:path';
import type { Backend } from '../backend/backend.ts';
import { renewIdentity } from '../backend/lmdb/file.ts';
import { LmdbBackend } from '../backend/lmdb/lmdb.ts';
import { MemoryBackend } from '../backend/memory.ts';
import type { Log } from '../backend/redis/connection/log.ts';
import { splitUrls } from '../backend/redis/connection/target.ts';
import { RedisBackend } from '../backend/redis/redis.ts';
import { ConfigError } from '../config/config-error.ts';
import type { OptionValues } from '../config/table.ts';
import type { Meter } from './meter.ts';

/** Who hears of a store. */
export interface StoreListeners {
  readonly onLog: Log;
  readonly onConnection: Meter['onConnection'] | undefined;
}

/** @throws DataDirectoryError; TypeError that begins with the name of the option that cannot be used. */
export function openStore(config: OptionValues, { onLog, onConnection }: StoreListeners): Backend {
  const { backend, dataDir, cacheBytes, redisUrl, redisPrefix: prefix, redisTimeoutMs: timeoutMs } = config;
  switch (backend) {
    case 'lmdb':
      return LmdbBackend.open({ path: dataDir, cacheBytes });
    case 'memory':
      return new MemoryBackend();
    case 'redis': {
      const urls = typeof redisUrl === 'string' ? splitUrls(redisUrl) : (redisUrl ?? []);
      return RedisBackend.open({ urls, prefix, timeoutMs, cacheBytes, onLog, onConnection });
    }
  }
}

/**
 * Gives a closed store another identity, after a backup was restored. Answers what to say of it.
 *
 * @throws ConfigError for a backend that has none of its own, DataDirectoryError.
 */
export async function renewStore({ backend, dataDir }: Pick<OptionValues, 'backend' | 'dataDir'>): Promise<string> {
  if (backend !== 'lmdb') {
    throw new ConfigError(`--renew-identity is for the backend lmdb, and the backend is ${backend}.`);
  }
  return `The store in ${resolve(dataDir)} has the new identity ${await renewIdentity(dataDir)}.`;
}
