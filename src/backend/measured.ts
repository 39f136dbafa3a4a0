import { BackendUnavailableError } from '../errors.ts';
import type { Position } from '../model.ts';
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
  RateOptions,
  ReadOptions,
  View,
  Watch,
} from './backend.ts';
import type { Base, CommitOptions, CommitResult, Outcome, Write } from './commit.ts';
import type { DeltaRecord, Head, Known } from './known.ts';

/** The methods that wait for the store. */
export type MeasuredMethod = Exclude<keyof Backend, 'serverId' | 'peek' | 'close'>;

/** How a call ended. `failed`: with an error that the contract does not know. */
export type CallOutcome = 'done' | 'behind' | 'duplicate' | 'notStored' | 'unknown' | 'failed';

/** Who is told, for figures or for traces. Nothing of it may throw. */
export interface Measures {
  /**
   * A call begins. What this answers is called once, when it has ended.
   *
   * @param size how many writes a commit has; 1 of everything else.
   */
  onCall(method: MeasuredMethod, size: number): (outcome: CallOutcome) => void;
  /** A watch of this process was told something. */
  onAnnouncement?(kind: Announcement['kind']): void;
}

/** The same store, and somebody is told of each call. It is closed with the store. */
export function measureBackend(backend: Backend, measures: Measures): Backend {
  return new MeasuredBackend(backend, measures);
}

class MeasuredBackend implements Backend {
  readonly #inner: Backend;
  readonly #measures: Measures;
  readonly takeRate?: (key: string, options: RateOptions) => Promise<number | undefined>;

  constructor(inner: Backend, measures: Measures) {
    this.#inner = inner;
    this.#measures = measures;
    const { takeRate } = inner;
    if (takeRate === undefined) return;
    this.takeRate = (key, options) => this.#measure('takeRate', () => takeRate.call(inner, key, options));
  }

  get serverId(): string {
    return this.#inner.serverId;
  }

  peek(id: string): Known | undefined {
    return this.#inner.peek(id);
  }

  read(id: string, options?: ReadOptions): Promise<View> {
    return this.#measure('read', () => this.#inner.read(id, options));
  }

  readOutcome(
    id: string,
    key: string | undefined,
    nowMs: number,
  ): Promise<{ readonly known: Known; readonly outcome?: Outcome | undefined }> {
    return this.#measure('readOutcome', () => this.#inner.readOutcome(id, key, nowMs));
  }

  commit(id: string, base: Base, writes: readonly Write[], options: CommitOptions): Promise<CommitResult> {
    const commit = () => this.#inner.commit(id, base, writes, options);
    return this.#measure('commit', commit, { outcomeOf: outcomeOfCommit, size: writes.length });
  }

  watch(id: string, listener: (announcement: Announcement) => void): Promise<Watch> {
    const hear = (announcement: Announcement) => {
      this.#measures.onAnnouncement?.(announcement.kind);
      listener(announcement);
    };
    return this.#measure('watch', () => this.#inner.watch(id, hear));
  }

  due(kind: DueKind, beforeMs: number, options: DueOptions): Promise<readonly Due[]> {
    return this.#measure('due', () => this.#inner.due(kind, beforeMs, options));
  }

  nextDue(kind: DueKind): Promise<number | undefined> {
    return this.#measure('nextDue', () => this.#inner.nextDue(kind));
  }

  expire(id: string, nowMs: number, at?: Position): Promise<Position | undefined> {
    return this.#measure('expire', () => this.#inner.expire(id, nowMs, at));
  }

  postpone(id: string, expiresAtMs: number, dueMs: number): Promise<void> {
    return this.#measure('postpone', () => this.#inner.postpone(id, expiresAtMs, dueMs));
  }

  trimDeltas(id: string, beforeMs: number): Promise<number> {
    return this.#measure('trimDeltas', () => this.#inner.trimDeltas(id, beforeMs));
  }

  purgeTombstone(id: string, beforeMs: number): Promise<boolean> {
    return this.#measure('purgeTombstone', () => this.#inner.purgeTombstone(id, beforeMs));
  }

  list(options: ListOptions): Promise<readonly string[]> {
    return this.#measure('list', () => this.#inner.list(options));
  }

  heads(ids: readonly string[]): Promise<readonly (Head | undefined)[]> {
    return this.#measure('heads', () => this.#inner.heads(ids));
  }

  deltas(id: string, options: DeltaListOptions): Promise<readonly DeltaRecord[]> {
    return this.#measure('deltas', () => this.#inner.deltas(id, options));
  }

  count(options: { readonly idPrefix?: string | undefined }): Promise<number | undefined> {
    return this.#measure('count', () => this.#inner.count(options));
  }

  lease(name: string, ttlMs: number, nowMs: number): Promise<Lease | undefined> {
    return this.#measure('lease', () => this.#inner.lease(name, ttlMs, nowMs));
  }

  noteRevision(name: string): Promise<string | undefined> {
    return this.#measure('noteRevision', () => this.#inner.noteRevision(name));
  }

  readNote(name: string): Promise<Note | undefined> {
    return this.#measure('readNote', () => this.#inner.readNote(name));
  }

  writeNote(name: string, note: Note, expected: string | undefined): Promise<boolean> {
    const write = () => this.#inner.writeNote(name, note, expected);
    return this.#measure('writeNote', write, { outcomeOf: (isWritten) => (isWritten ? 'done' : 'behind') });
  }

  ping(): Promise<void> {
    return this.#measure('ping', () => this.#inner.ping());
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #measure<T>(
    method: MeasuredMethod,
    call: () => Promise<T>,
    { outcomeOf, size = 1 }: { readonly outcomeOf?: (result: T) => CallOutcome; readonly size?: number } = {},
  ): Promise<T> {
    const onEnd = this.#measures.onCall(method, size);
    let outcome: CallOutcome = 'failed';
    try {
      const result = await call();
      outcome = outcomeOf?.(result) ?? 'done';
      return result;
    } catch (error) {
      if (error instanceof BackendUnavailableError) outcome = error.outcome === 'UNKNOWN' ? 'unknown' : 'notStored';
      throw error;
    } finally {
      onEnd(outcome);
    }
  }
}

function outcomeOfCommit({ kind }: CommitResult): CallOutcome {
  return kind === 'committed' ? 'done' : kind;
}
