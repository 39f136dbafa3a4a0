import type { Delta } from './delta/delta.ts';
import type { JsonObject } from './delta/json.ts';

/** Where a context stands: one version of one unbroken history. What a client remembers. */
export interface Position {
  readonly epoch: string;
  readonly version: number;
}

/**
 * What a client says it has. No version, or 0: nothing. A version without an epoch is answered as if the epoch were
 * right; the promises of docs/protocol.md are made to clients that send both.
 */
export interface ClientPosition {
  readonly epoch?: string | null | undefined;
  readonly version?: number | null | undefined;
}

/** A context as readers get it. Frozen: it never changes under the reader. */
export interface ContextRecord extends Position {
  readonly id: string;
  readonly state: JsonObject;
  readonly createdAtMs: number;
  /** When this version was written, in ms since the Unix epoch. */
  readonly insertedAtMs: number;
  /** When the context becomes due for removal; null: never. */
  readonly expiresAtMs: number | null;
}

/** Why a client is sent the whole context. See the table in docs/protocol.md. */
export type FullReason = 'NO_POSITION' | 'EPOCH_CHANGED' | 'CLIENT_AHEAD' | 'TOO_OLD' | 'SMALLER';

/** Why a context is gone. */
export type GoneCause = 'DELETED' | 'EXPIRED';

interface EventPosition extends Position {
  readonly contextId: string;
}

/** The whole context: it replaces what the client has. */
export interface FullContext extends EventPosition {
  readonly kind: 'full';
  readonly reason: FullReason;
  readonly context: ContextRecord;
}

/** The client has the current version. */
export interface NoChange extends EventPosition {
  readonly kind: 'noChange';
}

/** The context was deleted or has expired; the position is its last one, and the client's ends here. */
export interface ContextGone extends EventPosition {
  readonly kind: 'gone';
  readonly cause: GoneCause;
  readonly atMs: number;
}

/** Live only: there is neither a context nor a trace of one. Version 0, epoch `-`. */
export interface NoContext extends EventPosition {
  readonly kind: 'noContext';
}

/** What `syncContext` answers and `follow` yields. */
export type ContextEvent = FullContext | Delta | NoChange | ContextGone | NoContext;

/** One page of a list. */
export interface Page<T> {
  readonly nodes: readonly T[];
  readonly hasNextPage: boolean;
}

/** Smallest or largest first. */
export type SortDirection = 'ASC' | 'DESC';
