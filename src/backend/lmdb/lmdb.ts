/**
 * The embedded store: one directory on the disk of this machine, used by one process, durable without any service.
 *
 * A write adds its delta and replaces the small row of its context; the state is written down only now and then
 * (plan.ts), and otherwise rebuilt from there. Writes of many contexts that come at once share one flush (store.ts).
 * Work on one context is done one after the other, and shown, from memory or disk, only when it is on the disk
 * (contexts.ts).
 */
import { setImmediate } from 'node:timers/promises';
import { advance } from '../../delta/apply.ts';
import { deepFreeze, type JsonObject } from '../../delta/json.ts';
import { Trial } from '../../delta/trial.ts';
import { BackendUnavailableError } from '../../errors.ts';
import type { Position } from '../../model.ts';
import type {
  Announcement,
  Backend,
  Base,
  CommitOptions,
  CommitResult,
  DeltaListOptions,
  DeltaRecord,
  Due,
  DueKind,
  DueOptions,
  Head,
  Known,
  Lease,
  ListOptions,
  Outcome,
  ReadOptions,
  View,
  Watch,
  Write,
} from '../backend.ts';
import { isBase, samePosition, startOfDeltas, withFloor } from '../base.ts';
import { Leases } from '../leases.ts';
import { tryWrites } from '../try-writes.ts';
import { Turns } from '../turns.ts';
import { Watchers } from '../watchers.ts';
import { Contexts, type Entry, type Found } from './contexts.ts';
import { countIds, dueEntries, expiredOutcomes, listIds, nextDueMs, outcomeOf } from './indexes.ts';
import { type Plan, planCommit, planRow, type Stored, trimmed } from './plan.ts';
import type { Row } from './records.ts';
import { Store } from './store.ts';
import { dueKinds, type RowWrite, sizeOf } from './tables.ts';

/** How to open an embedded store. */
export interface LmdbOptions {
  /** The directory; made when it is not there. */
  readonly path: string;
  /** Weight of the contexts that are kept in memory, states and deltas. Default 64 MiB. */
  readonly cacheBytes?: number | undefined;
  /** How long a write may take before its caller is told UNKNOWN. Default 30 s. */
  readonly writeTimeoutMs?: number | undefined;
}

/** Keeps contexts in a directory, on the `lmdb` package. */
export class LmdbBackend implements Backend {
  readonly serverId: string;
  readonly #store: Store;
  readonly #contexts: Contexts;
  readonly #turns = new Turns();
  readonly #watchers = new Watchers();
  readonly #leases = new Leases();
  readonly #writeTimeoutMs: number;
  /** Where the last look for outcomes that have run out ended. */
  #forgottenTo: Buffer | undefined;
  #isClosed = false;

  /**
   * Opens a directory, or makes one. Takes a moment in which this process does nothing else, also after a crash:
   * nothing is replayed.
   *
   * @throws DataDirectoryError when it is in use, of another program, of a newer version, damaged or out of reach.
   */
  static open(options: LmdbOptions): LmdbBackend {
    return new LmdbBackend(options);
  }

  private constructor({ path, cacheBytes = 64 * 1024 * 1024, writeTimeoutMs = 30_000 }: LmdbOptions) {
    this.#store = new Store(path, Math.min(writeTimeoutMs, 5_000));
    this.serverId = this.#store.serverId;
    this.#contexts = new Contexts(this.#store, { cacheBytes, isBusy: (id) => this.#turns.isBusy(id) });
    this.#writeTimeoutMs = writeTimeoutMs;
  }

  peek(id: string): Known | undefined {
    return this.#isClosed ? undefined : this.#contexts.peek(id);
  }

