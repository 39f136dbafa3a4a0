/* How much has to happen in a run before it says anything: a deadline may end it before that. */
import type { History } from './history.ts';
import { summarize } from './report.ts';

/** What a run is to go on for. */
export interface Enough {
  readonly writes: number;
  readonly faults: number;
  /** So many different faults, at least. */
  readonly faultKinds?: number;
}

/** What somebody must have been told. */
export interface Wanted extends Enough {
  /** Answers to writes, as `summarize` calls them. */
  readonly answers?: readonly string[];
  /** Reasons of FULLs. */
  readonly fulls?: readonly string[];
}

/** Whether a run that goes on may end. */
export function isEnough({ writes, faults }: Pick<History, 'writes' | 'faults'>, wanted: Enough): boolean {
  if (writes.length < wanted.writes || faults.length < wanted.faults) return false;
  return new Set(faults.map(({ kind }) => kind)).size >= (wanted.faultKinds ?? 0);
}

/** Of a run that is over: what did not come, or not as often as wanted. */
export function missingFrom(history: History, wanted: Wanted): readonly string[] {
  const { answers, faults, fulls } = summarize(history);
  const counted = [
    { what: 'writes', count: history.writes.length, least: wanted.writes },
    { what: 'faults', count: history.faults.length, least: wanted.faults },
    { what: 'kinds of faults', count: faults.size, least: wanted.faultKinds ?? 0 },
    ...(wanted.answers ?? []).map((each) => ({ what: `answers "${each}"`, count: answers.get(each) ?? 0, least: 1 })),
    ...(wanted.fulls ?? []).map((each) => ({ what: `FULLs "${each}"`, count: fulls.get(each) ?? 0, least: 1 })),
  ];
  return counted
    .filter(({ count, least }) => count < least)
    .map(({ what, count, least }) => `not enough happened: ${count} of ${least} ${what}`);
}
