import type { CleanupOptions, ScheduleOptions } from './chord.ts';
import type { Batch } from './cleanup.ts';
import { assertKnownOptions, maxTtlMs, parseDescending, parseInteger } from './input.ts';

/** What the scheduler was told; undefined: as before. */
export interface ScheduleChange {
  readonly intervalMs: number | undefined;
  readonly limit: number | undefined;
}

/** Which of the due one pass takes on. */
export function parseCleanup(options: CleanupOptions): Batch {
  assertKnownOptions(options, cleanupNames);
  return {
    limit: parseOptional('limit', options.limit, { min: 1, max: maxCount }) ?? Number.POSITIVE_INFINITY,
    offset: parseOptional('offset', options.offset, { min: 0, max: maxCount }) ?? 0,
    descending: parseDescending(options.order),
  };
}

/** How the scheduler runs from now on. */
export function parseSchedule(options: ScheduleOptions): ScheduleChange {
  assertKnownOptions(options, scheduleNames);
  return {
    intervalMs: parseOptional('intervalMs', options.intervalMs, { min: 1, max: maxTtlMs }),
    limit: parseOptional('limit', options.limit, { min: 1, max: maxCount }),
  };
}

const cleanupNames: ReadonlySet<string> = new Set(['limit', 'offset', 'order']);
const scheduleNames: ReadonlySet<string> = new Set(['intervalMs', 'limit']);

/** As much as GraphQL's Int can say. */
const maxCount = 2 ** 31 - 1;

/** Null counts as absent. */
function parseOptional(
  argument: string,
  value: unknown,
  bounds: { readonly min: number; readonly max: number },
): number | undefined {
  return value === undefined || value === null ? undefined : parseInteger(argument, value, bounds);
}
