/**
 * Merged deltas that somebody asked for, while they are current: the second who asks for a range costs a look-up.
 *
 * A range is kept by its context, the version that it starts from, and where the context stood. When it has moved on,
 * all that was kept of it is of no use, and goes with the next range that is asked for; what nobody asks for is pushed
 * out by others. So nobody has to tell this of writes, trims or removals: whoever asks says where the context stands.
 */
import { LRUCache } from 'lru-cache';
import type { Delta } from '../delta/delta.ts';
import type { Position } from '../model.ts';

/** A merged delta, and what its changes weigh. */
export interface Merged {
  readonly delta: Delta;
  readonly weight: number;
}

/** The ranges of one context that lead to where it stands. */
interface Ranges extends Position {
  readonly byStart: Map<number, Merged>;
  bytes: number;
}

/** Of so many contexts at most, and so much of all of them, in bytes. */
const maxContexts = 1_000;
const maxBytes = 16 * 1024 * 1024;
/** Of one context; the next one starts over. */
const maxRanges = 64;

/** What one process keeps. */
export class MergedDeltas {
  readonly #byId = new LRUCache<string, Ranges>({ max: maxContexts, maxSize: maxBytes });

  /** What leads from a version to where the context stands; undefined: nobody asked for it yet. */
  get(id: string, fromVersion: number, { epoch, version }: Position): Merged | undefined {
    const ranges = this.#byId.get(id);
    return ranges?.version === version && ranges.epoch === epoch ? ranges.byStart.get(fromVersion) : undefined;
  }

  keep(id: string, merged: Merged): void {
    const { epoch, version, fromVersion } = merged.delta;
    const bytes = heldBytes(merged);
    if (bytes > maxBytes) return;
    const before = this.#byId.peek(id);
    const isCurrent = before?.version === version && before.epoch === epoch && before.byStart.size < maxRanges;
    const ranges = isCurrent ? before : { epoch, version, byStart: new Map<number, Merged>(), bytes: 0 };
    ranges.byStart.set(fromVersion, merged);
    ranges.bytes += bytes;
    // The cache weighs an entry only when it is new to it.
    if (isCurrent) this.#byId.delete(id);
    this.#byId.set(id, ranges, { size: ranges.bytes });
  }
}

/** Old values count, too: they are mostly as heavy as the new ones. */
function heldBytes({ weight }: Merged): number {
  return 2 * weight + 512;
}
