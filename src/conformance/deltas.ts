import assert from 'node:assert/strict';
import { apply } from '../delta/apply.ts';
import type { JsonObject } from '../delta/json.ts';
import { assertSame, at, everything, readContext, readHead, versionsOf } from './check.ts';
import { type Draft, draft, history, start } from './draft.ts';
import type { Group } from './suite.ts';

export const deltas: Group = {
  name: 'deltas',
  define(test) {
    test('B22: deltas are listed by version, the creating one included', async ({ backend }) => {
      await history(backend, 'id', 12);
      assert.deepEqual(
        await versionsOf(backend, 'id'),
        Array.from({ length: 12 }, (_, index) => index + 1),
      );
      const [creating] = await backend.deltas('id', { limit: 1 });
      assert.equal(creating?.fromVersion, 0);
    });

    const pages = [
      { options: { limit: 2 }, expected: [3, 4] },
      { options: { limit: 0 }, expected: [] },
      { options: { limit: 2, descending: true }, expected: [7, 6] },
      { options: { limit: 9, afterVersion: 5 }, expected: [6, 7] },
      { options: { limit: 1, afterVersion: 4 }, expected: [5] },
      { options: { limit: 9, afterVersion: 5, descending: true }, expected: [7, 6] },
      { options: { limit: 1, afterVersion: 4, descending: true }, expected: [7] },
      { options: { limit: 9, afterVersion: 1 }, expected: [3, 4, 5, 6, 7] },
      { options: { limit: 9, afterVersion: 7 }, expected: [] },
      { options: { limit: 9, afterVersion: 99, descending: true }, expected: [] },
    ];
    for (const { options, expected } of pages) {
      test(`B22: of versions 3 to 7, ${JSON.stringify(options)} lists ${JSON.stringify(expected)}`, async ({
        backend,
      }) => {
        await history(backend, 'id', 7, { keep: 5 });
        assert.deepEqual(
          (await backend.deltas('id', options)).map(({ version }) => version),
          expected,
        );
      });
    }

    test('B23: a delta is kept as it was written', async ({ backend }) => {
      const first = draft(backend, 'id').set(
        { a: { b: 1 }, c: [1, 'é'] },
        { origin: 'ü', writeId: 'one', atMs: start },
      );
      const second = first.set({ a: {}, c: [1, 'é'], d: null }, { writeId: 'two', atMs: start + 5 });
      const third = second.set({ a: {}, c: 'x' }, { origin: '', writeId: 'three', atMs: start + 5 });
      await third.store();
      const expected = [first.delta, second.delta, third.delta];
      assertSame(await backend.deltas('id', { limit: everything }), expected, 'The list');
      const { deltas: since } = await readContext(backend, 'id', { since: at(first.head) });
      assertSame(since, expected.slice(1), 'Since the first');
    });

    test('B23: the deltas of an epoch, applied one by one to nothing, are its state', async ({ backend }) => {
      const { context } = await history(backend, 'id', 5);
      const records = await backend.deltas('id', { limit: everything });
      const state = records.reduce<JsonObject>((current, { changes }) => apply(current, changes), {});
      assertSame(state, context.state, 'The state');
    });

    test('B24: a write drops the deltas of `trimTo` and older and moves the floor with them', async ({ backend }) => {
      let current: Draft = draft(backend, 'id');
      for (let n = 1; n <= 80; n++) {
        current = await current.set({ n }, { keep: 3 }).store();
        assert.deepEqual(await versionsOf(backend, 'id'), [n - 2, n - 1, n].slice(Math.max(0, 3 - n)));
        assert.equal((await readHead(backend, 'id')).floor, Math.max(1, n - 3));
      }
      const all = await current.set({ n: 81 }, { keep: 0 }).store();
      assert.deepEqual(await versionsOf(backend, 'id'), []);
      await all.assertStands();
      await all.set({ n: 82 }, { keep: 3 }).store();
      assert.deepEqual(await versionsOf(backend, 'id'), [82]);
      const created = await draft(backend, 'other').set({ n: 1 }, { keep: 0 }).store();
      assert.deepEqual(await versionsOf(backend, 'other'), [], 'Of the write that created it');
      await created.assertStands();
    });

    test('B25: only the deltas of the epoch that is are listed', async ({ backend }) => {
      const gone = await (await history(backend, 'id', 4)).remove().store();
      assert.deepEqual(await versionsOf(backend, 'id'), [], 'Of a tombstone');
      const again = await gone.set({ n: 1 }).store();
      assert.deepEqual(await versionsOf(backend, 'id'), [5], 'Of a new life');
      const [record] = await backend.deltas('id', { limit: everything });
      assert.equal(record?.epoch, again.head.epoch);
    });
  },
};
