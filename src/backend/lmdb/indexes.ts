/** What the tables say about many contexts: lists, counts, what is due, idempotency records. */
import type { Due, DueOptions, ListOptions, Outcome } from '../backend.ts';
import { compareDue, compareUtf8 } from '../order.ts';
import { outcomeFrom } from './records.ts';
import { type RowWrite, sizeOf, type Tables } from './tables.ts';

/** Beyond every id: none is longer than 512 bytes. */
const lastId = '\u{10ffff}'.repeat(129);

export function listIds(
  { contexts }: Tables,
  { idPrefix = '', after, offset = 0, limit, descending = false }: ListOptions,
): readonly string[] {
  const first = idPrefix;
  const last = idPrefix + lastId;
  const [from, to] = descending ? [last, first] : [first, last];
  const isInside = after !== undefined && isBeyond(compareUtf8(after, from), descending);
  return [
    ...contexts.getKeys({
      // LMDB knows no empty key: without a start it begins at the first.
      ...((isInside ? after : from) === '' ? {} : { start: isInside ? after : from }),
      ...(to === '' ? {} : { end: to }),
      exclusiveStart: isInside,
      inclusiveEnd: true,
      reverse: descending,
      offset,
      limit,
    }),
  ];
}

export function countIds({ contexts }: Tables, idPrefix: string): number {
  if (idPrefix === '') return sizeOf(contexts);
  return contexts.getKeysCount({ start: idPrefix, end: idPrefix + lastId, inclusiveEnd: true });
}

/** What is due of a kind up to a moment. */
export function dueEntries(
  { due }: Tables,
  kind: number,
  { beforeMs, limit, offset = 0, after, descending = false }: DueOptions & { readonly beforeMs: number },
): readonly Due[] {
  const first = { id: '', dueMs: 0 };
  const last = { id: lastId, dueMs: beforeMs };
  const [from, to] = descending ? [last, first] : [first, last];
  const isInside = after !== undefined && isBeyond(compareDue(after, from), descending);
  const start = isInside ? after : from;
  const keys = due.getKeys({
    start: [kind, start.dueMs, start.id],
    end: [kind, to.dueMs, to.id],
    exclusiveStart: isInside,
    inclusiveEnd: true,
    reverse: descending,
    offset,
    limit,
  });
  return [...keys].map(([, dueMs, id]) => ({ id, dueMs }));
}

/** Whether a range begins there rather than at its own start, to which it compares so. */
function isBeyond(comparison: number, descending: boolean): boolean {
  return descending ? comparison <= 0 : comparison >= 0;
}

/** When the first of a kind is due. */
export function nextDueMs({ due }: Tables, kind: number): number | undefined {
  const [first] = due.getKeys({ start: [kind, 0, ''], end: [kind + 1, 0, ''], limit: 1 });
  return first?.[1];
}

/** What the key did, while its record counts. */
export function outcomeOf(
  { outcomes }: Tables,
  id: string,
  { key, nowMs }: { readonly key: string; readonly nowMs: number },
): Outcome | undefined {
  const [found] = outcomes.getRange({
    start: [id, key, Number.MAX_VALUE],
    // The record counts while the moment is below that of its key.
    end: [id, key, nowMs],
    reverse: true,
    limit: 1,
  });
  return found === undefined ? undefined : outcomeFrom(found.value);
}

/** Each commit that records an outcome removes a few that have run out, so that they never pile up. */
const forgottenPerCommit = 8;

/** The rows that remove outcomes which have run out. */
export function expiredOutcomes({ outcomesDue }: Tables, nowMs: number): readonly RowWrite[] {
  const keys = outcomesDue.getKeys({ end: [nowMs, lastId, ''], limit: forgottenPerCommit });
  return [...keys].flatMap<RowWrite>(([expiresAtMs, id, key]) => [
    { table: 'outcomes', key: [id, key, expiresAtMs] },
    { table: 'outcomesDue', key: [expiresAtMs, id, key] },
  ]);
}
