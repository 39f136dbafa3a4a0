import { createHash } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { RedisClient } from '../../../src/backend/redis/connection/client.ts';
import { parseRedisUrls } from '../../../src/backend/redis/connection/target.ts';
import type { Script } from '../../../src/backend/redis/scripts.ts';
import { BackendUnavailableError } from '../../../src/errors.ts';

/** A client of one test, with what it warned of. */
export interface TestedClient extends RedisClient {
  readonly warnings: readonly string[];
}

/** Opens a client that is closed with the test. */
export function openClient(url: string | readonly string[], { timeoutMs = 10_000 } = {}): TestedClient {
  const warnings: string[] = [];
  const target = parseRedisUrls(typeof url === 'string' ? [url] : url);
  const client = new RedisClient({ target, timeoutMs, onWarning: (text) => warnings.push(text) });
  onTestFinished(() => client.close());
  return Object.assign(client, { warnings });
}

/** A script as scripts.ts would load it. */
export function scriptOf(text: string, isWrite = true): Script {
  return { name: 'test', text, sha: createHash('sha1').update(text).digest('hex'), isWrite };
}

/** Adds one to KEYS[2]. KEYS[1] is the key that never exists, as in all our scripts. */
export const increment = scriptOf("return redis.call('INCR', KEYS[2])");

/** The keys of such a script. */
export function keysOf(key: string): readonly string[] {
  return ['{p}:', `{p}:${key}`];
}

/** How a call failed. Fails when it did not, or in another way. */
export async function failureOf(call: Promise<unknown>): Promise<BackendUnavailableError> {
  const error = await call.then(
    (reply) => new Error(`answered ${JSON.stringify(reply)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof BackendUnavailableError) return error;
  throw error;
}
