/** What to merge. */
export interface MergeOptions<T> {
  /** How many of the first items are wanted. */
  readonly need: number;
  readonly sources: readonly number[];
  readonly compare: (a: T, b: T) => number;
  /** The next items of a source, at most `size`, in order; fewer: there are no more. */
  readonly fetch: (source: number, after: T | undefined, size: number) => Promise<readonly T[]>;
}

interface Fetched<T> {
  readonly source: number;
  readonly items: T[];
  isDone: boolean;
}

const minSize = 8;
const maxSize = 10_000;

/**
 * The first items of many ordered sources. Each source is asked for its share and a little more, and again only while
 * it could still have an item that comes before one of the others.
 */
export async function mergeFirst<T>({ need, sources, compare, fetch }: MergeOptions<T>): Promise<readonly T[]> {
  if (need <= 0) return [];
  const size = Math.min(need, maxSize, Math.ceil((2 * need) / sources.length) + minSize);
  const all = sources.map<Fetched<T>>((source) => ({ source, items: [], isDone: false }));
  for (let asked = all; asked.length > 0; ) {
    await Promise.all(
      asked.map(async (one) => {
        const items = await fetch(one.source, one.items.at(-1), size);
        one.items.push(...items);
        one.isDone = items.length < size;
      }),
    );
    const last = all.flatMap(({ items }) => items).toSorted(compare)[need - 1];
    asked = all.filter(({ items, isDone }) => !isDone && isOpen(items.at(-1), last, compare));
  }
  return all
    .flatMap(({ items }) => items)
    .toSorted(compare)
    .slice(0, need);
}

/** Whether what follows an item may come before the last one that is wanted. */
function isOpen<T>(item: T | undefined, last: T | undefined, compare: (a: T, b: T) => number): boolean {
  return item === undefined || last === undefined || compare(item, last) < 0;
}
