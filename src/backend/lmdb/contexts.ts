/**
 * Contexts in memory: what the store has of an id, and the hot ones among them, whole.
 *
 * An entry holds the row, and state and log once they were needed; it changes only when a write is durable. What this
 * process reads is so never older than what it acknowledged, and never newer than the disk.
 */
import { LRUCache } from 'lru-cache';
import { advance } from '../../delta/apply.ts';
import { deepFreeze, type JsonObject } from '../../delta/json.ts';
import type { ReadOptions } from '../backend.ts';
import { startOfDeltas } from '../base.ts';
import { DeltaLog } from '../delta-log.ts';
import type { Absent, DeltaRecord, Known, Tombstone } from '../known.ts';
import { encodeKey } from './keys.ts';
import type { Plan } from './plan.ts';
import { baseVersion, deltaFrom, type Row, rowFrom, stateFrom, tombstoneFrom } from './records.ts';
import type { Store } from './store.ts';
import type { Tables } from './tables.ts';

/** A live context. */
export interface Entry {
  readonly kind: 'context';
  readonly id: string;
  row: Row;
  state: JsonObject | undefined;
  log: DeltaLog | undefined;
  /** What the log weighs in memory. */
  logBytes: number;
}

/** What the store has of an id. */
export type Found = Entry | Tombstone | Absent;

const absent = Object.freeze({ kind: 'absent' });

/** A longer log is not held in memory: it is read when somebody asks. */
const maxHeldDeltas = 1_024;
/** So few are read anew each time rather than held. */
const fewDeltas = 8;
/** What an entry weighs besides state and log. */
const entryBytes = 1_024;

export class Contexts {
  readonly #store: Store;
  readonly #hot: LRUCache<string, Entry>;
  /** Whether a write of the id is under way, so that the disk may be ahead of the entry. */
  readonly #isBusy: (id: string) => boolean;

  constructor(store: Store, options: { readonly cacheBytes: number; readonly isBusy: (id: string) => boolean }) {
    this.#store = store;
    this.#hot = new LRUCache({ maxSize: options.cacheBytes });
    this.#isBusy = options.isBusy;
  }

  /** What is in memory; no I/O. */
  peek(id: string): Known | undefined {
    const entry = this.#hot.get(id);
    if (entry?.state === undefined) return undefined;
    return { kind: 'context', head: entry.row.head, state: entry.state };
  }

  /** What the disk has, seen by whoever does not hold the turn of the id. */
  find(id: string): Found {
    const hot = this.#hot.get(id);
    if (hot !== undefined && !this.#isBusy(id)) return hot;
    return this.#store.read((tables) => {
      const text = tables.contexts.get(encodeKey(id));
      if (text === undefined) return tombstoneIn(tables, id);
      if (hot !== undefined && JSON.stringify(hot.row) === text) return hot;
      const entry = entryFrom(id, text);
      if (!this.#isBusy(id)) this.keep(entry);
      return entry;
    });
  }

