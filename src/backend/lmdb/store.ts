/**
 * The file of the embedded store: opened, read, and written in groups.
 *
 *   write ─┐
 *   write ─┼─► waiting ─► one transaction, one flush ─► all resolve
 *   write ─┘      ▲ what comes meanwhile is the next group
 *
 * A group that fails is rejected as a whole with outcome UNKNOWN: nothing of it can be read, unless the very last step
 * failed, after which LMDB refuses everything and the file is opened anew.
 */
import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { Key } from 'lmdb';
import { BackendUnavailableError, DataDirectoryError } from '../../errors.ts';
import { type DataDirectory, damaged, takeDirectory } from './directory.ts';
import {
  hasMeta,
  openRoot,
  openTables,
  type RowWrite,
  readMeta,
  sizeOf,
  type Table,
  type Tables,
  tableNames,
} from './tables.ts';

/** The layout of the tables. Raised by whatever an older Chord would misread. */
const format = 1;

interface Group {
  readonly rows: readonly RowWrite[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** So many rows go in one transaction at most, so that who waits for the next one waits a bounded time. */
const maxRowsPerFlush = 20_000;

/** An open store. */
export class Store {
  readonly serverId: string;
  readonly #directory: DataDirectory;
  /** Undefined: LMDB refused the file, and nobody has opened it anew yet. */
  #tables: Tables | undefined;
  #waiting: Group[] = [];
  #flushing: Promise<void> | undefined;
  /** Whether the last flush failed: `ping` then tries one. */
  #isFailing = false;
  #isGivingUp = false;
  #closing: Promise<void> | undefined;

  /** @throws DataDirectoryError */
  constructor(path: string) {
    this.#directory = takeDirectory(path);
    try {
      this.#tables = openFile(this.#directory);
      this.serverId = identityOf(this.#tables, this.#directory.path);
    } catch (error) {
      this.#directory.release();
      throw error;
    }
  }

  /**
   * Looks at one state of the file: nothing that is written meanwhile is seen before `look` returns.
   *
   * @throws BackendUnavailableError when the file cannot be read.
   */
  read<T>(look: (tables: Tables) => T): T {
    const tables = this.#open();
    try {
      return look(tables);
    } catch (error) {
      throw new BackendUnavailableError('The store could not be read.', 'NOT_STORED', { cause: error });
    }
  }

  /**
   * Stores the rows together, in order, or none of them. Resolves once they are on the disk; before that nobody can
   * read them.
   *
   * @throws BackendUnavailableError with outcome UNKNOWN when the flush failed.
   */
  write(rows: readonly RowWrite[]): Promise<void> {
    this.#open();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ rows, resolve, reject });
      this.#flushing ??= this.#flush();
    });
  }

  /** Resolves when the file can be read and, after a flush that failed, written again. */
  async ping(): Promise<void> {
    this.read(({ meta }) => meta.get('format'));
    if (this.#isFailing) await this.write([{ table: 'meta', key: 'serverId', value: this.serverId }]);
  }

  /** Lets what was written reach the disk, then closes the file. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#flushing;
    const tables = this.#tables;
    this.#tables = undefined;
    try {
      await tables?.root.close();
    } finally {
      this.#directory.release();
    }
  }

  #open(): Tables {
    if (this.#closing !== undefined) throw new BackendUnavailableError('The store is closed.', 'NOT_STORED');
    if (this.#tables !== undefined) return this.#tables;
    if (this.#isGivingUp) throw new BackendUnavailableError('The store is being opened anew.', 'NOT_STORED');
    try {
      this.#tables = openFile(this.#directory);
      return this.#tables;
    } catch (error) {
      throw new BackendUnavailableError('The store could not be opened anew.', 'NOT_STORED', { cause: error });
    }
  }

  /** Settles every group. Never rejects. */
  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const groups = this.#takeGroups();
      const problem = await this.#commit(groups);
      this.#isFailing = problem !== undefined;
      for (const { resolve, reject } of groups) {
        if (problem === undefined) resolve();
        else reject(new BackendUnavailableError('The store could not write.', 'UNKNOWN', { cause: problem.cause }));
      }
      if (problem !== undefined) await this.#giveUpIfRefused();
    }
    this.#flushing = undefined;
  }

