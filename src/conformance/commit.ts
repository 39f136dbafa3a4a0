import assert from 'node:assert/strict';
import type { Base, CommitResult } from '../backend/commit.ts';
import type { Absent } from '../backend/known.ts';
import {
  assertBehind,
  assertCommitted,
  assertSame,
  during,
  everything,
  readContext,
  readHead,
  versionsOf,
} from './check.ts';
import { Draft, draft, history, start } from './draft.ts';
import { assertChain } from './reading.ts';
import type { Group } from './suite.ts';
import { hostileIds } from './values.ts';

export const commit: Group = {
  name: 'commit',
  define(test) {
    test('B6: the writes of a batch are stored in their order', async ({ backend }) => {
      const batch = draft(backend, 'id').set({ n: 1 }).set({ n: 2 }).touch({ ttlMs: 50 }).set({ n: 3, m: {} });
      const result = assertCommitted(await batch.commit());
      assertSame(result.head, batch.head, 'The head that the commit answers');
      await batch.assertStands();
      assert.deepEqual(await versionsOf(backend, 'id'), [1, 2, 3]);
    });

    test('B6: a batch may remove a context and create it again', async ({ backend }) => {
      const first = await history(backend, 'id', 3);
      const batch = first.set({ n: 4 }).remove().set({ again: true }).set({ again: 2 });
      assertSame(assertCommitted(await batch.commit()).head, batch.head, 'The head that the commit answers');
      await batch.assertStands();
      assert.deepEqual(await versionsOf(backend, 'id'), [5, 6]);
      assert.notEqual(batch.head.epoch, first.head.epoch);
    });

    test('B6: a batch may create a context and remove it again', async ({ backend }) => {
      const batch = draft(backend, 'id')
        .set({ n: 1 })
        .set({ n: 2 })
        .remove({ atMs: start + 5 });
      assert.equal(assertCommitted(await batch.commit()).head, undefined);
      await batch.assertStands();
    });

    test('B6: a batch is seen whole or not at all', async ({ backend }) => {
      const first = await draft(backend, 'id').set({ n: 1 }).store();
      let batch: Draft = first;
      for (let n = 2; n <= 20; n++) batch = batch.set({ n });
      await during(batch.commit(), async () => {
        const { head } = await readContext(backend, 'id');
        assert.ok(head.version === 1 || head.version === 20, `Seen half: version ${head.version}`);
        const count = (await backend.deltas('id', { limit: everything })).length;
        assert.ok(count === 1 || count === 20, `Seen half: ${count} deltas`);
      });
      await batch.assertStands();
    });

    test('B6: a batch on a base that is not the truth stores none of its writes', async ({ backend }) => {
      const before = await history(backend, 'id', 2);
      const now = await before.set({ n: 'other' }).store();
      assertBehind(await before.set({ n: 3 }).set({ n: 4, more: 1 }).remove().commit());
      await now.assertStands();
      assert.deepEqual(await versionsOf(backend, 'id'), [1, 2, 3]);
    });

    const races: Record<string, (first: Draft) => Promise<Draft>> = {
      'an absent id': async (first) => first,
      'a context': (first) => first.set({ n: 0 }).store(),
      'a tombstone': async (first) => (await first.set({ n: 0 }).store()).remove().store(),
    };
    for (const [what, prepare] of Object.entries(races)) {
      test(`B7: of racing commits on ${what} exactly one is accepted`, async ({ backend }) => {
        const base = await prepare(draft(backend, 'id'));
        const racers = Array.from({ length: 8 }, (_, index) => base.set({ n: index + 1 }));
        await assertOneWins(racers);
      });
    }

    test('B7: of a racing removal and changes exactly one is accepted', async ({ backend }) => {
      const base = await history(backend, 'id', 2);
      await assertOneWins([base.set({ n: 3 }), base.remove(), base.set({ n: 4 }), base.remove()]);
    });

    test('B8: a commit is accepted only on the truth, and is told the truth otherwise', async ({ backend }) => {
      const created = await draft(backend, 'id').set({ n: 1 }).store();
      const changed = await created.set({ n: 2 }).store();
      await assertRefused(changed, [draft(backend, 'id'), created, elsewhere(changed, { kind: 'tombstone' })]);
      const gone = await changed.remove().store();
      await assertRefused(gone, [draft(backend, 'id'), created, changed, elsewhere(gone, { epoch: 'other' })]);
      const again = await gone.set({ n: 3 }).store();
      await assertRefused(again, [draft(backend, 'id'), changed, gone, elsewhere(again, { epoch: 'other' })]);
      const never = draft(backend, 'never');
      await assertRefused(never, [draft(backend, 'never', changed.known), draft(backend, 'never', gone.known)]);
    });

    test('B9: a commit that is behind is told the deltas since its base', async ({ backend }) => {
      const base = await history(backend, 'id', 2);
      const now = await base.set({ n: 3 }).set({ n: 4 }).set({ n: 5 }).store();
      const { since } = assertBehind(await base.set({ n: 'late' }).commit());
      assertChain(since, 2, 5);
      assertSame(since?.at(-1)?.changes, [{ action: 'MODIFIED', path: ['n'], oldValue: 4, value: 5 }], 'A delta');
      await now.assertStands();
    });

    test('B9: a writer that comes again finds its own write among them', async ({ backend }) => {
      const creating = draft(backend, 'id').set({ n: 1 }, { writeId: 'creating' });
      const created = await creating.store();
      const since = assertBehind(await creating.commit()).since?.map(({ writeId }) => writeId);
      assert.deepEqual(since, ['creating'], 'A write that expected nothing is told the whole epoch');
      const changing = created.set({ n: 2 }, { writeId: 'changing' });
      const changed = await (await changing.store()).set({ n: 3 }, { writeId: 'other' }).store();
      const found = assertBehind(await changing.commit()).since?.map(({ writeId }) => writeId);
      assert.deepEqual(found, ['changing', 'other']);
      const removing = changed.remove({ writeId: 'removing' });
      await removing.store();
      assertSame(assertBehind(await removing.commit()).known, removing.known, 'The tombstone names its write');
    });

    test('B9: deltas since a base come only when all are there', async ({ backend }) => {
      const created = await draft(backend, 'id').set({ n: 1 }).store();
      const second = await created.set({ n: 2 }).store();
      const third = await second.set({ n: 3 }, { keep: 1 }).store();
      const lost = assertBehind(await created.set({ n: 'late' }).commit());
      assertSame(lost, { kind: 'behind', known: third.known }, 'Behind a base older than the floor');
      const never = assertBehind(await draft(backend, 'id').set({ n: 'late' }).commit());
      assertSame(never, { kind: 'behind', known: third.known }, 'Behind with the creating delta trimmed');
      const again = await (await third.remove().store()).set({ n: 4 }).store();
      const other = assertBehind(await third.set({ n: 'late' }).commit());
      assertSame(other, { kind: 'behind', known: again.known }, 'Behind a base of another epoch');
    });

    test('B10: a head is kept as it was written', async ({ backend }) => {
      const first = await draft(backend, 'id')
        .set({ n: 1 }, { atMs: start + 1 })
        .store();
      const forEver = await first.set({ n: 2 }, { atMs: start + 3, ttlMs: null }).store();
      await forEver.assertStands();
      assert.equal((await readHead(backend, 'id')).ttlMs, null, 'null is not undefined');
      const brief = await forEver.set({ n: 'ü€🙂' }, { atMs: start + 5, ttlMs: 2 ** 52 }).store();
      await brief.assertStands();
      assert.equal((await readHead(backend, 'id')).serverId, backend.serverId);
    });

    test('B11: a touch changes the expiry and nothing else, however often it is made', async ({ backend }) => {
      let current = await history(backend, 'id', 3);
      for (let times = 1; times <= 3; times++) {
        const touch = current.touch({ atMs: start + times, ttlMs: 100 });
        const result = assertCommitted(await touch.commit());
        assertSame(result.head, touch.head, 'The head that the commit answers');
        await touch.assertStands();
        assert.deepEqual(await versionsOf(backend, 'id'), [1, 2, 3]);
        current = draft(backend, 'id', touch.known);
      }
      await (await current.set({ n: 4 }).store()).assertStands();
    });

    test('B11: what was planned before a touch is behind, so that no expiry is undone unseen', async ({ backend }) => {
      const before = await history(backend, 'id', 3);
      const touched = await before.touch({ ttlMs: 100 }).store();
      for (const late of [before.touch({ ttlMs: 5 }), before.set({ n: 4 }), before.remove()]) {
        const result = await late.commit();
        assert.equal(result.kind, 'behind');
        assertSame(result.kind === 'behind' && result.known, touched.known, 'What it is behind of');
      }
      await touched.assertStands();
    });

    test('B11: of the head of a touch only `expiresAtMs`, `ttlMs` and `touches` count', async ({ backend }) => {
      const before = await history(backend, 'id', 3);
      const head = {
        ...before.head,
        epoch: 'e',
        version: 9,
        serverId: 's',
        stateBytes: 1,
        touches: 1,
        expiresAtMs: 5,
        ttlMs: 1,
      };
      const writes = [{ writeId: 'w', step: { kind: 'touch', head } }] as const;
      const options = { nowMs: start, freshEpoch: 'unused', attempt: 0 };
      assertCommitted(await backend.commit('id', before.base, writes, options));
      assertSame(await readHead(backend, 'id'), { ...before.head, touches: 1, expiresAtMs: 5, ttlMs: 1 }, 'The head');
    });

    test('B12: the floor does not go back when a write was planned before deltas were trimmed', async ({ backend }) => {
      const before = await history(backend, 'id', 6);
      assert.equal(await backend.trimDeltas('id', start + 3), 4);
      const touch = before.touch({ ttlMs: 1_000 });
      assertCommitted(await touch.commit());
      assert.equal((await readHead(backend, 'id')).floor, 4, 'After a touch');
      const planned = draft(backend, 'id', touch.known).set({ n: 7 }, { keep: 5 });
      const { head } = assertCommitted(await planned.commit());
      assert.equal(head?.floor, 4, 'In what the commit answers');
      assert.equal((await readHead(backend, 'id')).floor, 4, 'After a change');
      assertChain((await readContext(backend, 'id', { since: { version: 4 } })).deltas, 4, 7);
      assert.equal((await readContext(backend, 'id', { since: { version: 3 } })).deltas, undefined);
    });

    test('B13: under one server identity no epoch begins but with a creating write', async ({ backend }) => {
      const options = { freshEpoch: 'never-to-be-seen', attempt: 7 };
      const created = draft(backend, 'id').set({ n: 1 });
      const changed = created.set({ n: 2 }).set({ n: 3 });
      assert.equal(assertCommitted(await changed.commit(options)).epochBegan, false);
      const touched = draft(backend, 'id', changed.known).touch({ ttlMs: 5 });
      assert.equal(assertCommitted(await touched.commit(options)).epochBegan, false);
      await touched.assertStands();
    });

    test('B14: contexts do not touch each other, whatever their ids look like', async ({ backend }) => {
      const drafts = await Promise.all(hostileIds.map((id) => draft(backend, id).set({ id }).store()));
      for (const one of drafts) await one.assertStands();
      const after = await Promise.all(
        drafts.map((one, index) => (index % 2 === 0 ? one.remove() : one.set({ id: one.id, n: 2 })).store()),
      );
      for (const one of after) await one.assertStands();
    });
  },
};

