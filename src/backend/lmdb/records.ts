/** What is kept of a context, as JSON text. Everything that comes back is frozen. */
import { deepFreeze, type JsonArray, type JsonObject } from '../../delta/json.ts';
import type { Outcome } from '../commit.ts';
import type { DeltaRecord, Head, Tombstone } from '../known.ts';

/**
 * The row of a live context.
 *
 *   loggedFrom ≤ version ─ deltas in the table, without a hole
 *   keptFrom             ─ the oldest that may be shown; what is logged before it only leads from the checkpoint on
 *   checkpoint           ─ the version of the state in the checkpoint table; null: `{}` before the first delta
 */
export interface Row {
  readonly head: Head;
  readonly keptFrom: number;
  readonly loggedFrom: number;
  readonly checkpoint: number | null;
  /** Length of the deltas after the checkpoint, as text. */
  readonly logLength: number;
  /** Where the context stands in the due index; may be earlier than `head.expiresAtMs`. */
  readonly contextDueMs: number | null;
  /** Where its deltas stand there; may be earlier than the oldest kept one. */
  readonly deltasDueMs: number | null;
}

/** The version that the deltas of a row lead on from. */
export function baseVersion({ checkpoint, loggedFrom }: Row): number {
  return checkpoint ?? loggedFrom - 1;
}

export function rowFrom(text: string): Row {
  // Written by JSON.stringify(row).
  const row = JSON.parse(text) as Row;
  Object.freeze(row.head);
  return Object.freeze(row);
}

export function tombstoneFrom(text: string): Tombstone {
  // Written by JSON.stringify(tombstone).
  return Object.freeze(JSON.parse(text) as Tombstone);
}

export function deltaFrom(text: string): DeltaRecord {
  // Written by JSON.stringify(record).
  const record = JSON.parse(text) as DeltaRecord;
  // Parsed from JSON, and so JSON; only the interfaces have no index signature.
  deepFreeze(record.changes as unknown as JsonArray);
  return Object.freeze(record);
}

export function outcomeFrom(text: string): Outcome {
  // Written by JSON.stringify(outcome).
  return Object.freeze(JSON.parse(text) as Outcome);
}

/** Nobody holds it yet: the caller may change it in place. */
export function stateFrom(text: string): JsonObject {
  // Written by JSON.stringify(state).
  return JSON.parse(text) as JsonObject;
}
