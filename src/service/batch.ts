/** What happens to the writes of one commit: chosen, planned on each other, settled. Nothing here waits or asks a store. */
import type { Base, CommitResult } from '../backend/commit.ts';
import type { Absent, DeltaRecord, Known } from '../backend/known.ts';
import type { Delta } from '../delta/delta.ts';
import type { Position } from '../model.ts';
import type { Span } from '../observability/tracing.ts';
import { type Decision, decide, type WriteRequest, type WriteRules } from './decide.ts';
import { PlannedState } from './planned-state.ts';
import { toDelta } from './sync.ts';

/** What a write did. */
export interface Written extends Position {
  readonly changed: boolean;
  /** The idempotency key had done this before; nothing happened now. */
  readonly duplicate: boolean;
  /** Null: nothing changed, the context is gone, or the delta of a duplicate is no longer retained. */
  readonly delta: Delta | null;
}

/** A write on its way, and whom to tell what becomes of it. */
export interface Pending {
  readonly request: WriteRequest;
  readonly settle: (written: Written) => void;
  readonly fail: (error: unknown) => void;
  /** When it was submitted, in ms. */
  readonly sinceMs: number;
  /** Whose trace it is a part of. */
  readonly span?: Span | undefined;
  /** How often a refusal was overruled by a fresh view. */
  reconsidered: number;
  /** The view that overruled it: what to plan on next, since what `peek` says may stay stale or nothing. */
  fresh: Known | undefined;
}

/** A write with what it would do. */
export interface Planned {
  readonly pending: Pending;
  readonly decision: Extract<Decision, { kind: 'write' }>;
}

/** So many writes of one context go as one commit. */
const maxBatch = 256;

/** Nothing is known of an id, or there is nothing. */
export const absent: Absent = Object.freeze({ kind: 'absent' });

/**
 * The next writes that may be committed together: at most one for each idempotency key, and one that expects an epoch
 * only as the first. With a change before it the store may begin another epoch, under another server identity, and the
 * expectation, true when it was planned, would not be when it is stored.
 */
export function takeBatch(waiting: Pending[]): readonly Pending[] {
  if (waiting.length === 0) return none;
  const keys = new Set<string>();
  let size = 0;
  for (const { request } of waiting) {
    const key = request.idempotency?.key;
    if (size === maxBatch || (key !== undefined && keys.has(key))) break;
    if (size > 0 && request.expectedEpoch !== undefined) break;
    if (key !== undefined) keys.add(key);
    size++;
  }
  return waiting.splice(0, size);
}

/** What may be committed of a batch, and what is refused. */
export interface BatchPlan {
  readonly planned: readonly Planned[];
  readonly refused: readonly Pending[];
}

/** Plans each write on the state that the ones before it lead to. Synchronous: `known` may be on loan. */
export function planBatch(known: Known, batch: readonly Pending[], rules: WriteRules): BatchPlan {
  const [first] = batch;
  if (first !== undefined && batch.length === 1) return planOne(known, first, rules);
  const planned: Planned[] = [];
  const refused: Pending[] = [];
  const state = new PlannedState(known);
  try {
    for (const [index, pending] of batch.entries()) {
      const decision = decide(state.known, pending.request, rules);
      if (decision.kind === 'refuse') {
        refused.push(pending);
      } else {
        planned.push({ pending, decision });
        if (index < batch.length - 1) state.advance(decision.step, pending.request.writeId);
      }
    }
  } finally {
    state.restore();
  }
  return { planned, refused };
}

/** Most batches are one write, which nothing is planned on. */
function planOne(known: Known, pending: Pending, rules: WriteRules): BatchPlan {
  const decision = decide(known, pending.request, rules);
  return decision.kind === 'refuse'
    ? { planned: none, refused: [pending] }
    : { planned: [{ pending, decision }], refused: none };
}

const none: readonly never[] = Object.freeze([]);

/** The newest view that one of the writes brought with it. */
export function takeFresh(batch: readonly Pending[]): Known | undefined {
  let fresh: Known | undefined;
  for (const pending of batch) {
    fresh = pending.fresh ?? fresh;
    pending.fresh = undefined;
  }
  return fresh;
}

/** `began`: the epoch that the first of the changes began, if it did. It ends with the next removal. */
export function settleCommitted(planned: readonly Planned[], began: string | undefined): void {
  let isAhead = began !== undefined;
  let epoch: string | undefined;
  for (const { pending, decision } of planned) {
    const { request, settle } = pending;
    const { step, position, changed } = decision;
    const isFirst = isAhead && step.kind === 'change';
    if (isFirst) epoch = began;
    if (step.kind === 'create') epoch = undefined;
    isAhead &&= step.kind === 'touch';
    const record = decision.delta && recordIn(decision.delta, epoch, isFirst);
    const delta = record === undefined ? null : toDelta(request.id, record);
    settle({ epoch: epoch ?? position.epoch, version: position.version, changed, duplicate: false, delta });
  }
}

/** The record as the store wrote it: in the epoch that began with the commit, if one did. */
function recordIn(record: DeltaRecord, epoch: string | undefined, isFirst: boolean): DeltaRecord {
  if (epoch === undefined) return record;
  return { ...record, epoch, fromVersion: isFirst ? 0 : record.fromVersion };
}

/**
 * Whether an earlier attempt of this commit had stored the writes after all. One that is recognised proves all: they
 * are stored together, and what a later one undid or a touch did leaves no trace of its own.
 */
export function isStored(
  planned: readonly Planned[],
  { known, since }: Extract<CommitResult, { kind: 'behind' }>,
): boolean {
  const stored = new Set(since?.map(({ writeId }) => writeId));
  if (known.kind === 'tombstone') stored.add(known.writeId);
  return planned.some(({ pending }) => stored.has(pending.request.writeId));
}

/** Whether what is known is in that epoch. */
export function isAt(known: Known, epoch: string): boolean {
  return (known.kind === 'context' ? known.head.epoch : known.kind === 'tombstone' ? known.epoch : undefined) === epoch;
}

/** What a commit of a plan on this must find. */
export function baseOf(known: Known): Base {
  if (known.kind === 'absent') return absent;
  if (known.kind === 'tombstone') return { kind: 'tombstone', epoch: known.epoch, version: known.version };
  const { epoch, version, touches } = known.head;
  return { kind: 'context', epoch, version, touches };
}
