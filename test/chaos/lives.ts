/*
 * Lives of a context and their places. A life is one epoch; its places are versions, each made by one write, known to
 * somebody from some moment on; and its end, if it has one.
 */
import type { Position } from '../../examples/replay/follower.ts';
import type { FaultRecord, WriteRecord } from './history.ts';

/** One version of a life, or its end. */
export interface Place {
  readonly version: number;
  readonly isEnd: boolean;
  /** Undefined: nobody saw which write it was. */
  write: WriteRecord | undefined;
  /** When the write can have taken effect at the earliest; -Infinity: nobody knows. */
  landedMs: number;
  /** When somebody knew first that the context had come here. */
  knownMs: number;
  /** When the write was acknowledged; undefined: it was not. */
  acknowledgedMs: number | undefined;
}

/** One epoch. */
export interface Life {
  readonly epoch: string;
  readonly places: Map<number, Place>;
  /** Ends by version: more than one only if some are lost. */
  readonly ends: Map<number, Place>;
  /** The version that it began with, as the delta of its first write says; undefined: nobody saw that one. */
  began: number | undefined;
  /** The same, or else the smallest that anybody saw. */
  first: number;
  last: number;
  /** When somebody knew first that it had begun. */
  knownMs: number;
  /** Its number among the lives. */
  order: number;
  /** The smallest version with which a later life began: from there on this one is lost. */
  lostFrom: number;
}

/** The place of that version, known at that moment at the latest. */
export function note(places: Map<number, Place>, place: Pick<Place, 'version' | 'isEnd'>, ms: number): Place {
  const known = places.get(place.version) ?? {
    ...place,
    write: undefined,
    landedMs: Number.NEGATIVE_INFINITY,
    knownMs: ms,
    acknowledgedMs: undefined,
  };
  known.knownMs = Math.min(known.knownMs, ms);
  places.set(place.version, known);
  return known;
}

/**
 * When a write can have come to a position at the earliest: when the attempt began that says so, or else the first one
 * whose outcome is unknown.
 */
export function landingMs({ attempts }: WriteRecord, position?: Position): number {
  const landed = attempts.filter(({ answer }) => {
    if (answer.kind !== 'done' || answer.duplicate) return false;
    return answer.position.epoch === position?.epoch && answer.position.version === position.version;
  });
  const possible = attempts.filter(
    ({ answer }) => answer.kind === 'wrong' || (answer.kind === 'failed' && answer.outcome === 'UNKNOWN'),
  );
  const [likely = attempts] = [landed, possible].filter(({ length }) => length > 0);
  return Math.min(...likely.map(({ beginMs }) => beginMs));
}

/** Whether it may have been stored without anybody being told. */
export function isUnknown({ attempts }: WriteRecord): boolean {
  return attempts.some(({ answer }) => answer.kind === 'failed' && answer.outcome === 'UNKNOWN');
}

/**
 * By when they were known, except that of two lives which may have followed one another in either order the one with
 * the smaller versions came first: hearing of a life takes time, and versions go back only when a tail is lost.
 */
export function inOrder(
  lives: readonly Life[],
  lossBetween: (fromMs: number, toMs: number) => unknown,
): readonly Life[] {
  const sorted = lives.toSorted((a, b) => a.knownMs - b.knownMs);
  for (let moved = true; moved; ) {
    moved = false;
    for (const [index, later] of sorted.entries()) {
      const before = sorted[index - 1];
      if (before === undefined || before.first <= later.first || beganMs(later) > before.knownMs) continue;
      if (lossBetween(before.knownMs, later.knownMs) !== undefined) continue;
      sorted[index - 1] = later;
      sorted[index] = before;
      moved = true;
    }
  }
  return sorted;
}

/** When a life can have begun at the earliest; -Infinity: nobody saw how. */
function beganMs({ began, places }: Life): number {
  const place = began === undefined ? undefined : places.get(began);
  return place?.landedMs ?? Number.NEGATIVE_INFINITY;
}

/** Whether a fault may have lost what was written, between two moments. */
export function isLossBetween({ beginMs, endMs, losesFromMs }: FaultRecord, fromMs: number, toMs: number): boolean {
  return losesFromMs !== undefined && beginMs <= toMs && endMs >= fromMs;
}
