/**
 * The tables of the embedded store.
 *
 * Keys are bytes (keys.ts). Values are JSON text, which alone carries every state unchanged: lone surrogates are
 * escaped, `__proto__` is a key like any other.
 */
import { type Database, open, type RootDatabase } from 'lmdb';
import type { DueKind } from '../backend.ts';
import type { Key } from './keys.ts';

export type Root = RootDatabase<string, Buffer>;
export type Table = Database<string, Buffer>;

export interface Tables {
  readonly root: Root;
  /** What the file is: see `aboutKeys`. */
  readonly about: Table;
  /** Live contexts by id: all but state and deltas (see records.ts). */
  readonly contexts: Table;
  /** By id. */
  readonly tombstones: Table;
  /** The state of a context as it was at `Row.checkpoint`, by id. */
  readonly checkpoints: Table;
  /** By id and version. */
  readonly deltas: Table;
  /** By kind, time and id. */
  readonly due: Table;
  /** By id, key and the moment when the record runs out: a newer record of a key never meets an older one. */
  readonly outcomes: Table;
  /** The same by that moment, then id and key. */
  readonly outcomesDue: Table;
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

/** The keys of the table `about`. */
export const aboutKeys = { format: Buffer.from('format'), serverId: Buffer.from('serverId') };

const names: Readonly<Record<TableName, string>> = {
  about: 'chord',
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
export function openRoot(file: string): Root {
  return open<string, Buffer>({
    path: file,
    noSubdir: true,
    encoding: 'string',
    keyEncoding: 'binary',
    overlappingSync: false,
    eventTurnBatching: false,
    maxDbs: 16,
  });
}

/** What the file has besides the rows of its tables: their names, and the rows of who uses none. */
export function tableNames(root: Root): readonly string[] {
  return [...root.getKeys()].map(String);
}

/** Whether a row of this name may be in a store: LMDB keeps the name of a table with the zero that ends it in C. */
export function isOurs(name: string): boolean {
  return Object.values(names).some((known) => `${known}\0` === name);
}

/** The table that says what the file is; one that is not there is made. */
export function openAbout(root: Root): Table {
  return openTable(root, names.about);
}

/** Opens every table, or makes those that are not there. */
export function openTables(root: Root): Tables {
  const table = (name: TableName) => openTable(root, names[name]);
  return {
    root,
    about: table('about'),
    contexts: table('contexts'),
    tombstones: table('tombstones'),
    checkpoints: table('checkpoints'),
    deltas: table('deltas'),
    due: table('due'),
    outcomes: table('outcomes'),
    outcomesDue: table('outcomesDue'),
  };
}

function openTable(root: Root, name: string): Table {
  return root.openDB<string, Buffer>({ name, encoding: 'string', keyEncoding: 'binary' });
}

/** How many rows a table has. */
export function sizeOf(table: Table): number {
  // The package types the answer as `{}`; it is struct MDB_stat, whose ms_entries it calls entryCount.
  return (table.getStats() as { readonly entryCount: number }).entryCount;
}
