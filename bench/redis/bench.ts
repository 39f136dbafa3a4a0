import { RedisBackend } from '../../src/backend/redis/redis.ts';
import { createChord } from '../../src/chord.ts';
import type { Chord } from '../../src/service/chord.ts';
import type { RedisServer } from '../../test/support/redis/server.ts';

/** What every part is given. */
export interface Bench {
  /** Of this run alone. */
  readonly server: RedisServer;
  readonly rounds: number;
  /** How long each side of a round takes. */
  readonly ms: number;
}

/** One part of the benchmark: prints its tables and answers why they count; it throws when they do not. */
export type Part = (bench: Bench) => Promise<string>;

/** What a part answers whose followers held what was stored. */
export const allConverged = 'Every follower converged.';

/** So many writes until the code of a process is as fast as it gets. */
export const warmUp = 20_000;

/** More than all states together: what is measured is not a cache that is too small. */
const cacheBytes = 1024 * 1024 * 1024;

/** The backend as a process that has seen nothing yet. */
export async function openBackend({ url }: Pick<RedisServer, 'url'>, prefix: string): Promise<RedisBackend> {
  const backend = RedisBackend.open({ urls: [url], prefix, timeoutMs: 60_000, cacheBytes });
  await backend.ready();
  return backend;
}

/** The library on it. */
export async function openChord(server: Pick<RedisServer, 'url'>, prefix: string): Promise<Chord> {
  return createChord({ backend: await openBackend(server, prefix) });
}

/** Acts on some at a time: what is large must not be in memory as often as there are items. */
export async function inTurn<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < items.length; from += 64) await Promise.all(items.slice(from, from + 64).map(act));
}