  async read(id: string, options: ReadOptions = {}): Promise<View> {
    this.#assertOpen();
    const found = this.#contexts.find(id);
    if (found.kind !== 'context') return found;
    const { head } = found.row;
    const deltas = this.#deltasSince(found, options);
    if (deltas !== undefined && options.withState !== true) return { kind: 'context', head, deltas };
    return { kind: 'context', head, deltas, state: deepFreeze(this.#contexts.state(found)) };
  }

  async readOutcome(id: string, key: string | undefined, nowMs: number): Promise<{ known: Known; outcome?: Outcome }> {
    this.#assertOpen();
    const known = this.#known(this.#contexts.find(id));
    const outcome = key === undefined ? undefined : this.#store.read((tables) => outcomeOf(tables, id, { key, nowMs }));
    return outcome === undefined ? { known } : { known, outcome };
  }

  async commit(id: string, base: Base, writes: readonly Write[], options: CommitOptions): Promise<CommitResult> {
    return this.#exclusively(id, () => this.#commit(id, base, { writes, options }));
  }

  async watch(id: string, listener: (announcement: Announcement) => void): Promise<Watch> {
    this.#assertOpen();
    return this.#watchers.add(id, listener);
  }

  async due(kind: DueKind, beforeMs: number, options: DueOptions): Promise<readonly Due[]> {
    this.#assertOpen();
    return this.#store.read((tables) => dueEntries(tables, dueKinds[kind], { ...options, beforeMs }));
  }

  async nextDue(kind: DueKind): Promise<number | undefined> {
    this.#assertOpen();
    return this.#store.read((tables) => nextDueMs(tables, dueKinds[kind]));
  }

  async expire(id: string, nowMs: number, at?: Position): Promise<Position | undefined> {
    return this.#exclusively(id, async () => {
      const row = this.#contexts.row(id);
      if (row === undefined) return undefined;
      const { head } = row;
      if (head.expiresAtMs === null || head.expiresAtMs > nowMs) {
        await this.#replaceRow(id, row, { ...row, contextDueMs: head.expiresAtMs });
        return undefined;
      }
      if (at !== undefined && !samePosition(head, at)) return undefined;
      const step = { kind: 'remove', cause: 'EXPIRED', atMs: nowMs } as const;
      const plan = planCommit(id, { kind: 'context', row }, [{ writeId: `expire:${head.epoch}`, step }], removal);
      await this.#write(id, plan.rows);
      this.#contexts.forget(id);
      this.#announce(id, plan);
      return { epoch: head.epoch, version: head.version };
    });
  }

