/* The user of docs/operations.md, who has no more rights than needed, can do all that Chord does. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { LogLine } from '../../../src/backend/redis/connection/log.ts';
import { RedisBackend } from '../../../src/backend/redis/redis.ts';
import { assertBehind } from '../../../src/conformance/check.ts';
import { draft, history, start } from '../../../src/conformance/draft.ts';
import type { BackendUnavailableError } from '../../../src/errors.ts';
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

/** Whatever reaches Redis; the start comes before `onReady`. */
async function doEverything(
  urls: readonly string[],
  onReady: () => Promise<unknown> = async () => undefined,
): Promise<readonly string[]> {
  const warnings: string[] = [];
  const options = { prefix, onLog: ({ text }: LogLine) => warnings.push(text) };
  const one = await openRedis(urls, options);
  const other = await openRedis(urls, options);
  await onReady();
  const watch = await other.watch('id', () => undefined);
  await write(one, other);
  await list(other);
  await note(one, other);
  await cleanUp(one);
  watch.close();
  await Promise.all([one.close(), other.close()]);
  return warnings;
}

async function write(one: RedisBackend, other: RedisBackend): Promise<void> {
  const first = await draft(one, 'id').set({ n: 1 }, { key: 'k', windowMs: 1 }).store();
  await first.set({ n: 2 }, { key: 'l', atMs: start + 1_000, windowMs: 1 }).store();
  // Who loses twice joins the queue.
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

async function note(one: RedisBackend, other: RedisBackend): Promise<void> {
  await one.writeNote('note', { text: 'text', revision: 'r1' }, undefined);
  expect(await other.noteRevision('note')).toBe('r1');
  expect(await other.readNote('note')).toMatchObject({ text: 'text' });
  expect(await one.takeRate('key', { perSecond: 1, count: 1 })).toBeUndefined();
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

/** Commands that the start tries. */
function commandsOfProbe(): readonly string[] {
  const text = read('src/backend/redis/scripts/probe.lua');
  return [...text.matchAll(/^ {2}\{ '(\w+)'/gm)].map(([, name = '']) => name.toLowerCase());
}

test('the start tries every command that a script calls', () => {
  // INFO is tried by the script that asks who the server is.
  const tried = ['info', ...commandsOfProbe()];
  expect(commandsOfScripts().filter((name) => !tried.includes(name))).toEqual([]);
});

test('on one server, and nothing else', async () => {
  await using server = await startRedis({ appendOnly: true, args: ['--appendfsync', 'always'] });
  await addUser(server);
  const url = `redis://chord:secret@${server.address}`;
  // Of the start only its result counts: it calls every command itself.
  expect(await doEverything([url], () => server.cli('CONFIG', 'RESETSTAT'))).toEqual([]);
  expect(await server.cli('ACL', 'LOG')).toEqual([]);
  // Everything that the scripts can call was called.
  const called = [...(await server.info('commandstats')).keys()].map((name) => name.replace('cmdstat_', ''));
  expect(called).toEqual(expect.arrayContaining([...commandsOfScripts()]));
});

/** Redis names nobody's rights in the same words in all its versions: the command or what it is about. */
const missing: Readonly<Record<string, readonly [change: string, told: RegExp]>> = {
  'another prefix': ['~other:* resetkeys ~other:*', /NOPERM|DEL/],
  'no scripts': ['-@scripting', /NOPERM/],
  'no writes': ['-xadd', /XADD/],
  'no reads': ['-zlexcount', /ZLEXCOUNT/],
  'no publishing': ['-publish -spublish', /PUBLISH/],
  'no channels': ['resetchannels', /PUBLISH/],
  'no subscriptions': ['-ssubscribe -subscribe', /subscri/i],
};

test.each(Object.entries(missing))(
  '%s: nothing is written, and the start says what is missing',
  async (_, [change, told]) => {
    await using server = await startRedis();
    await addUser(server);
    await server.cli('ACL', 'SETUSER', 'chord', ...change.split(' '));
    await using backend = RedisBackend.open({ urls: [`redis://chord:secret@${server.address}`], prefix });
    const error = await backend.ready().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'BACKEND_UNAVAILABLE', cause: { code: 'REDIS_STORE' } });
    expect(String((error as BackendUnavailableError).cause)).toMatch(told);
    await expect(draft(backend, 'id').set({ n: 1 }).commit()).rejects.toMatchObject({ outcome: 'NOT_STORED' });
    expect(await server.cli('KEYS', '*head*')).toEqual([]);
  },
);

test('a right to publish that is taken away later makes no stored write an error', async () => {
  await using server = await startRedis();
  await addUser(server);
  await using backend = await openRedis([`redis://chord:secret@${server.address}`], { prefix });
  await server.cli('ACL', 'SETUSER', 'chord', 'resetchannels');
  const one = await draft(backend, 'id').set({ n: 1 }).store();
  const two = await one.set({ n: 2 }).store();
  const three = await two.set({ n: 3 }, { key: 'k' }).store();
  expect(await backend.read('id')).toMatchObject({ head: { version: 3 }, state: three.context.state });
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
