import assert from 'node:assert/strict';
import type { Backend, Due, DueKind } from '../backend/backend.ts';
import {
  assertCommitted,
  assertKind,
  assertSame,
  at,
  dueIds,
  everything,
  readContext,
  readHead,
  versionsOf,
} from './check.ts';
import { draft, history, start } from './draft.ts';
import { assertChain } from './reading.ts';
import type { Group } from './suite.ts';

/** Later than anything in the suite. */
const later = start + 1_000_000;

export const due: Group = {
  name: 'due',
  define(test) {
    const prepare: Record<DueKind, (backend: Backend, id: string, dueMs: number) => Promise<unknown>> = {
      context: (backend, id, dueMs) =>
        draft(backend, id)
          .set({}, { ttlMs: dueMs - start })
          .store(),
      deltas: (backend, id, dueMs) => draft(backend, id).set({}, { atMs: dueMs }).store(),
      tombstone: async (backend, id, dueMs) =>
        (await draft(backend, id).set({}).store()).remove({ atMs: dueMs }).store(),
    };
    for (const kind of ['context', 'deltas', 'tombstone'] as const) {
      test(`B33: what is due of kind ${kind} comes by time, then by the bytes of its id`, async ({ backend }) => {
        const ids = ['b', 'a', '\u{1f600}', '\ue000', 'c'];
        for (const id of ids) await prepare[kind](backend, id, start + 20);
        await prepare[kind](backend, 'first', start + 10);
        await prepare[kind](backend, 'last', start + 30);
        assert.deepEqual(await dueIds(backend, kind, start + 9), []);
        assert.deepEqual(await dueIds(backend, kind, start + 10), ['first'], 'The time itself is due');
        const expected = ['first', 'a', 'b', 'c', '\ue000', '\u{1f600}', 'last'];
        assert.deepEqual(await dueIds(backend, kind, start + 30), expected);
        assert.equal(await backend.nextDue(kind), start + 10);
      });

      test(`B33: what is due of kind ${kind} is paged by limit, offset and after, both ways`, async ({ backend }) => {
        for (let index = 0; index < 9; index++) {
          await prepare[kind](backend, `id-${index}`, start + 1 + Math.floor(index / 3));
        }
        const beforeMs = start + 2;
        const all = await backend.due(kind, beforeMs, { limit: everything });
        assert.equal(all.length, 6);
        for (const descending of [false, true]) {
          const sorted = descending ? all.toReversed() : all;
          const page = (options: { limit: number; offset?: number; after?: Due | undefined }) =>
            backend.due(kind, beforeMs, { ...options, descending });
          assertSame(await page({ limit: everything }), sorted, 'All');
          assertSame(await page({ limit: 2 }), sorted.slice(0, 2), 'The first two');
          assertSame(await page({ limit: 2, offset: 3 }), sorted.slice(3, 5), 'Two from the fourth');
          assertSame(await page({ limit: 0 }), [], 'None');
          for (let index = 0; index < 6; index++) {
            const after = sorted[index];
            assertSame(await page({ limit: 2, after }), sorted.slice(index + 1, index + 3), `Two after ${index}`);
          }
          assertSame(await page({ limit: 2, after: sorted[1], offset: 2 }), sorted.slice(4, 6), 'With an offset');
          const before = { id: '', dueMs: start };
          const beyond = { id: '', dueMs: start + 99 };
          assertSame(await page({ limit: 9, after: before }), descending ? [] : sorted, 'After what is before all');
          assertSame(await page({ limit: 9, after: beyond }), descending ? sorted : [], 'After what is beyond all');
        }
      });
    }

    test('B34: a context is due by its expiry, however often that was moved', async ({ backend }) => {
      let current = await draft(backend, 'id').set({ n: 1 }).store();
      for (const ttlMs of [100, 50, 200, null, 80, 10, null, 30]) {
        for (const change of [false, true]) {
          const state = { n: current.head.version + 1 };
          current = await (change ? current.set(state, { ttlMs }) : current.touch({ ttlMs })).store();
          const { expiresAtMs } = current.head;
          if (expiresAtMs === null) continue;
          assert.deepEqual(await dueIds(backend, 'context', expiresAtMs), ['id'], `After a ttl of ${ttlMs}`);
          const next = await backend.nextDue('context');
          assert.ok(next !== undefined && next <= expiresAtMs, `The next is late: ${next}`);
        }
      }
    });

    test('B34: an entry that is too early corrects itself when it is acted on', async ({ backend }) => {
      const renewed = await (await draft(backend, 'a').set({}, { ttlMs: 10 }).store()).touch({ ttlMs: 100 }).store();
      const kept = await (await draft(backend, 'b').set({}, { ttlMs: 10 }).store()).touch({ ttlMs: null }).store();
      for (const id of ['a', 'b']) assert.equal(await backend.expire(id, start + 50), undefined);
      assert.deepEqual(await dueIds(backend, 'context', start + 99), []);
      assert.deepEqual(await dueIds(backend, 'context', later), ['a']);
      assert.equal(await backend.nextDue('context'), start + 100);
      await renewed.assertStands();
      await kept.assertStands();
    });

    test('B35: a context that is due is removed, and where it was is answered', async ({ backend }) => {
      const last = await (await history(backend, 'id', 2)).touch({ ttlMs: 10 }).store();
      assertSame(await backend.expire('id', start + 10), at(last.head), 'The answer');
      const tombstone = assertKind(await backend.read('id'), 'tombstone', 'What is left');
      const { writeId, ...rest } = tombstone;
      assertSame(rest, { kind: 'tombstone', ...at(last.head), cause: 'EXPIRED', atMs: start + 10 }, 'The tombstone');
      assert.ok(!last.writes.some((write) => write.writeId === writeId), 'No write of ours removed it');
      assert.deepEqual(await backend.list({ limit: everything }), []);
      assert.deepEqual(await dueIds(backend, 'context', later), []);
      assert.deepEqual(await dueIds(backend, 'deltas', later), []);
      assert.deepEqual(await dueIds(backend, 'tombstone', start + 10), ['id']);
      assert.equal(await backend.expire('id', later), undefined, 'It is gone');
    });

    test('B35: a context that was renewed, has no expiry or is not there is not removed', async ({ backend }) => {
      const renewed = await (await draft(backend, 'a').set({}, { ttlMs: 10 }).store()).touch({ ttlMs: 11 }).store();
      const kept = await draft(backend, 'b').set({}, { ttlMs: null }).store();
      const never = await draft(backend, 'c').set({}).store();
      const gone = await (await draft(backend, 'd').set({}, { ttlMs: 1 }).store()).remove({ cause: 'DELETED' }).store();
      for (const id of ['a', 'b', 'c', 'd', 'e']) assert.equal(await backend.expire(id, start + 10), undefined);
      for (const one of [renewed, kept, never, gone, draft(backend, 'e')]) await one.assertStands();
    });

    test('B35: of a racing expiry and a write one sees the other', async ({ backend }) => {
      for (let round = 0; round < 10; round++) {
        const id = `id-${round}`;
        const before = await draft(backend, id).set({ n: 1 }, { ttlMs: 10 }).store();
        const write = before.set({ n: 2 }, { ttlMs: 100 });
        const [removed, written] =
          round % 2 === 0
            ? await Promise.all([backend.expire(id, start + 10), write.commit()])
            : (await Promise.all([write.commit(), backend.expire(id, start + 10)])).reverse();
        const isWritten = typeof written === 'object' && 'kind' in written && written.kind === 'committed';
        assert.equal(isWritten, removed === undefined, 'Either the write or the expiry came first');
        if (isWritten) await write.assertStands();
        else assertKind(await backend.read(id), 'tombstone', 'It was removed');
      }
    });

    test('B36: with a position a context is removed only while it is there', async ({ backend }) => {
      const exported = await draft(backend, 'id').set({ n: 1 }, { ttlMs: 10 }).store();
      const moved = await exported.set({ n: 2 }).store();
      assert.equal(await backend.expire('id', start + 10, at(exported.head)), undefined);
      assert.equal(await backend.expire('id', start + 10, { ...at(moved.head), epoch: 'other' }), undefined);
      await moved.assertStands();
      assert.deepEqual(await dueIds(backend, 'context', start + 10), ['id'], 'It stays due');
      assertSame(await backend.expire('id', start + 10, at(moved.head)), at(moved.head), 'The answer');
    });

    test('B37: a postponed context is looked at again at the given time, its expiry untouched', async ({ backend }) => {
      const context = await draft(backend, 'id').set({ n: 1 }, { ttlMs: 10 }).store();
      await backend.postpone('id', start + 10, start + 500);
      assert.deepEqual(await dueIds(backend, 'context', start + 499), []);
      assert.deepEqual(await dueIds(backend, 'context', start + 500), ['id']);
      assert.equal(await backend.nextDue('context'), start + 500);
      await context.assertStands();
      assertSame(await backend.expire('id', start + 500), at(context.head), 'The answer');
    });

    test('B37: a write after the postponement makes the context due by its new expiry', async ({ backend }) => {
      const context = await draft(backend, 'id').set({ n: 1 }, { ttlMs: 10 }).store();
      await backend.postpone('id', start + 10, start + 500);
      await context.set({ n: 2 }, { atMs: start + 20 }).store();
      assert.deepEqual(await dueIds(backend, 'context', start + 30), ['id']);
    });

    test('B37: a context whose expiry moved meanwhile is not postponed', async ({ backend }) => {
      const context = await draft(backend, 'id').set({ n: 1 }, { ttlMs: 10 }).store();
      await context.touch({ atMs: start + 20 }).store();
      await backend.postpone('id', start + 10, start + 500);
      assert.deepEqual(await dueIds(backend, 'context', start + 30), ['id']);
    });

    test('B37: a new life is due by its own expiry, whatever was postponed before', async ({ backend }) => {
      const context = await draft(backend, 'id').set({ n: 1 }, { ttlMs: 10 }).store();
      await backend.postpone('id', start + 10, start + 500);
      const gone = await context.remove().store();
      await backend.postpone('id', start + 10, start + 500);
      assert.deepEqual(await dueIds(backend, 'context', later), [], 'A tombstone cannot be postponed');
      await gone.set({ n: 2 }, { ttlMs: 20 }).store();
      assert.deepEqual(await dueIds(backend, 'context', start + 20), ['id']);
      await backend.postpone('none', start, start);
      assert.deepEqual(await dueIds(backend, 'context', start), [], 'What is absent cannot be postponed');
    });

    test('B38: deltas are trimmed by age, oldest first, and the floor moves in the same step', async ({ backend }) => {
      const before = await history(backend, 'id', 6);
      assert.equal(await backend.trimDeltas('id', start - 1), 0);
      await before.assertStands();
      const look = async () => {
        const { head, deltas, state } = await readContext(backend, 'id', { since: { version: 2 }, withState: true });
        assertSame(state, { n: 6 }, 'The state');
        assert.equal(head.floor > 2, deltas === undefined, 'The floor and the deltas disagree');
      };
      const [trimmed] = await Promise.all([backend.trimDeltas('id', start + 2), look(), look()]);
      assert.equal(trimmed, 3);
      await look();
      assert.deepEqual(await versionsOf(backend, 'id'), [4, 5, 6]);
      assertSame(await readHead(backend, 'id'), { ...before.head, floor: 3 }, 'The head');
      assertChain((await readContext(backend, 'id', { since: { version: 3 } })).deltas, 3, 6);
    });

    test('B38: without any delta left only the current position is answered', async ({ backend }) => {
      const before = await history(backend, 'id', 3);
      assert.equal(await backend.trimDeltas('id', later), 3);
      assert.equal(await backend.trimDeltas('id', later), 0);
      assert.equal((await readHead(backend, 'id')).floor, 3);
      assert.deepEqual(await dueIds(backend, 'deltas', later), []);
      assertChain((await readContext(backend, 'id', { since: { version: 3 } })).deltas, 3, 3);
      const { head } = assertCommitted(await before.set({ n: 4 }, { atMs: start + 50 }).commit());
      assert.equal(head?.floor, 3);
      assert.deepEqual(await dueIds(backend, 'deltas', start + 50), ['id']);
      assertChain((await readContext(backend, 'id', { since: { version: 3 } })).deltas, 3, 4);
    });

    test('B38: deltas are due by their oldest, and the entry corrects itself', async ({ backend }) => {
      await history(backend, 'id', 6);
      assert.deepEqual(await dueIds(backend, 'deltas', start), ['id']);
      await backend.trimDeltas('id', start + 2);
      assert.deepEqual(await dueIds(backend, 'deltas', start + 2), []);
      assert.deepEqual(await dueIds(backend, 'deltas', start + 3), ['id']);
    });

    test('B38: there is nothing to trim where no context lives', async ({ backend }) => {
      const gone = await (await history(backend, 'id', 3)).remove().store();
      assert.equal(await backend.trimDeltas('id', later), 0);
      assert.equal(await backend.trimDeltas('none', later), 0);
      await gone.assertStands();
      assert.deepEqual(await dueIds(backend, 'deltas', later), []);
    });

    test('B39: what is due next is never later than anything that is due', async ({ backend }) => {
      for (const [id, ttlMs] of Object.entries({ a: 50, b: 20, c: 70 })) {
        await draft(backend, id).set({}, { ttlMs }).store();
      }
      assert.equal(await backend.nextDue('context'), start + 20);
      await backend.expire('b', start + 20);
      assert.equal(await backend.nextDue('context'), start + 50);
      assert.equal(await backend.nextDue('tombstone'), start + 20);
      await backend.purgeTombstone('b', start + 20);
      assert.equal(await backend.nextDue('tombstone'), undefined);
    });
  },
};
