/**
 * The embedded store while it is open: read, and written in groups.
 *
 *   write ─┐
 *   write ─┼─► waiting ─► room reserved ─► one transaction, one flush ─► all resolve
 *   write ─┘      ▲ what comes meanwhile is the next group
 *
 * A group is stored as a whole or rejected as a whole: NOT_STORED when it was not tried, for want of room or of a file
 * that opens, UNKNOWN when its flush failed. Nothing of a failed one can be read, unless its very last step failed,
 * after which LMDB refuses everything and the file is opened anew.
 */
import { setImmediate, setTimeout as wait } from 'node:timers/promises';
import { BackendUnavailableError } from '../../errors.ts';
import { type DataDirectory, takeDirectory } from './directory.ts';
import { openFile } from './file.ts';
import { encodeKey } from './keys.ts';
import { Space } from './space.ts';
import { aboutKeys, type RowWrite, type Tables } from './tables.ts';

interface WaitingWrite {
  readonly rows: readonly RowWrite[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** So many rows go in one transaction at most, so that who waits for the next one waits a bounded time. */
const maxRowsPerFlush = 20_000;
/** So many writes may wait for a flush. */
const maxWaitingWrites = 100_000;

/** Why nothing of a flush is known to be stored. */
interface Failure {
  readonly outcome: 'NOT_STORED' | 'UNKNOWN';
  readonly message: string;
  readonly cause: unknown;
}

/** An open store. */
export class Store {
  readonly serverId: string;
  readonly #directory: DataDirectory;
  readonly #space: Space;
  /** How long `ping` and `close` wait for a disk that does not answer. */
  readonly #patienceMs: number;
  /** Undefined: LMDB refused the file, and nobody has opened it anew yet. */
  #tables: Tables | undefined;
  #waiting: WaitingWrite[] = [];
  #flushing: Promise<void> | undefined;
  /** The one transaction that is under way. */
  #committing: Promise<unknown> | undefined;
  /** Whether the last flush failed: `ping` then tries one. */
  #isFailing = false;
  #isGivingUp = false;
  #closing: Promise<void> | undefined;

  /** @throws DataDirectoryError */
  constructor(path: string, patienceMs: number) {
    this.#patienceMs = patienceMs;
    this.#directory = takeDirectory(path);
    try {
      const { tables, serverId } = openFile(this.#directory);
      this.#tables = tables;
      this.serverId = serverId;
      this.#space = new Space(this.#directory.file);
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
      // Never rejects.
      void this.#giveUpIfRefused();
      throw new BackendUnavailableError('The store could not be read.', 'NOT_STORED', { cause: error });
    }
  }

  /**
   * Stores the rows together, in order, or none of them. Resolves once they are on the disk; before that nobody can
   * read them.
   *
   * @throws BackendUnavailableError: UNKNOWN when the flush failed, NOT_STORED when it was not tried, for example for
   * want of room.
   */
  write(rows: readonly RowWrite[]): Promise<void> {
    this.#open();
    if (this.#waiting.length >= maxWaitingWrites) {
      throw new BackendUnavailableError('Too many writes wait for the disk.', 'NOT_STORED');
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ rows, resolve, reject });
      this.#flushing ??= this.#flush();
    });
  }

  /** Resolves when the file can be read and the disk answers; after a failed flush, when it can be written again. */
  async ping(): Promise<void> {
    this.read(({ about }) => about.get(aboutKeys.format));
    const probe = this.#isFailing
      ? this.write([{ table: 'about', key: 'serverId', value: this.serverId }])
      : this.#committing;
    await this.#inTime(probe, 'NOT_STORED');
  }

