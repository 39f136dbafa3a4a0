/** What the tables say about many contexts: lists, counts, what is due, idempotency records. */
import type { Due, DueOptions, ListOptions } from '../backend.ts';
import type { Outcome } from '../commit.ts';
import { compareUtf8 } from '../order.ts';
import { beyond, encodeKey, KeyReader } from './keys.ts';
import { outcomeFrom } from './records.ts';
import type { RowWrite, Tables } from './tables.ts';

export function listIds(
  { contexts }: Tables,
  { idPrefix = '', after, offset = 0, limit, descending = false }: ListOptions,
): readonly string[] {
  const isInside = after !== undefined && isBeyond(after, idPrefix, descending);
  const first = encodeKey(idPrefix);
  const [from, to] = descending ? [beyond(idPrefix), first] : [first, beyond(idPrefix)];
  const start = isInside ? encodeKey(after) : from;
  const keys = contexts.getKeys({
    // LMDB knows no empty key: without a bound it goes to its end.
    ...(start.length === 0 ? {} : { start }),
    ...(to.length === 0 ? {} : { end: to }),
    exclusiveStart: isInside,
    inclusiveEnd: true,
    reverse: descending,
    offset,
    limit,
  });
  return [...keys].map(String);
}

/** Whether a list with this prefix begins there rather than at its own end. */
function isBeyond(after: string, idPrefix: string, descending: boolean): boolean {
  if (!descending) return compareUtf8(after, idPrefix) >= 0;
  return after.startsWith(idPrefix) || compareUtf8(after, idPrefix) < 0;
}

/** At most so many ids are counted at once. */
const countedAtOnce = 10_000;

/** How many ids follow `after`, or begin so, up to the bound; and where to go on, if there are more. */
export function countIds(
  { contexts }: Tables,
  idPrefix: string,
  after: Buffer | undefined,
): { readonly count: number; readonly last?: Buffer | undefined } {
  const first = encodeKey(idPrefix);
  const range = {
    ...((after ?? first).length === 0 ? {} : { start: after ?? first }),
    end: beyond(idPrefix),
    exclusiveStart: after !== undefined,
  };
  const [last] = contexts.getKeys({ ...range, offset: countedAtOnce - 1, limit: 1 });
  if (last !== undefined) return { count: countedAtOnce, last: Buffer.from(last) };
  return { count: contexts.getKeysCount({ ...range, limit: countedAtOnce }) };
}

/** What is due of a kind up to a moment. */
export function dueEntries(
  { due }: Tables,
  kind: number,
  { beforeMs, limit, offset = 0, after, descending = false }: DueOptions & { readonly beforeMs: number },
): readonly Due[] {
  if (beforeMs < 0) return [];
  const first = encodeKey([kind]);
  const last = beyond([kind, beforeMs]);
  const [from, to] = descending ? [last, first] : [first, last];
  const start = after === undefined ? undefined : encodeKey([kind, after.dueMs, after.id]);
  const isInside = start !== undefined && (descending ? start.compare(last) < 0 : true);
  const keys = due.getKeys({
    start: isInside ? start : from,
    end: to,
    exclusiveStart: isInside,
    inclusiveEnd: true,
    reverse: descending,
    offset,
    limit,
  });
  return [...keys].map(dueOf);
}

/** When the first of a kind is due. */
export function nextDueMs({ due }: Tables, kind: number): number | undefined {
  const [first] = due.getKeys({ start: encodeKey([kind]), end: encodeKey([kind + 1]), limit: 1 });
  return first === undefined ? undefined : dueOf(first).dueMs;
}

function dueOf(key: Buffer): Due {
  const reader = new KeyReader(key);
  reader.number();
  const dueMs = reader.number();
  return { dueMs, id: reader.text() };
}

/** What the key did, while its record counts. */
export function outcomeOf(
  { outcomes }: Tables,
  id: string,
  { key, nowMs }: { readonly key: string; readonly nowMs: number },
): Outcome | undefined {
  const [found] = outcomes.getRange({
    start: beyond([id, key]),
    // The record counts while the moment is below that of its key.
    end: encodeKey([id, key, nowMs]),
    reverse: true,
    limit: 1,
  });
  return found === undefined ? undefined : outcomeFrom(found.value);
}

/** Outcomes that have run out, after the one where the last look ended: the rows that remove them, and the new end. */
export function expiredOutcomes(
  { outcomesDue }: Tables,
  nowMs: number,
  { after, limit }: { readonly after: Buffer | undefined; readonly limit: number },
): { readonly rows: readonly RowWrite[]; readonly last: Buffer | undefined } {
  const range = { end: beyond([nowMs]), exclusiveStart: after !== undefined, limit };
  const keys = [...outcomesDue.getKeys(after === undefined ? range : { ...range, start: after })];
  const rows = keys.flatMap<RowWrite>((bytes) => {
    const reader = new KeyReader(bytes);
    const [expiresAtMs, id, key] = [reader.number(), reader.text(), reader.text()];
    return [
      { table: 'outcomes', key: [id, key, expiresAtMs] },
      { table: 'outcomesDue', key: [expiresAtMs, id, key] },
    ];
  });
  const last = keys.at(-1);
  return { rows, last: last === undefined ? undefined : Buffer.from(last) };
}
