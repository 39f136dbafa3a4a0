/** Where a context stands, compared: what every store asks of a commit's base and of a reader's position. */
import type { Position } from '../model.ts';
import type { ReadOptions } from './backend.ts';
import type { Base } from './commit.ts';
import type { Absent, Head, Tombstone } from './known.ts';

/** Whether a plan was made on what is. */
export function isBase(
  found: { readonly kind: 'context'; readonly head: Head } | Tombstone | Absent,
  base: Base,
): boolean {
  if (base.kind === 'absent') return found.kind === 'absent';
  if (base.kind === 'tombstone') return found.kind === 'tombstone' && samePosition(found, base);
  return found.kind === 'context' && samePosition(found.head, base) && found.head.touches === base.touches;
}

/** Whether two positions are one. */
export function samePosition(a: Position, b: Position): boolean {
  return a.epoch === b.epoch && a.version === b.version;
}

/** The version after which a reader is to get the deltas; undefined: the state instead. */
export function startOfDeltas(
  head: Head,
  { since, maxDeltas = Number.POSITIVE_INFINITY }: Pick<ReadOptions, 'since' | 'maxDeltas'>,
): number | undefined {
  if (since === undefined || (since.epoch ?? head.epoch) !== head.epoch) return undefined;
  if (since.version < head.floor || since.version > head.version) return undefined;
  return head.version - since.version > maxDeltas ? undefined : since.version;
}

/** The head with a floor no lower than that: deltas may have been trimmed since the head was planned. */
export function withFloor(head: Head, floor: number): Head {
  return head.floor >= floor ? head : Object.freeze({ ...head, floor });
}

/** The position alone. */
export function positionOf({ epoch, version }: Position): Position {
  return { epoch, version };
}
