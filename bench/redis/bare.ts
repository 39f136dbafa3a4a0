/**
 * The least that a write to shared state can be: one script that sets the position, appends the delta to a stream and
 * publishes it. It proves nothing, keeps no index, and remembers nothing of who wrote.
 */
import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { RedisClient } from '../../src/backend/redis/connection/client.ts';
import { parseRedisUrls } from '../../src/backend/redis/connection/target.ts';
import type { Script } from '../../src/backend/redis/scripts.ts';
import type { RedisServer } from '../../test/support/redis/server.ts';

const text = `
redis.call('HSET', KEYS[1], 'position', ARGV[1])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 100, '*', 'd', ARGV[2])
redis.call('SPUBLISH', KEYS[3], ARGV[2])
return 1
`;

const script: Script = { name: 'bare', text, sha: createHash('sha1').update(text).digest('hex'), isWrite: true };

/** Writers of that kind. */
export interface Bare {
  write(id: string, delta: string): Promise<unknown>;
  close(): Promise<void>;
}

/** The least with ioredis as it comes, which gathers calls into pipelines by itself (`enableAutoPipelining`). */
export async function openBare({ url }: RedisServer): Promise<Bare> {
  const redis = new Redis(url, { enableAutoPipelining: true });
  await redis.script('LOAD', text);
  return {
    write: (id, delta) => redis.evalsha(script.sha, 3, ...keysOf(id), position(), delta),
    close: async () => {
      await redis.quit();
    },
  };
}

/** The same script sent the way the backend sends its own. */
export async function openBareOnOurClient({ url }: RedisServer): Promise<Bare> {
  const client = new RedisClient({ target: parseRedisUrls([url]), timeoutMs: 60_000 });
  await client.ping();
  await client.call(['SCRIPT', 'LOAD', text]);
  return {
    write: (id, delta) => client.run(script, keysOf(id), [position(), delta]),
    close: () => client.close(),
  };
}

let count = 0;

function position(): string {
  return `epoch ${count++}`;
}

function keysOf(id: string): [string, string, string] {
  return [`bare:{${id}}:head`, `bare:{${id}}:log`, `bare:{${id}}:watch`];
}
