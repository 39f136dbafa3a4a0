/*
 * What a store must have after its process was killed, told from what the process said before: an intent before each
 * write and what was acknowledged after it.
 *
 * The writes of one context happen in the order of their intents. So the store has what every acknowledged one led to,
 * and of those that were under way the first few, all of them, or none.
 */
import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '../../src/delta/json.ts';
import { merge } from '../../src/delta/merge.ts';

/** How the stores of these tests are configured. */
export const crashOptions = {
  deltaThreshold: 40,
  deltaTtlMs: 3 * 3_600_000,
  tombstoneTtlMs: 2 * 3_600_000,
  idempotencyWindowMs: 10 * 3_600_000,
} as const;

/** Contexts that live, die and come back. */
export const smallIds: readonly string[] = ['c0', 'c1', 'c2', 'c3', 'c4', 'c5'];
/** All that are written. */
export const crashIds: readonly string[] = [...smallIds, 'hot', 'big', 'brief'];

/** A write, as its child is about to do it. */
export interface Op {
  /** Rises with every write of a child. */
  readonly n: number;
  /** Of the context; of every one for `cleanup`. */
  readonly id: string;
  readonly verb: 'set' | 'update' | 'delete' | 'expire' | 'cleanup';
  /** The state of a `set`, the changes of an `update`. */
  readonly value?: JsonObject | undefined;
  readonly ttlMs?: number | undefined;
  readonly key?: string | undefined;
  readonly nowMs: number;
}

/** A line of a child. */
export type Line =
  | { readonly kind: 'open' }
  | { readonly kind: 'intent'; readonly op: Op }
  /** Of an `expire` without `version`: nothing was removed. */
  | { readonly kind: 'ack'; readonly n: number; readonly epoch?: string; readonly version?: number }
  /** The context is not there, and the verb needs one. */
  | { readonly kind: 'refused'; readonly n: number }
  | { readonly kind: 'failed'; readonly n: number; readonly error: string };

/** What a context is. `epoch` undefined: nobody was told. */
export type Fate =
  | { readonly kind: 'absent' }
  | { readonly kind: 'gone'; readonly epoch: string | undefined; readonly version: number; readonly atMs: number }
  | {
      readonly kind: 'live';
      readonly epoch: string | undefined;
      readonly version: number;
      readonly state: JsonObject;
      readonly ttlMs: number | undefined;
      readonly expiresAtMs: number | null;
      /** By version, of the epoch. */
      readonly history: ReadonlyMap<number, JsonObject>;
    };

/** What a write makes of a context. */
export function after(fate: Fate, op: Op): Fate {
  switch (op.verb) {
    case 'set':
      return written(fate, op, op.value ?? {});
    case 'update':
      return fate.kind === 'live' ? written(fate, op, merge(fate.state, op.value ?? {}).state) : fate;
    case 'delete':
      return fate.kind === 'live' ? gone(fate, op.nowMs) : fate;
    case 'expire':
      return isDue(fate, op.nowMs) ? gone(fate, op.nowMs) : fate;
    case 'cleanup':
      if (isDue(fate, op.nowMs)) return gone(fate, op.nowMs);
      return fate.kind === 'gone' && fate.atMs <= op.nowMs - crashOptions.tombstoneTtlMs ? { kind: 'absent' } : fate;
  }
}

function written(fate: Fate, { ttlMs, nowMs }: Op, state: JsonObject): Fate {
  const before = fate.kind === 'live' ? fate : undefined;
  const kept = ttlMs ?? before?.ttlMs;
  const expiresAtMs = kept === undefined ? null : nowMs + kept;
  if (before !== undefined && isDeepStrictEqual(before.state, state)) return { ...before, ttlMs: kept, expiresAtMs };
  const version = (fate.kind === 'absent' ? 0 : fate.version) + 1;
  const history = new Map(before?.history).set(version, state);
  return { kind: 'live', epoch: before?.epoch, version, state, ttlMs: kept, expiresAtMs, history };
}

function isDue(fate: Fate, nowMs: number): fate is Extract<Fate, { readonly kind: 'live' }> {
  return fate.kind === 'live' && fate.expiresAtMs !== null && fate.expiresAtMs <= nowMs;
}

function gone({ epoch, version }: Extract<Fate, { readonly kind: 'live' }>, atMs: number): Fate {
  return { kind: 'gone', epoch, version, atMs };
}

/** One context: what is certain, and what was under way. */
export class Track {
  #fate: Fate = { kind: 'absent' };
  #pending: Op[] = [];
  /** The last acknowledged write with an idempotency key, and where it put the context. */
  lastKeyed: { readonly op: Op; readonly epoch: string | undefined; readonly version: number | undefined } | undefined;

  get pending(): readonly Op[] {
    return this.#pending;
  }

  intend(op: Op): void {
    this.#pending.push(op);
  }

  /** @throws when the acknowledgement is not what the write leads to. */
  acknowledge(line: Extract<Line, { readonly kind: 'ack' | 'refused' }>): void {
    for (let op = this.#pending.shift(); op !== undefined; op = this.#pending.shift()) {
      const before = this.#fate;
      this.#fate = after(before, op);
      if (op.n !== line.n) continue;
      this.#compare(op, before, line);
      return;
    }
    throw new Error(`Nobody intended write ${line.n}.`);
  }

  /** Every fate that the store may have, the certain one first. */
  possible(): readonly Fate[] {
    const fates = [this.#fate];
    for (const op of this.#pending) fates.push(after(fates.at(-1) ?? this.#fate, op));
    return fates;
  }

  /** What the store turned out to have. */
  settle(fate: Fate): void {
    this.#fate = fate;
    this.#pending = [];
  }

  #compare(op: Op, before: Fate, line: Extract<Line, { readonly kind: 'ack' | 'refused' }>): void {
    const fate = this.#fate;
    const isRefused = (op.verb === 'update' || op.verb === 'delete') && before.kind !== 'live';
    if (isRefused !== (line.kind === 'refused')) throw new Error(`${op.verb} was answered ${line.kind}.`);
    if (line.kind === 'refused') return;
    if (op.key !== undefined) this.lastKeyed = { op, epoch: line.epoch, version: line.version };
    if (op.verb === 'cleanup' || (op.verb === 'expire' && fate === before)) return;
    const version = fate.kind === 'absent' ? 0 : fate.version;
    if (line.version !== version) throw new Error(`${op.verb} led to version ${line.version}, not ${version}.`);
    if (fate.kind === 'absent') return;
    if (fate.epoch !== undefined && line.epoch !== fate.epoch) throw new Error(`${op.verb} changed the epoch.`);
    this.#fate = { ...fate, epoch: line.epoch };
  }
}
