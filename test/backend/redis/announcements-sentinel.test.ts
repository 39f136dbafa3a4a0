/** Watching the master that Sentinels name: subscriptions are where the writes are. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RedisSentinel, startSentinel } from '../../support/redis/sentinel.ts';
import { hears, ids, interrupted, moved, openWatcher, subscribersAt } from './watching.ts';

let sentinel: RedisSentinel;

beforeAll(async () => {
  sentinel = await startSentinel();
});
afterAll(() => sentinel.stop());

test('what is published at the master is heard', async () => {
  const watcher = openWatcher([sentinel.url]);
  const { heard } = await watcher.watch('a');
  expect(await watcher.publish('a', 'one')).toBe(1);
  expect(await heard.next()).toEqual(moved('one'));
});

test('subscriptions follow a fail-over', async () => {
  const [watcher, other] = [openWatcher([sentinel.url]), openWatcher([sentinel.url])];
  const all = await Promise.all(ids(30).map((id) => watcher.watch(id)));
  const master = await sentinel.failover();
  for (const watching of all) {
    expect(await watching.heard.next()).toEqual(interrupted);
    await hears(watching, other, 'one');
  }
  expect(await subscribersAt(master)).toHaveLength(1);
});

test.for(['killed', 'paused'])('when the master is %s, the one that is promoted is subscribed to', async (how) => {
  const [watcher, other] = [openWatcher([sentinel.url]), openWatcher([sentinel.url])];
  const all = await Promise.all(ids(30).map((id) => watcher.watch(id)));
  const before = await sentinel.master();
  if (how === 'killed') await before.kill();
  else before.pause();
  for (const watching of all) {
    expect(await watching.heard.next()).toEqual(interrupted);
    await hears(watching, other, 'one');
  }
  expect(await subscribersAt(await sentinel.master())).toHaveLength(1);
  if (how === 'killed') await before.start();
  else before.resume();
  await sentinel.settled();
});

test('Sentinels that do not answer leave time to ask the others', async () => {
  const [first, second] = sentinel.sentinels;
  first?.pause();
  second?.pause();
  try {
    const watcher = openWatcher([sentinel.url], 4_000);
    await watcher.client.ping();
    const { heard } = await watcher.watch('a');
    expect(await watcher.publish('a', 'one')).toBe(1);
    expect(await heard.next()).toEqual(moved('one'));
  } finally {
    first?.resume();
    second?.resume();
  }
});
