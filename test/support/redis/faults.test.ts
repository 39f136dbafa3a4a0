/* The faults that other Redis tests strike with do what they say. */
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { soon } from '../wait.ts';
import { cutConnections, fillMemory, flushScripts, hang, holdCommands, makeReadOnly } from './faults.ts';
import { type RedisServer, startRedis } from './server.ts';

test('a fault cuts the connections of a kind', async () => {
  await using server = await startRedis();
  await using client = connect(server);
  await client.redis.subscribe('channel');
  const closed = once(client.redis, 'close');

  expect(await cutConnections(server, 'normal')).toBe(0);
  expect(await cutConnections(server, 'pubsub')).toBe(1);
  await soon('the cut', closed);
});

test('a fault hangs the server until it is healed', async () => {
  await using server = await startRedis();
  await using client = connect(server);
  await client.redis.ping();
  const heal = await hang(server);
  let hasAnswered = false;
  const answer = client.redis.ping().finally(() => {
    hasAnswered = true;
  });
  // Starting another takes ten times as long as an answer.
  await using other = await startRedis();
  expect(other.isRunning).toBe(true);
  expect(hasAnswered).toBe(false);
  await heal();

  expect(await soon('the answer', answer)).toBe('PONG');
});

test('a fault holds writes back until it is healed', async () => {
  await using server = await startRedis();
  await using client = connect(server);
  await client.redis.ping();
  const heal = await holdCommands(server, 60_000, 'WRITE');
  const write = client.redis.set('key', 1);
  expect(await server.cli('GET', 'key')).toBeNull();
  await heal();

  expect(await soon('the write', write)).toBe('OK');
});

test('a fault holds all commands back until its time is over', async () => {
  await using server = await startRedis();
  await using client = connect(server);
  await client.redis.ping();
  const beganMs = performance.now();
  const heal = await holdCommands(server, 100);
  const read = client.redis.get('key');
  await heal();

  expect(await soon('the read', read)).toBeNull();
  // Never sooner, however fast the machine is; Redis counts whole milliseconds.
  expect(performance.now() - beganMs).toBeGreaterThan(95);
});

test('a fault makes the server forget its scripts', async () => {
  await using server = await startRedis();
  const sha = String(await server.cli('SCRIPT', 'LOAD', 'return 1'));
  expect(await server.cli('EVALSHA', sha, 0)).toBe(1);
  await flushScripts(server);

  await expect(server.cli('EVALSHA', sha, 0)).rejects.toThrow('NOSCRIPT');
});

test('a fault refuses writes as a replica does, and leaves another history', async () => {
  await using server = await startRedis();
  await server.cli('SET', 'key', 1);
  const before = await server.info('replication');
  const heal = await makeReadOnly(server);
  await expect(server.cli('SET', 'key', 2)).rejects.toThrow('READONLY');
  expect(await server.cli('GET', 'key')).toBe('1');
  await heal();

  expect(await server.cli('SET', 'key', 2)).toBe('OK');
  expect((await server.info('replication')).get('master_replid')).not.toBe(before.get('master_replid'));
});

test('a fault refuses writes for want of memory', async () => {
  await using server = await startRedis();
  await server.cli('SET', 'key', 1);
  const heal = await fillMemory(server);
  await expect(server.cli('SET', 'key', 2)).rejects.toThrow('OOM');
  expect(await server.cli('GET', 'key')).toBe('1');
  await heal();

  expect(await server.cli('SET', 'key', 2)).toBe('OK');
});

/** A client as others have, which ends with the test. */
function connect(server: RedisServer): { readonly redis: Redis } & AsyncDisposable {
  const redis = new Redis(server.url, { retryStrategy: null });
  redis.on('error', () => undefined);
  return { redis, [Symbol.asyncDispose]: async () => redis.disconnect() };
}
