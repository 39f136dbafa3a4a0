/**
 * Contexts as this process saw them last: what commits are planned on, and what the store need not send again.
 *
 * Nobody is told that they are true: the store proves the base of each commit, and each read is answered by it. So there
 * are three words: `Stored` is what a script answered (views.ts), `Seen` what this process remembers, and `Known` what
 * the contract hands out.
 */
import { LRUCache } from 'lru-cache';
import { advance } from '../../delta/apply.ts';
import type { JsonObject } from '../../delta/json.ts';
import { isBase, samePosition } from '../base.ts';
import type { Base, Write } from '../commit.ts';
import { type GivenState, type Offer, offerOf } from '../given-state.ts';
import type { Absent, DeltaRecord, Head, KnownContext, Tombstone } from '../known.ts';
import type { Line, StoredView } from './codec.ts';

/** What an entry weighs besides the state. */
const entryBytes = 1_024;

/** What is remembered of an id. */
export type Seen = SeenContext | Tombstone;

/** A live context. */
export interface SeenContext extends KnownContext {
  /** All that the store has in its line, when it was written by this process last and nobody waits to write. */
  readonly line?: Line | undefined;
  /** Of a heavy state that a reader was given. */
  given?: GivenState | undefined;
}

/** Writes that were stored, and where they have put the context. */
export interface Kept {
  readonly writes: readonly Write[];
  readonly after: Head | Tombstone;
  readonly line: Line | undefined;
}

/** What one process remembers: as much as fits in its memory, and the last one at least. */
export class Contexts {
  readonly #cacheBytes: number;
  readonly #seen: LRUCache<string, Seen>;

  constructor(cacheBytes: number) {
    this.#cacheBytes = cacheBytes;
    this.#seen = new LRUCache({ maxSize: cacheBytes });
  }

  /** What is remembered; undefined: nothing, which does not mean that there is nothing. */
  get(id: string): Seen | undefined {
    return this.#seen.get(id);
  }

  /** Forgets one. */
  forget(id: string): void {
    this.#seen.delete(id);
  }

  /** Forgets all. */
  clear(): void {
    this.#seen.clear();
  }

  /** Replaces what was seen. */
  set(id: string, seen: Seen | Absent): void {
    if (seen.kind === 'absent') this.#seen.delete(id);
    else this.#seen.set(id, seen, { size: Math.min(weightOf(seen), this.#cacheBytes) });
  }

  /**
   * The state that a view leads to, for who reads it; it is what is seen from now on. Undefined: the state that the view
   * was to lead on from is no longer there.
   *
   * @param asked what was seen when the view was asked for.
   */
  stateOf(id: string, { head, line, source, records }: StoredView, asked: Seen | undefined): Offer | undefined {
    const seen = this.#seen.get(id);
    const isHere = seen?.kind === 'context' && seen.head.epoch === head.epoch;
    if (isHere && seen.head.version === head.version) {
      // Of one version the state is one; the newer head has more touches.
      const held = head.touches > seen.head.touches ? { ...seen, head, line: undefined } : seen;
      if (held !== seen) this.set(id, held);
      return offerOf(held, head.stateBytes);
    }
    let state: JsonObject;
    let version: number;
    let given: GivenState | undefined;
    if (typeof source === 'object') {
      state = source.checkpoint;
      version = line.logBase;
    } else {
      if (source === 'none' || !isHere || seen.head.version > head.version) return undefined;
      ({ state, given } = seen);
      ({ version } = seen.head);
    }
    const missing = records.filter((record) => record.version > version);
    // Answers that overtook each other, of two masters: what this one leads on from was replaced meanwhile.
    if (version + missing.length !== head.version) return undefined;
    try {
      for (const record of missing) {
        state = advance(state, record.changes);
        given = followed(given, record);
      }
    } catch (error) {
      // The state may have moved some of the way.
      this.forget(id);
      throw error;
    }
    // A late answer must not take the place of a newer one. If the newer one was there before the question, the answer is
    // not late: the store has lost what was seen, by a fail-over.
    const isLate = isHere && seen.head.version > head.version && !isFrom(asked, seen.head);
    const held: SeenContext = { kind: 'context', head, state, given };
    if (!isLate) this.set(id, held);
    return offerOf(held, head.stateBytes);
  }

  /**
   * What stored writes make of what was seen.
   *
   * Writes that do not fit the state, which the store cannot tell, are forgotten here.
   */
  keep(id: string, base: Base, { writes, after, line }: Kept): void {
    if ('kind' in after) {
      this.set(id, after);
      return;
    }
    const seen = this.#seen.get(id);
    // Others may have been faster: reads of later versions, answered before the commit was.
    const isAhead = seen?.kind === 'context' && seen.head.epoch === after.epoch && seen.head.version > after.version;
    if (isAhead) return;
    const held = seen?.kind === 'context' && isBase(seen, base) ? seen : undefined;
    let state = held?.state;
    let given = held?.given;
    try {
      for (const { step } of writes) {
        if (step.kind === 'remove') state = undefined;
        if (step.kind === 'create') state = advance({}, step.delta.changes);
        if (step.kind === 'remove' || step.kind === 'create') given = undefined;
        if (step.kind === 'change' && state !== undefined) {
          state = advance(state, step.delta.changes);
          given = followed(given, step.delta);
        }
      }
    } catch {
      state = undefined;
    }
    if (state === undefined) this.forget(id);
    else this.set(id, { kind: 'context', head: after, state, line, given });
  }

  /** The next write of the context takes the long way: others wait for their turn, or the line is being edited. */
  forgetLine(id: string): void {
    const seen = this.#seen.get(id);
    if (seen?.kind === 'context') {
      this.set(id, { kind: 'context', head: seen.head, state: seen.state, given: seen.given });
    }
  }

  /** The state of exactly that position, if it was seen. */
  at(id: string, head: Head): JsonObject | undefined {
    const seen = this.#seen.get(id);
    return seen?.kind === 'context' && samePosition(seen.head, head) ? seen.state : undefined;
  }
}

/** Undefined: nobody was given the state, or it has moved too far since. */
function followed(given: GivenState | undefined, delta: DeltaRecord): GivenState | undefined {
  return given?.follow(delta) === true ? given : undefined;
}

function weightOf(seen: Seen): number {
  if (seen.kind === 'tombstone') return entryBytes;
  // What readers were given shares only what has not changed since.
  return entryBytes + seen.head.stateBytes * (seen.given === undefined ? 1 : 2);
}

/** Whether something that was seen is of this version or a later one of its epoch. */
function isFrom(seen: Seen | undefined, { epoch, version }: Head): boolean {
  return seen?.kind === 'context' && seen.head.epoch === epoch && seen.head.version >= version;
}
