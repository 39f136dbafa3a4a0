import assert from 'node:assert/strict';
import type { Backend } from '../backend/backend.ts';
import type { Outcome } from '../backend/commit.ts';
import { assertBehind, assertCommitted, assertDuplicate, assertSame, at, versionsOf } from './check.ts';
import { draft, fresh, history, start } from './draft.ts';
import type { Group } from './suite.ts';

export const idempotency: Group = {
  name: 'idempotency',
  define(test) {
    test('B15: a key that was used is found before the base is looked at', async ({ backend }) => {
      const base = await history(backend, 'id', 1);
      const first = await base.set({ n: 2 }, { key: 'k' }).store();
      const outcome = { ...at(first.head), requestHash: 'hash', changed: true };
      for (const again of [base, first, draft(backend, 'id')]) {
        const result = assertDuplicate(await again.set({ n: 'again' }, { key: 'k' }).commit());
        assertSame(result, { kind: 'duplicate', index: 0, outcome }, 'The answer');
      }
      await first.assertStands();
    });

    test('B15: another request with the same key is answered with the outcome of the first', async ({ backend }) => {
      const first = await draft(backend, 'id').set({ n: 1 }, { key: 'k', requestHash: 'one' }).store();
      const { outcome } = assertDuplicate(await first.set({ n: 2 }, { key: 'k', requestHash: 'two' }).commit());
      assert.equal(outcome.requestHash, 'one');
      await first.assertStands();
    });

    test('B16: a key belongs to one id', async ({ backend }) => {
      await draft(backend, 'a').set({ n: 1 }, { key: 'k' }).store();
      await (await draft(backend, 'b').set({ n: 1 }, { key: 'k' }).store()).assertStands();
      assert.equal(await outcomeOf(backend, 'c', 'k'), undefined);
    });

    test('B16: keys are never special', async ({ backend }) => {
      const keys = ['__proto__', 'constructor', 'toString', ' ', ':', '*', 'é🙂', '\ue000', 'k'.repeat(255)];
      let current = draft(backend, 'id');
      for (const [n, key] of keys.entries()) {
        assert.equal(await outcomeOf(backend, 'id', key), undefined, `${JSON.stringify(key)} was never used`);
        current = await current.set({ n }, { key }).store();
      }
      for (const [n, key] of keys.entries()) assert.equal((await outcomeOf(backend, 'id', key))?.version, n + 1);
    });

    test('B17: a record outlives the removal, the tombstone and a new life of its context', async ({ backend }) => {
      const created = await draft(backend, 'id').set({ n: 1 }, { key: 'k' }).store();
      const outcome = { ...at(created.head), requestHash: 'hash', changed: true };
      const gone = await created.remove().store();
      assertSame(await outcomeOf(backend, 'id', 'k'), outcome, 'After the removal');
      assertDuplicate(await gone.set({ n: 2 }, { key: 'k' }).commit());
      assert.equal(await backend.purgeTombstone('id', start), true);
      assertSame(await outcomeOf(backend, 'id', 'k'), outcome, 'After the purge');
      const again = await draft(backend, 'id').set({ n: 3 }).store();
      assertDuplicate(await again.set({ n: 4 }, { key: 'k' }).commit());
      await again.assertStands();
    });

    test('B18: a record counts while the `nowMs` of the caller is below its `expiresAtMs`', async ({ backend }) => {
      const first = await draft(backend, 'id').set({ n: 1 }, { key: 'k', windowMs: 100 }).store();
      assert.notEqual(await outcomeOf(backend, 'id', 'k', start + 99), undefined);
      assertDuplicate(await first.set({ n: 2 }, { key: 'k' }).commit({ nowMs: start + 99 }));
      assert.equal(await outcomeOf(backend, 'id', 'k', start + 100), undefined);
      const second = await first.set({ n: 2 }, { key: 'k', atMs: start + 100 }).store();
      assert.equal((await outcomeOf(backend, 'id', 'k', start + 100))?.version, 2, 'The key is used anew');
      await second.assertStands();
    });

    test('B18: records with different windows each last as long as their own', async ({ backend }) => {
      const long = await draft(backend, 'id').set({ n: 1 }, { key: 'long', windowMs: 1_000 }).store();
      const short = await long.set({ n: 2 }, { key: 'short', windowMs: 10 }).store();
      await short.set({ n: 3 }, { key: 'later', atMs: start + 500, windowMs: 10 }).store();
      assert.equal((await outcomeOf(backend, 'id', 'long', start + 500))?.version, 1);
      assert.equal(await outcomeOf(backend, 'id', 'short', start + 500), undefined);
      assert.equal((await outcomeOf(backend, 'id', 'later', start + 500))?.version, 3);
    });

    test('B19: a used key in a batch is named by its index, and nothing of the batch is stored', async ({
      backend,
    }) => {
      const used = await draft(backend, 'id').set({ n: 1 }, { key: 'used' }).store();
      const batch = used.set({ n: 2 }, { key: 'new' }).set({ n: 3 }).set({ n: 4 }, { key: 'used' }).set({ n: 5 });
      assert.equal(assertDuplicate(await batch.commit()).index, 2);
      await used.assertStands();
      assert.deepEqual(await versionsOf(backend, 'id'), [1]);
      assert.equal(await outcomeOf(backend, 'id', 'new'), undefined, 'A key of the batch must stay unused');
    });

    test('B20: an outcome is what its own write did, wherever the batch went on to', async ({ backend }) => {
      const created = draft(backend, 'id').set({ n: 1 }, { key: 'create', requestHash: '1' });
      const changed = created.set({ n: 2 }, { key: 'change', requestHash: '2' });
      const touched = changed.touch({ ttlMs: 5, key: 'touch', requestHash: '3' });
      const removed = touched.remove({ key: 'remove', requestHash: '4' });
      const again = removed.set({ n: 3 }, { key: 'again', requestHash: '5' });
      await again.set({ n: 4 }).store();
      const expected: Record<string, Outcome> = {
        create: { ...at(created.head), requestHash: '1', changed: true },
        change: { ...at(changed.head), requestHash: '2', changed: true },
        touch: { ...at(changed.head), requestHash: '3', changed: false },
        remove: { ...at(changed.head), requestHash: '4', changed: true },
        again: { ...at(again.head), requestHash: '5', changed: true },
      };
      for (const [key, outcome] of Object.entries(expected)) {
        assertSame(await outcomeOf(backend, 'id', key), outcome, key);
      }
    });

    test('B20: readOutcome tells what is known beside what the key did', async ({ backend }) => {
      const first = await draft(backend, 'id').set({ n: 1 }, { key: 'k' }).store();
      const second = await first.set({ n: 2 }).store();
      const outcome = { ...at(first.head), requestHash: 'hash', changed: true };
      assertSame(await backend.readOutcome('id', 'k', start), { known: second.known, outcome }, 'With the key');
      assertSame(await backend.readOutcome('id', 'other', start), { known: second.known }, 'With an unused key');
      assertSame(await backend.readOutcome('id', undefined, start), { known: second.known }, 'Without a key');
    });

    test('B21: the key of a write that was not stored is not used', async ({ backend }) => {
      const base = await history(backend, 'id', 1);
      const now = await base.set({ n: 2 }).store();
      assertBehind(await base.set({ n: 3 }, { key: 'k' }).commit());
      assert.equal(await outcomeOf(backend, 'id', 'k'), undefined);
      assertCommitted(await now.set({ n: 3 }, { key: 'k' }).commit());
    });

    test('B21: of racing commits with one key one is accepted and all others are duplicates', async ({ backend }) => {
      const base = await history(backend, 'id', 1);
      const racers = Array.from({ length: 6 }, (_, n) => base.set({ n: `r${n}` }, { key: 'k', writeId: fresh('w') }));
      const kinds = (await Promise.all(racers.map((racer) => racer.commit()))).map(({ kind }) => kind);
      assert.deepEqual(kinds.toSorted(), ['committed', ...Array.from({ length: 5 }, () => 'duplicate')]);
      assert.deepEqual(await versionsOf(backend, 'id'), [1, 2]);
    });
  },
};

async function outcomeOf(backend: Backend, id: string, key: string, nowMs = start): Promise<Outcome | undefined> {
  return (await backend.readOutcome(id, key, nowMs)).outcome;
}
