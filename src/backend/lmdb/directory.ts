/**
 * The directory of an embedded store: who may use it, and whether it can be used at all. Nothing here changes what is
 * there; what cannot be used is refused with the path and what to do.
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { DataDirectoryError } from '../../errors.ts';
import { tryLockFile } from '../../file-lock.ts';
import { headerProblem } from './header.ts';

/** A directory that this process alone uses. */
export interface DataDirectory {
  readonly path: string;
  /** The file of the store; there need not be one yet. */
  readonly file: string;
  /** Lets others use it. Idempotent. */
  release(): void;
}

/** @throws DataDirectoryError for a directory that is in use, of another program, damaged or out of reach. */
export function takeDirectory(named: string): DataDirectory {
  // What a message names is found from wherever it is read.
  const path = resolve(named);
  const file = join(path, 'data.mdb');
  assertOurs(path, file);
  const release = lock(path);
  try {
    const problem = existsSync(file) ? attempt(path, () => headerProblem(file)) : undefined;
    if (problem !== undefined) throw damaged(path, `holds a file data.mdb that ${problem}`);
    return { path, file, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** For whatever shows that the file cannot be used. */
export function damaged(path: string, problem: string, options?: ErrorOptions): DataDirectoryError {
  return new DataDirectoryError(
    path,
    `${problem} Restore it from a backup, or choose another directory; nothing was changed.`,
    options,
  );
}

function assertOurs(path: string, file: string): void {
  const names = attempt(path, () => {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return readdirSync(path);
  });
  if (existsSync(file)) return;
  // LMDB's own lock file may outlive the data; a fresh file system has its lost+found, and tools leave dot files.
  const ours = [lockName, 'data.mdb-lock', 'lost+found'];
  const others = names.filter((name) => !ours.includes(name) && !name.startsWith('.'));
  if (others.length === 0) return;
  throw new DataDirectoryError(
    path,
    `holds files of another program (${others.slice(0, 3).join(', ')}). Choose an empty or a new directory.`,
  );
}

const lockName = 'chord.lock';

/**
 * Locks a file for as long as this process lives, however it ends: the lock is the kernel's, and no file that is left
 * behind means anything. The `lmdb` package would let several processes in, whose caches and subscribers would then
 * know nothing of each other's writes.
 */
function lock(path: string): () => void {
  const file = join(path, lockName);
  const descriptor = attempt(path, () => openSync(file, 'a+', 0o600));
  let isHeld = true;
  const release = () => {
    if (isHeld) closeSync(descriptor);
    isHeld = false;
  };
  try {
    if (!attempt(path, () => tryLockFile(descriptor))) {
      const holder = readFileSync(file, 'utf8').trim();
      throw new DataDirectoryError(
        path,
        `is in use by another process${holder === '' ? '' : ` (${holder})`}. Stop that one, or choose another directory.`,
      );
    }
    attempt(path, () => {
      ftruncateSync(descriptor);
      writeSync(descriptor, `process ${process.pid}\n`);
    });
    return release;
  } catch (error) {
    release();
    throw error;
  }
}

function attempt<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DataDirectoryError(path, `cannot be used: ${reason}. Give this user the rights, or choose another.`, {
      cause: error,
    });
  }
}
