/** What only this store does: checkpoints, server identities, the queue of writers, large indexes, what is in its keys. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Keys } from '../../../src/backend/redis/keys.ts';
import { scripts } from '../../../src/backend/redis/scripts.ts';
import { assertBehind, assertCommitted } from '../../../src/conformance/check.ts';
import { draft, history, start } from '../../../src/conformance/draft.ts';
import type { JsonObject } from '../../../src/delta/json.ts';
import { RedisStoreError } from '../../../src/errors.ts';
import { openRedis, openRedisAgain, type TestedRedis } from '../../support/redis/backend.ts';
import { fillMemory, makeReadOnly } from '../../support/redis/faults.ts';
import { type RedisServer, startRedis } from '../../support/redis/server.ts';
import { until } from '../../support/wait.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server?.stop());

/** 20 kB, so that a checkpoint is due after as much of deltas. */
const ballast: JsonObject = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`key${n}`, 'x'.repeat(100)]));

/** The name of a key of a context. */
function keyOf({ openedWith: { prefix = '' } }: TestedRedis, kind: string, id = 'id'): string {
  return `${new Keys(prefix).partitionOf(id)}${kind}:${id}`;
}

describe('checkpoints', () => {
  test('a state is sent after as many bytes of deltas as it weighs, and made of it and the log by others', async () => {
    await using backend = await openRedis([server.url]);
    let last = await draft(backend, 'id').set(ballast, { keep: 10 }).store();
    for (let n = 0; n < 100; n++) {
      last = await last.set({ ...last.context.state, changing: `${n} ${'y'.repeat(400)}` }, { keep: 10 }).store();
    }
    await existing(keyOf(backend, 'checkpoint'));
    // The log is cut behind it, in steps of the server's own.
    await shorter(keyOf(backend, 'log'), 100);
    await using cold = await openRedisAgain(backend);
    expect(await cold.read('id')).toMatchObject({ head: { version: 101, floor: 91 }, state: last.context.state });
  });

  test('one that is gone is an error and no state, except to whoever has the state', async () => {
    await using backend = await openRedis([server.url]);
    let last = await draft(backend, 'id').set(ballast).store();
    for (let n = 0; n < 100; n++) {
      last = await last.set({ ...last.context.state, changing: `${n} ${'y'.repeat(400)}` }).store();
    }
    const checkpoint = keyOf(backend, 'checkpoint');
    await existing(checkpoint);
    await server.cli('DEL', checkpoint);
    await using cold = await openRedisAgain(backend);
    await expect(cold.read('id')).rejects.toHaveProperty(
      'cause.message',
      expect.stringMatching(/checkpoint is missing/),
    );
    // Who has the state goes on.
    await last.set({ ...last.context.state, changing: 'last' }).store();
  });

  test('a hole in the log is an error and no state', async () => {
    await using backend = await openRedis([server.url]);
    await history(backend, 'id', 5);
    await server.cli('XDEL', keyOf(backend, 'log'), '3-0');
    await using cold = await openRedisAgain(backend);
    await expect(cold.read('id')).rejects.toHaveProperty('cause.message', expect.stringMatching(/delta is missing/));
  });
});

describe('server identity', () => {
  test('a server that was demoted and promoted, without a restart, begins an epoch', async () => {
    await using own = await startRedis();
    await using backend = await openRedis([own.url]);
    const before = await history(backend, 'id', 3);
    const runId = (await own.info('server')).get('run_id');
    await (await makeReadOnly(own))();
    const result = assertCommitted(await before.set({ n: 4 }).commit({ freshEpoch: 'fresh-epoch' }));
    expect(result).toMatchObject({ epochBegan: true, head: { epoch: 'fresh-epoch', version: 4, floor: 4 } });
    expect((await own.info('server')).get('run_id'), 'It is the same process').toBe(runId);
  });

  test('a replica answers no read', async () => {
    await using own = await startRedis();
    await using backend = await openRedis([own.url], { timeoutMs: 300 });
    await history(backend, 'id', 1);
    const heal = await makeReadOnly(own);
    await expect(backend.read('id')).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' });
    await expect(backend.deltas('id', { limit: 1 })).rejects.toMatchObject({ outcome: 'NOT_STORED' });
    await heal();
    expect(await backend.read('id')).toMatchObject({ kind: 'context' });
  });
});

