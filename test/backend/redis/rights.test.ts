/* The user of docs/operations.md, who has no more rights than needed, can do all that Chord does. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RedisBackend } from '../../../src/backend/redis/redis.ts';
import { assertBehind } from '../../../src/conformance/check.ts';
import { draft, history, start } from '../../../src/conformance/draft.ts';
import { blocksOf, checkout, read } from '../../docs/pages.ts';
import { openRedis } from '../../support/redis/backend.ts';
import { startCluster } from '../../support/redis/cluster.ts';
import { startSentinel } from '../../support/redis/sentinel.ts';
import { type RedisServer, startRedis } from '../../support/redis/server.ts';

const prefix = 'chord:';

/** The command of the page, word by word. */
function commandOfPage(): readonly string[] {
  const [command] = blocksOf(read('docs/operations.md'), '').filter((block) => block.startsWith('ACL SETUSER chord '));
  return (command ?? '').trim().split(' ');
}

async function addUser(server: RedisServer): Promise<void> {
  const [name = '', ...args] = commandOfPage();
  expect(await server.cli(name, ...args)).toBe('OK');
}

/** Whatever reaches Redis. */
async function doEverything(urls: readonly string[]): Promise<readonly string[]> {
  const warnings: string[] = [];
  const options = { prefix, onWarning: (text: string) => warnings.push(text) };
  const one = await openRedis(urls, options);
  const other = await openRedis(urls, options);
  const watch = await other.watch('id', () => undefined);
  await write(one, other);
  await list(other);
  await cleanUp(one);
  watch.close();
  await Promise.all([one.close(), other.close()]);
  return warnings;
}

async function write(one: RedisBackend, other: RedisBackend): Promise<void> {
  const first = await draft(one, 'id').set({ n: 1 }, { key: 'k', windowMs: 1 }).store();
  await first.set({ n: 2 }, { key: 'l', atMs: start + 1_000, windowMs: 1 }).store();
  // Who loses twice joins the line.
  assertBehind(await first.on(other).set({ n: 'other' }).commit({ attempt: 1 }));
  let last = await draft(one, 'large')
    .set({ text: 'x'.repeat(20_000) })
    .store();
  for (let n = 0; n < 60; n++) last = await last.set({ text: `${n}`, other: 'y'.repeat(500) }, { keep: 5 }).store();
  await last.touch({ ttlMs: 5 }).store();
  await (await history(one, 'removed', 2)).remove().store();
}

async function list(backend: RedisBackend): Promise<void> {
  for (const descending of [false, true]) {
    await backend.list({ limit: 5, descending });
    await backend.deltas('large', { limit: 5, descending });
    await backend.due('context', start, { limit: 5, descending });
  }
  await backend.readOutcome('id', 'k', start);
  await backend.heads(['id']);
  await backend.count({});
}

async function cleanUp(backend: RedisBackend): Promise<void> {
  const lease = await backend.lease('cleanup', 1_000, start);
  await lease?.renew(start);
  await backend.nextDue('context');
  await backend.trimDeltas('large', start + 10_000);
  await backend.postpone('large', start + 5, start + 6);
  await backend.expire('large', start + 10_000);
  await backend.purgeTombstone('removed', start + 10_000);
  await lease?.release();
}

/** Commands that the scripts call. */
function commandsOfScripts(): readonly string[] {
  const folder = 'src/backend/redis/scripts';
  const texts = readdirSync(join(checkout, folder)).map((name) => read(join(folder, name)));
  const names = texts.flatMap((text) => [...text.matchAll(/redis\.call\('(\w+)'/g)].map(([, name = '']) => name));
  return [...new Set(names.map((name) => name.toLowerCase()))];
}

test('on one server, and nothing else', async () => {
  await using server = await startRedis({ appendOnly: true, args: ['--appendfsync', 'always'] });
  await addUser(server);
  const url = `redis://chord:secret@${server.address}`;
  expect(await doEverything([url])).toEqual([]);
  expect(await server.cli('ACL', 'LOG')).toEqual([]);
  // All was tried that the scripts ever call.
  const called = [...(await server.info('commandstats')).keys()].map((name) => name.replace('cmdstat_', ''));
  expect(called).toEqual(expect.arrayContaining([...commandsOfScripts()]));

  const elsewhere = RedisBackend.open({ urls: [url], prefix: 'other:' });
  await expect(elsewhere.ready()).rejects.toThrow(/NOPERM/);
  await elsewhere.close();
});

test('of a Sentinel set', async () => {
  await using set = await startSentinel({ replicas: 0, sentinels: 1 });
  for (const server of set.servers) await addUser(server);
  await doEverything([set.url.replace('://', '://chord:secret@')]);
  for (const server of set.servers) expect(await server.cli('ACL', 'LOG')).toEqual([]);
});

test('in a Cluster', async () => {
  await using cluster = await startCluster({ masters: 2, replicas: 0 });
  for (const node of cluster.nodes) await addUser(node);
  await doEverything([`redis+cluster://chord:secret@${cluster.nodes[0]?.address}`]);
  for (const node of cluster.nodes) expect(await node.cli('ACL', 'LOG')).toEqual([]);
});
