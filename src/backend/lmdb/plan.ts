/**
 * What a commit writes: from what is stored and the steps to the rows that change. Pure.
 *
 * A row of the contexts table changes with every commit, a delta is added, and whatever else changes follows from the
 * rows before and after: so an index can never say something that the row does not.
 */
import type { Announcement } from '../backend.ts';
import { positionOf, withFloor } from '../base.ts';
import type { CommitOptions, IdempotencyRecord, Step, Write } from '../commit.ts';
import type { Absent, DeltaRecord, Head, Tombstone } from '../known.ts';
import { baseVersion, type Row } from './records.ts';
import { dueKinds, type RowWrite } from './tables.ts';

/** What the store has of an id. */
export type Stored = StoredContext | Tombstone | Absent;

export interface StoredContext {
  readonly kind: 'context';
  readonly row: Row;
}

/** What a commit does. */
export interface Plan {
  readonly rows: readonly RowWrite[];
  readonly after: Stored;
  /** The deltas that lead to it: from where the context was, or from `{}` when `isAnew`. */
  readonly deltas: readonly DeltaRecord[];
  /** The context that there is afterwards came into being with this commit. */
  readonly isAnew: boolean;
  readonly epochBegan: boolean;
  readonly announcements: readonly Announcement[];
}

/** What a plan depends on beside the writes. */
export interface PlanOptions extends Pick<CommitOptions, 'freshEpoch'> {
  readonly serverId: string;
  /** The state before the commit, as JSON. Asked for only when a checkpoint is due. */
  readonly stateText: () => string;
}

/** @throws TypeError for steps that do not follow one another. */
export function planCommit(id: string, before: Stored, writes: readonly Write[], options: PlanOptions): Plan {
  const draft = new Draft(id, before, options);
  for (const write of writes) draft.add(write);
  return draft.finish();
}

/** The rows of a context whose row changes from one to the other, deltas that are no longer logged included. */
export function planRow(id: string, before: Row, after: Row): readonly RowWrite[] {
  return [
    ...removedDeltas(id, before.loggedFrom, after.loggedFrom - 1),
    ...rowsBetween(id, { kind: 'context', row: before }, { kind: 'context', row: after }),
  ];
}

/** The row with only the deltas of `keptFrom` on; those that lead on from the checkpoint stay logged. */
export function trimmed(row: Row, keptFrom: number): Row {
  const kept = Math.max(row.keptFrom, keptFrom);
  const loggedFrom = Math.max(row.loggedFrom, Math.min(kept, baseVersion(row) + 1));
  return { ...row, keptFrom: kept, loggedFrom };
}

/** So much log is read before a context can be: then a checkpoint is due. */
const maxLoggedDeltas = 1_024;
const minCheckpointLength = 16_384;
const droppedAtOnce = 32;

function needsCheckpoint(row: Row): boolean {
  const logged = row.head.version - baseVersion(row);
  return logged > maxLoggedDeltas || row.logLength > Math.max(minCheckpointLength, row.head.stateBytes / 2);
}

class Draft {
  readonly #id: string;
  readonly #before: Stored;
  readonly #options: PlanOptions;
  readonly #rows: RowWrite[] = [];
  readonly #announcements: Announcement[] = [];
  #now: Stored;
  #deltas: DeltaRecord[] = [];
  #isAnew = false;
  /** The epoch that the first change began, until the next removal. */
  #began: { readonly epoch: string; readonly firstVersion: number } | undefined;
  #epochBegan = false;

  constructor(id: string, before: Stored, options: PlanOptions) {
    this.#id = id;
    this.#before = before;
    this.#options = options;
    this.#now = before;
  }

  add({ writeId, step, idempotency }: Write): void {
    switch (step.kind) {
      case 'create':
        this.#create(step);
        break;
      case 'change':
        this.#change(step);
        break;
      case 'touch':
        this.#touch(step.head);
        break;
      case 'remove':
        this.#remove(step, writeId);
        break;
    }
    if (idempotency !== undefined) this.#remember(idempotency);
  }

  finish(): Plan {
    this.#rows.push(...rowsBetween(this.#id, this.#before, this.#now));
    return {
      rows: this.#rows,
      after: this.#now,
      deltas: this.#deltas,
      isAnew: this.#isAnew,
      epochBegan: this.#epochBegan,
      announcements: this.#announcements,
    };
  }

  #create({ head, delta, trimTo }: Extract<Step, { kind: 'create' }>): void {
    if (this.#now.kind === 'context') throw new TypeError('The plan is wrong: create.');
    const isKept = trimTo < head.version;
    const row: Row = {
      head,
      keptFrom: isKept ? head.version : head.version + 1,
      loggedFrom: head.version,
      checkpoint: null,
      logLength: this.#log(delta),
      contextDueMs: head.expiresAtMs,
      deltasDueMs: isKept ? delta.insertedAtMs : null,
    };
    this.#now = { kind: 'context', row };
    this.#deltas = [delta];
    this.#isAnew = true;
    this.#announcements.push({ kind: 'moved', position: positionOf(head) });
  }

