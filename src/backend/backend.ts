/**
 * The storage contract: everything that the service asks of a store, and every guarantee it relies on. What is stored is
 * in `known.ts`, what a commit is told and answers in `commit.ts`.
 *
 * Not here, on purpose: validation, defaults, limits, preconditions, retries (the service's, once), and the algebra
 * of deltas beyond applying one. A backend stores what it is given.
 *
 * One call does it all: a write is its delta, its head, its idempotency record, its index entries and its
 * announcement, together or not at all. Two calls would be two truths. docs/backends.md numbers the guarantees
 * (B1…) and names the test of the conformance suite that holds each.
 */
import type { JsonObject } from '../delta/json.ts';
import type { Position } from '../model.ts';
import type { Base, CommitOptions, CommitResult, Outcome, Write } from './commit.ts';
import type { Absent, DeltaRecord, Head, Known, Tombstone } from './known.ts';

/** One consistent view of an id. */
export type View =
  | {
      readonly kind: 'context';
      readonly head: Head;
      /** From `since` to the head, contiguous; absent when not asked for, not retained, or too many. */
      readonly deltas?: readonly DeltaRecord[] | undefined;
      /**
       * Frozen. Present when there are no `deltas`, and when it was asked for. May be an accessor that makes it when
       * somebody looks: who only needs the head should not.
       */
      readonly state?: JsonObject | undefined;
    }
  | Tombstone
  | Absent;

/** What a reader wants to see. Nothing asked for: the head and the state. */
export interface ReadOptions {
  /** Asks for the deltas after this position; without an epoch, of the epoch that is. */
  readonly since?: { readonly epoch?: string | undefined; readonly version: number } | undefined;
  /** More than so many deltas are not worth reading: the state is answered instead. */
  readonly maxDeltas?: number | undefined;
  /** The state is wanted beside the deltas. */
  readonly withState?: boolean | undefined;
}

/**
 * A hint that a context may have moved: late, twice, reordered or lost, but never invented, and never before what it
 * tells of can be read.
 */
export type Announcement =
  | { readonly kind: 'changed'; readonly delta: DeltaRecord }
  /** Moved, without the delta: the context was created, or the delta is too large to send around. */
  | { readonly kind: 'moved'; readonly position: Position }
  | { readonly kind: 'removed'; readonly position: Position }
  /** Announcements may have been lost: look at the store. */
  | { readonly kind: 'interrupted' };

/** A listener on an id, until it is closed. */
export interface Watch {
  /** No announcement reaches the listener after this returned. Idempotent. */
  close(): void;
}

/** What becomes due: contexts by `expiresAtMs`, deltas by their oldest `insertedAtMs`, tombstones by `atMs`. */
export type DueKind = 'context' | 'deltas' | 'tombstone';

/** One entry of a due index. */
export interface Due {
  readonly id: string;
  /** May be earlier than the truth (the entry corrects itself when it is acted on), never later. */
  readonly dueMs: number;
}

/** Which due entries, in the order of (due time, id). */
export interface DueOptions {
  readonly limit: number;
  readonly offset?: number | undefined;
  readonly after?: Due | undefined;
  readonly descending?: boolean | undefined;
}

/** Which ids, in UTF-8 byte order. */
export interface ListOptions {
  readonly idPrefix?: string | undefined;
  /** Only ids beyond this one, in the direction of the list. */
  readonly after?: string | undefined;
  readonly offset?: number | undefined;
  readonly limit: number;
  readonly descending?: boolean | undefined;
}

/** Which retained deltas, by version. */
export interface DeltaListOptions {
  /** Only versions above this one, whatever the direction. */
  readonly afterVersion?: number | undefined;
  readonly limit: number;
  readonly descending?: boolean | undefined;
}

/** The right of one holder to do something, until it runs out. */
export interface Lease {
  /** Rises with every change of holder: a store that sees an older one refuses its holder. */
  readonly fence: number;
  /** Runs for `ttlMs` from `nowMs`. False when the lease was lost: it ran out, was released, or is another's. */
  renew(nowMs: number): Promise<boolean>;
  /** Does nothing when the lease was lost. */
  release(): Promise<void>;
}

/** A small text beside the contexts that all processes agree on. */
export interface Note {
  readonly text: string;
  /** Chosen anew by whoever writes. */
  readonly revision: string;
}

/** How often something may be done, and how much of it is asked for. */
export interface RateOptions {
  readonly perSecond: number;
  readonly count: number;
}

/**
 * A store of contexts.
 *
 * Every promise settles within the store's own time limit. When the store is away or closed, every method rejects
 * with `BackendUnavailableError`: outcome `NOT_STORED` when it is certain, `UNKNOWN` otherwise.
 */
