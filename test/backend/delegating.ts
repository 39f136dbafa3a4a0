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
import type { Position } from '../../src/model.ts';

/** Does everything as another backend does it; what extends it does one thing differently. */
export class Delegating implements Backend {
  inner: Backend;

  constructor(inner: Backend) {
    this.inner = inner;
  }

  get serverId(): string {
    return this.inner.serverId;
  }

  peek(id: string): Known | undefined {
    return this.inner.peek(id);
  }

  read(id: string, options?: ReadOptions): Promise<View> {
    return this.inner.read(id, options);
  }

  readOutcome(
    id: string,
    key: string | undefined,
    nowMs: number,
  ): Promise<{ known: Known; outcome?: Outcome | undefined }> {
    return this.inner.readOutcome(id, key, nowMs);
  }

  commit(id: string, base: Base, writes: readonly Write[], options: CommitOptions): Promise<CommitResult> {
    return this.inner.commit(id, base, writes, options);
  }

  watch(id: string, listener: (announcement: Announcement) => void): Promise<Watch> {
    return this.inner.watch(id, listener);
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
    return this.inner.list(options);
  }

  heads(ids: readonly string[]): Promise<readonly (Head | undefined)[]> {
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

  noteRevision(name: string): Promise<string | undefined> {
    return this.inner.noteRevision(name);
  }

  readNote(name: string): Promise<Note | undefined> {
    return this.inner.readNote(name);
  }

  writeNote(name: string, note: Note, expected: string | undefined): Promise<boolean> {
    return this.inner.writeNote(name, note, expected);
  }

  ping(): Promise<void> {
    return this.inner.ping();
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
