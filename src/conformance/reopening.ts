import assert from 'node:assert/strict';
import { assertDuplicate, assertSame, dueIds, everything, versionsOf } from './check.ts';
import { draft, history, start } from './draft.ts';
import { assertNote } from './notes.ts';
import type { Group } from './suite.ts';

export const reopening: Group = {
  name: 'reopening',
  needs: 'reopen',
  define(test) {
    test('B58: everything that was committed is there when the data is opened again', async ({ backend, reopen }) => {
      const live = await history(backend, 'live', 6, { keep: 3, ttlMs: 100 });
      const gone = await (await history(backend, 'gone', 2)).remove({ atMs: start + 7 }).store();
      const keyed = await draft(backend, 'keyed').set({ n: 1 }, { key: 'k' }).store();
      const again = await reopen();
      assert.equal(again.serverId, backend.serverId, 'It is the same store');
      for (const one of [live, gone, keyed]) await one.on(again).assertStands();
      assert.deepEqual(await versionsOf(again, 'live'), [4, 5, 6]);
      assertSame(await again.list({ limit: everything }), ['keyed', 'live'], 'The list');
      assert.deepEqual(await dueIds(again, 'context', start + 1_000), ['live']);
      assert.deepEqual(await dueIds(again, 'tombstone', start + 7), ['gone']);
      assertDuplicate(await keyed.set({ n: 2 }, { key: 'k' }).on(again).commit());
      await (await live.on(again).set({ n: 7 }).store()).assertStands();
      await (await gone.on(again).set({ n: 3 }).store()).assertStands();
    });

    test('B58: a write is planned on what was stored before the data was opened again', async ({ backend, reopen }) => {
      const before = await history(backend, 'id', 3);
      const again = await reopen();
      const known = again.peek('id') ?? draft(again, 'id').known;
      const state = { n: 'planned' };
      const result = await draft(again, 'id', known).set(state).commit();
      if (result.kind === 'behind') assertSame(result.known, before.known, 'What is known');
      else assert.equal(known.kind, 'context', 'It was planned on nothing');
    });

    test('B65: notes are there when the data is opened again', async ({ backend, reopen }) => {
      assert.equal(await backend.writeNote('one', { text: 'first', revision: 'r1' }, undefined), true);
      assert.equal(await backend.writeNote('one', { text: 'second', revision: 'r2' }, 'r1'), true);
      assert.equal(await backend.writeNote('other', { text: '', revision: 'r3' }, undefined), true);
      const again = await reopen();
      await assertNote(again, 'one', { text: 'second', revision: 'r2' });
      await assertNote(again, 'other', { text: '', revision: 'r3' });
      assert.equal(await again.writeNote('one', { text: 'late', revision: 'r4' }, 'r1'), false);
      assert.equal(await again.writeNote('one', { text: 'third', revision: 'r5' }, 'r2'), true);
    });
  },
};
