/* Lists of who may not see everything: what is in them, what is counted, and that nothing else is named. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Grant, idsOf, idsWhere } from '../../src/access/grants.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { createService } from '../../src/chord.ts';
import type { Visible } from '../../src/service/id-source.ts';
import type { ChordService } from '../../src/service/service.ts';
import { rejectionOf } from '../support/chord.ts';

const id = fc.string({ unit: fc.constantFrom('a', 'b', ':', 'ä', '😀'), minLength: 1, maxLength: 3 });
const grants = fc.array(
  fc.oneof(
    fc.record({ may: fc.constant(['read'] as const), id }),
    fc.record({ may: fc.constant(['read'] as const), idPrefix: id }),
    fc.record({ may: fc.constant(['read'] as const), idPattern: id.map((text) => `${text}*`) }),
  ),
  { maxLength: 4 },
);

interface Walk {
  readonly idPrefix: string | undefined;
  readonly ids: readonly string[] | undefined;
  readonly limit: number;
  readonly order: 'ASC' | 'DESC';
}

/** Page by page, and every cursor on the way. */
async function walk(chord: ChordService, { limit, ...filter }: Walk, visible: Visible) {
  const found: string[] = [];
  const cursors: string[] = [];
  let after: string | null = null;
  for (;;) {
    const page = await chord.listContexts({ ...filter, limit, after }, visible);
    found.push(...page.nodes.map((node) => node.id));
    if (page.endCursor !== null) cursors.push(page.endCursor);
    if (!page.hasNextPage) return { found, cursors, count: await page.totalCount() };
    after = page.endCursor;
  }
}

describe('a list of who may not see everything', () => {
  test('is the whole list without what may not be seen, in the same order, and its cursors name nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(id, { maxLength: 12 }),
        grants,
        fc.record({
          idPrefix: fc.option(id, { nil: undefined }),
          ids: fc.option(fc.array(id, { maxLength: 5 }), { nil: undefined }),
          limit: fc.integer({ min: 1, max: 3 }),
          order: fc.constantFrom('ASC' as const, 'DESC' as const),
        }),
        async (stored, given: readonly Grant[], options) => {
          await using chord = createService({ backend: new MemoryBackend() });
          for (const one of stored) await chord.setContext(one, {});
          const visible = idsOf(given, ['read']);
          const { idPrefix = '', ids } = options;
          const expected = stored
            .filter((one) => one.startsWith(idPrefix) && visible.has(one) && (ids === undefined || ids.includes(one)))
            .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)) * (options.order === 'ASC' ? 1 : -1));
          const { found, cursors, count } = await walk(chord, options, visible);
          expect(found).toEqual(expected);
          expect(cursors.filter((cursor) => !visible.has(cursor))).toEqual([]);
          expect(count).toBe(visible.parts === null && ids === undefined ? null : expected.length);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('ends with an error where a function hides too many, and goes on behind a narrower prefix', async () => {
    await using chord = createService({ backend: new MemoryBackend() });
    await Promise.all(Array.from({ length: 10_500 }, (_, n) => chord.setContext(`hidden:${n}`, {})));
    await chord.setContext('seen:1', {});
    const visible = idsWhere((one) => one.startsWith('seen:'));
    expect(await rejectionOf(chord.listContexts({}, visible))).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      limit: 'hiddenIds',
      max: 10_000,
    });
    expect((await chord.listContexts({ idPrefix: 'seen:' }, visible)).nodes).toMatchObject([{ id: 'seen:1' }]);
    // An id is looked up by itself, however many others begin like it.
    await chord.setContext('hidden', {});
    const one = idsOf([{ may: ['read'], id: 'hidden' }], ['read']);
    expect((await chord.listContexts({}, one)).nodes).toMatchObject([{ id: 'hidden' }]);
  });
});
