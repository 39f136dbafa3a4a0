import assert from 'node:assert/strict';
import { assertBehind, assertSame, at, dueIds, everything, readContext, versionsOf } from './check.ts';
import { draft, history, start } from './draft.ts';
import type { Group } from './suite.ts';

export const tombstones: Group = {
  name: 'tombstones',
  define(test) {
    for (const cause of ['DELETED', 'EXPIRED'] as const) {
      test(`B26: a removal leaves a tombstone with its last position, time, write and cause ${cause}`, async ({
        backend,
      }) => {
        const last = await history(backend, 'id', 3);
        const gone = await last.remove({ cause, atMs: start + 7, writeId: 'removal' }).store();
        const { epoch } = last.head;
        const tombstone = { kind: 'tombstone', epoch, version: 3, cause, atMs: start + 7, writeId: 'removal' };
        assertSame(await backend.read('id'), tombstone, 'What is left');
        await gone.assertStands();
      });
    }

    test('B26: a removed context is in no list and not due', async ({ backend }) => {
      await (await history(backend, 'id', 3, { ttlMs: 10 })).remove().store();
      assertSame(await backend.list({ limit: everything }), [], 'The list');
      assertSame(await backend.deltas('id', { limit: everything }), [], 'Its deltas');
      assert.ok([0, undefined].includes(await backend.count({})));
      assert.deepEqual(await dueIds(backend, 'context', start + 99), []);
      assert.deepEqual(await dueIds(backend, 'deltas', start + 99), []);
    });

    test('B27: a context is created on a tombstone, counts on from it, and ends it', async ({ backend }) => {
      const gone = await (await history(backend, 'id', 3)).remove().store();
      assertBehind(await draft(backend, 'id').set({ n: 1 }).commit());
      const again = await gone.set({ fresh: true }).store();
      assert.equal(again.head.version, 4);
      await again.assertStands();
      assert.deepEqual(await dueIds(backend, 'tombstone', start + 99), []);
      assert.equal(await backend.purgeTombstone('id', start + 99), false);
      await again.assertStands();
    });

    for (const version of [4, 70, 2 ** 32, 2 ** 52]) {
      test(`B27: a context is created at version ${version}, where nothing is and on a tombstone`, async ({
        backend,
      }) => {
        const gone = await (await history(backend, 'gone', 3)).remove().store();
        for (const before of [gone, draft(backend, 'new')]) {
          const { id } = before;
          const created = await before.set({ n: 1 }, { version }).store();
          assert.equal(created.head.version, version);
          await created.assertStands();
          const change = created.set({ n: 2 });
          const changed = await change.store();
          await changed.assertStands();
          assert.deepEqual(await versionsOf(backend, id), [version, version + 1]);
          const view = await readContext(backend, id, { since: at(created.head) });
          assertSame(view.deltas, [change.delta], 'Since the first version');
          const earlier = await readContext(backend, id, { since: { version: version - 1 } });
          assertSame(earlier, changed.known, 'Since the version before it');
        }
      });
    }

    test('B27: a reader of the old life gets the state of the new one', async ({ backend }) => {
      const old = await history(backend, 'id', 3);
      const again = await (await old.remove().store()).set({ fresh: true }).store();
      const view = await readContext(backend, 'id', { since: { epoch: old.head.epoch, version: 3 } });
      assertSame(view, again.known, 'The view');
      const untold = await readContext(backend, 'id', { since: { version: 3 } });
      assertSame(untold, again.known, 'The view of a reader that names no epoch, older than the first version');
    });

    test('B28: a tombstone is forgotten from its time on, and not before', async ({ backend }) => {
      const gone = await (await history(backend, 'id', 2)).remove({ atMs: start + 10 }).store();
      assert.equal(await backend.purgeTombstone('id', start + 9), false);
      await gone.assertStands();
      assert.equal(await backend.purgeTombstone('id', start + 10), true);
      await draft(backend, 'id').assertStands();
      assert.equal(await backend.purgeTombstone('id', start + 10), false, 'There is none any more');
      assert.deepEqual(await dueIds(backend, 'tombstone', start + 99), []);
      assertBehind(await gone.set({ n: 1 }).commit());
      await (await draft(backend, 'id').set({ n: 1 }).store()).assertStands();
    });

    test('B28: a context is never purged', async ({ backend }) => {
      const live = await history(backend, 'id', 2);
      assert.equal(await backend.purgeTombstone('id', start + 99), false);
      assert.equal(await backend.purgeTombstone('none', start + 99), false);
      await live.assertStands();
    });

    test('B28: the tombstone of a later life is not purged for an earlier one', async ({ backend }) => {
      const gone = await (await history(backend, 'id', 1)).remove({ atMs: start + 10 }).store();
      const again = await (await gone.set({ n: 1 }).store()).remove({ atMs: start + 20 }).store();
      assert.equal(await backend.purgeTombstone('id', start + 10), false);
      await again.assertStands();
    });
  },
};
