/**
 * Plans writes as the service does: heads, deltas, weights, floors and frozen values that belong together.
 *
 *   const one = await draft(backend, 'id').set({ n: 1 }).store();
 *   const two = await one.set({ n: 2 }).store();
 *   await one.set({ n: 3 }).commit();            // on what `one` knew: behind
 *
 * A draft never changes: every step answers a new one, so that any earlier one can be planned on again.
 */
import type { Backend } from '../backend/backend.ts';
import type { Base, CommitOptions, CommitResult, IdempotencyRecord, Step, Write } from '../backend/commit.ts';
import type { DeltaRecord, Head, Known, KnownContext } from '../backend/known.ts';
import type { Changes } from '../delta/delta.ts';
import { diff } from '../delta/diff.ts';
import { deepFreeze, type JsonObject } from '../delta/json.ts';
import { growth, weightOfChanges } from '../delta/weight.ts';
import type { GoneCause } from '../model.ts';
import { assertCommitted, assertSame } from './check.ts';

/** When the suite's time begins. Far from the real one: a store must not ask its own clock. */
export const start = 1_000_000_000;

export interface WriteOptions {
  /** `start` by default. */
  readonly atMs?: number | undefined;
  /** Undefined: as before. */
  readonly ttlMs?: number | null | undefined;
  readonly origin?: string | undefined;
  readonly writeId?: string | undefined;
  /** How many deltas are kept; all by default. */
  readonly keep?: number | undefined;
  readonly cause?: GoneCause | undefined;
  /** Of a creating write: its version, as a restore chooses one. By default 1, or the one after the tombstone's. */
  readonly version?: number | undefined;
  /** An idempotency key. */
  readonly key?: string | undefined;
  readonly requestHash?: string | undefined;
  /** How long the key is remembered: 1,000 ms. */
  readonly windowMs?: number | undefined;
}

let made = 0;

/** Never the same twice. */
export function fresh(prefix: string): string {
  made++;
  return `${prefix}${made}`;
}

/** Begins a plan on what is known of an id; by default nothing. */
export function draft(backend: Backend, id: string, known: Known = { kind: 'absent' }): Draft {
  return new Draft(backend, id, known);
}

export class Draft {
  readonly backend: Backend;
  readonly id: string;
  /** What the id is once the writes are stored. */
  readonly known: Known;
  readonly base: Base;
  readonly writes: readonly Write[];
  readonly #nowMs: number;

  constructor(
    backend: Backend,
    id: string,
    known: Known,
    planned?: Pick<Draft, 'base' | 'writes'> & { nowMs: number },
  ) {
    this.backend = backend;
    this.id = id;
    this.known = known;
    this.base = planned?.base ?? baseOf(known);
    this.writes = planned?.writes ?? [];
    this.#nowMs = planned?.nowMs ?? start;
  }

  /** The live context; fails when the draft has none. */
  get context(): KnownContext {
    if (this.known.kind === 'context') return this.known;
    throw new TypeError(`The test has no context here, but: ${this.known.kind}.`);
  }

  get head(): Head {
    return this.context.head;
  }

  /** The delta of the last write. */
  get delta(): DeltaRecord {
    const step = this.writes.at(-1)?.step;
    if (step?.kind === 'create' || step?.kind === 'change') return step.delta;
    throw new TypeError('The test has no delta here.');
  }

  /** Creates the context, or changes it to this state. */
  set(state: JsonObject, options: WriteOptions = {}): Draft {
    deepFreeze(state);
    const { known } = this;
    const step = known.kind === 'context' ? this.#change(known, state, options) : this.#create(known, state, options);
    return this.#plan(step, { kind: 'context', head: step.head, state }, options);
  }

  /** Changes the expiry alone. */
  touch(options: WriteOptions = {}): Draft {
    const { head, state } = this.context;
    const touched = Object.freeze({ ...head, touches: head.touches + 1, ...expiry(head, options) });
    return this.#plan({ kind: 'touch', head: touched }, { kind: 'context', head: touched, state }, options);
  }

  remove(options: WriteOptions = {}): Draft {
    const { epoch, version } = this.head;
    const { cause = 'DELETED', atMs = start, writeId = fresh('w') } = options;
    const known: Known = { kind: 'tombstone', epoch, version, cause, atMs, writeId };
    return this.#plan({ kind: 'remove', cause, atMs }, known, { ...options, writeId });
  }

  commit(options: Partial<CommitOptions> = {}): Promise<CommitResult> {
    return this.backend.commit(this.id, this.base, this.writes, {
      nowMs: this.#nowMs,
      freshEpoch: fresh('unused'),
      attempt: 0,
      ...options,
    });
  }

  /** Commits, and answers a draft of what was stored. Fails unless the commit is accepted. */
  async store(): Promise<Draft> {
    assertCommitted(await this.commit());
    return draft(this.backend, this.id, this.known);
  }