describe('a server without memory', () => {
  test('stores nothing of a write, still removes, and goes on when it has some', async () => {
    await using own = await startRedis();
    await using backend = await openRedis([own.url]);
    const one = await history(backend, 'one', 2);
    const two = await history(backend, 'two', 2);
    const heal = await fillMemory(own);
    const refused = { code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' };
    await expect(one.set({ n: 3 }, { key: 'k' }).commit()).rejects.toMatchObject(refused);
    await expect(draft(backend, 'new').set({ n: 1 }).commit()).rejects.toMatchObject(refused);
    await expect(one.touch({ ttlMs: 5 }).commit()).rejects.toMatchObject(refused);
    await one.assertStands();
    expect(await backend.list({ limit: 9 })).toEqual(['one', 'two']);
    await two.remove().store();
    await heal();
    await one.set({ n: 3 }, { key: 'k' }).store();
  });
});

describe('cleanup on a server without memory', () => {
  test('removes, trims, forgets and postpones: it is what gives memory back', async () => {
    await using own = await startRedis();
    await using backend = await openRedis([own.url]);
    const due = await (await history(backend, 'due', 1)).set({ n: 2 }, { ttlMs: 10 }).store();
    await (await history(backend, 'later', 1)).set({ n: 2 }, { ttlMs: 10 }).store();
    await (await history(backend, 'gone', 1)).remove().store();
    await history(backend, 'long', 5);
    await (await (await history(backend, 'early', 1)).touch({ ttlMs: 10 }).store()).touch({ ttlMs: 50 }).store();
    const heal = await fillMemory(own);
    const lease = await backend.lease('cleanup', 100, start);
    expect(lease?.fence).toBe(1);
    expect(await lease?.renew(start + 1)).toBe(true);
    expect(await backend.expire('due', start + 10)).toMatchObject({ version: due.head.version });
    await backend.postpone('later', start + 10, start + 99);
    expect(await backend.expire('early', start + 10)).toBeUndefined();
    expect(await backend.trimDeltas('long', start + 2)).toBe(3);
    expect(await backend.purgeTombstone('gone', start)).toBe(true);
    await lease?.release();
    expect(await backend.due('context', start + 100, { limit: 9 })).toEqual([
      { id: 'early', dueMs: start + 50 },
      { id: 'later', dueMs: start + 99 },
    ]);
    await heal();
  });
});

describe('the queue of writers', () => {
  test('who lost twice has the turn, and others wait for it', async () => {
    await using one = await openRedis([server.url]);
    await using two = await openRedisAgain(one);
    await using three = await openRedisAgain(one);
    const first = await history(one, 'id', 1);
    const second = await first.set({ n: 2 }).store();
    // `two` loses for the second time and is in the queue.
    const lost = assertBehind(await first.on(two).set({ n: 'two' }).commit({ attempt: 1 }));
    // Both are made on what is; by itself the first to come would be accepted.
    const others = second.on(three).set({ n: 'three' }).commit();
    const turn = draft(two, 'id', lost.known).set({ n: 'two' }).commit({ attempt: 2 });
    expect([(await turn).kind, (await others).kind]).toEqual(['committed', 'behind']);
  });

  test('a turn that a clock gave which has gone back keeps nobody waiting', async () => {
    await using backend = await openRedis([server.url], { timeoutMs: 1_000 });
    const first = await history(backend, 'id', 1);
    // Without the short way, which does not look at the queue.
    await server.cli('SET', keyOf(backend, 'queue'), `somebody:${Date.now() + 60_000}`);
    await first.set({ n: 2 }, { key: 'k' }).store();
    expect(await backend.read('id')).toMatchObject({ state: { n: 2 } });
  });

  test('who does not come back loses the turn', async () => {
    await using one = await openRedis([server.url]);
    await using two = await openRedisAgain(one);
    await using three = await openRedisAgain(one);
    const first = await history(one, 'id', 1);
    const second = await first.set({ n: 2 }).store();
    assertBehind(await first.on(two).set({ n: 'two' }).commit({ attempt: 1 }));
    await two.close();
    await second.on(three).set({ n: 3 }).store();
    expect(await one.read('id')).toMatchObject({ state: { n: 3 } });
    await until('the queue to be gone', async () => Number(await server.cli('EXISTS', keyOf(one, 'queue'))) === 0);
  });
});

describe('indexes over all partitions', () => {
  test('2,000 ids are listed, counted and due in order, however unevenly they lie', async () => {
    await using backend = await openRedis([server.url]);
    const keys = new Keys('any:');
    // Every third is one of a single partition.
    const crowd = Array.from({ length: 200_000 }, (_, n) => `crowd:${n}`)
      .filter((id) => keys.partitionOf(id) === keys.partition(17))
      .slice(0, 700);
    const ids = [...crowd, ...Array.from({ length: 1_300 }, (_, n) => `other:${n}`)];
    await Promise.all(ids.map((id) => draft(backend, id).set({}, { ttlMs: 10 }).commit()));
    const sorted = ids.toSorted();
    expect(await backend.list({ limit: 1_000, offset: 500 })).toEqual(sorted.slice(500, 1_500));
    expect(await backend.list({ limit: 800, after: crowd[3], descending: false, idPrefix: 'crowd:' })).toEqual(
      sorted.filter((id) => id.startsWith('crowd:') && id > (crowd[3] ?? '')),
    );
    expect(await backend.list({ limit: 3, descending: true })).toEqual(sorted.toReversed().slice(0, 3));
    expect(await backend.count({ idPrefix: 'crowd:' })).toBe(crowd.length);
    // All are due at one moment: pages go on inside it.
    const seen: string[] = [];
    for (let after: { readonly id: string; readonly dueMs: number } | undefined; ; ) {
      const page = await backend.due('context', start + 10, { limit: 300, ...(after && { after }) });
      if (page.length === 0) break;
      seen.push(...page.map(({ id }) => id));
      after = page.at(-1);
    }
    expect(seen).toEqual(sorted);
  });

  test('outcomes that have run out do not pile up', async () => {
    await using backend = await openRedis([server.url]);
    let last = await draft(backend, 'id').set({ n: 0 }).store();
    for (let round = 1; round <= 20; round++) {
      last = await last.set({ n: round }, { key: `k${round}`, atMs: start + round * 1_000, windowMs: 500 }).store();
    }
    const partition = new Keys(backend.openedWith.prefix ?? '').partitionOf('id');
    expect(Number(await server.cli('HLEN', `${partition}outcomes`))).toBeLessThanOrEqual(2);
    expect(Number(await server.cli('ZCARD', `${partition}due:outcomes`))).toBeLessThanOrEqual(2);
  });
});

/** A way to the server on which the first answer to each of these is lost with the connection. */
async function losing(words: readonly string[]): Promise<{ readonly url: string; readonly lost: ReadonlySet<string> }> {
  const lost = new Set<string>();
  const relay = createServer((near) => {
    const far = connect(server.port, '127.0.0.1');
    near.pipe(far);
    let isLost = false;
    near.on('data', (chunk) => {
      for (const word of words) {
        if (lost.has(word) || !chunk.includes(word)) continue;
        lost.add(word);
        isLost = true;
      }
    });
    far.on('data', (chunk) => (isLost ? near.destroy() : near.write(chunk)));
    for (const socket of [near, far]) socket.on('error', () => undefined);
    near.on('close', () => far.destroy());
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void relay.close());
  await once(relay, 'listening');
  // A TCP server has an address of this shape.
  return { url: `redis://127.0.0.1:${(relay.address() as AddressInfo).port}`, lost };
}

test('answers that are lost while the store opens leave nothing open', async () => {
  const words = [scripts.probe.sha, 'chord 1 partitions 256'];
  const { url, lost } = await losing(words);
  await using backend = await openRedis([url]);
  expect([...lost]).toEqual(words);
  await history(backend, 'id', 1);
});

describe('the format', () => {
  test('a store of another format stops the start, and is left as it is', async () => {
    await using backend = await openRedis([server.url]);
    const { format } = new Keys(backend.openedWith.prefix ?? '');
    await backend.close();
    await server.cli('SET', format, 'chord 2 partitions 1024');
    await expect(openRedisAgain(backend)).rejects.toMatchObject({ cause: expect.any(RedisStoreError) as unknown });
    await expect(openRedisAgain(backend)).rejects.toMatchObject({
      cause: { message: expect.stringContaining('"chord 2 partitions 1024"') as unknown },
    });
    expect(String(await server.cli('GET', format))).toBe('chord 2 partitions 1024');
  });

  test('what is gone leaves no key behind', async () => {
    await using backend = await openRedis([server.url]);
    const written = await history(backend, 'id', 3);
    await written.remove({ key: 'k', windowMs: 1 }).store();
    expect(await backend.purgeTombstone('id', start)).toBe(true);
    await draft(backend, 'id')
      .set({}, { key: 'l', atMs: start + 5, windowMs: 1 })
      .store();
    const { prefix = '' } = backend.openedWith;
    // The server is a private one: KEYS harms nobody.
    const left = (await server.cli('KEYS', `${prefix}*`)) as readonly string[];
    expect(left.map((key) => key.slice(key.indexOf(':', prefix.length) + 1)).toSorted()).toEqual([
      'due:deltas',
      'due:outcomes',
      'format',
      'head:id',
      'ids',
      'log:id',
      'outcomes',
    ]);
  });
});

/** Until the server has the key. */
async function existing(key: string): Promise<void> {
  await until(`${key} to be there`, async () => Number(await server.cli('EXISTS', key)) === 1);
}

async function shorter(log: string, length: number): Promise<void> {
  await until(`${log} to be shorter`, async () => Number(await server.cli('XLEN', log)) < length);
}
