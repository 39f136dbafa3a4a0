import assert from 'node:assert/strict';
import type { Backend } from '../backend/backend.ts';
import { assertCommitted, assertSame, at, listen, readContext, readHead, versionsOf } from './check.ts';
import { type Draft, draft, history, start } from './draft.ts';
import type { Group } from './suite.ts';

export const identity: Group = {
  name: 'server identity',
  needs: 'reopenElsewhere',
  define(test) {
    test('B59: the first change under another server identity begins the fresh epoch', async ({
      backend,
      reopenElsewhere,
      patienceMs,
    }) => {
      const before = await moved(await history(backend, 'id', 3), reopenElsewhere);
      await before.assertStands();
      const { hears } = await listen(before.backend, 'id', patienceMs);
      const change = before.set({ n: 4 }, { key: 'k' });
      const result = assertCommitted(await change.commit(options));
      const head = { ...change.head, epoch: 'fresh-epoch', firstVersion: 4, floor: 4 };
      assert.equal(result.epochBegan, true);
      assertSame(result.head, head, 'The head that the commit answers');
      const view = await readContext(before.backend, 'id', { since: at(before.head) });
      assertSame(view, { kind: 'context', head, state: { n: 4 } }, 'A reader of the old epoch');
      const records = await before.backend.deltas('id', { limit: 9 });
      assertSame(records, [{ ...change.delta, epoch: 'fresh-epoch', fromVersion: 0 }], 'The deltas');
      const { outcome } = await before.backend.readOutcome('id', 'k', start);
      assertSame(outcome && at(outcome), at(head), 'Where the write put the context');
      await hears(head);
    });

    test('B59: the next change goes on in it', async ({ backend, reopenElsewhere }) => {
      const before = await moved(await history(backend, 'id', 3), reopenElsewhere);
      const { head } = assertCommitted(await before.set({ n: 4 }).commit(options));
      assert.ok(head !== undefined);
      const next = draft(before.backend, 'id', { kind: 'context', head, state: { n: 4 } }).set({ n: 5 });
      assert.equal(assertCommitted(await next.commit()).epochBegan, false);
      await next.assertStands();
      const { deltas } = await readContext(before.backend, 'id', { since: at(head) });
      assertSame(deltas, [next.delta], 'Since the first version');
    });

    test('B59: the changes of a batch belong to it until the next removal', async ({ backend, reopenElsewhere }) => {
      const before = await moved(await history(backend, 'id', 3), reopenElsewhere);
      const two = before.set({ n: 4 }).touch({ ttlMs: 5 }).set({ n: 5 });
      const first = assertCommitted(await two.commit(options));
      const head = { ...two.head, epoch: 'fresh-epoch', firstVersion: 4, floor: 4 };
      assertSame(first, { kind: 'committed', epochBegan: true, head }, 'The answer');
      assertSame(await readHead(before.backend, 'id'), head, 'The head');
      assert.deepEqual(await versionsOf(before.backend, 'id'), [4, 5]);
    });

    test('B59: a life that the batch creates has its own epoch', async ({ backend, reopenElsewhere }) => {
      const before = await moved(await history(backend, 'id', 3), reopenElsewhere);
      const batch = before.set({ n: 4 }).remove({ key: 'k' }).set({ n: 5 });
      const result = assertCommitted(await batch.commit(options));
      assertSame(result, { kind: 'committed', epochBegan: true, head: batch.head }, 'The answer');
      await batch.assertStands();
      const { outcome } = await before.backend.readOutcome('id', 'k', start);
      assertSame(outcome && at(outcome), { epoch: 'fresh-epoch', version: 4 }, 'Where the removal found it');
    });

    test('B60: neither reading nor a touch, a removal or a creation begins it', async ({
      backend,
      reopenElsewhere,
    }) => {
      const old = await Promise.all(['a', 'b', 'c'].map((id) => history(backend, id, 2)));
      const gone = await (await history(backend, 'd', 2)).remove().store();
      const elsewhere = await reopenElsewhere();
      const [touched, removed, changed] = old.map((one) => draft(elsewhere, one.id, one.known));
      assert.ok(touched !== undefined && removed !== undefined && changed !== undefined);
      const plans = [touched.touch({ ttlMs: 5 }), removed.remove(), draft(elsewhere, 'd', gone.known).set({ n: 3 })];
      for (const plan of plans) {
        assert.equal(assertCommitted(await plan.commit(options)).epochBegan, false);
        await plan.assertStands();
      }
      await changed.assertStands();
      const later = draft(elsewhere, 'a', plans[0]?.known).set({ n: 3 });
      assert.equal(assertCommitted(await later.commit(options)).epochBegan, true, 'The touch kept the old identity');
    });
  },
};

const options = { freshEpoch: 'fresh-epoch' };

/** The draft on the same data, opened under another identity. */
async function moved({ backend, id, known }: Draft, reopenElsewhere: () => Promise<Backend>): Promise<Draft> {
  const elsewhere = await reopenElsewhere();
  assert.notEqual(elsewhere.serverId, backend.serverId);
  return draft(elsewhere, id, known);
}
