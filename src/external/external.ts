/** The contracts between Chord and a team's own storage. One method each; the built-ins beside this file implement them. */
import type { JsonObject } from '../delta/json.ts';
import type { Position } from '../model.ts';

/** The format of an exported record. It changes only when an older reader would misread a newer record. */
export const exportFormat = 'chord.context/1';

/** A context as it is handed out, one JSON object. */
export interface ExportedContext extends Position {
  readonly format: typeof exportFormat;
  readonly id: string;
  /** Frozen. */
  readonly state: JsonObject;
  /** When this version was written: RFC 3339 in UTC, with milliseconds. */
  readonly insertedAt: string;
  /** Its time to live in ms, null for ever; absent when no write gave one. */
  readonly ttlMs?: number | null;
}

/** What a provider hands back. An `ExportedContext` is one; nothing but these three is looked at. */
export interface ProvidedContext {
  readonly state: JsonObject;
  /** An integer from 1 to 2^52: what was exported, so that versions never go back. */
  readonly version: number;
  /** The time to live in ms of a context that comes into being; null: for ever; absent: as configured. */
  readonly ttlMs?: number | null | undefined;
}

/** How a call is bounded. */
export interface ExternalCall {
  /**
   * Aborts when the time is up (`externalTimeoutMs`), the server stops or, of an export before expiry, cleanup is
   * stopped. What comes later is not waited for.
   */
  readonly signal: AbortSignal;
}

/** Takes contexts into the team's storage. */
export interface Exporter {
  /** What `exportContext` answers as `exporter`. */
  readonly name: string;
  /**
   * Resolves once the record is safe. An older version must not replace a newer one of the same epoch where the
   * storage can tell; Chord may send one version any number of times, and versions in any order.
   *
   * @throws anything: the context is kept, and what the message says reaches the log, never a client.
   */
  exportContext(record: ExportedContext, call: ExternalCall): Promise<void>;
}

/** Brings contexts back from the team's storage. */
export interface Provider {
  readonly name: string;
  /**
   * The context as it was exported last; null when there is none.
   *
   * @throws anything: see `Exporter`.
   */
  fetchContext(id: string, call: ExternalCall): Promise<ProvidedContext | null>;
}
