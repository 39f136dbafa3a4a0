/*
 * A process that lost twice on a context, is the first in the queue, and never takes it: each attempt is again
 * on a base that is not the truth. It says so, and goes on until it is killed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RedisBackend } from '../../src/backend/redis/redis.ts';

const [url = '', prefix = '', id = ''] = process.argv.slice(2);
const backend = RedisBackend.open({ urls: [url], prefix });
const base = { kind: 'context', epoch: 'never', version: 1, touches: 0 } as const;
const write = { writeId: 'lost', step: { kind: 'remove', cause: 'DELETED', atMs: 0 } } as const;
for (let attempt = 1; ; attempt++) {
  const { kind } = await backend.commit(id, base, [write], { nowMs: Date.now(), freshEpoch: 'unused', attempt });
  if (attempt === 1) process.stdout.write(`${kind}\n`);
  await sleep(20);
}
