/**
 * The embedded store: one directory on the disk of this machine, used by one process, durable without any service.
 *
 * A write adds its delta and replaces the small row of its context; the state is written down only now and then
 * (plan.ts), and otherwise rebuilt from there. Writes of many contexts that come at once share one flush (store.ts).
 * Work on one context is done one after the other, and shown, from memory or disk, only when it is on the disk
 * (contexts.ts).
 */
import { setImmediate } from 'node:timers/promises';
import { deepFreeze } from '../../delta/json.ts';
import { BackendUnavailableError } from '../../errors.ts';
import type { Position } from '../../model.ts';
import type {
  Announcement,
  Backend,
  DeltaListOptions,
  Due,
  DueKind,
  DueOptions,
  Lease,
  ListOptions,
  Note,
  ReadOptions,
  View,
  Watch,
} from '../backend.ts';
import type { Base, CommitOptions, CommitResult, Outcome, Write } from '../commit.ts';
import type { DeltaRecord, Head, Known } from '../known.ts';
import { Leases } from '../leases.ts';
import { Turns } from '../turns.ts';
import { Watchers } from '../watchers.ts';
import { Contexts } from './contexts.ts';
import { countIds, dueEntries, listIds, nextDueMs, outcomeOf } from './indexes.ts';
import { noteRevision, readNote, writeNote } from './notes.ts';
import { Store } from './store.ts';
import { dueKinds, sizeOf } from './tables.ts';
import { Writes } from './writes.ts';

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
  readonly #writes: Writes;
  readonly #turns = new Turns();
  readonly #watchers = new Watchers();
  readonly #leases = new Leases();
  readonly #writeTimeoutMs: number;
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
    this.#writes = new Writes({ store: this.#store, contexts: this.#contexts, watchers: this.#watchers });
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
    const deltas = this.#contexts.retained(found, options);
    if (deltas !== undefined && options.withState !== true) return { kind: 'context', head, deltas };
    return { kind: 'context', head, deltas, state: deepFreeze(this.#contexts.state(found)) };
  }

  async readOutcome(id: string, key: string | undefined, nowMs: number): Promise<{ known: Known; outcome?: Outcome }> {
    this.#assertOpen();
    const known = this.#contexts.known(this.#contexts.find(id));
    const outcome = key === undefined ? undefined : this.#store.read((tables) => outcomeOf(tables, id, { key, nowMs }));
    return outcome === undefined ? { known } : { known, outcome };
  }

  async commit(id: string, base: Base, writes: readonly Write[], options: CommitOptions): Promise<CommitResult> {
    return this.#exclusively(id, () => this.#writes.commit(id, base, { writes, options }));
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
    return this.#exclusively(id, () => this.#writes.expire(id, nowMs, at));
  }

  async postpone(id: string, expiresAtMs: number, dueMs: number): Promise<void> {
    return this.#exclusively(id, () => this.#writes.postpone(id, expiresAtMs, dueMs));
  }

  async trimDeltas(id: string, beforeMs: number): Promise<number> {
    return this.#exclusively(id, () => this.#writes.trimDeltas(id, beforeMs));
  }

  async purgeTombstone(id: string, beforeMs: number): Promise<boolean> {
    return this.#exclusively(id, () => this.#writes.purgeTombstone(id, beforeMs));
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

  async noteRevision(name: string): Promise<string | undefined> {
    this.#assertOpen();
    return noteRevision(this.#store, name);
  }

  async readNote(name: string): Promise<Note | undefined> {
    this.#assertOpen();
    return readNote(this.#store, name);
  }

  async writeNote(name: string, note: Note, expected: string | undefined): Promise<boolean> {
    // No id holds NUL: nothing else takes this turn.
    return this.#exclusively(`note\0${name}`, () => writeNote(this.#store, name, { note, expected }));
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

  /**
   * Does work on a context, or a note, when the work before it is done.
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