  /** The same for the holder of the turn, before it writes. */
  current(id: string): Found {
    const hot = this.#hot.get(id);
    if (hot !== undefined) return hot;
    return this.#store.read((tables) => {
      const text = tables.contexts.get(encodeKey(id));
      if (text === undefined) return tombstoneIn(tables, id);
      return entryFrom(id, text);
    });
  }

  /** The row alone, without making the context a hot one. Undefined: no live context. */
  row(id: string): Row | undefined {
    const hot = this.#hot.peek(id);
    if (hot !== undefined && !this.#isBusy(id)) return hot.row;
    return this.#store.read(({ contexts }) => {
      const text = contexts.get(encodeKey(id));
      return text === undefined ? undefined : rowFrom(text);
    });
  }

  /** The state of the entry, read when it is needed first. */
  state(entry: Entry): JsonObject {
    entry.state ??= this.#store.read((tables) => readState(tables, entry));
    return entry.state;
  }

  /** Its kept deltas after a version, at most `limit`; the newest first when `descending`. */
  deltas(entry: Entry, after: number, { limit, descending }: DeltaRange = {}): readonly DeltaRecord[] {
    const { keptFrom } = entry.row;
    if (entry.log === undefined) return this.#readDeltas(entry, Math.max(after + 1, keptFrom), { limit, descending });
    return descending === true
      ? entry.log.afterDescending(after, limit ?? Number.POSITIVE_INFINITY)
      : entry.log.after(after, limit);
  }

  /** The same up to now, for a reader that is behind: others may be, too, and the log is held for them. */
  deltasSince(entry: Entry, version: number): readonly DeltaRecord[] {
    const { keptFrom, head } = entry.row;
    const isWorthwhile = head.version - version > fewDeltas && head.version - keptFrom < maxHeldDeltas;
    if (entry.log === undefined && isWorthwhile) {
      entry.log = new DeltaLog();
      for (const record of this.#readDeltas(entry, keptFrom)) append(entry, record);
      // It weighs more now.
      if (this.#hot.peek(entry.id) === entry) this.keep(entry);
    }
    return this.deltas(entry, version);
  }

  /** What a reader asked for of its deltas; undefined: the state instead. */
  retained(entry: Entry, options: ReadOptions): readonly DeltaRecord[] | undefined {
    const version = startOfDeltas(entry.row.head, options);
    return version === undefined ? undefined : this.deltasSince(entry, version);
  }

  /** What may leave the store: the state frozen. */
  known(found: Found): Known {
    if (found.kind !== 'context') return found;
    return { kind: 'context', head: found.row.head, state: deepFreeze(this.state(found)) };
  }

  /** After the rows of a plan are on the disk. `state`: what its deltas lead to. */
  apply(before: Found, plan: Plan, id: string, state: JsonObject | undefined): void {
    if (plan.after.kind !== 'context') {
      this.#hot.delete(id);
      return;
    }
    const { row } = plan.after;
    const entry: Entry =
      before.kind === 'context' && !plan.isAnew
        ? before
        : { kind: 'context', id, row, state, log: new DeltaLog(), logBytes: 0 };
    entry.row = row;
    entry.state = state;
    if (entry.log !== undefined) {
      for (const delta of plan.deltas) append(entry, delta);
      dropTo(entry, row.keptFrom - 1);
    }
    this.keep(entry);
  }

  /** After a row alone changed on the disk. */
  replaceRow(id: string, row: Row): void {
    const hot = this.#hot.peek(id);
    if (hot === undefined) return;
    hot.row = row;
    dropTo(hot, row.keptFrom - 1);
  }

  /** Nobody knows what the disk has. */
  forget(id: string): void {
    this.#hot.delete(id);
  }

  /** Makes the context one of the hot ones. */
  keep(entry: Entry): void {
    if (entry.log !== undefined && entry.row.head.version - entry.row.keptFrom >= maxHeldDeltas) {
      entry.log = undefined;
      entry.logBytes = 0;
    }
    // The cache weighs an entry only when it is new to it.
    this.#hot.delete(entry.id);
    this.#hot.set(entry.id, entry, { size: entryBytes + entry.row.head.stateBytes + entry.logBytes });
  }

  #readDeltas({ id, row }: Entry, from: number, { limit, descending }: DeltaRange = {}): readonly DeltaRecord[] {
    return this.#store.read((tables) => readDeltas(tables, { id, from, to: row.head.version, limit, descending }));
  }
}

/** Which deltas. */
export interface DeltaRange {
  readonly limit?: number | undefined;
  readonly descending?: boolean | undefined;
}

function entryFrom(id: string, text: string): Entry {
  return { kind: 'context', id, row: rowFrom(text), state: undefined, log: undefined, logBytes: 0 };
}

function tombstoneIn({ tombstones }: Tables, id: string): Found {
  const text = tombstones.get(encodeKey(id));
  return text === undefined ? absent : tombstoneFrom(text);
}

function append(entry: Entry, record: DeltaRecord): void {
  entry.log?.append(record);
  entry.logBytes += heldBytes(record);
}

function dropTo(entry: Entry, version: number): void {
  if (entry.log === undefined) return;
  for (let oldest = entry.log.oldest; oldest !== undefined && oldest.version <= version; oldest = entry.log.oldest) {
    entry.logBytes -= heldBytes(oldest);
    entry.log.dropTo(oldest.version);
  }
}

/** Old values count, too: they are mostly as heavy as the new ones. */
function heldBytes({ weight }: DeltaRecord): number {
  return 2 * weight + 512;
}

/** @throws Error when a row is missing: what is there would lead to a state that never was. */
function readState(tables: Tables, { id, row }: Entry): JsonObject {
  const { head, checkpoint } = row;
  const text = checkpoint === null ? '{}' : tables.checkpoints.get(encodeKey(id));
  if (text === undefined) throw new Error('A checkpoint is missing: the store is damaged.');
  let state = stateFrom(text);
  const from = baseVersion(row) + 1;
  const records = readDeltas(tables, { id, from, to: head.version });
  for (const { changes } of records) state = advance(state, changes);
  return state;
}

interface VersionRange extends DeltaRange {
  readonly id: string;
  readonly from: number;
  readonly to: number;
}

function readDeltas(
  { deltas }: Tables,
  { id, from, to, limit = Number.POSITIVE_INFINITY, descending = false }: VersionRange,
): readonly DeltaRecord[] {
  const count = Math.min(limit, Math.max(0, to - from + 1));
  const first = encodeKey([id, descending ? to : from]);
  const last = encodeKey([id, descending ? from : to]);
  const range = { start: first, end: last, inclusiveEnd: true, reverse: descending, limit: count };
  const records = count === 0 ? [] : [...deltas.getRange(range)].map(({ value }) => deltaFrom(value));
  if (records.length < count) throw new Error('A delta is missing: the store is damaged.');
  return records;
}
