/** Watching over a Cluster: subscriptions are where the slots are, and follow them. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RedisCluster, startCluster } from '../../support/redis/cluster.ts';
import type { RedisServer } from '../../support/redis/server.ts';
import { until } from '../../support/wait.ts';
import { hears, ids, interrupted, moved, openWatcher, subscribersAt, type Watcher, type Watching } from './watching.ts';

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.stop());

/** Watches contexts on all masters. */
async function watchMany(watcher: Watcher) {
  const all = await Promise.all(ids(60).map((id) => watcher.watch(id)));
  const places = new Map(await Promise.all(all.map(async ({ id }) => [id, await slotOf(watcher, id)] as const)));
  return { all, slot: (id: string) => places.get(id) ?? 0 };
}

function slotOf(watcher: Watcher, id: string): Promise<number> {
  return cluster.slotOf(watcher.channel(id));
}

/** A master, those of the contexts that it tells of, and the others. */
async function withMaster(watcher: Watcher) {
  const { all } = await watchMany(watcher);
  const master = await cluster.masterOf(await slotOf(watcher, 'id-0'));
  const masters = await Promise.all(all.map(async ({ id }) => cluster.masterOf(await slotOf(watcher, id))));
  const its = all.filter((_, index) => masters[index] === master);
  return { master, its, others: all.filter((watching) => !its.includes(watching)) };
}

async function another(than: RedisServer): Promise<RedisServer> {
  const other = (await cluster.masters()).find((master) => master !== than);
  if (other === undefined) throw new Error('There is one master only.');
  return other;
}

test('announcements of all masters are heard, over one connection to each', async () => {
  const [watcher, other] = [openWatcher(cluster.urls), openWatcher(cluster.urls)];
  const { all } = await watchMany(watcher);
  for (const { id, heard } of all) {
    expect(await other.publish(id, id)).toBe(1);
    expect(await heard.next()).toEqual(moved(id));
  }
  for (const master of await cluster.masters()) expect(await subscribersAt(master)).toHaveLength(1);
});

test('a server of which nothing is wanted any more is left', async () => {
  const watcher = openWatcher(cluster.urls, 300);
  const { all } = await watchMany(watcher);
  const masters = await cluster.masters();
  const subscribers = await Promise.all(masters.map(async (master) => (await subscribersAt(master))[0] ?? ''));
  for (const watching of all) watching.close();
  for (const [index, master] of masters.entries()) {
    await until('the end of a connection', async () => {
      return (await master.cli('CLIENT', 'LIST', 'ID', subscribers[index] ?? '')) === '';
    });
  }
  const watching = await watcher.watch('id-0');
  expect(await watcher.publish('id-0', 'one')).toBe(1);
  expect(await watching.heard.next()).toEqual(moved('one'));
});

test('when a slot moves, its listeners are told once it is subscribed to there, and no others', async () => {
  const [watcher, other] = [openWatcher(cluster.urls), openWatcher(cluster.urls)];
  const { all, slot } = await watchMany(watcher);
  const moving = all.filter(({ id }) => slot(id) === slot('id-0'));
  const staying = all.filter(({ id }) => slot(id) !== slot('id-0'));
  for (let round = 1; round <= 3; round += 1) {
    await cluster.moveSlot(slot('id-0'), await another(await cluster.masterOf(slot('id-0'))));
    for (const { heard } of moving) {
      await until('an interruption more', () => heard.all.filter(({ kind }) => kind === 'interrupted').length >= round);
    }
    for (const watching of moving) await hears(watching, other, String(round));
  }
  for (const { heard } of staying) expect(heard.all).toEqual([]);
});

test('a slot that moves there and back at once is subscribed to again', async () => {
  const watcher = openWatcher(cluster.urls);
  const watching = await watcher.watch('id-0');
  const slot = await slotOf(watcher, 'id-0');
  const home = await cluster.masterOf(slot);
  await cluster.moveSlot(slot, await another(home));
  await cluster.moveSlot(slot, home);
  expect(await watching.heard.next()).toEqual(interrupted);
  await hears(watching, watcher, 'one');
});

test('when a replica becomes master in agreement, its listeners are told, and no others', async () => {
  const [watcher, other] = [openWatcher(cluster.urls), openWatcher(cluster.urls)];
  const { master, its, others } = await withMaster(watcher);
  await cluster.failover(master);
  for (const watching of its) {
    expect(await watching.heard.next()).toEqual(interrupted);
    await hears(watching, other, 'one');
  }
  for (const { heard } of others) expect(heard.all).toEqual([]);
});

test.for(['killed', 'paused'])(
  'when a master is %s, the replica that takes its place is subscribed to',
  async (how) => {
    const [watcher, other] = [openWatcher(cluster.urls), openWatcher(cluster.urls)];
    const { master, its, others } = await withMaster(watcher);
    if (how === 'killed') await master.kill();
    else master.pause();
    for (const watching of its) {
      expect(await watching.heard.next()).toEqual(interrupted);
      await hears(watching, other, 'one');
    }
    for (const { heard } of others) expect(heard.all).toEqual([]);
    if (how === 'killed') await master.start();
    else master.resume();
    await cluster.settled();
  },
);

test('those who come and go while their slot moves hear in the end, whatever answers cross', async () => {
  const watcher = openWatcher(cluster.urls);
  const slot = await slotOf(watcher, 'id-0');
  const partition = watcher.channel('id-0').slice(0, -'id-0'.length);
  const inSlot = ids(10_000).filter((id) => watcher.channel(id).startsWith(partition));
  const open = new Map<string, Watching>();
  const end = new AbortController();
  const comeAndGo = async (some: readonly string[]): Promise<void> => {
    for (let index = 0; !end.signal.aborted; index += 1) {
      const id = some[index % some.length] ?? '';
      open.get(id)?.close();
      if (!open.delete(id)) open.set(id, await watcher.watch(id));
      // Watching a context that is watched does not wait for anything.
      await nextTurn();
    }
  };
  const groups = [0, 1, 2, 3].flatMap((n) => [
    inSlot.slice(9 * n, 9 * (n + 1)),
    ids(100).slice(9 * n + 1, 9 * (n + 1)),
  ]);
  const visitors = groups.map(comeAndGo);
  for (let round = 0; round < 10; round += 1) {
    await cluster.moveSlot(slot, await another(await cluster.masterOf(slot)));
  }
  end.abort();
  await Promise.all(visitors);
  expect(open.size).toBeGreaterThan(0);
  for (const watching of open.values()) await hears(watching, watcher, 'one');
});
