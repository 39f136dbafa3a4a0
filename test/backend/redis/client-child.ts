/* A process that asks a Redis once, closes its client and does nothing more: it ends when nothing is left of that. */
import { RedisClient } from '../../../src/backend/redis/connection/client.ts';
import { parseRedisUrls } from '../../../src/backend/redis/connection/target.ts';

const [url = '', timeoutMs] = process.argv.slice(2);
const client = new RedisClient({ target: parseRedisUrls([url]), timeoutMs: Number(timeoutMs) });
try {
  process.stdout.write(`${String(await client.call(['PING']))}\n`);
} catch (error) {
  process.stdout.write(`${String(error)}\n`);
}
await client.close();
process.stdout.write('closed\n');
