/** What a store is told when it stores writes, and what it answers. */
import type { GoneCause, Position } from '../model.ts';
import type { Absent, DeltaRecord, Head, Known } from './known.ts';

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