  /**
   * Lets what was written reach the disk, then closes the file. Idempotent.
   *
   * @throws BackendUnavailableError UNKNOWN when the disk does not answer. The directory stays taken then until the
   * process ends: what is under way may still be written.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#inTime(this.#flushing, 'UNKNOWN');
    const tables = this.#tables;
    this.#tables = undefined;
    try {
      await tables?.root.close();
    } finally {
      this.#space.close();
      this.#directory.release();
    }
  }

  /** Waits for the disk, but not for ever. */
  async #inTime(work: Promise<unknown> | undefined, outcome: 'NOT_STORED' | 'UNKNOWN'): Promise<void> {
    const late = new AbortController();
    const tooLate = wait(this.#patienceMs, undefined, { ref: false, signal: late.signal }).then(
      () => {
        throw new BackendUnavailableError('The disk did not answer in time.', outcome);
      },
      // Told in time.
      () => undefined,
    );
    try {
      await Promise.race([work, tooLate]);
    } finally {
      late.abort();
    }
  }

  #open(): Tables {
    if (this.#closing !== undefined) throw new BackendUnavailableError('The store is closed.', 'NOT_STORED');
    return this.#reopened();
  }

  /** The tables, of the file opened anew when LMDB had refused it. */
  #reopened(): Tables {
    if (this.#tables !== undefined) return this.#tables;
    if (this.#isGivingUp) throw new BackendUnavailableError('The store is being opened anew.', 'NOT_STORED');
    try {
      this.#tables = openFile(this.#directory).tables;
      return this.#tables;
    } catch (error) {
      throw new BackendUnavailableError('The store could not be opened anew.', 'NOT_STORED', { cause: error });
    }
  }

  /** Settles every group. Never rejects. */
  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      const committing = this.#commit(group);
      this.#committing = committing;
      const failure = await committing;
      this.#isFailing = failure !== undefined;
      for (const { resolve, reject } of group) {
        if (failure === undefined) resolve();
        else reject(new BackendUnavailableError(failure.message, failure.outcome, { cause: failure.cause }));
      }
      if (failure !== undefined) await this.#giveUpIfRefused();
    }
    this.#committing = undefined;
    this.#flushing = undefined;
  }

  #takeGroup(): readonly WaitingWrite[] {
    let rows = 0;
    let count = 0;
    for (const write of this.#waiting) {
      rows += write.rows.length;
      if (count > 0 && rows > maxRowsPerFlush) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  /** Undefined: it is on the disk. Never rejects. */
  async #commit(group: readonly WaitingWrite[]): Promise<Failure | undefined> {
    let isTried = false;
    try {
      const tables = this.#reopened();
      const needed = roomFor(group);
      if (!this.#space.has(usedBytes(tables), needed)) await this.#space.reserve(usedBytes(tables), needed);
      isTried = true;
      await tables.root.batch(() => {
        for (const { rows } of group) for (const row of rows) put(tables, row);
      });
      return undefined;
    } catch (error) {
      if (!isTried)
        return { outcome: 'NOT_STORED', message: 'The disk has no room, or cannot be written.', cause: error };
      return { outcome: 'UNKNOWN', message: 'The store could not write.', cause: await commitErrorOf(error) };
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
    // A view from before would still answer.
    tables.root.resetReadTxn();
    tables.about.get(aboutKeys.format);
    return false;
  } catch {
    return true;
  }
}

function usedBytes({ root }: Tables): number {
  // The package types the answer as `{}`; it is struct MDB_stat with parts of MDB_envinfo.
  const { lastPageNumber, pageSize } = root.getStats() as {
    readonly lastPageNumber: number;
    readonly pageSize: number;
  };
  return (lastPageNumber + 1) * pageSize;
}

/** How many bytes the rows may add to the file: a bound by experience, since each row may copy and split a few pages. */
function roomFor(group: readonly WaitingWrite[]): number {
  let bytes = 128 * 1024;
  for (const { rows } of group) {
    // A unit of UTF-16 is three bytes of UTF-8 at most.
    for (const { value } of rows) bytes += 8_192 + 3 * (value?.length ?? 0);
  }
  return bytes;
}

function put(tables: Tables, { table, key, value }: RowWrite): void {
  const target = tables[table];
  const bytes = encodeKey(key);
  // The batch answers for all of them.
  if (value === undefined) void target.remove(bytes);
  else void target.put(bytes, value);
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
