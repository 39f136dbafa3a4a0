/**
 * The reference implementation of the storage contract: maps in one process.
 *
 * Each write is one synchronous turn: look at the base, store, announce. So nothing is ever half done, and `peek` is
 * the truth. A state changes in place while this store alone holds its nodes; handing it out freezes them, and the
 * next write copies what it touches (`advance`); a heavy one is handed out once, and followed (given-state.ts). So a
 * write costs what it changes, and no reader ever sees a state move.
 */
import type { JsonObject } from '../delta/json.ts';
import { BackendUnavailableError } from '../errors.ts';
import type { GoneCause, Position } from '../model.ts';
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
} from './backend.ts';
import { isBase, positionOf, samePosition, withFloor } from './base.ts';
import type { Base, CommitOptions, CommitResult, IdempotencyRecord, Outcome, Write } from './commit.ts';
import { DeltaLog } from './delta-log.ts';
import { DueIndex } from './due-index.ts';
import { IdIndex } from './id-index.ts';
import type { DeltaRecord, Head, Known, Tombstone } from './known.ts';
import { Leases } from './leases.ts';
import { absent, assertLive, behind, handOut, type LiveContext, viewOf } from './live-context.ts';
import { OutcomeStore } from './outcome-store.ts';
import { tryInPlace } from './try-writes.ts';
import { Watchers } from './watchers.ts';

