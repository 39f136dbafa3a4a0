import assert from 'node:assert/strict';
import type { JsonObject } from '../delta/json.ts';
import { weight } from '../delta/weight.ts';
import { assertSame, at, during, everything, readContext } from './check.ts';
import { type Draft, draft, history, start } from './draft.ts';
import type { Group } from './suite.ts';

export const reading: Group = {
  name: 'reading',
  define(test) {
    test('B1: an id that was never written is absent in every answer', async ({ backend }) => {
      await draft(backend, 'id').assertStands();
      assertSame(await backend.deltas('id', { limit: everything }), [], 'Its deltas');
      assertSame(await backend.list({ limit: everything }), [], 'The list');
      for (const kind of ['context', 'deltas', 'tombstone'] as const) {
        assertSame(await backend.due(kind, Number.MAX_SAFE_INTEGER, { limit: everything }), [], `Due: ${kind}`);
        assert.equal(await backend.nextDue(kind), undefined);
      }
    });

    test('B1: a context is read with its head and its state', async ({ backend }) => {
      const created = await draft(backend, 'id')
        .set({ a: 1, b: { c: 2 } })
        .store();
      await created.assertStands();
      const changed = await created.set({ b: { c: 3, d: null } }).store();
      await changed.assertStands();
    });

    test('B1: head, state and deltas of a view belong together while writes go on', async ({ backend }) => {
      const first = await draft(backend, 'id').set({ n: 1, text: '' }).store();
      const write = async () => {
        let current = first;
        for (let n = 2; n <= 30; n++) current = await current.set({ n, text: 'x'.repeat(n) }, { keep: 10 }).store();
      };
      await during(write(), async () => {
        const { head, state, deltas } = await readContext(backend, 'id', { since: at(first.head), withState: true });
        assert.ok(state !== undefined);
        assert.equal(state['n'], head.version, 'The state of another version than the head');
        assert.equal(weight(state), head.stateBytes);
        if (deltas !== undefined) assertChain(deltas, first.head.version, head.version);
      });
    });

    test('B2: a read that begins after a commit was answered shows it', async ({ backend }) => {
      let current: Draft = draft(backend, 'id');
      for (let n = 1; n <= 20; n++) {
        current = await current.set({ n }).store();
        await current.assertStands();
      }
      current = await current.remove().store();
      await current.assertStands();
    });

    test('B3: a read since a position answers every delta from there to the head, each on the one before', async ({
      backend,
    }) => {
      const { head } = await history(backend, 'id', 6);
      for (let version = 1; version <= 6; version++) {
        const { deltas } = await readContext(backend, 'id', { since: { epoch: head.epoch, version } });
        assertChain(deltas, version, 6);
      }
    });

    test('B3: a version without an epoch counts as one of the epoch that is', async ({ backend }) => {
      await history(backend, 'id', 4);
      const { deltas } = await readContext(backend, 'id', { since: { version: 2 } });
      assertChain(deltas, 2, 4);
    });

    test('B3: deltas come for a reader that is exactly at the floor', async ({ backend }) => {
      const trimmed = await history(backend, 'id', 6, { keep: 2 });
      assert.equal(trimmed.head.floor, 4);
      const { deltas } = await readContext(backend, 'id', { since: { epoch: trimmed.head.epoch, version: 4 } });
      assertChain(deltas, 4, 6);
    });

    const instead: Record<string, JsonObject> = {
      'of another epoch': { epoch: 'another', version: 2 },
      'older than the floor': { version: 3 },
      'ahead of the head': { version: 7 },
      'of no version': { version: 0 },
    };
    for (const [what, since] of Object.entries(instead)) {
      test(`B4: a reader with a position ${what} gets the state instead of deltas`, async ({ backend }) => {
        const { head } = await history(backend, 'id', 6, { keep: 2 });
        const view = await readContext(backend, 'id', { since: { epoch: head.epoch, version: 0, ...since } });
        assertSame(view, { kind: 'context', head, state: { n: 6 } }, 'The view');
      });
    }

    test('B4: the state comes instead of more than `maxDeltas` deltas, and not instead of exactly so many', async ({
      backend,
    }) => {
      const { head } = await history(backend, 'id', 6);
      const few = await readContext(backend, 'id', { since: { version: 2 }, maxDeltas: 4 });
      assertChain(few.deltas, 2, 6);
      const many = await readContext(backend, 'id', { since: { version: 2 }, maxDeltas: 3 });
      assertSame(many, { kind: 'context', head, state: { n: 6 } }, 'The view');
    });

    test('B4: the state comes beside the deltas when it is asked for', async ({ backend }) => {
      await history(backend, 'id', 3);
      const { deltas, state } = await readContext(backend, 'id', { since: { version: 1 }, withState: true });
      assertChain(deltas, 1, 3);
      assertSame(state, { n: 3 }, 'The state');
    });

    test('B4: a reader that did not ask for deltas gets the state and none', async ({ backend }) => {
      const { known } = await history(backend, 'id', 3);
      assertSame(await backend.read('id'), known, 'The view');
    });

    test('B4: a tombstone and an absent id are answered to every position', async ({ backend }) => {
      const gone = await (await history(backend, 'id', 3)).remove({ atMs: start + 9 }).store();
      assertSame(await backend.read('id', { since: { version: 2 }, withState: true }), gone.known, 'The tombstone');
      assertSame(await backend.read('none', { since: { version: 2 } }), { kind: 'absent' }, 'Nothing');
    });

    test('B5: what peek answers is nothing, or something that was the truth', async ({ backend }) => {
      const seen = [draft(backend, 'id').known];
      assertPeeked(backend, seen);
      let current = draft(backend, 'id');
      for (const step of ['set', 'set', 'touch', 'remove', 'set'] as const) {
        if (step === 'set') current = await current.set({ n: seen.length }).store();
        else if (step === 'touch') current = await current.touch({ ttlMs: 10 }).store();
        else current = await current.remove().store();
        seen.push(current.known);
        assertPeeked(backend, seen);
        await current.assertStands();
        assertPeeked(backend, seen);
      }
    });
  },
};

function assertPeeked(backend: Draft['backend'], truths: readonly Draft['known'][]): void {
  const known = backend.peek('id');
  if (known === undefined) return;
  // A backend may hand out its own record, which may hold more than the contract says.
  const said = known.kind === 'context' ? { kind: known.kind, head: known.head, state: known.state } : known;
  const isTrue = truths.some((truth) => {
    try {
      assertSame(said, truth, 'peek');
      return true;
    } catch {
      return false;
    }
  });
  assert.ok(isTrue, `peek invents: ${JSON.stringify(said)}`);
}

/** Fails unless the records lead from one version to another, one version each. */
export function assertChain(
  records: readonly { readonly fromVersion: number; readonly version: number }[] | undefined,
  from: number,
  to: number,
): void {
  assert.ok(records !== undefined, `There must be deltas from ${from} to ${to}.`);
  const expected = Array.from({ length: to - from }, (_, index) => [from + index, from + index + 1]);
  assertSame(
    records.map(({ fromVersion, version }) => [fromVersion, version]),
    expected,
    'The deltas do not follow one another',
  );
}
