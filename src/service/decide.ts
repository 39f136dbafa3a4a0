/**
 * Plans one write on what is known of a context. Pure but for `newEpoch`, which it is given: no clock, no store.
 *
 * The order of the checks is that of docs/protocol.md: existence, expectedEpoch and expectedVersion, limits.
 */
import type { View } from '../backend/backend.ts';
import type { IdempotencyRecord, Step } from '../backend/commit.ts';
import type { Absent, DeltaRecord, Head, Known, KnownContext, Tombstone } from '../backend/known.ts';
import { lastMomentMs } from '../clock.ts';
import { freezeChanges } from '../delta/change.ts';
import type { Changes, Path } from '../delta/delta.ts';
import { diff } from '../delta/diff.ts';
import type { JsonObject } from '../delta/json.ts';
import { mergeChanges } from '../delta/merge.ts';
import { growth, weightOfChanges } from '../delta/weight.ts';
import { type ChordError, ContextNotFoundError, LimitExceededError, VersionConflictError } from '../errors.ts';
import type { Position } from '../model.ts';

/** What a caller asked for, checked and copied. */
export interface WriteRequest {
  readonly id: string;
  /** The same in every attempt. */
  readonly writeId: string;
  readonly action:
    | { readonly verb: 'set'; readonly state: JsonObject }
    | { readonly verb: 'update'; readonly changes: JsonObject; readonly remove: readonly Path[] }
    | { readonly verb: 'delete' }
    | {
        readonly verb: 'restore';
        readonly state: JsonObject;
        /** What was exported: no epoch that this begins starts with an earlier version. */
        readonly version: number;
        /** Of an epoch that this begins; a live context keeps its own. Undefined: as configured. */
        readonly ttlMs?: number | null | undefined;
        /** What a read found in its place; the write fills that and nothing else. Undefined: whatever there is. */
        readonly gap?: Gap | undefined;
      };
  readonly expectedVersion?: number | undefined;
  readonly expectedEpoch?: string | undefined;
  /** Undefined: as before; null: for ever. */
  readonly ttlMs?: number | null | undefined;
  readonly origin?: string | undefined;
  readonly idempotency?: Pick<IdempotencyRecord, 'key' | 'requestHash'> | undefined;
}

/** What a read may find where a context could be restored: nothing, or that it has expired. */
export type Gap = Absent | Tombstone;

/** What a plan depends on beside the context and the request. Times in ms, sizes in bytes. */
export interface WriteRules {
  readonly nowMs: number;
  /** Identity of the store, for the head. */
  readonly serverId: string;
  /** Makes the epoch of a context that comes into being. */
  readonly newEpoch: () => string;
  /** How many deltas are kept; null: no limit by count. */
  readonly deltaThreshold: number | null;
  readonly maxStateBytes: number;
  /** The time to live of a context whose writes never gave one; null: for ever. */
  readonly defaultTtlMs: number | null;
}

/** What a write would do, or why it is refused. */
export type Decision =
  | {
      readonly kind: 'write';
      readonly step: Step;
      /** Where the write puts the context; for a removal, where it was. */
      readonly position: Position;
      /** Undefined: nothing changed, or the context was removed. */
      readonly delta?: DeltaRecord | undefined;
      readonly changed: boolean;
    }
  | { readonly kind: 'refuse'; readonly error: ChordError };

/** Plans one write on what is known. */
export function decide(known: Known, request: WriteRequest, rules: WriteRules): Decision {
  const { action } = request;
  if (action.verb === 'restore' && action.gap !== undefined && !isStill(known, action.gap)) {
    return refuse(conflict(request.id, known));
  }
  if (known.kind !== 'context') {
    if (action.verb === 'update' || action.verb === 'delete') return refuse(new ContextNotFoundError(request.id));
    const mayCreate = request.expectedEpoch === undefined && (request.expectedVersion ?? 0) === 0;
    if (!mayCreate) return refuse(conflict(request.id, known));
    const next = known.kind === 'tombstone' ? known.version + 1 : 1;
    if (action.verb === 'set') return create(next, action.state, request, rules);
    const { version, ttlMs } = action;
    return create(Math.max(version, next), action.state, { ...request, ttlMs }, rules);
  }
  if (!isExpected(known.head, request)) return refuse(conflict(request.id, known));
  switch (action.verb) {
    case 'set':
    case 'restore':
      return change(known, diff(known.state, action.state), request, rules);
    case 'update':
      return change(known, mergeChanges(known.state, action.changes, action.remove), request, rules);
    case 'delete':
      return {
        kind: 'write',
        step: { kind: 'remove', cause: 'DELETED', atMs: rules.nowMs },
        position: { epoch: known.head.epoch, version: known.head.version },
        changed: true,
      };
  }
}

/** Whether a context may be restored where a read found this: neither a live nor a deleted one is there. */
export function isGap(found: View): found is Gap {
  return found.kind === 'absent' || (found.kind === 'tombstone' && found.cause === 'EXPIRED');
}

