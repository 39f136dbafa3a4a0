import assert from 'node:assert/strict';
import type { Backend } from '../backend/backend.ts';
import { assertSame, dueIds, everything } from './check.ts';
import { draft, start } from './draft.ts';
import type { Group } from './suite.ts';
import { byBytes, hostileIds } from './values.ts';

export const lists: Group = {
  name: 'lists',
  define(test) {
    test('B29: ids are listed in the order of their UTF-8 bytes, both ways', async ({ backend }) => {
      await createAll(backend, hostileIds);
      const sorted = hostileIds.toSorted(byBytes);
      assertSame(await backend.list({ limit: everything }), sorted, 'Ascending');
      assertSame(await backend.list({ limit: everything, descending: true }), sorted.toReversed(), 'Descending');
    });

    test('B30: a prefix may be of control characters, and so may what is due', async ({ backend }) => {
      await createAll(backend, hostileIds);
      for (const idPrefix of ['a\u0001', '\u0001', '\u0001'.repeat(40), '\u0004\u0001']) {
        const matching = hostileIds.filter((id) => id.startsWith(idPrefix)).toSorted(byBytes);
        assertSame(await backend.list({ idPrefix, limit: everything }), matching, `Of ${JSON.stringify(idPrefix)}`);
        const count = await backend.count({ idPrefix });
        assert.ok(count === undefined || count === matching.length, `There are ${count}`);
      }
      assertSame((await dueIds(backend, 'deltas', start + 1)).toSorted(byBytes), hostileIds.toSorted(byBytes), 'Due');
    });

    test('B29: ids above U+FFFF come after those from U+E000 on, though UTF-16 says otherwise', async ({ backend }) => {
      const ids = ['\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{1f600}', '\u{10ffff}'];
      await createAll(backend, ids.toReversed());
      assertSame(await backend.list({ limit: everything }), ids, 'Ascending');
      assertSame(await backend.list({ limit: 9, after: '\uffff' }), ids.slice(3), 'After');
      assertSame(
        await backend.list({ limit: 9, after: '\u{10000}', descending: true }),
        ids.slice(0, 3).reverse(),
        'Back',
      );
    });

    const ids = ['a', 'a:1', 'a:2', 'a:3', 'a:3x', 'a:\uffff', 'a:\u{10ffff}', 'a;', 'b', 'b:1'];
    const pages = [
      { options: { limit: 3 }, expected: ['a', 'a:1', 'a:2'] },
      { options: { limit: 0 }, expected: [] },
      { options: { limit: 2, offset: 3 }, expected: ['a:3', 'a:3x'] },
      { options: { limit: 2, offset: 99 }, expected: [] },
      { options: { limit: 2, descending: true }, expected: ['b:1', 'b'] },
      { options: { limit: 2, offset: 1, descending: true }, expected: ['b', 'a;'] },
      { options: { limit: 2, after: 'a:2' }, expected: ['a:3', 'a:3x'] },
      { options: { limit: 2, after: 'a:2', offset: 1 }, expected: ['a:3x', 'a:\uffff'] },
      { options: { limit: 2, after: 'a:2', descending: true }, expected: ['a:1', 'a'] },
      { options: { limit: 2, after: 'a:25' }, expected: ['a:3', 'a:3x'] },
      { options: { limit: 2, after: 'a:25', descending: true }, expected: ['a:2', 'a:1'] },
      { options: { limit: 2, after: 'b:1' }, expected: [] },
      { options: { limit: 2, after: 'a', descending: true }, expected: [] },
      { options: { limit: 9, idPrefix: 'a:' }, expected: ids.slice(1, 7) },
      { options: { limit: 2, idPrefix: 'a:', descending: true }, expected: ['a:\u{10ffff}', 'a:\uffff'] },
      { options: { limit: 2, idPrefix: 'a:', offset: 4 }, expected: ['a:\uffff', 'a:\u{10ffff}'] },
      { options: { limit: 9, idPrefix: 'a:3', after: 'a:3' }, expected: ['a:3x'] },
      { options: { limit: 9, idPrefix: 'a:', after: 'a:2', descending: true }, expected: ['a:1'] },
      { options: { limit: 2, idPrefix: 'a:', after: 'a' }, expected: ['a:1', 'a:2'] },
      { options: { limit: 2, idPrefix: 'a:', after: 'a', descending: true }, expected: [] },
      { options: { limit: 2, idPrefix: 'a:', after: 'b', descending: true }, expected: ['a:\u{10ffff}', 'a:\uffff'] },
      { options: { limit: 2, idPrefix: 'a:', after: 'b' }, expected: [] },
      { options: { limit: 2, idPrefix: '*' }, expected: [] },
      { options: { limit: 2, idPrefix: 'c' }, expected: [] },
      { options: { limit: 2, idPrefix: 'c', descending: true }, expected: [] },
    ];
    for (const { options, expected } of pages) {
      test(`B30: ${JSON.stringify(options)} lists ${JSON.stringify(expected)}`, async ({ backend }) => {
        await createAll(backend, ids.toReversed());
        assertSame(await backend.list(options), expected, 'The page');
      });
    }

    test('B30: pages that follow one another list every id once', async ({ backend }) => {
      const many = Array.from({ length: 40 }, (_, index) => `id-${(index * 7) % 40}`);
      await createAll(backend, many);
      for (const descending of [false, true]) {
        const listed: string[] = [];
        for (let after: string | undefined; ; after = listed.at(-1)) {
          const page = await backend.list({ limit: 7, after, descending });
          if (page.length === 0) break;
          listed.push(...page);
        }
        const sorted = many.toSorted(byBytes);
        assertSame(listed, descending ? sorted.reverse() : sorted, 'All pages');
      }
    });

    test('B31: heads come in the order asked for, with nothing where no context lives', async ({ backend }) => {
      const a = await draft(backend, 'a').set({ n: 1 }).store();
      const b = await (await draft(backend, 'b').set({ n: 1 }).store()).set({ n: 2 }).store();
      await (await draft(backend, 'gone').set({ n: 1 }).store()).remove().store();
      const heads = await backend.heads(['b', 'none', 'a', 'gone', 'b']);
      assertSame(heads, [b.head, undefined, a.head, undefined, b.head], 'The heads');
      assertSame(await backend.heads([]), [], 'No heads');
    });

    test('B32: the count is exact, or the store says that it does not count', async ({ backend }) => {
      await createAll(backend, ids);
      await (await draft(backend, 'a:gone').set({}).store()).remove().store();
      const counts = { '': ids.length, 'a:': 6, b: 2, c: 0 };
      for (const [idPrefix, expected] of Object.entries(counts)) {
        const count = await backend.count(idPrefix === '' ? {} : { idPrefix });
        assert.ok(count === undefined || count === expected, `${count} of ${JSON.stringify(idPrefix)}`);
      }
    });
  },
};

async function createAll(backend: Backend, ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((id) => draft(backend, id).set({ id }).store()));
}