export interface Backend {
  /** Identity of the store (not of this process): another one means that a tail may be lost. */
  readonly serverId: string;

  /**
   * What this process saw last; no I/O; only to plan a commit on. Undefined: nothing, as always after `close`.
   *
   * The state is on loan until the caller's next `await`: it may be changed in place afterwards, and the caller must
   * leave it as it was. Values that get into a delta must be frozen first (`deepFreeze`).
   */
  peek(id: string): Known | undefined;

  /** One consistent, durable view of the primary store, begun after the call. */
  read(id: string, options?: ReadOptions): Promise<View>;

  /** The same, with what an idempotency key of this id did, while its record counts at `nowMs`. */
  readOutcome(
    id: string,
    key: string | undefined,
    nowMs: number,
  ): Promise<{ readonly known: Known; readonly outcome?: Outcome | undefined }>;

  /**
   * Stores the writes together, in order, durable and announced, or nothing at all.
   *
   * The cost follows the deltas, not the state. Idempotency keys are looked at before the base. Of two commits on one
   * base exactly one is accepted. Nothing is readable or announced before it is durable.
   *
   * The writes must follow one another from the base on. A store that notices otherwise rejects, having stored nothing.
   */
  commit(id: string, base: Base, writes: readonly Write[], options: CommitOptions): Promise<CommitResult>;

  /**
   * Resolves once every later commit on the id, by any process, will be announced (or reported as interrupted). Each
   * call is a listener of its own, which must not throw, and may be called before the commit is answered.
   */
  watch(id: string, listener: (announcement: Announcement) => void): Promise<Watch>;

  /** What is due before `beforeMs` (inclusive), by (due time, id). Cost follows what is due. */
  due(kind: DueKind, beforeMs: number, options: DueOptions): Promise<readonly Due[]>;

  /** When the next thing of a kind is due; undefined: nothing is. May be early, never late. */
  nextDue(kind: DueKind): Promise<number | undefined>;

  /**
   * Removes the context if, seen inside the removing step, its `expiresAtMs` is at most `nowMs` (whatever `postpone`
   * said) and, when `at` is given, it still stands there. Leaves a tombstone with cause EXPIRED, announced, and answers
   * where the context was; otherwise undefined, and an entry that was too early is put right.
   */
  expire(id: string, nowMs: number, at?: Position): Promise<Position | undefined>;

  /**
   * Lets a due context be due only at `dueMs`, or when its next write says so. Does nothing when the context's expiry
   * is no longer `expiresAtMs`, which is itself not touched.
   */
  postpone(id: string, expiresAtMs: number, dueMs: number): Promise<void>;

  /** Drops deltas inserted at or before `beforeMs`, oldest first, and moves the floor with them. Answers how many. */
  trimDeltas(id: string, beforeMs: number): Promise<number>;

  /** Forgets a tombstone of `beforeMs` or older; never a context. Answers whether it did. */
  purgeTombstone(id: string, beforeMs: number): Promise<boolean>;

  /** Ids of live contexts in UTF-8 byte order. */
  list(options: ListOptions): Promise<readonly string[]>;

  /** In the order asked for; undefined where there is no live context. */
  heads(ids: readonly string[]): Promise<readonly (Head | undefined)[]>;

  /** Retained deltas of the current epoch by version, the creating one included. */
  deltas(id: string, options: DeltaListOptions): Promise<readonly DeltaRecord[]>;

  /** How many live contexts there are; undefined when the store would have to look at each. */
  count(options: { readonly idPrefix?: string | undefined }): Promise<number | undefined>;

  /** Takes the lease when it is free or has run out; undefined: somebody else holds it. */
  lease(name: string, ttlMs: number, nowMs: number): Promise<Lease | undefined>;

  /**
   * The revision of a note; undefined: there is none. Cheap, whatever the text weighs: every process asks several times
   * a second.
   */
  noteRevision(name: string): Promise<string | undefined>;

  /** A note as it is; undefined: there is none. */
  readNote(name: string): Promise<Note | undefined>;

  /**
   * Replaces a note, durable like a commit, if it still has the revision that is expected (undefined: if there is
   * none). Answers whether it did. When the outcome is unknown, reading it tells.
   */
  writeNote(name: string, note: Note, expected: string | undefined): Promise<boolean>;

  /**
   * Counts for all processes together; absent: each has to count for itself.
   *
   * @returns after how many ms to try again; undefined: it may be done, and counts.
   */
  readonly takeRate?: (key: string, options: RateOptions) => Promise<number | undefined>;

  /** Resolves when the store answers. */
  ping(): Promise<void>;

  /** Ends every watch and settles what is under way. Afterwards every method rejects. Idempotent. */
  close(): Promise<void>;
}