/** A tombstone may have been purged meanwhile; any other is that of a later epoch, whose state was not asked for. */
function isStill(known: Known, gap: Gap): boolean {
  if (known.kind !== 'tombstone') return known.kind === 'absent';
  return isGap(known) && gap.kind === 'tombstone' && known.epoch === gap.epoch && known.version === gap.version;
}

function isExpected({ epoch, version }: Position, { expectedEpoch, expectedVersion }: WriteRequest): boolean {
  return (expectedEpoch ?? epoch) === epoch && (expectedVersion ?? version) === version;
}

function create(version: number, state: JsonObject, request: WriteRequest, rules: WriteRules): Decision {
  const changes = diff({}, state);
  const stateBytes = emptyStateBytes + growth(changes);
  if (stateBytes > rules.maxStateBytes) return refuse(tooLarge(stateBytes, rules));
  const position = { epoch: rules.newEpoch(), version };
  const delta = recordOf(changes, request, { ...position, fromVersion: 0, insertedAtMs: rules.nowMs });
  const trimTo = trimToOf(version, rules);
  const head: Head = Object.freeze({
    ...position,
    firstVersion: version,
    floor: version,
    serverId: rules.serverId,
    stateBytes,
    createdAtMs: rules.nowMs,
    insertedAtMs: rules.nowMs,
    touches: 0,
    ttlMs: request.ttlMs,
    expiresAtMs: expiryOf(request.ttlMs, rules),
  });
  return { kind: 'write', step: { kind: 'create', head, delta, trimTo }, position, delta, changed: true };
}

function change({ head }: KnownContext, changes: Changes, request: WriteRequest, rules: WriteRules): Decision {
  const ttlMs = request.ttlMs === undefined ? head.ttlMs : request.ttlMs;
  const expiresAtMs = expiryOf(ttlMs, rules);
  if (changes.length === 0) {
    const touched: Head = Object.freeze({ ...head, touches: head.touches + 1, ttlMs, expiresAtMs });
    const position = { epoch: head.epoch, version: head.version };
    return { kind: 'write', step: { kind: 'touch', head: touched }, position, changed: false };
  }
  const stateBytes = head.stateBytes + growth(changes);
  if (stateBytes > rules.maxStateBytes && stateBytes > head.stateBytes) return refuse(tooLarge(stateBytes, rules));
  const position = { epoch: head.epoch, version: head.version + 1 };
  // Clocks may go back, also between processes; within an epoch time does not.
  const insertedAtMs = Math.max(rules.nowMs, head.insertedAtMs);
  const { epoch, version } = position;
  const delta = recordOf(changes, request, { epoch, version, fromVersion: head.version, insertedAtMs });
  const trimTo = trimToOf(version, rules);
  // Spelled out, as on the whole path of a write: spreading costs more there than all the rest of this function.
  const next: Head = Object.freeze({
    epoch,
    version,
    firstVersion: head.firstVersion,
    floor: Math.max(head.floor, trimTo),
    serverId: rules.serverId,
    stateBytes,
    createdAtMs: head.createdAtMs,
    insertedAtMs,
    touches: 0,
    ttlMs,
    expiresAtMs,
  });
  return { kind: 'write', step: { kind: 'change', head: next, delta, trimTo }, position, delta, changed: true };
}

function trimToOf(version: number, { deltaThreshold }: WriteRules): number {
  return deltaThreshold === null ? 0 : Math.max(0, version - deltaThreshold);
}

/** The weight of `{}`. */
const emptyStateBytes = 2;

function recordOf(
  changes: Changes,
  { writeId, origin }: WriteRequest,
  place: Position & { readonly fromVersion: number; readonly insertedAtMs: number },
): DeltaRecord {
  const { epoch, version, fromVersion, insertedAtMs } = place;
  const weight = weightOfChanges(changes);
  return Object.freeze({
    epoch,
    fromVersion,
    version,
    // It outlives the state that it was made from: its values must not move when that changes in place.
    changes: freezeChanges(changes),
    insertedAtMs,
    origin,
    writeId,
    weight,
  });
}

function expiryOf(ttlMs: number | null | undefined, { nowMs, defaultTtlMs }: WriteRules): number | null {
  const effective = ttlMs === undefined ? defaultTtlMs : ttlMs;
  return effective === null ? null : Math.min(nowMs + effective, lastMomentMs);
}

function refuse(error: ChordError): Decision {
  return { kind: 'refuse', error };
}

function conflict(id: string, known: Known): VersionConflictError {
  return new VersionConflictError(id, known.kind === 'context' ? known.head : { version: 0, epoch: null });
}

function tooLarge(stateBytes: number, { maxStateBytes }: WriteRules): LimitExceededError {
  return new LimitExceededError('maxStateBytes', maxStateBytes, stateBytes);
}