/** Keeps contexts in this process, and forgets them with it. */
export class MemoryBackend implements Backend {
  readonly serverId = 'memory';
  readonly #byId = new Map<string, LiveContext | Tombstone>();
  /** The ids of live contexts, for lists. */
  readonly #ids = new IdIndex();
  readonly #outcomes = new OutcomeStore();
  readonly #due: Readonly<Record<DueKind, DueIndex>> = {
    context: new DueIndex(),
    deltas: new DueIndex(),
    tombstone: new DueIndex(),
  };
  readonly #watchers = new Watchers();
  readonly #leases = new Leases();
  readonly #notes = new Map<string, Note>();
  #closed = false;

  /** How many ids are watched. */
  get watchedIds(): number {
    return this.#watchers.size;
  }

  peek(id: string): Known | undefined {
    return this.#closed ? undefined : (this.#byId.get(id) ?? absent);
  }

  async read(id: string, options: ReadOptions = {}): Promise<View> {
    this.#assertOpen();
    const found = this.#byId.get(id);
    if (found === undefined) return absent;
    if (found.kind === 'tombstone') return found;
    return viewOf(found, options);
  }

  async readOutcome(id: string, key: string | undefined, nowMs: number): Promise<{ known: Known; outcome?: Outcome }> {
    this.#assertOpen();
    const known = handOut(this.#byId.get(id));
    const outcome = key === undefined ? undefined : this.#outcomes.get(id, key, nowMs);
    return outcome === undefined ? { known } : { known, outcome };
  }

  async commit(id: string, base: Base, writes: readonly Write[], options: CommitOptions): Promise<CommitResult> {
    this.#assertOpen();
    let index = 0;
    for (const { idempotency } of writes) {
      const outcome = idempotency && this.#outcomes.get(id, idempotency.key, options.nowMs);
      if (outcome !== undefined) return { kind: 'duplicate', index, outcome };
      index++;
    }
    const before = this.#byId.get(id);
    if (!isBase(before ?? absent, base)) return behind(before, base);
    // Throws only before anything was touched, or puts that back.
    const states = tryInPlace(before?.kind === 'context' ? before.state : undefined, writes);
    const announcements: Announcement[] = [];
    index = 0;
    for (const write of writes) {
      const announcement = this.#record(id, write, states[index++]);
      if (announcement !== undefined) announcements.push(announcement);
      this.#remember(id, write.idempotency, options.nowMs);
    }
    for (const announcement of announcements) this.#watchers.announce(id, announcement);
    const after = this.#byId.get(id);
    return { kind: 'committed', head: after?.kind === 'context' ? after.head : undefined, epochBegan: false };
  }

  async watch(id: string, listener: (announcement: Announcement) => void): Promise<Watch> {
    this.#assertOpen();
    return this.#watchers.add(id, listener);
  }

  async due(kind: DueKind, beforeMs: number, options: DueOptions): Promise<readonly Due[]> {
    this.#assertOpen();
    return this.#due[kind].upTo(beforeMs, options);
  }

  async nextDue(kind: DueKind): Promise<number | undefined> {
    this.#assertOpen();
    return this.#due[kind].earliest;
  }

  async expire(id: string, nowMs: number, at?: Position): Promise<Position | undefined> {
    this.#assertOpen();
    const found = this.#byId.get(id);
    if (found?.kind !== 'context') return undefined;
    const { head } = found;
    if (head.expiresAtMs === null || head.expiresAtMs > nowMs) {
      this.#due.context.set(id, head.expiresAtMs);
      return undefined;
    }
    if (at !== undefined && !samePosition(head, at)) return undefined;
    const announcement = this.#remove(id, found, { cause: 'EXPIRED', atMs: nowMs, writeId: `expire:${head.epoch}` });
    this.#watchers.announce(id, announcement);
    return { epoch: head.epoch, version: head.version };
  }

  async postpone(id: string, expiresAtMs: number, dueMs: number): Promise<void> {
    this.#assertOpen();
    const found = this.#byId.get(id);
    if (found?.kind === 'context' && found.head.expiresAtMs === expiresAtMs) this.#due.context.set(id, dueMs);
  }

  async trimDeltas(id: string, beforeMs: number): Promise<number> {
    this.#assertOpen();
    const found = this.#byId.get(id);
    if (found?.kind !== 'context') return 0;
    let trimmed = 0;
    for (let oldest = found.log.oldest; oldest !== undefined; oldest = found.log.oldest) {
      if (oldest.insertedAtMs > beforeMs) break;
      found.log.dropTo(oldest.version);
      found.head = withFloor(found.head, oldest.version);
      trimmed++;
    }
    this.#due.deltas.set(id, found.log.oldest?.insertedAtMs);
    return trimmed;
  }

  async purgeTombstone(id: string, beforeMs: number): Promise<boolean> {
    this.#assertOpen();
    const found = this.#byId.get(id);
    if (found?.kind !== 'tombstone' || found.atMs > beforeMs) return false;
    this.#byId.delete(id);
    this.#due.tombstone.set(id, undefined);
    return true;
  }

  async list(options: ListOptions): Promise<readonly string[]> {
    this.#assertOpen();
    return this.#ids.list(options);
  }

  async heads(ids: readonly string[]): Promise<readonly (Head | undefined)[]> {
    this.#assertOpen();
    return ids.map((id) => {
      const found = this.#byId.get(id);
      return found?.kind === 'context' ? found.head : undefined;
    });
  }

  async deltas(id: string, { afterVersion = 0, limit, descending }: DeltaListOptions): Promise<readonly DeltaRecord[]> {
    this.#assertOpen();
    const found = this.#byId.get(id);
    if (found?.kind !== 'context') return [];
    return descending === true ? found.log.afterDescending(afterVersion, limit) : found.log.after(afterVersion, limit);
  }

  async count({ idPrefix = '' }: { readonly idPrefix?: string | undefined }): Promise<number> {
    this.#assertOpen();
    return this.#ids.count(idPrefix);
  }

  async lease(name: string, ttlMs: number, nowMs: number): Promise<Lease | undefined> {
    this.#assertOpen();
    return this.#leases.take(name, ttlMs, nowMs);
  }

  async noteRevision(name: string): Promise<string | undefined> {
    this.#assertOpen();
    return this.#notes.get(name)?.revision;
  }

  async readNote(name: string): Promise<Note | undefined> {
    this.#assertOpen();
    return this.#notes.get(name);
  }

  async writeNote(name: string, { text, revision }: Note, expected: string | undefined): Promise<boolean> {
    this.#assertOpen();
    if (this.#notes.get(name)?.revision !== expected) return false;
    this.#notes.set(name, { text, revision });
    return true;
  }

  async ping(): Promise<void> {
    this.#assertOpen();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watchers.clear();
    this.#leases.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #record(id: string, { writeId, step }: Write, state: JsonObject | undefined): Announcement | undefined {
    const found = this.#byId.get(id);
    switch (step.kind) {
      case 'create': {
        const log = new DeltaLog();
        log.append(step.delta);
        log.dropTo(step.trimTo);
        this.#insert(id, { kind: 'context', head: step.head, state: state ?? {}, log, given: undefined });
        return { kind: 'moved', position: positionOf(step.head) };
      }
      case 'change': {
        const live = assertLive(found);
        live.head = withFloor(step.head, live.head.floor);
        live.state = state ?? live.state;
        if (live.given?.follow(step.delta) === false) live.given = undefined;
        live.log.append(step.delta);
        live.log.dropTo(step.trimTo);
        this.#due.context.setNoLater(id, step.head.expiresAtMs);
        this.#due.deltas.setNoLater(id, live.log.oldest?.insertedAtMs);
        return { kind: 'changed', delta: step.delta };
      }
      case 'touch': {
        const live = assertLive(found);
        const { ttlMs, expiresAtMs, touches } = step.head;
        live.head = Object.freeze({ ...live.head, ttlMs, expiresAtMs, touches });
        this.#due.context.setNoLater(id, expiresAtMs);
        return undefined;
      }
      case 'remove':
        return this.#remove(id, assertLive(found), { cause: step.cause, atMs: step.atMs, writeId });
    }
  }

  #insert(id: string, context: LiveContext): void {
    this.#byId.set(id, context);
    this.#ids.add(id);
    this.#due.tombstone.set(id, undefined);
    this.#due.context.set(id, context.head.expiresAtMs);
    this.#due.deltas.set(id, context.log.oldest?.insertedAtMs);
  }

  #remove(
    id: string,
    { head }: LiveContext,
    { cause, atMs, writeId }: { readonly cause: GoneCause; readonly atMs: number; readonly writeId: string },
  ): Announcement {
    const position = positionOf(head);
    this.#byId.set(id, Object.freeze({ kind: 'tombstone', ...position, cause, atMs, writeId }));
    this.#ids.delete(id);
    this.#due.context.set(id, undefined);
    this.#due.deltas.set(id, undefined);
    this.#due.tombstone.set(id, atMs);
    return { kind: 'removed', position };
  }

  /** Called when the write is recorded: the position is where that put the context. */
  #remember(id: string, idempotency: IdempotencyRecord | undefined, nowMs: number): void {
    if (idempotency === undefined) return;
    const { key, requestHash, changed, expiresAtMs } = idempotency;
    const found = this.#byId.get(id);
    if (found === undefined) return;
    const position = positionOf(found.kind === 'context' ? found.head : found);
    this.#outcomes.set(id, key, { outcome: { ...position, requestHash, changed }, expiresAtMs }, nowMs);
  }

  #assertOpen(): void {
    if (this.#closed) throw new BackendUnavailableError('The store is closed.', 'NOT_STORED');
  }
}
