/** Which contexts and deltas a list is asked for, checked. */
import type { Head } from '../backend/known.ts';
import { BadUserInputError } from '../errors.ts';
import type { SortDirection } from '../model.ts';
import { chunkSize, compareIds } from './id-source.ts';
import { parseDescending, parseId, parseInteger, parseMoment } from './input.ts';

/** How much of a list. Null counts as absent. */
export interface PageOptions {
  /** 1 to 250; 50 by default. */
  readonly limit?: number | null | undefined;
  /** 0 to 1,000. */
  readonly offset?: number | null | undefined;
  readonly order?: SortDirection | null | undefined;
}

/** When it was written; both moments are excluded. */
export interface InsertedRange {
  /** Written before this moment, in ms since the Unix epoch. */
  readonly insertedBeforeMs?: number | null | undefined;
  /** Written after this moment. */
  readonly insertedAfterMs?: number | null | undefined;
}

/** Which contexts; all conditions must hold. */
export interface ListContextsOptions extends PageOptions, InsertedRange {
  /** Only these, at most 250. */
  readonly ids?: readonly string[] | null | undefined;
  readonly idPrefix?: string | null | undefined;
  readonly version?: number | null | undefined;
  /** Only ids beyond this one, in the order of the list. */
  readonly after?: string | null | undefined;
}

/** Which deltas; all conditions must hold. */
export interface ListDeltasOptions extends PageOptions, InsertedRange {
  /** Absent: the deltas of every context, by id. */
  readonly contextId?: string | null | undefined;
  /** Without `contextId`: only contexts beyond this id. */
  readonly after?: string | null | undefined;
  readonly afterVersion?: number | null | undefined;
}

/** How much of a list, checked. */
export interface ParsedPage {
  readonly limit: number;
  readonly offset: number;
  readonly descending: boolean;
}

/** After the one and before the other, both excluded. */
export interface Moments {
  readonly beforeMs: number;
  readonly afterMs: number;
}

/** How much of a list, and in which direction. */
export function parsePage({ limit, offset, order }: PageOptions): ParsedPage {
  return {
    limit: parseInteger('limit', limit ?? 50, { min: 1, max: 250 }),
    offset: parseOffset(offset ?? 0),
    descending: parseDescending(order),
  };
}

function parseOffset(offset: unknown): number {
  if (typeof offset === 'number' && offset > maxOffset) {
    throw new BadUserInputError('offset', `at most ${maxOffset}; pass the last id as \`after\` to go further`);
  }
  return parseInteger('offset', offset, { min: 0, max: maxOffset });
}

const maxOffset = 1_000;

/** The ids asked for, each once, in the order of the list. */
export function parseIds(options: ListContextsOptions, { descending }: ParsedPage): readonly string[] | undefined {
  const { ids, idPrefix } = options;
  if (ids === undefined || ids === null) return undefined;
  if (!Array.isArray(ids) || ids.length > chunkSize) throw new BadUserInputError('ids', `at most ${chunkSize} ids`);
  const sign = descending ? -1 : 1;
  const wanted = ids.map((id) => parseId('ids', id)).filter((id) => id.startsWith(idPrefix ?? ''));
  return [...new Set(wanted)].toSorted((a, b) => compareIds(a, b) * sign);
}

/** When it was written; undefined: whenever. */
export function parseInserted(range: InsertedRange): Moments | undefined {
  const beforeMs = parseMoment('insertedBeforeMs', range.insertedBeforeMs) ?? Number.POSITIVE_INFINITY;
  const afterMs = parseMoment('insertedAfterMs', range.insertedAfterMs) ?? Number.NEGATIVE_INFINITY;
  if (beforeMs === Number.POSITIVE_INFINITY && afterMs === Number.NEGATIVE_INFINITY) return undefined;
  return { beforeMs, afterMs };
}

/** Whether the context was written then. */
export function isWithin({ beforeMs, afterMs }: Moments, { insertedAtMs }: Head): boolean {
  return insertedAtMs < beforeMs && insertedAtMs > afterMs;
}
