import { randomBytes } from 'node:crypto';
import type { Lease } from '../backend.ts';
import { textOf } from './replies.ts';
import { scripts } from './scripts.ts';
import type { RedisStore } from './store.ts';

/** Takes a lease when it is free or has run out; undefined: somebody else holds it. */
export async function takeLease(
  { client, keys }: RedisStore,
  name: string,
  { ttlMs, nowMs }: { readonly ttlMs: number; readonly nowMs: number },
): Promise<Lease | undefined> {
  const holder = randomBytes(9).toString('base64url');
  const ask = (verb: 'take' | 'renew' | 'release', atMs: number) =>
    client.run(scripts.lease, keys.lease(name), [verb, holder, String(atMs), String(ttlMs)]);
  const fence = textOf(await ask('take', nowMs));
  if (fence === undefined) return undefined;
  return {
    fence: Number(fence),
    renew: async (atMs) => Number(await ask('renew', atMs)) === 1,
    release: async () => {
      await ask('release', 0);
    },
  };
}