async function assertOneWins(racers: readonly Draft[]): Promise<void> {
  const results = await Promise.all(racers.map((racer) => racer.commit()));
  const winners = racers.filter((_, index) => results[index]?.kind === 'committed');
  assert.equal(winners.length, 1, `Accepted: ${results.map(({ kind }) => kind).join(', ')}`);
  const [winner] = winners;
  await winner?.assertStands();
  for (const result of results) {
    if (result.kind !== 'committed') assertSame(assertBehind(result).known, winner?.known, 'What a loser is told');
  }
}

/** Each of the drafts is refused and told the truth, and nothing moves. */
async function assertRefused(truth: Draft, drafts: readonly Draft[]): Promise<void> {
  for (const refused of drafts) {
    const result: CommitResult = await refused.set({ refused: true }).commit();
    assertSame(assertBehind(result).known, truth.known, `What a commit on ${JSON.stringify(refused.base)} is told`);
    await truth.assertStands();
  }
}

/** The draft with another base. */
function elsewhere({ backend, id, known, base }: Draft, other: Partial<Exclude<Base, Absent>>): Draft {
  if (base.kind === 'absent') throw new TypeError('There is no position to change.');
  const { kind, epoch, version } = { ...base, ...other };
  const moved: Base = kind === 'context' ? { kind, epoch, version, touches: 0 } : { kind, epoch, version };
  return new Draft(backend, id, known, { base: moved, writes: [], nowMs: start });
}
