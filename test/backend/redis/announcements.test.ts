/** Watching over one Redis server: what a watch may rely on, and what becomes of it when the connection does not last. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createServers } from '../../../src/backend/redis/announcements/servers.ts';
import { RedisStoreError } from '../../../src/errors.ts';
import { causeOf, failureOf, openClient } from '../../support/redis/clients.ts';
import { type RedisServer, startRedis } from '../../support/redis/server.ts';
import { soon, until } from '../../support/wait.ts';
import { isLoading, startLoading } from './loading.ts';
import { ids, interrupted, moved, openWatcher, subscribersAt, type Watcher } from './watching.ts';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** One that a test may break. */
async function startAnother(): Promise<RedisServer> {
  const another = await startRedis();
  onTestFinished(() => another.stop());
  return another;
}

/** How many are subscribed to the context's channel. */
async function subscribersOf(watcher: Watcher, id: string): Promise<unknown> {
  return watcher.client.call(['PUBSUB', 'SHARDNUMSUB', watcher.channel(id)]);
}

test('what is published right after a watch was answered is heard', async () => {
  const [watcher, other] = [openWatcher([server.url]), openWatcher([server.url])];
  for (const id of ids(20)) {
    const { heard } = await watcher.watch(id);
    expect(await other.publish(id, 'one')).toBe(1);
    expect(await heard.next()).toEqual(moved('one'));
  }
  expect(await subscribersAt(server)).toHaveLength(1);
});

test('all listeners on a context hear of it once, over one subscription', async () => {
  const watcher = openWatcher([server.url]);
  const all = await Promise.all(ids(50).map(() => watcher.watch('a')));
  await watcher.publish('a', 'nothing of ours');
  for (const text of ['one', 'two']) expect(await watcher.publish('a', text)).toBe(1);
  for (const { heard } of all) expect([await heard.next(), await heard.next()]).toEqual([moved('one'), moved('two')]);
});

test('a message that cannot be read counts as a lost one', async () => {
  const watcher = openWatcher([server.url]);
  const { heard } = await watcher.watch('a');
  await watcher.publish('a', 'unreadable');
  expect(await heard.next()).toEqual(interrupted);
});

test('a closed listener hears nothing, and the last one that is closed ends the subscription', async () => {
  const watcher = openWatcher([server.url]);
  const [one, two] = [await watcher.watch('a'), await watcher.watch('a')];
  one.close();
  await watcher.publish('a', 'one');
  expect(await two.heard.next()).toEqual(moved('one'));
  one.close();
  expect(await subscribersOf(watcher, 'a')).toEqual([watcher.channel('a'), 1]);
  two.close();
  await until('no subscriber', async () => JSON.stringify(await subscribersOf(watcher, 'a')).endsWith(',0]'));
  await watcher.publish('a', 'two');
  expect([one.heard.all, two.heard.all]).toEqual([[], [moved('one')]]);
});

test('who watches again right after the last close hears what comes then, once', async () => {
  const watcher = openWatcher([server.url]);
  let watching = await watcher.watch('a');
  for (let round = 0; round < 100; round += 1) {
    watching.close();
    watching = await watcher.watch('a');
    await watcher.publish('a', String(round));
    expect(await watching.heard.next()).toEqual(moved(String(round)));
    expect(watching.heard.unread).toBe(0);
  }
});

test('a cut connection is made anew, and listeners are told when they are subscribed again', async () => {
  const another = await startAnother();
  const watcher = openWatcher([another.url]);
  const all = await Promise.all(ids(30).map((id) => watcher.watch(id)));
  for (let round = 0; round < 5; round += 1) {
    await another.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
    for (const { id, heard } of all) {
      expect(await heard.next()).toEqual(interrupted);
      expect(await watcher.publish(id, 'one')).toBe(1);
      expect(await heard.next()).toEqual(moved('one'));
    }
  }
  expect(watcher.log.all).toEqual([]);
});

test('a server that was away is subscribed to again, and the operator is told', async () => {
  const another = await startAnother();
  const watcher = openWatcher([another.url], 500);
  const watching = await watcher.watch('a');
  await another.kill();
  expect(await watcher.log.next()).toMatchObject({
    level: 'warn',
    text: expect.stringMatching(/are missed: connect ECONNREFUSED/),
  });
  await another.start();
  expect(await watching.heard.next()).toEqual(interrupted);
  expect(await watcher.publish('a', 'one')).toBe(1);
  expect(await watching.heard.next()).toEqual(moved('one'));
  expect(await watcher.log.next()).toMatchObject({
    level: 'info',
    text: expect.stringMatching(/are no longer missed$/),
  });
});

test('a connection whose server is silent is given up', async () => {
  const another = await startAnother();
  const watcher = openWatcher([another.url], 500);
  const watching = await watcher.watch('a');
  another.pause();
  expect((await watcher.log.next()).text).toContain('are missed: there was no answer');
  await expect(watcher.watch('b')).rejects.toMatchObject({ outcome: 'NOT_STORED' });
  another.resume();
  expect(await watching.heard.next()).toEqual(interrupted);
  expect(await watcher.publish('a', 'one')).toBe(1);
  expect(await watching.heard.next()).toEqual(moved('one'));
});

test('a connection on which nothing happens is kept', async () => {
  const another = await startAnother();
  const watcher = openWatcher([another.url], 100);
  const watching = await watcher.watch('a');
  const pings = async (): Promise<number> =>
    Number(/calls=(\d+)/.exec((await another.info('commandstats')).get('cmdstat_ping') ?? '')?.[1] ?? 0);
  const before = await pings();
  await until('some heart beats', async () => (await pings()) > before + 10);
  expect(watching.heard.all).toEqual([]);
});