  #takeGroups(): readonly Group[] {
    let rows = 0;
    let count = 0;
    for (const group of this.#waiting) {
      rows += group.rows.length;
      if (count > 0 && rows > maxRowsPerFlush) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  /** Undefined: it is on the disk. Never rejects. */
  async #commit(groups: readonly Group[]): Promise<{ readonly cause: unknown } | undefined> {
    const tables = this.#tables;
    if (tables === undefined) return { cause: new Error('The file is not open.') };
    try {
      await tables.root.batch(() => {
        for (const { rows } of groups) for (const row of rows) put(tables, row);
      });
      return undefined;
    } catch (error) {
      return { cause: await commitErrorOf(error) };
    }
  }

  /** After a failure in its last step LMDB refuses everything until the file is opened anew. Never rejects. */
  async #giveUpIfRefused(): Promise<void> {
    const tables = this.#tables;
    if (tables === undefined || !isRefused(tables)) return;
    this.#tables = undefined;
    this.#isGivingUp = true;
    // What there was to write was rejected already; whoever comes next opens the file.
    await tables.root.close().catch(() => undefined);
    this.#isGivingUp = false;
  }
}

function isRefused(tables: Tables): boolean {
  try {
    tables.meta.get('format');
    return false;
  } catch {
    return true;
  }
}

/** Gives a store another identity: what was restored from a backup may lack a tail that clients have seen. */
export async function renewIdentity(path: string): Promise<string> {
  const directory = takeDirectory(path);
  try {
    const tables = openFile(directory);
    const serverId = newIdentity();
    tables.meta.putSync('serverId', serverId);
    await tables.root.close();
    return serverId;
  } finally {
    directory.release();
  }
}

/** @throws DataDirectoryError for a file of another program, a newer Chord, or none that LMDB can read. */
function openFile({ path, file }: DataDirectory): Tables {
  const root = reading(path, () => openRoot(file));
  try {
    const names = reading(path, () => tableNames(root));
    if (names.length > 0 && !hasMeta(names)) {
      throw new DataDirectoryError(path, 'holds an LMDB file of another program. Choose another directory.');
    }
    assertFormat(path, names.length === 0 ? undefined : reading(path, () => readMeta(root).get('format')));
    return reading(path, () => openTables(root));
  } catch (error) {
    // The file was only looked at, and that it cannot be used is what counts.
    root.close().catch(() => undefined);
    throw error;
  }
}

function assertFormat(path: string, found: string | undefined): void {
  if (found === undefined || Number(found) === format) return;
  if (Number(found) > format) {
    throw new DataDirectoryError(
      path,
      `has format ${found}; this Chord knows ${format}. Start the newer Chord that wrote it, or choose another directory.`,
    );
  }
  throw damaged(path, `has the format ${JSON.stringify(found)}, which no Chord has written.`);
}

/** The store's identity; a store without one is new and gets one. */
function identityOf({ root, meta, contexts }: Tables, path: string): string {
  const serverId = meta.get('serverId');
  if (serverId !== undefined) return serverId;
  if (sizeOf(contexts) > 0) throw damaged(path, 'has lost its identity.');
  const fresh = newIdentity();
  root.transactionSync(() => {
    meta.putSync('format', String(format));
    meta.putSync('serverId', fresh);
  });
  return fresh;
}

function newIdentity(): string {
  return randomBytes(12).toString('base64url');
}

function reading<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw damaged(path, `cannot be read (${error instanceof Error ? error.message : String(error)}).`, {
      cause: error,
    });
  }
}

function put(tables: Tables, { table, key, value }: RowWrite): void {
  // Every table takes the keys that its rows are made with (rows.ts); only the union of all tables does not say so.
  const target = tables[table] as Table<Key>;
  // The batch answers for all of them.
  if (value === undefined) void target.remove(key);
  else void target.put(key, value);
}

/** What LMDB says of a failed commit: it rejects with a general error and tells the reason in a second promise. */
async function commitErrorOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error) || !(error.commitError instanceof Promise)) return error;
  const reason: Promise<unknown> = error.commitError.then(
    () => error,
    (cause: unknown) => cause,
  );
  return Promise.race([reason, setImmediate(error)]);
}
