import type { RateOptions } from '../backend.ts';
import { textOf } from './replies.ts';
import { scripts } from './scripts.ts';
import type { RedisStore } from './store.ts';

/** Counts in Redis, as `Backend` says. @throws BackendUnavailableError */
export async function takeRate(
  { client, keys }: RedisStore,
  key: string,
  { perSecond, count }: RateOptions,
): Promise<number | undefined> {
  const waitMs = textOf(await client.run(scripts.rate, keys.rate(key), [perSecond, count]));
  return waitMs === undefined ? undefined : Number(waitMs);
}
