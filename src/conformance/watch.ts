import assert from 'node:assert/strict';
import type { Announcement, Backend } from '../backend/backend.ts';
import { assertSame, at, eventually, everything, listen, positionOf } from './check.ts';
import { type Draft, draft, history, start } from './draft.ts';
import type { Group } from './suite.ts';

export const watch: Group = {
  name: 'watch',
  define(test) {
    test('B43: once a watch resolved every later commit is announced', async ({ backend, patienceMs }) => {
      const { hears } = await listen(backend, 'id', patienceMs);
      let current = draft(backend, 'id');
      const stored: Draft[] = [];
      for (let n = 1; n <= 20; n++) {
        current = await current.set({ n }).store();
        stored.push(current);
      }
      for (const { head } of stored) await hears(head);
    });

    test('B43: a watch that just resolved misses nothing', async ({ backend, patienceMs }) => {
      for (let round = 0; round < 10; round++) {
        const before = await draft(backend, `id-${round}`).set({ n: 1 }).store();
        const { hears } = await listen(backend, before.id, patienceMs);
        const after = await before.set({ n: 2 }).store();
        await hears(after.head);
      }
    });

    test('B43: every write of a batch is announced', async ({ backend, patienceMs }) => {
      const { hears } = await listen(backend, 'id', patienceMs);
      const one = draft(backend, 'id').set({ n: 1 });
      const two = one.set({ n: 2 });
      const again = two.remove().set({ n: 3 });
      await again.store();
      for (const { head } of [one, two, again]) await hears(head);
    });

    test('B44: a change is announced with its delta', async ({ backend, patienceMs }) => {
      const before = await history(backend, 'id', 2);
      const { heard, hears } = await listen(backend, 'id', patienceMs);
      const change = before.set({ n: 'ü', more: null }, { origin: 'o' });
      await change.store();
      await hears(change.head);
      const expected = { kind: 'changed', delta: change.delta };
      for (const announcement of told(heard)) assertSame(announcement, expected, 'The announcement');
    });

    test('B44: a creation is announced as a move, and a removal as one', async ({ backend, patienceMs }) => {
      const { heard, hears } = await listen(backend, 'id', patienceMs);
      const created = await draft(backend, 'id').set({ n: 1 }).store();
      await hears(created.head);
      await created.remove().store();
      await eventually(
        () => heard.some(({ kind }) => kind === 'removed' || kind === 'interrupted'),
        patienceMs,
        () => `The removal was not announced: ${JSON.stringify(heard)}`,
      );
      for (const announcement of told(heard)) {
        const expected = { kind: announcement.kind === 'removed' ? 'removed' : 'moved', position: at(created.head) };
        assertSame(announcement, expected, 'The announcement');
      }
    });

    test('B44: an expiry is announced as a removal', async ({ backend, patienceMs }) => {
      const context = await draft(backend, 'id').set({ n: 1 }, { ttlMs: 10 }).store();
      const { heard, hears } = await listen(backend, 'id', patienceMs);
      await backend.expire('id', start + 10);
      await hears(context.head);
      for (const announcement of told(heard)) {
        assertSame(announcement, { kind: 'removed', position: at(context.head) }, 'The announcement');
      }
    });

    test('B44: what does not move the context is not announced', async ({ backend, patienceMs }) => {
      const before = await (await history(backend, 'id', 2)).set({ n: 'k' }, { key: 'k', ttlMs: 10 }).store();
      const { heard, hears } = await listen(backend, 'id', patienceMs);
      const touched = await before.touch({ ttlMs: 20 }).store();
      await before.set({ n: 'used' }, { key: 'k' }).commit();
      await draft(backend, 'id').set({ n: 'behind' }).commit();
      await backend.expire('id', start + 10);
      await backend.postpone('id', start + 20, start + 30);
      await backend.trimDeltas('id', start);
      await backend.purgeTombstone('id', start + 99);
      const last = await touched.set({ n: 'last' }).store();
      await hears(last.head);
      for (const announcement of told(heard)) assertSame(positionOf(announcement), at(last.head), 'Invented');
    });

    test('B45: what is announced can be read', async ({ backend, patienceMs }) => {
      const looks: Promise<unknown>[] = [];
      const look = (announcement: Announcement) => {
        // The read begins while the listener runs; what it finds is judged at the end of the test.
        looks.push(assertReadable(backend, 'id', announcement).catch((error: unknown) => error));
      };
      const { hears } = await listen(backend, 'id', patienceMs, look);
      const first = await draft(backend, 'id').set({ n: 1 }).store();
      const changed = await first.set({ n: 2 }).set({ n: 3 }).store();
      const again = await (await changed.remove().store()).set({ n: 4 }, { ttlMs: 10 }).store();
      await hears(again.head);
      await backend.expire('id', start + 10);
      await eventually(
        () => looks.length >= 5,
        patienceMs,
        () => `Only ${looks.length} announcements.`,
      );
      for (const problem of await Promise.all(looks)) assert.equal(problem, undefined);
    });

    test('B46: a closed watch hears nothing more, and may be closed again', async ({ backend, patienceMs }) => {
      const closed = await listen(backend, 'id', patienceMs);
      const open = await listen(backend, 'id', patienceMs);
      const first = await draft(backend, 'id').set({ n: 1 }).store();
      await closed.hears(first.head);
      const before = closed.heard.length;
      closed.watch.close();
      closed.watch.close();
      const second = await first.set({ n: 2 }).store();
      await open.hears(second.head);
      assert.equal(closed.heard.length, before);
    });

    test('B46: a listener that closes its watch while it hears hears nothing more', async ({ backend, patienceMs }) => {
      const open = await listen(backend, 'id', patienceMs);
      let heard = 0;
      const closing = await backend.watch('id', () => {
        heard++;
        closing.close();
      });
      const batch = await draft(backend, 'id').set({ n: 1 }).set({ n: 2 }).set({ n: 3 }).store();
      await open.hears(batch.head);
      assert.ok(heard <= 1, `Heard ${heard} times`);
    });

    test('B46: an id can be watched again after its last watch closed', async ({ backend, patienceMs }) => {
      const first = await listen(backend, 'id', patienceMs);
      first.watch.close();
      const second = await listen(backend, 'id', patienceMs);
      first.watch.close();
      const created = await draft(backend, 'id').set({ n: 1 }).store();
      await second.hears(created.head);
      assert.equal(first.heard.length, 0);
    });

    test('B47: every listener of an id hears, and those of other ids do not', async ({ backend, patienceMs }) => {
      const [one, two, other] = await Promise.all(['id', 'id', 'id2'].map((id) => listen(backend, id, patienceMs)));
      assert.ok(one !== undefined && two !== undefined && other !== undefined);
      const created = await draft(backend, 'id').set({ n: 1 }).store();
      await one.hears(created.head);
      await two.hears(created.head);
      const fence = await draft(backend, 'id2').set({ n: 1 }).store();
      await other.hears(fence.head);
      for (const announcement of told(other.heard)) assertSame(positionOf(announcement), at(fence.head), 'Of another');
    });

    test('B47: one function that watches twice is two listeners', async ({ backend, patienceMs }) => {
      let heard = 0;
      const listener = () => {
        heard++;
      };
      const first = await backend.watch('id', listener);
      await backend.watch('id', listener);
      const created = await draft(backend, 'id').set({ n: 1 }).store();
      await eventually(
        () => heard >= 2,
        patienceMs,
        () => `Heard ${heard} times`,
      );
      first.close();
      const before = heard;
      await created.set({ n: 2 }).store();
      await eventually(
        () => heard > before,
        patienceMs,
        () => 'The other listener hears nothing',
      );
    });
  },
};

/** What tells of something: all but that announcements may have been lost. */
function told(heard: readonly Announcement[]): readonly Announcement[] {
  return heard.filter(({ kind }) => kind !== 'interrupted');
}

/** The store must have been where the announcement says. Versions of an id only rise, also from life to life. */
async function assertReadable(backend: Backend, id: string, announcement: Announcement): Promise<void> {
  const position = positionOf(announcement);
  if (position === undefined) return;
  const view = await backend.read(id);
  const version = view.kind === 'absent' ? 0 : view.kind === 'context' ? view.head.version : view.version;
  assert.ok(version >= position.version, `Announced before it can be read: ${JSON.stringify(announcement)}`);
  if (announcement.kind === 'removed' && view.kind === 'context') {
    assert.ok(view.head.version > position.version, 'The removal was announced before it can be read');
  }
  if (announcement.kind === 'changed' && view.kind === 'context' && view.head.epoch === position.epoch) {
    const records = await backend.deltas(id, { afterVersion: position.version - 1, limit: everything });
    const found = records.find((record) => record.version === position.version);
    if (found !== undefined) assertSame(announcement.delta, found, 'The announced delta');
  }
}
