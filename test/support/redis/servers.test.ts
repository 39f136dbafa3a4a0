/* The servers that the other Redis tests rest on are what they say. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createConnection } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { soon, until } from '../wait.ts';
import { startCluster } from './cluster.ts';
import { crash } from './faults.ts';
import { startSentinel } from './sentinel.ts';
import { startRedis } from './server.ts';
import { freshPrefix, sharedCluster, sharedRedis, sharedSentinel } from './shared.ts';

describe('a server', () => {
  test('is gone with its files when it is stopped', async () => {
    const server = await startRedis();
    const { directory, port } = server;
    expect(await server.cli('SET', 'key', 'value')).toBe('OK');
    expect(existsSync(directory)).toBe(true);

    await server.stop();

    expect(existsSync(directory)).toBe(false);
    expect(await isOpen(port)).toBe(false);
  });

  test('and its files do not outlive a process that is killed, even when it hangs', async () => {
    const child = fork(fileURLToPath(new URL('servers-child.ts', import.meta.url)), {
      execArgv: ['--import', 'tsx'],
    });
    const [message] = await soon('the child', once(child, 'message'));
    // As the child sends it.
    const { port, directory } = message as { port: number; directory: string };
    expect(await isOpen(port)).toBe(true);

    child.kill('SIGKILL');

    await until('the end of the server', async () => !(await isOpen(port)));
    await until('the end of its files', () => !existsSync(directory));
  });

  test('is not started where somebody else listens', async () => {
    await using first = await startRedis();
    await first.cli('SET', 'key', 'first');

    await expect(startRedis({ port: first.port })).rejects.toThrow('Address already in use');

    expect(await first.cli('GET', 'key')).toBe('first');
  });

  test('with an append-only file finds its data after a restart and after a crash, on the same port', async () => {
    await using server = await startRedis({ appendOnly: true });
    const { url, pid } = server;
    await server.cli('SET', 'a', 1);
    await server.restart();
    await server.cli('SET', 'b', 2);
    const heal = await crash(server);
    expect(await isOpen(server.port)).toBe(false);
    await heal();

    expect(await server.cli('MGET', 'a', 'b')).toEqual(['1', '2']);
    expect(server.url).toBe(url);
    expect(server.pid).not.toBe(pid);
  });

  test('without one forgets them', async () => {
    await using server = await startRedis();
    await server.cli('SET', 'a', 1);
    await server.restart();

    expect(await server.cli('GET', 'a')).toBeNull();
  });

  test('takes a password and TLS, and arguments that win', async () => {
    const password = 'se"cr et/\\';
    await using server = await startRedis({
      tls: true,
      password,
      args: ['--maxmemory', '10mb', '--appendonly', 'yes'],
    });

    expect(await server.cli('CONFIG', 'GET', 'maxmemory')).toEqual(['maxmemory', String(10 * 2 ** 20)]);
    expect(await server.cli('CONFIG', 'GET', 'appendonly')).toEqual(['appendonly', 'yes']);
    expect(new URL(server.url).protocol).toBe('rediss:');
    expect(await ask(server.url, server.certificate?.pem)).toBe('PONG');
    await expect(ask(server.url.replace(/\/\/.*@/, '//'), server.certificate?.pem)).rejects.toThrow('NOAUTH');
    await expect(ask(server.url)).rejects.toThrow('self-signed');
  });

  test('says why it does not start', async () => {
    await expect(startRedis({ args: ['--no-such-setting', '1'] })).rejects.toThrow('Bad directive');
  });
});

test('a Cluster serves all slots, moves them with their keys, and survives its masters', {
  timeout: 60_000,
}, async () => {
  await using cluster = await startCluster();
  expect(cluster.nodes).toHaveLength(6);
  const masters = await cluster.masters();
  expect(masters).toHaveLength(3);
  for (const master of masters) expect(await cluster.replicasOf(master)).toHaveLength(1);

  const slot = await cluster.slotOf('{tag}');
  const from = await cluster.masterOf(slot);
  const to = masters.find((master) => master !== from) ?? from;
  for (const key of ['{tag}1', '{tag}2']) await from.cli('SET', key, key);
  const onTheWay: string[] = [];
  await cluster.moveSlot(slot, to, {
    onKey: async (key) => {
      await expect(from.cli('GET', key)).rejects.toThrow(`ASK ${slot} ${to.address}`);
      onTheWay.push(key);
    },
  });
  expect(onTheWay.toSorted()).toEqual(['{tag}1', '{tag}2']);
  await expect(from.cli('GET', '{tag}1')).rejects.toThrow(`MOVED ${slot} ${to.address}`);
  expect(await cluster.masterOf(slot)).toBe(to);
  expect(await to.cli('GET', '{tag}1')).toBe('{tag}1');

  const successor = await cluster.failover(to);
  expect(await cluster.masterOf(slot)).toBe(successor);
  expect(await successor.cli('GET', '{tag}2')).toBe('{tag}2');

  const heal = await crash(successor);
  await cluster.settled();
  expect(await cluster.masterOf(slot)).toBe(to);
  await heal();
  await cluster.settled();
  expect(await cluster.replicasOf(to)).toEqual([successor]);
});

test('sentinels promote a replica, on request and when the master is gone, and take it back', {
  timeout: 60_000,
}, async () => {
  // Long, so that nothing is promoted that is merely slow.
  await using set = await startSentinel({ downAfterMs: 5_000 });
  const first = await set.master();
  expect(await set.replicas()).toHaveLength(2);
  await first.cli('SET', 'key', 'value');
  expect(await first.cli('WAIT', 2, 5_000)).toBe(2);

  const second = await set.failover();
  expect(second).not.toBe(first);
  expect(await second.cli('GET', 'key')).toBe('value');

  const heal = await crash(second);
  await until('a promotion', async () => (await set.master()) !== second, 60_000);
  await set.settled();
  await heal();
  await set.settled();
  expect((await second.info('replication')).get('role')).toBe('slave');
  expect(await set.replicas()).toHaveLength(2);
  const third = await set.master();
  expect((await set.switches()).map(({ to }) => to)).toEqual([second.address, third.address]);
});

test('Cluster and sentinels can have a password', { timeout: 60_000 }, async () => {
  const password = 'se"cr et';
  await using cluster = await startCluster({ masters: 2, replicas: 0, password });
  const slot = await cluster.slotOf('key');
  const from = await cluster.masterOf(slot);
  const to = (await cluster.masters()).find((master) => master !== from) ?? from;
  await from.cli('SET', 'key', 'value');
  await cluster.moveSlot(slot, to);
  expect(await to.cli('GET', 'key')).toBe('value');
  await expect(ask(to.url.replace(/\/\/.*@/, '//'))).rejects.toThrow('NOAUTH');

  await using set = await startSentinel({ replicas: 1, password });
  const [sentinel] = set.sentinels;
  expect(set.url).toContain(`/chord?sentinelPassword=${encodeURIComponent(password)}`);
  await expect(ask(`redis://${sentinel?.address}`)).rejects.toThrow('NOAUTH');
  const before = await set.master();
  expect(await set.failover()).not.toBe(before);
});

test('a run shares one set of servers, and prefixes are nobody else’s', async () => {
  const [redis, cluster, sentinel] = await Promise.all([sharedRedis(), sharedCluster(), sharedSentinel()]);

  expect(redis).toEqual([expect.stringMatching(/^redis:\/\/127\.0\.0\.1:\d+$/)]);
  expect(await ask(redis[0] ?? '')).toBe('PONG');
  expect(cluster).toHaveLength(6);
  expect(sentinel).toEqual([expect.stringMatching(/^redis\+sentinel:\/\/(127\.0\.0\.1:\d+,?){3}\/chord$/)]);
  expect(await Promise.all([sharedRedis(), sharedCluster(), sharedSentinel()])).toEqual([redis, cluster, sentinel]);
  expect(freshPrefix()).not.toBe(freshPrefix());
});

function isOpen(port: number): Promise<boolean> {
  const socket = createConnection({ port, host: '127.0.0.1' });
  return new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  }).finally(() => socket.destroy());
}

async function ask(url: string, ca?: string): Promise<string> {
  const redis = new Redis(url, {
    ...(ca === undefined ? {} : { tls: { ca } }),
    lazyConnect: true,
    retryStrategy: null,
    enableReadyCheck: false,
  });
  let reason: Error | undefined;
  redis.on('error', (error) => {
    reason = error;
  });
  try {
    return await redis.ping();
  } catch (error) {
    throw reason ?? error;
  } finally {
    redis.disconnect();
  }
}
