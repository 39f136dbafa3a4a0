/** Pages of what a process has in memory. */
import type { Page } from '../model.ts';
import { parseInteger } from '../service/input.ts';

/** How much of a list. Null counts as absent. */
export interface ReportPageOptions {
  /** 1 to 250; 50 by default. */
  readonly limit?: number | null | undefined;
  /** 0 to 1,000,000; 0 by default. */
  readonly offset?: number | null | undefined;
}

/** One page, and how many there are in all. */
export interface ReportPage<T> extends Page<T> {
  readonly totalCount: number;
}

/** @throws BadUserInputError */
export function toReportPage<T>(all: readonly T[], { limit, offset }: ReportPageOptions): ReportPage<T> {
  const from = parseInteger('offset', offset ?? 0, { min: 0, max: 1_000_000 });
  const to = from + parseInteger('limit', limit ?? 50, { min: 1, max: 250 });
  return { nodes: all.slice(from, to), totalCount: all.length, hasNextPage: all.length > to };
}
