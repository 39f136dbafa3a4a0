import type { Write } from '../../src/backend/commit.ts';
import type { DeltaRecord, Head } from '../../src/backend/known.ts';
import { type Plan, planCommit, planRow, type Stored, trimmed } from '../../src/backend/lmdb/plan.ts';
import { baseVersion, type Row } from '../../src/backend/lmdb/records.ts';
import type { RowWrite, TableName } from '../../src/backend/lmdb/tables.ts';
import { apply } from '../../src/delta/apply.ts';
import type { Changes } from '../../src/delta/delta.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import { weight as weightOf, weightOfChanges } from '../../src/delta/weight.ts';

/** The id of every planned context. */
export const id = 'context';
/** When their time begins; each write takes a millisecond. */
export const startMs = 1_900_000_000_000;

/** What a write brings along. */
export interface ChangeOptions {
  /** How many deltas are kept; all by default. */
  readonly keep?: number;
  readonly expiresAtMs?: number | null;
  readonly serverId?: string;
}

/** A context that is only planned: the rows of each plan change tables in memory. */
export class PlannedContext {
  stored: Stored = { kind: 'absent' };
  state: JsonObject = {};
  /** By table and key. */
  readonly tables = new Map<string, string>();
  #writes = 0;

  static of(state: JsonObject, options: ChangeOptions = {}): PlannedContext {
    const context = new PlannedContext();
    const changes = Object.entries(state).map(([key, value]) => ({ action: 'ADDED', path: [key], value }) as const);
    const head = { ...context.#head(1, options), stateBytes: weightOf(state) };
    const delta = context.#delta(0, changes);
    context.plan([{ writeId: 'w', step: { kind: 'create', head, delta, trimTo: 0 } }], state);
    return context;
  }

  get row(): Row {
    if (this.stored.kind === 'context') return this.stored.row;
    throw new TypeError('There is no context.');
  }

  /** Gives a field at the top another value. */
  set(key: string, value: string, options: ChangeOptions = {}): Plan {
    return this.change([{ action: 'MODIFIED', path: [key], oldValue: this.state[key] ?? null, value }], options);
  }

  change(changes: Changes, options: ChangeOptions = {}): Plan {
    const { version } = this.row.head;
    const trimTo = version + 1 - (options.keep ?? Number.POSITIVE_INFINITY);
    const head = this.#head(version + 1, options);
    const delta = this.#delta(version, changes);
    const step = { kind: 'change', head, delta, trimTo: Math.max(0, trimTo) } as const;
    return this.plan([{ writeId: 'w', step }], apply(this.state, changes));
  }

  touch(expiresAtMs: number | null): Plan {
    const { head } = this.row;
    const touched = { ...head, expiresAtMs, touches: head.touches + 1 };
    return this.plan([{ writeId: 'w', step: { kind: 'touch', head: touched } }], this.state);
  }

  remove(): Plan {
    const step = { kind: 'remove', cause: 'DELETED', atMs: startMs + this.#writes } as const;
    return this.plan([{ writeId: 'w', step }], {});
  }

  /** What cleanup does with the deltas below a version. */
  trim(keptFrom: number): readonly RowWrite[] {
    const next = trimmed(this.row, keptFrom);
    const rows = planRow(id, this.row, next);
    this.stored = { kind: 'context', row: next };
    this.#write(rows);
    return rows;
  }

  plan(writes: readonly Write[], after: JsonObject): Plan {
    const stateText = () => JSON.stringify(this.state);
    const plan = planCommit(id, this.stored, writes, { freshEpoch: 'fresh', serverId: 'here', stateText });
    this.stored = plan.after;
    this.state = after;
    this.#write(plan.rows);
    return plan;
  }

  /** The versions in the table. */
  get logged(): readonly number[] {
    const versions = [...this.tables.keys()]
      .filter((key) => key.startsWith('deltas '))
      .map((key) => JSON.parse(key.slice(7))[1]);
    return versions.toSorted((a: number, b: number) => a - b);
  }

  /** The state that the tables lead to. */
  get rebuilt(): JsonObject {
    const text = this.row.checkpoint === null ? '{}' : this.tables.get(`checkpoints ${JSON.stringify(id)}`);
    let state = JSON.parse(text ?? 'null') as JsonObject;
    for (let version = baseVersion(this.row) + 1; version <= this.row.head.version; version++) {
      const record = JSON.parse(this.tables.get(`deltas ${JSON.stringify([id, version])}`) ?? 'null') as DeltaRecord;
      state = apply(state, record.changes);
    }
    return state;
  }

  /** When something of it is due, by kind. */
  get due(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#keysOf('due').map(([kind, dueMs]) => [String(kind), Number(dueMs)]));
  }

  #keysOf(table: TableName): readonly (readonly unknown[])[] {
    const keys = [...this.tables.keys()].filter((key) => key.startsWith(`${table} `));
    // Made by #write, of keys that are lists.
    return keys.map((key) => JSON.parse(key.slice(table.length + 1)) as unknown[]);
  }

  #write(rows: readonly RowWrite[]): void {
    for (const { table, key, value } of rows) {
      const at = `${table} ${JSON.stringify(key)}`;
      if (value === undefined) this.tables.delete(at);
      else this.tables.set(at, value);
    }
  }

  #head(version: number, { expiresAtMs = null, serverId = 'here' }: ChangeOptions): Head {
    const before = this.stored.kind === 'context' ? this.stored.row.head : undefined;
    const own = { epoch: before?.epoch ?? 'first', firstVersion: before?.firstVersion ?? 1, floor: before?.floor ?? 1 };
    const stateBytes = before?.stateBytes ?? 0;
    const insertedAtMs = startMs + ++this.#writes;
    return { ...own, version, serverId, stateBytes, createdAtMs: startMs, insertedAtMs, touches: 0, expiresAtMs };
  }

  #delta(fromVersion: number, changes: Changes): DeltaRecord {
    const insertedAtMs = startMs + this.#writes;
    const weight = weightOfChanges(changes);
    return {
      epoch: 'first',
      fromVersion,
      version: fromVersion + 1,
      changes,
      insertedAtMs,
      writeId: `write-${fromVersion}`,
      weight,
    };
  }
}

/** The length of what is stored or removed, keys included. */
export function bytesOf(rows: readonly RowWrite[]): number {
  return rows.reduce(
    (sum, { key, value = '' }) => sum + Buffer.byteLength(JSON.stringify(key)) + Buffer.byteLength(value),
    0,
  );
}

/** Those of one table. */
export function rowsOf(rows: readonly RowWrite[], table: TableName): readonly RowWrite[] {
  return rows.filter((row) => row.table === table);
}
