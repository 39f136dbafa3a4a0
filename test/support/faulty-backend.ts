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
} from '../../src/backend/backend.ts';
import type { Base, CommitOptions, CommitResult, Outcome, Write } from '../../src/backend/commit.ts';
import type { DeltaRecord, Head, Known } from '../../src/backend/known.ts';
import type { MemoryBackend } from '../../src/backend/memory.ts';
import { BackendUnavailableError } from '../../src/errors.ts';
import type { Position } from '../../src/model.ts';

/**
 * What goes wrong with one commit.
 *
 * - `storedThenUnknown`: it is stored, and the connection is lost before the answer.
 * - `notStored`: the store is away.
 * - `resent`: it is stored, the reply is lost, the client of the store sends it again and gets that answer.
 * - `lost`: another process was first, whatever that did: `behind`, with what is.
 */
export type CommitFault = 'none' | 'storedThenUnknown' | 'notStored' | 'resent' | 'lost';

/** Where an operation can be held up: before the store acts, or before the caller hears of it. */
export type Gate = (point: string) => Promise<void>;

/** How an announcement gets to its listener: call `deliver` never, once, twice, or later. */
export type Courier = (deliver: () => void, announcement: Announcement, id: string) => void;

/**
 * A store that a test can make misbehave as a remote one does. What it keeps is kept by a real one; every switch is
 * off at first.
 */
export class FaultyBackend<Inner extends Backend = MemoryBackend> implements Backend {
  /** Another one may be put in its place: a backup that was restored. */
  inner: Inner;
  /** What `peek` answers instead of the truth. */
  peekAs: ((id: string) => Known | undefined) | undefined;
  /** What happens to the next commits, in order. */
  readonly commitFaults: CommitFault[] = [];
  /** The same for every commit after those. */
  everyCommit: CommitFault = 'none';
  /** What happens to the next writes of notes, in order. */
  readonly noteFaults: ('none' | 'storedThenUnknown' | 'notStored')[] = [];
  /** So many reads fail from now on, those of notes included. */
  failingReads = 0;
  /** So many watches fail from now on. */
  failingWatches = 0;
  /** A version whose delta the store has lost: its chain has a hole. */
  hole: number | undefined;
  /** The context was last written under another server identity, until the next change. */
  isOtherServer = false;
  gate: Gate | undefined;
  courier: Courier | undefined;
  /** Runs before each `read` acts: what another process does in between. */
  beforeRead: ((id: string) => Promise<void> | void) | undefined;
  readonly #listeners = new Set<(announcement: Announcement) => void>();
  readonly calls = { read: 0, readOutcome: 0, commit: 0, heads: 0, list: 0, noteRevision: 0, readNote: 0 };
  readonly commits: { readonly id: string; readonly base: Base; readonly writes: readonly Write[] }[] = [];
  readonly headBatches: (readonly string[])[] = [];

  constructor(inner: Inner) {
    this.inner = inner;
  }

  get serverId(): string {
    return this.inner.serverId;
  }

  peek(id: string): Known | undefined {
    return this.peekAs === undefined ? this.inner.peek(id) : this.peekAs(id);
  }

  async read(id: string, options?: ReadOptions): Promise<View> {
    this.calls.read++;
    await this.gate?.('read');
    await this.beforeRead?.(id);
    this.#failRead();
    const view = this.#withHole(await this.inner.read(id, options));
    await this.gate?.('read reply');
    return view;
  }

  async readOutcome(
    id: string,
    key: string | undefined,
    nowMs: number,
  ): Promise<{ known: Known; outcome?: Outcome | undefined }> {
    this.calls.readOutcome++;
    await this.gate?.('readOutcome');
    this.#failRead();
    const found = await this.inner.readOutcome(id, key, nowMs);
    await this.gate?.('readOutcome reply');
    return found;
  }

  async commit(id: string, base: Base, writes: readonly Write[], options: CommitOptions): Promise<CommitResult> {
    this.calls.commit++;
    this.commits.push({ id, base, writes });
    await this.gate?.('commit');
    const result = await this.#commit(id, base, writes, options);
    await this.gate?.('commit reply');
    return result;
  }

  async watch(id: string, listener: (announcement: Announcement) => void): Promise<Watch> {
    await this.gate?.('watch');
    if (this.failingWatches > 0) {
      this.failingWatches--;
      throw away('NOT_STORED');
    }
    let isOpen = true;
    const watch = await this.inner.watch(id, (announcement) => {
      const deliver = () => {
        if (isOpen) listener(announcement);
      };
      if (this.courier === undefined) deliver();
      else this.courier(deliver, announcement, id);
    });
    this.#listeners.add(listener);
    await this.gate?.('watch reply');
    return {
      close: () => {
        isOpen = false;
        this.#listeners.delete(listener);
        watch.close();
      },
    };
  }

