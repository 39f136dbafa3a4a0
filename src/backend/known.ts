/** What a store knows about an id: the context that lives there, the deltas that led to it, or what is left of one. */
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