test('a watch while the server is away fails in time, and leaves nothing behind', async () => {
  const another = await startAnother();
  const watcher = openWatcher([another.url], 500);
  await watcher.client.ping();
  await another.kill();
  const refusal = await soon('a refusal', failureOf(watcher.watch('a')));
  expect(refusal).toMatchObject({
    outcome: 'NOT_STORED',
    message: 'Redis did not confirm a subscription within 500 ms.',
  });
  expect(causeOf(refusal)).toMatch(/^Announcements of Redis are missed: .*[^.]\.$/);
  await another.start();
  await until('a watch that is confirmed', () =>
    watcher.watch('b').then(
      () => true,
      () => false,
    ),
  );
  // It has a connection of its own, which comes back in its own time.
  await until('the client is back', () =>
    watcher.client.ping().then(
      () => true,
      () => false,
    ),
  );
  expect(await subscribersOf(watcher, 'a')).toEqual([watcher.channel('a'), 0]);
});

test('a user who may not subscribe is told so at once', async () => {
  const another = await startAnother();
  await another.cli('ACL', 'SETUSER', 'deaf', 'on', '>secret', '~*', '+@all', 'resetchannels');
  const watcher = openWatcher([another.url.replace('//', '//deaf:secret@')], 10_000);
  const refusal = await failureOf(watcher.watch('a'));
  expect(refusal.message).toBe('Redis refused a subscription: its user lacks a right (NOPERM).');
  expect(refusal.cause).toBeInstanceOf(RedisStoreError);
  expect(causeOf(refusal)).toMatch(/^Redis at 127\.0\.0\.1:\d+ refuses a subscription: NOPERM [^:{}]*\w\.$/);
});

test('a look for the server crosses no replies', async () => {
  const client = openClient(server.url);
  await client.ping();
  const servers = createServers(client, { timeoutMs: 1_000, onLook: () => undefined });
  onTestFinished(() => servers.close());
  const echo = client.call(['ECHO', 'one']);
  servers.lookAgain();
  expect([await echo, await client.call(['ECHO', 'two'])]).toEqual(['one', 'two']);
});

test('a server that loads its data is subscribed to when it has', async () => {
  const { server: another, loaded } = await startLoading();
  onTestFinished(() => another.stop());
  const watcher = openWatcher([another.url], 10_000);
  const { heard } = await watcher.watch('a');
  expect(await isLoading(another)).toBe(false);
  await loaded;
  expect(await watcher.publish('a', 'one')).toBe(1);
  expect(await heard.next()).toEqual(moved('one'));
});

test('a server without sharded pub/sub is listened to without, and one that has it by then with it', async () => {
  const another = await startAnother();
  const old = await pretendVersion(another, '6.2');
  const watcher = openWatcher([`redis://127.0.0.1:${old.port}`]);
  const all = await Promise.all(ids(30).map((id) => watcher.watch(id)));
  for (const { id, heard } of all) {
    expect(await watcher.publish(id, 'one', 'PUBLISH')).toBe(1);
    expect(await heard.next()).toEqual(moved('one'));
  }
  all[0]?.close();
  expect(await watcher.publish('id-0', 'two', 'PUBLISH')).toBe(0);
  old.upgrade();
  await another.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
  for (const { id, heard } of all.slice(1)) {
    expect(await heard.next()).toEqual(interrupted);
    expect(await watcher.publish(id, 'two')).toBe(1);
    expect(await heard.next()).toEqual(moved('two'));
  }
});

/** The server at another port, where it says that it is of this version until it is upgraded. */
async function pretendVersion(real: RedisServer, version: string) {
  let isUpgraded = false;
  const proxy = createServer((client) => {
    const upstream = connect(real.port, '127.0.0.1');
    upstream.on('data', (data) => {
      const text = data.toString('latin1');
      client.write(
        isUpgraded ? data : Buffer.from(text.replace(/redis_version:\d\.\d/, `redis_version:${version}`), 'latin1'),
      );
    });
    client.pipe(upstream);
    for (const [one, other] of [[client, upstream] as const, [upstream, client] as const]) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    proxy.close();
  });
  return {
    // A TCP server has an address object.
    port: (proxy.address() as AddressInfo).port,
    upgrade: () => {
      isUpgraded = true;
    },
  };
}

test('20,000 contexts are subscribed to again', async () => {
  const another = await startAnother();
  const watcher = openWatcher([another.url], 10_000);
  const all = await Promise.all(ids(20_000).map((id) => watcher.watch(id)));
  await another.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
  for (const { heard } of all) expect(await heard.next()).toEqual(interrupted);
  for (const { id, heard } of all.filter((_, index) => index % 500 === 0)) {
    expect(await watcher.publish(id, 'one')).toBe(1);
    expect(await heard.next()).toEqual(moved('one'));
  }
});

test('close ends every watch, also those not yet answered, and every connection', async () => {
  const another = await startAnother();
  const watcher = openWatcher([another.url]);
  const watching = await watcher.watch('a');
  const pending = ids(10).map((id) => watcher.watch(id));
  watcher.announcements.close();
  for (const watch of [...pending, watcher.watch('b')]) {
    await expect(watch).rejects.toMatchObject({ message: 'The store is closed.', outcome: 'NOT_STORED' });
  }
  await until('no subscriber', async () => (await subscribersAt(another)).length === 0);
  await watcher.publish('a', 'one');
  watching.close();
  watcher.announcements.close();
  expect(watching.heard.all).toEqual([]);
});