  #change({ head: planned, delta: recorded, trimTo }: Extract<Step, { kind: 'change' }>): void {
    const before = this.#row();
    const isFirst = this.#deltas.length === 0;
    if (before.head.serverId !== this.#options.serverId && this.#began === undefined) {
      this.#began = { epoch: this.#options.freshEpoch, firstVersion: planned.version };
      this.#epochBegan = true;
    }
    const began = this.#began;
    const head = began === undefined ? withFloor(planned, before.head.floor) : inEpoch(planned, began);
    const delta = began === undefined ? recorded : deltaInEpoch(recorded, began);
    const base = isFirst && !this.#isAnew ? this.#checkpointed(before, began !== undefined) : before;
    const length = this.#log(delta);
    const isKept = trimTo < head.version;
    const row: Row = {
      ...base,
      head,
      logLength: base.logLength + length,
      contextDueMs: noLater(base.contextDueMs, head.expiresAtMs),
      deltasDueMs: isKept ? noLater(base.deltasDueMs, delta.insertedAtMs) : base.deltasDueMs,
    };
    const next = trimmed(row, Math.max(trimTo + 1, began?.firstVersion ?? 0));
    this.#now = { kind: 'context', row: this.#dropped(row, next) };
    this.#deltas.push(delta);
    this.#announcements.push({ kind: 'changed', delta });
  }

  /**
   * Drops what need not be logged any longer, some of it at a time: the oldest delta lies on another page of the file
   * than the newest, and a page is what a write costs.
   */
  #dropped(row: Row, next: Row): Row {
    if (next.loggedFrom - row.loggedFrom < droppedAtOnce) return { ...next, loggedFrom: row.loggedFrom };
    this.#rows.push(...removedDeltas(this.#id, row.loggedFrom, next.loggedFrom - 1));
    return next;
  }

  /** Writes the state down, when it is time or an epoch begins, whose log does not reach further back. */
  #checkpointed(row: Row, isForced: boolean): Row {
    if (!isForced && !needsCheckpoint(row)) return row;
    this.#rows.push({ table: 'checkpoints', key: this.#id, value: this.#options.stateText() });
    return { ...row, checkpoint: row.head.version, logLength: 0 };
  }

  #touch({ ttlMs, expiresAtMs, touches }: Head): void {
    const row = this.#row();
    const head = Object.freeze({ ...row.head, ttlMs, expiresAtMs, touches });
    this.#now = { kind: 'context', row: { ...row, head, contextDueMs: noLater(row.contextDueMs, expiresAtMs) } };
  }

  #remove({ cause, atMs }: Extract<Step, { kind: 'remove' }>, writeId: string): void {
    const { head, checkpoint, loggedFrom } = this.#row();
    this.#rows.push(...removedDeltas(this.#id, loggedFrom, head.version));
    if (checkpoint !== null) this.#rows.push({ table: 'checkpoints', key: this.#id });
    const position = positionOf(head);
    this.#now = Object.freeze({ kind: 'tombstone', ...position, cause, atMs, writeId });
    this.#deltas = [];
    this.#isAnew = false;
    this.#began = undefined;
    this.#announcements.push({ kind: 'removed', position });
  }

  #remember({ key, requestHash, changed, expiresAtMs }: IdempotencyRecord): void {
    if (this.#now.kind === 'absent') return;
    const { epoch, version } = this.#now.kind === 'context' ? this.#now.row.head : this.#now;
    const value = JSON.stringify({ epoch, version, requestHash, changed });
    this.#rows.push(
      { table: 'outcomes', key: [this.#id, key, expiresAtMs], value },
      { table: 'outcomesDue', key: [expiresAtMs, this.#id, key], value: '' },
    );
  }

  /** Answers the length of the text. */
  #log(delta: DeltaRecord): number {
    const value = JSON.stringify(delta);
    this.#rows.push({ table: 'deltas', key: [this.#id, delta.version], value });
    return value.length;
  }

  #row(): Row {
    if (this.#now.kind === 'context') return this.#now.row;
    throw new TypeError('The plan is wrong: there is no live context.');
  }
}

function rowsBetween(id: string, before: Stored, after: Stored): readonly RowWrite[] {
  const rows: RowWrite[] = [];
  if (after.kind === 'context') rows.push({ table: 'contexts', key: id, value: JSON.stringify(after.row) });
  else if (before.kind === 'context') rows.push({ table: 'contexts', key: id });
  if (after.kind === 'tombstone') rows.push({ table: 'tombstones', key: id, value: JSON.stringify(after) });
  else if (before.kind === 'tombstone') rows.push({ table: 'tombstones', key: id });
  const dueBefore = dueTimes(before);
  const dueAfter = dueTimes(after);
  for (const kind of ['context', 'deltas', 'tombstone'] as const) {
    const from = dueBefore[kind];
    const to = dueAfter[kind];
    if (from === to) continue;
    if (from !== null) rows.push({ table: 'due', key: [dueKinds[kind], from, id] });
    if (to !== null) rows.push({ table: 'due', key: [dueKinds[kind], to, id], value: '' });
  }
  return rows;
}

function dueTimes(stored: Stored): Readonly<Record<'context' | 'deltas' | 'tombstone', number | null>> {
  const row = stored.kind === 'context' ? stored.row : undefined;
  return {
    context: row?.contextDueMs ?? null,
    deltas: row?.deltasDueMs ?? null,
    tombstone: stored.kind === 'tombstone' ? stored.atMs : null,
  };
}

function removedDeltas(id: string, from: number, to: number): readonly RowWrite[] {
  const rows: RowWrite[] = [];
  for (let version = from; version <= to; version++) rows.push({ table: 'deltas', key: [id, version] });
  return rows;
}

/** An entry that is already earlier stays: it corrects itself when it is acted on. */
function noLater(before: number | null, next: number | null): number | null {
  if (before === null || next === null) return before ?? next;
  return Math.min(before, next);
}

type Beginning = { readonly epoch: string; readonly firstVersion: number };

function inEpoch(head: Head, { epoch, firstVersion }: Beginning): Head {
  return Object.freeze({ ...head, epoch, firstVersion, floor: Math.max(firstVersion, head.floor) });
}

function deltaInEpoch(delta: DeltaRecord, { epoch, firstVersion }: Beginning): DeltaRecord {
  const fromVersion = delta.version === firstVersion ? 0 : delta.fromVersion;
  return Object.freeze({ ...delta, epoch, fromVersion });
}