  async postpone(id: string, expiresAtMs: number, dueMs: number): Promise<void> {
    return this.#exclusively(id, async () => {
      const row = this.#contexts.row(id);
      if (row?.head.expiresAtMs === expiresAtMs) await this.#replaceRow(id, row, { ...row, contextDueMs: dueMs });
    });
  }

  async trimDeltas(id: string, beforeMs: number): Promise<number> {
    return this.#exclusively(id, async () => {
      let count = 0;
      // Some at a time: others have their turn in between.
      for (let trimmedNow = trimmedAtOnce; trimmedNow === trimmedAtOnce; count += trimmedNow) {
        trimmedNow = await this.#trimSome(id, beforeMs);
      }
      return count;
    });
  }

  async purgeTombstone(id: string, beforeMs: number): Promise<boolean> {
    return this.#exclusively(id, async () => {
      const found = this.#contexts.current(id);
      if (found.kind !== 'tombstone' || found.atMs > beforeMs) return false;
      await this.#store.write([
        { table: 'tombstones', key: id },
        { table: 'due', key: [dueKinds.tombstone, found.atMs, id] },
      ]);
      return true;
    });
  }

  async list(options: ListOptions): Promise<readonly string[]> {
    this.#assertOpen();
    return this.#store.read((tables) => listIds(tables, options));
  }

  async heads(ids: readonly string[]): Promise<readonly (Head | undefined)[]> {
    this.#assertOpen();
    return ids.map((id) => this.#contexts.row(id)?.head);
  }

  async deltas(id: string, { afterVersion = 0, limit, descending }: DeltaListOptions): Promise<readonly DeltaRecord[]> {
    this.#assertOpen();
    const found = this.#contexts.find(id);
    return found.kind === 'context' ? this.#contexts.deltas(found, afterVersion, { limit, descending }) : [];
  }

  async count({ idPrefix = '' }: { readonly idPrefix?: string | undefined }): Promise<number> {
    this.#assertOpen();
    if (idPrefix === '') return this.#store.read(({ contexts }) => sizeOf(contexts));
    let sum = 0;
    for (let after: Buffer | undefined, isDone = false; !isDone; ) {
      const { count, last } = this.#store.read((tables) => countIds(tables, idPrefix, after));
      sum += count;
      isDone = last === undefined;
      after = last;
      // Others have their turn in between.
      if (!isDone) await setImmediate();
    }
    return sum;
  }

  /** The directory has one process: its leases live and end with that. */
  async lease(name: string, ttlMs: number, nowMs: number): Promise<Lease | undefined> {
    this.#assertOpen();
    return this.#leases.take(name, ttlMs, nowMs);
  }

  async ping(): Promise<void> {
    this.#assertOpen();
    await this.#store.ping();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#watchers.clear();
    this.#leases.clear();
    await this.#store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #commit(
    id: string,
    base: Base,
    { writes, options }: { readonly writes: readonly Write[]; readonly options: CommitOptions },
  ): Promise<CommitResult> {
    const { nowMs, freshEpoch } = options;
    for (const [index, { idempotency }] of writes.entries()) {
      const key = idempotency?.key;
      const outcome = key && this.#store.read((tables) => outcomeOf(tables, id, { key, nowMs }));
      if (outcome) return { kind: 'duplicate', index, outcome };
    }
    const before = this.#contexts.current(id);
    if (!isBase(before.kind === 'context' ? { kind: 'context', head: before.row.head } : before, base)) {
      return this.#behind(before, base);
    }
    const stored: Stored = before.kind === 'context' ? { kind: 'context', row: before.row } : before;
    const state = before.kind === 'context' ? this.#contexts.state(before) : undefined;
    const { serverId } = this;
    const plan = planCommit(id, stored, writes, { freshEpoch, serverId, stateText: () => JSON.stringify(state) });
    const next = this.#tryOut(state, writes, plan);
    const remembered = writes.filter(({ idempotency }) => idempotency !== undefined).length;
    await this.#write(id, remembered > 0 ? [...plan.rows, ...this.#expiredOutcomes(nowMs, remembered)] : plan.rows);
    this.#contexts.apply(before, plan, id, next());
    this.#announce(id, plan);
    const { after, epochBegan } = plan;
    return { kind: 'committed', head: after.kind === 'context' ? after.row.head : undefined, epochBegan };
  }

  /**
   * Refuses a plan that does not fit. Answers how to get the state that it leads to, once it is on the disk: until
   * then the state is as it was.
   */
  #tryOut(state: JsonObject | undefined, writes: readonly Write[], plan: Plan): () => JsonObject | undefined {
    const trial = new Trial(state);
    const states = tryWrites(trial, writes);
    // Of a frozen state, and of none, the trial has made another: that is it.
    if (plan.isAnew || state === undefined || !Object.isExtensible(state)) return () => states.at(-1);
    trial.restore();
    return () => plan.deltas.reduce((next, { changes }) => advance(next, changes), state);
  }

  async #trimSome(id: string, beforeMs: number): Promise<number> {
    const found = this.#contexts.current(id);
    if (found.kind !== 'context') return 0;
    const { row } = found;
    const oldest = this.#contexts.deltas(found, 0, { limit: trimmedAtOnce + 1 });
    const young = oldest.findIndex(({ insertedAtMs }) => insertedAtMs > beforeMs);
    const count = Math.min(young === -1 ? oldest.length : young, trimmedAtOnce);
    const keptFrom = row.keptFrom + count;
    const next = trimmed({ ...row, deltasDueMs: oldest[count]?.insertedAtMs ?? null }, keptFrom);
    const head = count === 0 ? row.head : withFloor(row.head, keptFrom - 1);
    await this.#replaceRow(id, row, { ...next, head });
    return count;
  }

  #behind(found: Found, base: Base): CommitResult {
    const known = this.#known(found);
    if (found.kind !== 'context') return { kind: 'behind', known };
    // It comes again at once, and is planned in memory then.
    this.#contexts.keep(found);
    if (base.kind === 'context') return { kind: 'behind', known, since: this.#deltasSince(found, { since: base }) };
    const { head, keptFrom } = found.row;
    // A writer that comes again does so soon: a long log is not read for it.
    if (head.version - keptFrom > longestSince) return { kind: 'behind', known };
    const kept = this.#contexts.deltasSince(found, 0);
    return { kind: 'behind', known, since: kept[0]?.fromVersion === 0 ? kept : undefined };
  }

  #deltasSince(entry: Entry, options: ReadOptions): readonly DeltaRecord[] | undefined {
    const version = startOfDeltas(entry.row.head, options);
    return version === undefined ? undefined : this.#contexts.deltasSince(entry, version);
  }

  /** What may leave the store: the state frozen. */
  #known(found: Found): Known {
    if (found.kind !== 'context') return found;
    return { kind: 'context', head: found.row.head, state: deepFreeze(this.#contexts.state(found)) };
  }

  async #replaceRow(id: string, before: Row, after: Row): Promise<void> {
    if (isSame(before, after)) return;
    await this.#write(id, planRow(id, before, after));
    this.#contexts.replaceRow(id, after);
  }

  async #write(id: string, rows: readonly RowWrite[]): Promise<void> {
    try {
      await this.#store.write(rows);
    } catch (error) {
      // It may be on the disk or not: the next look at it tells, also whoever watches.
      this.#contexts.forget(id);
      this.#watchers.announce(id, { kind: 'interrupted' });
      throw error;
    }
  }

  #announce(id: string, { announcements }: Plan): void {
    for (const announcement of announcements) this.#watchers.announce(id, announcement);
  }

  /**
   * Each commit that remembers keys forgets twice as many that have run out, so that they never pile up. Commits of one
   * flush take different ones: each goes on where the one before it ended.
   */
  #expiredOutcomes(nowMs: number, remembered: number): readonly RowWrite[] {
    const { rows, last } = this.#store.read((tables) =>
      expiredOutcomes(tables, nowMs, { after: this.#forgottenTo, limit: 2 * remembered }),
    );
    // At the end, begin anew: what was not removed after all is still there.
    this.#forgottenTo = last;
    return rows;
  }

  /**
   * Does work on a context when the work before it is done.
   *
   * @throws BackendUnavailableError with outcome UNKNOWN when that takes too long. The work goes on, and so does the
   * turn: what is on the disk then is what everybody sees.
   */
  async #exclusively<T>(id: string, work: () => Promise<T>): Promise<T> {
    this.#assertOpen();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new BackendUnavailableError('The store did not answer in time.', 'UNKNOWN'));
      }, this.#writeTimeoutMs);
      timer.unref();
      this.#turns
        .take(id, work)
        .then(resolve, reject)
        .finally(() => clearTimeout(timer));
    });
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new BackendUnavailableError('The store is closed.', 'NOT_STORED');
  }
}

/** Whether nothing of what changes without a write has changed. */
function isSame(before: Row, after: Row): boolean {
  const { head, keptFrom, contextDueMs, deltasDueMs } = after;
  if (contextDueMs !== before.contextDueMs || deltasDueMs !== before.deltasDueMs) return false;
  return head === before.head && keptFrom === before.keptFrom;
}

/** So many deltas are trimmed in one step. */
const trimmedAtOnce = 256;
/** A log that is longer is not read for a writer that knew of no context. */
const longestSince = 1_024;

/** A removal begins no epoch and needs no checkpoint. */
const removal = { freshEpoch: '', serverId: '', stateText: () => '' };
