/**
 * What a client is told: the table of docs/protocol.md as a pure function of its position and one view of the store.
 */
import type { View } from '../backend/backend.ts';
import type { DeltaRecord, Head } from '../backend/known.ts';
import { freezeChanges } from '../delta/change.ts';
import { compose } from '../delta/compose.ts';
import type { Delta } from '../delta/delta.ts';
import type { JsonObject } from '../delta/json.ts';
import { weightOfChanges } from '../delta/weight.ts';
import type { ContextEvent, ContextRecord, FullReason } from '../model.ts';
import type { Merged, MergedDeltas } from './merged-deltas.ts';

/** A position that a client named; without an epoch it is answered as if that were right. */
export interface Since {
  readonly epoch?: string | undefined;
  readonly version: number;
}

/** What an answer depends on beside the position and the store. */
export interface SyncRules {
  /** More deltas than this are never merged into one answer. */
  readonly maxMergeDeltas: number;
  /** A follower that was up to date until the last write: its one delta is sent whatever its weight. */
  readonly isLive?: boolean | undefined;
  /** Where merged deltas are kept for others that ask; absent: nowhere. */
  readonly merged?: MergedDeltas | undefined;
}

/** What to tell a client. */
export type SyncDecision =
  | { readonly kind: 'answer'; readonly event: ContextEvent }
  /** There is neither a context nor a tombstone. */
  | { readonly kind: 'absent' }
  /** The whole context is due, and the view came without its state: read again with it, and decide on that. */
  | { readonly kind: 'needsState' };

type ContextView = Extract<View, { readonly kind: 'context' }>;

/** The row of the table that a position and a view lead to. */
export function decideSync(id: string, since: Since | undefined, view: View, rules: SyncRules): SyncDecision {
  if (view.kind === 'absent') return { kind: 'absent' };
  if (view.kind === 'tombstone') {
    const { epoch, version, cause, atMs } = view;
    return answer({ kind: 'gone', contextId: id, epoch, version, cause, atMs });
  }
  const { head } = view;
  const reason = reasonForFull(since, head);
  if (reason !== undefined || since === undefined) return full(id, view.state, head, reason ?? 'NO_POSITION');
  if (since.version === head.version) {
    return answer({ kind: 'noChange', contextId: id, epoch: head.epoch, version: head.version });
  }
  if (head.version - since.version > rules.maxMergeDeltas) return full(id, view.state, head, 'SMALLER');
  const merged = rules.merged?.get(id, since.version, head) ?? mergeView(id, view, since, rules);
  if (merged === undefined) return full(id, view.state, head, 'TOO_OLD');
  const isExempt = rules.isLive === true && since.version + 1 === head.version;
  if (!isExempt && merged.weight > head.stateBytes) return full(id, view.state, head, 'SMALLER');
  return { kind: 'answer', event: merged.delta };
}

/** Undefined: the view does not have all of the deltas. */
function mergeView(id: string, { head, deltas }: ContextView, since: Since, rules: SyncRules): Merged | undefined {
  if (deltas === undefined || !isChain(deltas, since.version, head)) return undefined;
  const [first] = deltas;
  if (first !== undefined && deltas.length === 1) return { delta: toDelta(id, first), weight: first.weight };
  const delta = mergeRecords(id, deltas, head);
  const merged = { delta, weight: weightOfChanges(delta.changes) };
  rules.merged?.keep(id, merged);
  return merged;
}

/** Followers share answers: none may change one under another. */
function answer(event: ContextEvent): SyncDecision {
  return { kind: 'answer', event: Object.freeze(event) };
}

/** The rows of the table that need no more than the head. */
function reasonForFull(since: Since | undefined, head: Head): FullReason | undefined {
  if (since === undefined) return 'NO_POSITION';
  if ((since.epoch ?? head.epoch) !== head.epoch || since.version < head.firstVersion) return 'EPOCH_CHANGED';
  if (since.version > head.version) return 'CLIENT_AHEAD';
  if (since.version < head.version && since.version < head.floor) return 'TOO_OLD';
  return undefined;
}

function full(id: string, state: JsonObject | undefined, head: Head, reason: FullReason): SyncDecision {
  if (state === undefined) return { kind: 'needsState' };
  const { epoch, version } = head;
  return answer({ kind: 'full', contextId: id, epoch, version, reason, context: toContextRecord(id, head, state) });
}

/** Whether the records lead from `fromVersion` to the head, one version each, without a hole. */
function isChain(records: readonly DeltaRecord[], fromVersion: number, { epoch, version }: Head): boolean {
  const isContiguous = records.every(
    (record, index) => record.epoch === epoch && record.fromVersion === fromVersion + index,
  );
  return isContiguous && records.at(-1)?.version === version;
}

function mergeRecords(id: string, records: readonly DeltaRecord[], head: Head): Delta {
  const [first] = records;
  const common = first?.origin;
  return Object.freeze({
    kind: 'delta',
    contextId: id,
    epoch: head.epoch,
    fromVersion: first?.fromVersion ?? head.version,
    version: head.version,
    changes: freezeChanges(compose(records.map((record) => record.changes))),
    insertedAtMs: head.insertedAtMs,
    origin: (records.every((record) => record.origin === common) ? common : undefined) ?? null,
  });
}

/** A recorded delta as clients get it. */
export function toDelta(id: string, record: DeltaRecord): Delta {
  const { epoch, fromVersion, version, changes, insertedAtMs, origin } = record;
  return Object.freeze({
    kind: 'delta',
    contextId: id,
    epoch,
    fromVersion,
    version,
    changes,
    insertedAtMs,
    origin: origin ?? null,
  });
}

/** A context as readers get it. */
function toContextRecord(id: string, head: Head, state: JsonObject): ContextRecord {
  const { epoch, version, createdAtMs, insertedAtMs, expiresAtMs } = head;
  return Object.freeze({ id, epoch, version, state, createdAtMs, insertedAtMs, expiresAtMs });
}

/** The context of a view; undefined: there is none, or the view came without its state. */
export function contextOf(id: string, view: View): ContextRecord | undefined {
  if (view.kind !== 'context') return undefined;
  // Told by its descriptor: to read an accessor would make the state here, for readers who may only need the head.
  if (Object.getOwnPropertyDescriptor(view, 'state')?.get !== undefined) return toLazyRecord(id, view);
  return view.state === undefined ? undefined : toContextRecord(id, view.head, view.state);
}

/** The state is made when somebody looks at it. */
function toLazyRecord(id: string, view: ContextView): ContextRecord {
  const { epoch, version, createdAtMs, insertedAtMs, expiresAtMs } = view.head;
  return Object.freeze({
    id,
    epoch,
    version,
    get state() {
      if (view.state === undefined) throw new TypeError('The store made no state.');
      return view.state;
    },
    createdAtMs,
    insertedAtMs,
    expiresAtMs,
  });
}
