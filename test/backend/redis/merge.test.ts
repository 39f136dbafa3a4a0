import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { mergeFirst } from '../../../src/backend/redis/merge.ts';

const numbers = fc.array(fc.nat({ max: 500 }), { maxLength: 120 });

test('the first of all sources, in order, whatever they hold', () =>
  fc.assert(
    fc.asyncProperty(fc.array(numbers, { minLength: 1, maxLength: 6 }), fc.nat({ max: 700 }), async (lists, need) => {
      // An item is in one source only, as an id is.
      const sources = lists.map((list, source) => [...new Set(list.map((n) => n * 10 + source))].toSorted(ascending));
      const merged = await mergeFirst<number>({
        need,
        sources: sources.map((_, source) => source),
        compare: ascending,
        fetch: async (source, after, size) =>
          (sources[source] ?? []).filter((item) => after === undefined || item > after).slice(0, size),
      });
      expect(merged).toEqual(sources.flat().toSorted(ascending).slice(0, need));
    }),
    { numRuns: 300 },
  ));

test('a source is asked again only while it may have an earlier item', async () => {
  const asked = new Map<number, number>();
  await mergeFirst<number>({
    need: 100,
    sources: [0, 1, 2, 3],
    compare: ascending,
    // The first source has all the early ones.
    fetch: async (source, after = source === 0 ? 0 : 1_000, size) => {
      asked.set(source, (asked.get(source) ?? 0) + 1);
      return Array.from({ length: size }, (_, index) => after + index + 1);
    },
  });
  expect([...asked.values()]).toEqual([2, 1, 1, 1]);
});

test('nothing is asked for nothing', async () => {
  const none = await mergeFirst<number>({
    need: 0,
    sources: [0],
    compare: ascending,
    fetch: () => Promise.reject(new Error('asked')),
  });
  expect(none).toEqual([]);
});

function ascending(a: number, b: number): number {
  return a - b;
}