  /** The connection that brings the announcements was lost and is back. */
  interrupt(): void {
    for (const listener of this.#listeners) listener({ kind: 'interrupted' });
  }

  due(kind: DueKind, beforeMs: number, options: DueOptions): Promise<readonly Due[]> {
    return this.inner.due(kind, beforeMs, options);
  }

  nextDue(kind: DueKind): Promise<number | undefined> {
    return this.inner.nextDue(kind);
  }

  expire(id: string, nowMs: number, at?: Position): Promise<Position | undefined> {
    return this.inner.expire(id, nowMs, at);
  }

  postpone(id: string, expiresAtMs: number, dueMs: number): Promise<void> {
    return this.inner.postpone(id, expiresAtMs, dueMs);
  }

  trimDeltas(id: string, beforeMs: number): Promise<number> {
    return this.inner.trimDeltas(id, beforeMs);
  }

  purgeTombstone(id: string, beforeMs: number): Promise<boolean> {
    return this.inner.purgeTombstone(id, beforeMs);
  }

  list(options: ListOptions): Promise<readonly string[]> {
    this.calls.list++;
    return this.inner.list(options);
  }

  async heads(ids: readonly string[]): Promise<readonly (Head | undefined)[]> {
    this.calls.heads++;
    this.headBatches.push(ids);
    await this.gate?.('heads');
    this.#failRead();
    return this.inner.heads(ids);
  }

  deltas(id: string, options: DeltaListOptions): Promise<readonly DeltaRecord[]> {
    return this.inner.deltas(id, options);
  }

  count(options: { readonly idPrefix?: string | undefined }): Promise<number | undefined> {
    return this.inner.count(options);
  }

  lease(name: string, ttlMs: number, nowMs: number): Promise<Lease | undefined> {
    return this.inner.lease(name, ttlMs, nowMs);
  }

  async noteRevision(name: string): Promise<string | undefined> {
    this.calls.noteRevision++;
    await this.gate?.('noteRevision');
    this.#failRead();
    return this.inner.noteRevision(name);
  }

  async readNote(name: string): Promise<Note | undefined> {
    this.calls.readNote++;
    await this.gate?.('readNote');
    this.#failRead();
    return this.inner.readNote(name);
  }

  async writeNote(name: string, note: Note, expected: string | undefined): Promise<boolean> {
    await this.gate?.('writeNote');
    switch (this.noteFaults.shift() ?? 'none') {
      case 'none':
        return this.inner.writeNote(name, note, expected);
      case 'storedThenUnknown':
        await this.inner.writeNote(name, note, expected);
        throw away('UNKNOWN');
      case 'notStored':
        throw away('NOT_STORED');
    }
  }

  ping(): Promise<void> {
    return this.inner.ping();
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  async #commit(id: string, base: Base, writes: readonly Write[], options: CommitOptions): Promise<CommitResult> {
    switch (this.commitFaults.shift() ?? this.everyCommit) {
      case 'none':
        return this.#store(id, base, writes, options);
      case 'storedThenUnknown':
        await this.#store(id, base, writes, options);
        throw away('UNKNOWN');
      case 'notStored':
        throw away('NOT_STORED');
      case 'resent':
        await this.#store(id, base, writes, options);
        return this.inner.commit(id, base, writes, options);
      case 'lost':
        return { kind: 'behind', known: (await this.inner.readOutcome(id, undefined, options.nowMs)).known };
    }
  }

  async #store(id: string, base: Base, writes: readonly Write[], options: CommitOptions): Promise<CommitResult> {
    const isFirstChange = base.kind === 'context' && writes.some(({ step }) => step.kind === 'change');
    if (!this.isOtherServer || !isFirstChange) return this.inner.commit(id, base, writes, options);
    this.isOtherServer = false;
    const result = await this.inner.commit(id, base, beginEpoch(writes, options.freshEpoch), options);
    return result.kind === 'committed' ? { ...result, epochBegan: true } : result;
  }

  #failRead(): void {
    if (this.failingReads === 0) return;
    this.failingReads--;
    throw away('NOT_STORED');
  }

  #withHole(view: View): View {
    if (this.hole === undefined || view.kind !== 'context' || view.deltas === undefined) return view;
    return { ...view, deltas: view.deltas.filter(({ version }) => version !== this.hole) };
  }
}

/** The writes up to the first removal as a store records them that may have lost what was before. */
function beginEpoch(writes: readonly Write[], epoch: string): readonly Write[] {
  const changes = writes.filter(({ step }) => step.kind === 'change');
  const [first] = changes;
  if (first?.step.kind !== 'change') return writes;
  const firstVersion = first.step.head.version;
  const removal = writes.findIndex(({ step }) => step.kind === 'remove');
  return writes.map((write, index) => {
    const { step } = write;
    if (step.kind !== 'change' || (removal !== -1 && index > removal)) return write;
    const delta = { ...step.delta, epoch, fromVersion: write === first ? 0 : step.delta.fromVersion };
    const head = { ...step.head, epoch, firstVersion, floor: Math.max(firstVersion, step.trimTo) };
    return { ...write, step: { ...step, head, delta, trimTo: Math.max(firstVersion - 1, step.trimTo) } };
  });
}

function away(outcome: 'NOT_STORED' | 'UNKNOWN'): BackendUnavailableError {
  return new BackendUnavailableError('The store is away.', outcome);
}
