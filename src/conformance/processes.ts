import assert from 'node:assert/strict';
import { assertBehind, assertDuplicate, assertKind, assertSame, at, eventually, listen, versionsOf } from './check.ts';
import { type Draft, draft, history, start } from './draft.ts';
import { assertNote, race } from './notes.ts';
import type { Group } from './suite.ts';

export const processes: Group = {
  name: 'several processes',
  needs: 'another',
  define(test) {
    test('B54: what one process commits every other reads at once', async ({ backend, another }) => {
      const other = await another();
      assert.equal(other.serverId, backend.serverId, 'It is one store');
      let current = draft(backend, 'id');
      for (let n = 1; n <= 10; n++) {
        current = await current
          .on(n % 2 === 0 ? backend : other)
          .set({ n })
          .store();
        await current.assertStands();
        await current.on(backend).assertStands();
        await current.on(other).assertStands();
      }
    });

    test('B54: of racing commits of several processes exactly one is accepted', async ({ backend, another }) => {
      const all = [backend, await another(), await another()];
      let current: Draft = draft(backend, 'id');
      for (let round = 0; round < 10; round++) {
        const racers = all.map((one, index) => current.set({ n: `${round}-${index}` }).on(one));
        const results = await Promise.all(racers.map((racer) => racer.commit()));
        const won = racers.filter((_, index) => results[index]?.kind === 'committed');
        assert.equal(won.length, 1, `Accepted: ${results.map(({ kind }) => kind).join(', ')}`);
        current = draft(backend, 'id', won[0]?.known);
        await current.assertStands();
      }
    });

    test('B54: a process that committed last is told what another wrote since', async ({ backend, another }) => {
      const other = await another();
      const mine = await history(backend, 'id', 2);
      const theirs = await mine.on(other).set({ n: 3 }, { writeId: 'theirs' }).store();
      const { known, since } = assertBehind(await mine.set({ n: 'late' }).commit());
      assertSame(known, theirs.known, 'What is known');
      assert.deepEqual(
        since?.map(({ writeId }) => writeId),
        ['theirs'],
      );
    });

    test('B54: keys, expiries, trims and purges of one process count for all', async ({ backend, another }) => {
      const other = await another();
      const first = await draft(backend, 'id').set({ n: 1 }, { key: 'k', ttlMs: 10 }).store();
      assertDuplicate(await first.set({ n: 2 }, { key: 'k' }).on(other).commit());
      assert.equal(await other.trimDeltas('id', start), 1);
      assert.deepEqual(await versionsOf(backend, 'id'), []);
      assertSame(await other.expire('id', start + 10), at(first.head), 'The answer');
      assertKind(await backend.read('id'), 'tombstone', 'What is left');
      assertBehind(await first.set({ n: 2 }).commit());
      assert.equal(await backend.purgeTombstone('id', start + 10), true);
      await draft(other, 'id').assertStands();
    });

    test('B55: commits of one process are announced in every other', async ({ backend, another, patienceMs }) => {
      const other = await another();
      const { heard, hears } = await listen(other, 'id', patienceMs);
      const created = await draft(backend, 'id').set({ n: 1 }).store();
      const changed = await created.set({ n: 2 }, { ttlMs: 10 }).store();
      for (const { head } of [created, changed]) await hears(head);
      await backend.expire('id', start + 10);
      await eventually(
        () => heard.some(({ kind }) => kind === 'removed' || kind === 'interrupted'),
        patienceMs,
        () => `The expiry was not announced: ${JSON.stringify(heard)}`,
      );
    });

    test('B55: closing one process ends no watch of another', async ({ backend, another, patienceMs }) => {
      const other = await another();
      await backend.watch('id', () => {});
      const { hears } = await listen(other, 'id', patienceMs);
      await backend.close();
      const created = await draft(other, 'id').set({ n: 1 }).store();
      await hears(created.head);
    });

    test('B56: a lease has one holder among all processes', async ({ backend, another }) => {
      const other = await another();
      const held = await backend.lease('job', 100, start);
      assert.ok(held !== undefined);
      assert.equal(await other.lease('job', 100, start + 99), undefined);
      const next = await other.lease('job', 100, start + 100);
      assert.ok(next !== undefined && next.fence > held.fence);
      assert.equal(await held.renew(start + 101), false);
      await held.release();
      assert.equal(await backend.lease('job', 100, start + 150), undefined);
    });

    test('B57: among writers of several processes no write loses more than 8 attempts', async ({
      backend,
      another,
    }) => {
      const all = [backend, await another(), await another()];
      const created = await draft(backend, 'id').set({ n: 0 }).store();
      await Promise.all(
        all.map(async (one) => {
          let current = created.on(one);
          for (let n = 0; n < 20; n++) current = await increment(current);
        }),
      );
      assertSame(await backend.read('id').then((view) => view.kind === 'context' && view.state), { n: 60 }, 'The sum');
    });

    test('B64: a note that one process wrote all others read at once, and may replace', async ({
      backend,
      another,
    }) => {
      const other = await another();
      let expected: string | undefined;
      for (let n = 1; n <= 10; n++) {
        const [writer, reader] = n % 2 === 0 ? [backend, other] : [other, backend];
        const note = { text: `text ${n}`, revision: `r${n}` };
        assert.equal(await writer.writeNote('note', note, expected), true);
        await assertNote(reader, 'note', note);
        expected = note.revision;
      }
    });

    test('B64: of several processes that race on one revision exactly one writes', async ({ backend, another }) => {
      const all = [backend, await another(), await another()];
      let expected: string | undefined;
      for (let round = 0; round < 10; round++) {
        const racers = all.map((_, index) => ({ text: `of ${index}`, revision: `r${round}-${index}` }));
        expected = (await race(racers, (index) => all[index] ?? backend, expected)).revision;
      }
    });
  },
};

/** Adds one to `n`, planning again as often as it is told to. */
async function increment(from: Draft): Promise<Draft> {
  const { backend, id } = from;
  let current = from;
  for (let attempt = 0; attempt <= 8; attempt++) {
    const next = current.set({ n: Number(current.context.state['n']) + 1 });
    const result = await next.commit({ attempt });
    if (result.kind === 'committed') return draft(backend, id, next.known);
    current = draft(backend, id, assertBehind(result).known);
  }
  return assert.fail('A write lost more than 8 attempts.');
}
