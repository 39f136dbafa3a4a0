/* Calls while another server becomes the master: Sentinels that promote, and a Cluster that moves and promotes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RedisClient } from '../../../src/backend/redis/connection/client.ts';
import { failureOf, increment, openClient, scriptOf } from '../../support/redis/clients.ts';
import { type RedisCluster, startCluster } from '../../support/redis/cluster.ts';
import { hang } from '../../support/redis/faults.ts';
import { type RedisSentinel, startSentinel } from '../../support/redis/sentinel.ts';
import { soon, until } from '../../support/wait.ts';

const get = scriptOf("return redis.call('GET', KEYS[2])", false);

/** In which partition, and so in which slot. */
function keysIn(partition: number, key = 'n'): readonly [string, string] {
  return [`{${partition}}:`, `{${partition}}:${key}`];
}

/** Adds one in every partition, and says in how many that succeeded. The others failed with a known outcome. */
async function addEverywhere(client: RedisClient, count: number): Promise<number> {
  const partitions = Array.from({ length: count }, (_, partition) => partition);
  const results = await Promise.allSettled(partitions.map((each) => client.run(increment, keysIn(each), [])));
  for (const result of results) {
    if (result.status === 'rejected') await failureOf(Promise.reject(result.reason));
  }
  return results.filter(({ status }) => status === 'fulfilled').length;
}

describe('Sentinels', () => {
  let set: RedisSentinel;
  beforeAll(async () => {
    set = await startSentinel({ replicas: 1 });
  });
  afterAll(() => set?.stop());

  test('a call after a fail-over goes to the new master', async () => {
    const client = openClient(set.url, { timeoutMs: 15_000 });
    await client.run(increment, keysIn(0), []);
    const before = await set.master();
    const after = await set.failover();
    expect(after).not.toBe(before);
    expect(await client.run(increment, keysIn(0, 'after'), [])).toBe(1);
    expect(await after.cli('GET', '{0}:after')).toBe('1');
  });

  test('a master that hangs is left as soon as there is another', async () => {
    const client = openClient(set.url, { timeoutMs: 15_000 });
    await client.run(increment, keysIn(0), []);
    const before = await set.master();
    const heal = await hang(before);
    await until('another master', async () => (await set.master()) !== before);
    // Its connection is still open, and would be given 15 s to answer.
    await until('the connection to it', () =>
      soon('an answer', client.ping(), 1_000).then(
        () => true,
        () => false,
      ),
    );
    expect(await client.run(increment, keysIn(0, 'hung'), [])).toBe(1);
    await heal();
    await set.settled();
  });

  test('one Sentinel is enough to find the master', async () => {
    const [first, second] = set.sentinels;
    await first?.kill();
    await second?.kill();
    const client = openClient(set.url);
    expect(await client.run(get, keysIn(0, 'nothing'), [])).toBeNull();
    await first?.start();
    await second?.start();
    await set.settled();
  });
});

describe('a Cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(() => cluster?.stop());

  test('calls go to the masters of their slots, found from one node', async () => {
    const client = openClient(`redis+cluster://${cluster.nodes[4]?.address}`);
    expect(await addEverywhere(client, 256)).toBe(256);
    expect(await client.infos()).toHaveLength(3);
    const masters = await cluster.masters();
    for (const master of masters) expect(Number(await master.cli('DBSIZE'))).toBeGreaterThan(50);
  });

  test('a call follows a slot that has moved', async () => {
    const client = openClient(cluster.urls);
    await client.run(increment, keysIn(300), []);
    const slot = await cluster.slotOf('{300}');
    const from = await cluster.masterOf(slot);
    const to = (await cluster.masters()).find((node) => node !== from);
    if (to === undefined) throw new Error('There is one master.');
    await cluster.moveSlot(slot, to);
    expect(await client.run(increment, keysIn(300), [])).toBe(2);
  });

  test('while a slot is on its way calls wait, and none is lost or done twice', async () => {
    const client = openClient(cluster.urls, { timeoutMs: 20_000 });
    for (let key = 0; key < 50; key += 1) await client.run(increment, keysIn(301, `k${key}`), []);
    const slot = await cluster.slotOf('{301}');
    const from = await cluster.masterOf(slot);
    const to = (await cluster.masters()).find((node) => node !== from);
    if (to === undefined) throw new Error('There is one master.');
    const calls: Promise<unknown>[] = [];
    await cluster.moveSlot(slot, to, {
      onKey: () => {
        calls.push(client.run(increment, keysIn(301), []), client.run(get, keysIn(301, 'k1'), []));
      },
    });
    const replies = await Promise.all(calls);
    const counts = replies.filter((_, index) => index % 2 === 0).map(Number);
    expect(counts.toSorted((one, other) => one - other)).toEqual(counts.map((_, index) => index + 1));
    expect(new Set(replies.filter((_, index) => index % 2 === 1))).toEqual(new Set(['1']));
  });

  test('a replica that is promoted is found, whatever became of the master', async () => {
    const client = openClient(cluster.urls, { timeoutMs: 15_000 });
    await addEverywhere(client, 64);
    const [master] = await cluster.masters();
    if (master === undefined) throw new Error('There is no master.');
    await cluster.failover(master);
    expect(await addEverywhere(client, 64)).toBe(64);

    const [killed] = await cluster.masters();
    await killed?.kill();
    const calls = addEverywhere(client, 64);
    await cluster.settled();
    await calls;
    expect(await addEverywhere(client, 64)).toBe(64);
    expect(client.warnings.filter((text) => text.includes(` ${killed?.address} is away: `))).toHaveLength(1);
    await killed?.start();
    await cluster.settled();
  });

  test('a master that is gone for good costs calls for its slots their time, and others nothing', async () => {
    await using lonely = await startCluster({ replicas: 0, args: ['--cluster-require-full-coverage', 'no'] });
    const client = openClient(lonely.urls, { timeoutMs: 1_500 });
    expect(await addEverywhere(client, 64)).toBe(64);
    const gone = await lonely.masterOf(await lonely.slotOf('{0}'));
    await gone.kill();
    const lost = failureOf(client.run(increment, keysIn(0), []));
    const succeeded = await addEverywhere(client, 64);
    expect(succeeded).toBeGreaterThan(20);
    expect(succeeded).toBeLessThan(64);
    expect(await lost).toMatchObject({ outcome: expect.stringMatching(/NOT_STORED|UNKNOWN/) });
    expect(await failureOf(client.run(increment, keysIn(0), []))).toMatchObject({ outcome: 'NOT_STORED' });
    await gone.start();
    await until('all slots', async () => (await addEverywhere(client, 64)) === 64);
  });

  test('what a Cluster that is down refuses was not executed', async () => {
    await using lonely = await startCluster({ masters: 2, replicas: 0 });
    const client = openClient(lonely.urls, { timeoutMs: 1_000 });
    expect(await addEverywhere(client, 64)).toBe(64);
    const left = await lonely.masterOf(await lonely.slotOf('{0}'));
    const gone = lonely.nodes.find((node) => node !== left);
    await gone?.kill();
    await until('the state', async () => /cluster_state:fail/.test(String(await left.cli('CLUSTER', 'INFO'))));
    expect(await failureOf(client.run(increment, keysIn(0), []))).toMatchObject({
      outcome: 'NOT_STORED',
      message: 'Redis refused the call: part of the Cluster is gone (CLUSTERDOWN).',
    });
    await gone?.start();
    await until('the Cluster', () =>
      client.run(increment, keysIn(0), []).then(
        (count) => count === 2,
        () => false,
      ),
    );
  });
});
