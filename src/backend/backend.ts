/**
 * The storage contract: everything that the service asks of a store, and every guarantee it relies on.
 *
 * Not here, on purpose: validation, defaults, limits, preconditions, retries (the service's, once), and the algebra
 * of deltas beyond applying one. A backend stores what it is given.
 *
 * One call does it all: a write is its delta, its head, its idempotency record, its index entries and its
 * announcement, together or not at all. Two calls would be two truths. docs/backends.md numbers the guarantees
 * (B1…) and names the test of the conformance suite that holds each.
 */
import type { Changes } from '../delta/delta.ts';
import type { JsonObject } from '../delta/json.ts';
import type { GoneCause, Position } from '../model.ts';

/** Everything about a live context except its state: small, frozen, and always what the store says. */
export interface Head extends Position {
  /** The version with which the epoch began. */
  readonly firstVersion: number;
  /** The smallest version that a delta answer may start from; `firstVersion <= floor <= version`. Never goes back. */
  readonly floor: number;
  /** Identity of the store that wrote the context last (see `CommitOptions.freshEpoch`). */
  readonly serverId: string;
  /** Weight of the state in bytes, kept from the deltas. */
  readonly stateBytes: number;
  readonly createdAtMs: number;
  /** When `version` was written. */
  readonly insertedAtMs: number;
  /** Touches since then. Part of the base: a plan must not undo an expiry that it did not see. */
  readonly touches: number;
  /** Sticky: null = for ever, undefined = no write ever gave one. */
  readonly ttlMs?: number | null | undefined;
  /** When the context becomes due for removal; null: never. */
  readonly expiresAtMs: number | null;
}

/** One recorded write. Frozen by who makes it, values and all; shared by everybody who reads or is told of it. */
export interface DeltaRecord {
  readonly epoch: string;
  /** `version - 1`; 0 for the write that began the epoch. */
  readonly fromVersion: number;
  readonly version: number;
  readonly changes: Changes;
  readonly insertedAtMs: number;
  readonly origin?: string | undefined;
  /** The same in all attempts of one write: how a re-sent commit is recognised. */
  readonly writeId: string;
  /** Weight of the changes in bytes. */
  readonly weight: number;
}

/** What is left of a context that was deleted or has expired. */
export interface Tombstone extends Position {
  readonly kind: 'tombstone';
  readonly cause: GoneCause;
  readonly atMs: number;
  readonly writeId: string;
}

/** A live context. */
export interface KnownContext {
  readonly kind: 'context';
  readonly head: Head;
  /** From `peek`: on loan, see there. From everywhere else: frozen, the caller's to keep. */
  readonly state: JsonObject;
}

/** Neither a context nor a tombstone. */
export interface Absent {
  readonly kind: 'absent';
}

/** All that there is to know about an id. */
export type Known = KnownContext | Tombstone | Absent;

/** What a plan was made on. A commit is accepted only while it is still the truth, tombstones included. */
export type Base =
  | ({ readonly kind: 'context'; readonly touches: number } & Position)
  | ({ readonly kind: 'tombstone' } & Position)
  | Absent;

/**
 * What a write does to a context. The service has decided everything; the store only records.
 *
 * One thing the store knows better: deltas may have been trimmed since the head was planned, which moves no position.
 * So the floor of a live context stays where it is when the head of a `change` names a lower one.
 */
export type Step =
  /**
   * Brings a context into being, with a new epoch; the changes of `delta`, applied to `{}`, are its state. The delta
   * is not kept when its version is `trimTo` or older.
   */
  | { readonly kind: 'create'; readonly head: Head; readonly delta: DeltaRecord; readonly trimTo: number }
  /** One version on: `delta` leads to `head`. Deltas of `trimTo` and older are dropped, `head.floor` says so. */
  | { readonly kind: 'change'; readonly head: Head; readonly delta: DeltaRecord; readonly trimTo: number }
  /**
   * Nothing changed but `expiresAtMs` or `ttlMs`: only these two and `touches`, one more than before, count of `head`.
   * Not announced.
   */
  | { readonly kind: 'touch'; readonly head: Head }
  | { readonly kind: 'remove'; readonly cause: GoneCause; readonly atMs: number };

/** What a write did, as its idempotency record remembers it. Never the state. */
export interface Outcome extends Position {
  readonly requestHash: string;
  readonly changed: boolean;
}

/** What a write wants remembered under its idempotency key. */
export interface IdempotencyRecord {
  readonly key: string;
  /** Of the verb and its arguments without the key. */
  readonly requestHash: string;
  readonly changed: boolean;
  /** The record counts while the `nowMs` of a caller is below this, and may be forgotten once one was not. */
  readonly expiresAtMs: number;
}

/** A commit has at most one write for each idempotency key. */
export interface Write {
  readonly writeId: string;
  readonly step: Step;
  readonly idempotency?: IdempotencyRecord | undefined;
}

/** What a commit is told beside its writes. */
export interface CommitOptions {
  readonly nowMs: number;
  /**
   * The epoch to begin when the context was last written under another server identity than this store's: its tail
   * may be lost, so the first `change` starts a history of its own (firstVersion = floor = its version, the delta
   * gets `fromVersion: 0`, earlier deltas are dropped), and the result says so. A `touch` begins nothing and keeps the
   * old identity; what follows a removal has the epoch that it was planned with. An accessor that makes it once when it
   * is read: a store that spreads the options loses it.
   */
  readonly freshEpoch: string;
  /** How often these writes were answered `behind` before. A shared store may reserve the context for a loser. */
  readonly attempt: number;
}

/** What became of a commit. */
export type CommitResult =
  /**
   * All writes are stored, durable, and announced. `head` is what the store wrote last, undefined after a removal;
   * `epochBegan`: the first change began `CommitOptions.freshEpoch`, and those up to the next removal belong to it.
   */
  | { readonly kind: 'committed'; readonly head?: Head | undefined; readonly epochBegan: boolean }
  /**
   * The base is not the truth (or the context is reserved for a writer that lost before). Nothing was stored by this
   * call. `known` is what is; `since` are the deltas from the base on when the store has them all, of the whole epoch
   * when the base was no context: a write whose id is among them was stored by an earlier attempt.
   */
  | { readonly kind: 'behind'; readonly known: Known; readonly since?: readonly DeltaRecord[] | undefined }
  /** The idempotency key of `writes[index]`, the first such, was used before. Nothing was stored by this call. */
  | { readonly kind: 'duplicate'; readonly index: number; readonly outcome: Outcome };

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
