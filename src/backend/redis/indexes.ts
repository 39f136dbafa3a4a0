/**
 * What is asked of all partitions at once: lists, counts, what is due. Each answers from its own sorted set, and the
 * answers are merged, in the order of UTF-8 bytes, which is that of Redis, too.
 */
import type { Due, DueKind, DueOptions, ListOptions } from '../backend.ts';
import { compareDue, compareUtf8 } from '../order.ts';
import { partitions } from './keys.ts';
import { mergeFirst } from './merge.ts';
import { listOf, textsOf } from './replies.ts';
import type { RedisStore } from './store.ts';

/** Where the indexes are. */
type Indexes = Pick<RedisStore, 'client' | 'keys'>;

/** Ids in byte order. */
export async function listIds(
  { client, keys }: Indexes,
  { idPrefix = '', after, offset = 0, limit, descending = false }: ListOptions,
): Promise<readonly string[]> {
  const { first, last } = rangeOf(idPrefix);
  const start = after !== undefined && isInside(after, idPrefix, descending) ? after : undefined;
  const ids = await mergeFirst<string>({
    need: offset + limit,
    sources: partitions,
    compare: descending ? (a, b) => compareUtf8(b, a) : compareUtf8,
    fetch: async (partition, previous, size) => {
      const beyond = previous ?? start;
      const from = beyond === undefined ? (descending ? last : first) : `(${beyond}`;
      const to = descending ? first : last;
      const name = descending ? 'ZREVRANGEBYLEX' : 'ZRANGEBYLEX';
      return textsOf(await client.call([name, keys.index(partition, 'ids'), from, to, 'LIMIT', 0, size]));
    },
  });
  return ids.slice(offset);
}

/** How many contexts live whose ids begin so. */
export async function countIds({ client, keys }: Indexes, idPrefix: string): Promise<number> {
  const { first, last } = rangeOf(idPrefix);
  const counts = await Promise.all(
    partitions.map((partition) => client.call(['ZLEXCOUNT', keys.index(partition, 'ids'), first, last])),
  );
  return counts.reduce<number>((sum, count) => sum + Number(count), 0);
}

/** What is due of a kind up to a moment, by (time, id). */
export async function dueEntries(
  { client, keys }: Indexes,
  kind: DueKind,
  { beforeMs, limit, offset = 0, after, descending = false }: DueOptions & { readonly beforeMs: number },
): Promise<readonly Due[]> {
  const compare = descending ? (a: Due, b: Due) => compareDue(b, a) : compareDue;
  const name = descending ? 'ZREVRANGEBYSCORE' : 'ZRANGEBYSCORE';
  const entries = await mergeFirst<Due>({
    need: offset + limit,
    sources: partitions,
    compare,
    fetch: async (partition, previous, size) => {
      const beyond = previous ?? after;
      const bound = beyond === undefined ? undefined : Math.min(beyond.dueMs, beforeMs);
      const from = descending ? (bound ?? beforeMs) : (beyond?.dueMs ?? '-inf');
      const to = descending ? '-inf' : beforeMs;
      const found: Due[] = [];
      // Redis can begin at a time, not at an id: those of the same time that are done with are skipped here.
      for (let skipped = 0, isDone = false; found.length < size && !isDone; skipped += size) {
        const key = keys.index(partition, `due:${kind}`);
        const due = dueOf(await client.call([name, key, from, to, 'WITHSCORES', 'LIMIT', skipped, size]));
        isDone = due.length < size;
        found.push(...due.filter((entry) => beyond === undefined || compare(entry, beyond) > 0));
      }
      return found.slice(0, size);
    },
  });
  return entries.slice(offset);
}

/** When the first of a kind is due. */
export async function nextDueMs({ client, keys }: Indexes, kind: DueKind): Promise<number | undefined> {
  const firsts = await Promise.all(
    partitions.map(async (partition) => {
      const [first] = dueOf(await client.call(['ZRANGE', keys.index(partition, `due:${kind}`), 0, 0, 'WITHSCORES']));
      return first?.dueMs ?? Number.POSITIVE_INFINITY;
    }),
  );
  const next = Math.min(...firsts);
  return Number.isFinite(next) ? next : undefined;
}

/** All ids that begin so, as bounds of a range of members. */
function rangeOf(idPrefix: string): { readonly first: string; readonly last: string | Buffer } {
  if (idPrefix === '') return { first: '-', last: '+' };
  // No UTF-8 holds the byte ff.
  return { first: `[${idPrefix}`, last: Buffer.concat([Buffer.from(`(${idPrefix}`), Buffer.of(0xff)]) };
}

/** Whether a list with this prefix begins there rather than at its own end. */
function isInside(after: string, idPrefix: string, descending: boolean): boolean {
  if (!descending) return compareUtf8(after, idPrefix) >= 0;
  return after.startsWith(idPrefix) || compareUtf8(after, idPrefix) < 0;
}

/** Members and their scores: in turn, or in pairs where the server speaks RESP3. */
function dueOf(reply: unknown): readonly Due[] {
  const page = textsOf(listOf(reply).flat());
  return page.flatMap((id, index) => (index % 2 === 0 ? [{ id, dueMs: Number(page[index + 1]) }] : []));
}
