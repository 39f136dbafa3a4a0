/**
 * The tables of the embedded store, and the keys of their rows.
 *
 * Keys are strings and lists of strings and numbers in the order-preserving encoding of the `lmdb` package: strings
 * compare by their UTF-8 bytes, lists item by item. Values are JSON text, which alone carries every state unchanged
 * (lone surrogates are escaped, `__proto__` is a key like any other).
 */
import { type Database, type Key, open, type RootDatabase } from 'lmdb';
import type { DueKind } from '../backend.ts';

export type Table<K extends Key> = Database<string, K>;

export interface Tables {
  readonly root: RootDatabase<string, string>;
  /** `format` and `serverId`. */
  readonly meta: Table<string>;
  /** Live contexts by id: all but state and deltas (see records.ts). */
  readonly contexts: Table<string>;
  readonly tombstones: Table<string>;
  /** The state of a context as it was at `Row.checkpoint`, by id. */
  readonly checkpoints: Table<string>;
  /** By id and version. */
  readonly deltas: Table<[id: string, version: number]>;
  /** By kind, time and id. */
  readonly due: Table<[kind: number, dueMs: number, id: string]>;
  /** By id, key and the moment when the record runs out: a newer record of a key never meets an older one. */
  readonly outcomes: Table<[id: string, key: string, expiresAtMs: number]>;
  /** The same by that moment. */
  readonly outcomesDue: Table<[expiresAtMs: number, id: string, key: string]>;
}

export type TableName = Exclude<keyof Tables, 'root'>;

/** One row to store or, without a value, to remove. */
export interface RowWrite {
  readonly table: TableName;
  readonly key: Key;
  readonly value?: string;
}

/** How the kinds of due entries sort. Part of the format: never changed. */
export const dueKinds: Readonly<Record<DueKind, number>> = { context: 1, deltas: 2, tombstone: 3 };

const names: Readonly<Record<TableName, string>> = {
  meta: 'meta',
  contexts: 'contexts',
  tombstones: 'tombstones',
  checkpoints: 'checkpoints',
  deltas: 'deltas',
  due: 'due',
  outcomes: 'outcomes',
  outcomesDue: 'outcomes-due',
};

/**
 * Opens the file, or makes it.
 *
 * `overlappingSync: false`: nothing can be read before it is on the disk. `eventTurnBatching: false`: what is written
 * together is said by `batch`, and a batch that fails rejects one promise only.
 */
export function openRoot(file: string): RootDatabase<string, string> {
  return open<string, string>({
    path: file,
    noSubdir: true,
    encoding: 'string',
    overlappingSync: false,
    eventTurnBatching: false,
    maxDbs: 16,
  });
}

/** How many rows a table has. */
export function sizeOf(table: Table<string>): number {
  // The package types the answer as `{}`; it is struct MDB_stat, whose ms_entries it calls entryCount.
  return (table.getStats() as { readonly entryCount: number }).entryCount;
}

/** The names of the tables in a file. */
export function tableNames(root: RootDatabase<string, string>): readonly string[] {
  return [...root.getKeys()].map(String);
}

/** Opens every table, or makes those that are not there. */
export function openTables(root: RootDatabase<string, string>): Tables {
  const table = <K extends Key>(name: TableName): Table<K> =>
    root.openDB<string, K>({ name: names[name], encoding: 'string' });
  return {
    root,
    meta: table('meta'),
    contexts: table('contexts'),
    tombstones: table('tombstones'),
    checkpoints: table('checkpoints'),
    deltas: table('deltas'),
    due: table('due'),
    outcomes: table('outcomes'),
    outcomesDue: table('outcomesDue'),
  };
}

/** The table that says what the file is; one that is not there is made. */
export function readMeta(root: RootDatabase<string, string>): Table<string> {
  return root.openDB<string, string>({ name: names.meta, encoding: 'string' });
}

/** Whether a file has a table that says what the file is. */
export function hasMeta(tables: readonly string[]): boolean {
  return tables.includes(names.meta);
}