  /** The same plan for another backend on the same data. */
  on(backend: Backend): Draft {
    return new Draft(backend, this.id, this.known, { base: this.base, writes: this.writes, nowMs: this.#nowMs });
  }

  /** Fails unless the store, asked in every way, says exactly what the draft knows. */
  async assertStands(): Promise<void> {
    const { backend, id, known } = this;
    const where = `of ${JSON.stringify(id)}`;
    assertSame(await backend.read(id, { withState: true }), known, `The view ${where}`);
    assertSame((await backend.readOutcome(id, undefined, this.#nowMs)).known, known, `What readOutcome says ${where}`);
    assertSame(await backend.heads([id]), [known.kind === 'context' ? known.head : undefined], `The head ${where}`);
  }

  #plan(step: Step, known: Known, options: WriteOptions): Draft {
    const { atMs = start, writeId = fresh('w') } = options;
    const recorded = 'delta' in step ? step.delta.writeId : writeId;
    const write: Write = { writeId: recorded, step, idempotency: recordOf(step, options) };
    return new Draft(this.backend, this.id, known, {
      base: this.base,
      writes: [...this.writes, write],
      nowMs: Math.max(atMs, this.#nowMs),
    });
  }

  #create(known: Exclude<Known, KnownContext>, state: JsonObject, options: WriteOptions): StepOf<'create'> {
    const { atMs = start, keep = Number.POSITIVE_INFINITY } = options;
    const changes = diff({}, state);
    const version = options.version ?? (known.kind === 'tombstone' ? known.version + 1 : 1);
    const position = { epoch: fresh('e'), version };
    const head: Head = Object.freeze({
      ...position,
      firstVersion: version,
      floor: version,
      serverId: this.backend.serverId,
      stateBytes: 2 + growth(changes),
      createdAtMs: atMs,
      insertedAtMs: atMs,
      touches: 0,
      ...expiry(undefined, options),
    });
    const trimTo = Math.max(0, version - keep);
    return { kind: 'create', head, delta: deltaOf(changes, { ...position, fromVersion: 0 }, options), trimTo };
  }

  #change({ head, state: before }: KnownContext, state: JsonObject, options: WriteOptions): StepOf<'change'> {
    const { atMs = start, keep = Number.POSITIVE_INFINITY } = options;
    const changes = diff(before, state);
    if (changes.length === 0) throw new TypeError('The test changes nothing.');
    const position = { epoch: head.epoch, version: head.version + 1 };
    const insertedAtMs = Math.max(atMs, head.insertedAtMs);
    const trimTo = Math.max(0, position.version - keep);
    const next: Head = Object.freeze({
      ...head,
      ...position,
      floor: Math.max(head.floor, trimTo),
      serverId: this.backend.serverId,
      stateBytes: head.stateBytes + growth(changes),
      insertedAtMs,
      touches: 0,
      ...expiry(head, options),
    });
    const place = { ...position, fromVersion: head.version };
    return { kind: 'change', head: next, delta: deltaOf(changes, place, { ...options, atMs: insertedAtMs }), trimTo };
  }
}

type StepOf<K extends Step['kind']> = Extract<Step, { readonly kind: K }>;

function baseOf(known: Known): Base {
  if (known.kind === 'absent') return known;
  if (known.kind === 'tombstone') return { kind: 'tombstone', epoch: known.epoch, version: known.version };
  const { epoch, version, touches } = known.head;
  return { kind: 'context', epoch, version, touches };
}

function expiry(head: Head | undefined, { atMs = start, ttlMs = head?.ttlMs }: WriteOptions) {
  return { ttlMs, expiresAtMs: ttlMs === undefined || ttlMs === null ? null : atMs + ttlMs };
}

function deltaOf(
  changes: Changes,
  place: Pick<DeltaRecord, 'epoch' | 'version' | 'fromVersion'>,
  { atMs = start, origin, writeId = fresh('w') }: WriteOptions,
): DeltaRecord {
  for (const change of changes) {
    if (change.action !== 'REMOVED') deepFreeze(change.value);
    if (change.action !== 'ADDED') deepFreeze(change.oldValue);
    Object.freeze(change.path);
    Object.freeze(change);
  }
  const weight = weightOfChanges(changes);
  return Object.freeze({ ...place, changes: Object.freeze(changes), insertedAtMs: atMs, origin, writeId, weight });
}

function recordOf(
  step: Step,
  { atMs = start, key, requestHash = 'hash', windowMs = 1_000 }: WriteOptions,
): IdempotencyRecord | undefined {
  if (key === undefined) return undefined;
  return { key, requestHash, changed: step.kind !== 'touch', expiresAtMs: atMs + windowMs };
}

/** Versions 1 to `last` of a context, one write each, with the states `{ n: version }`, 1 ms apart. */
export async function history(backend: Backend, id: string, last: number, options: WriteOptions = {}): Promise<Draft> {
  let current = draft(backend, id);
  for (let version = 1; version <= last; version++) {
    current = await current.set({ n: version }, { ...options, atMs: start + version - 1 }).store();
  }
  return current;
}
