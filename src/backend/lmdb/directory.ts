/**
 * The directory of an embedded store: who may use it, and whether it can be used at all. What is stored is not touched:
 * what cannot be used is refused with the path and what to do.
 */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DataDirectoryError } from '../../errors.ts';
import { tryLockFile } from '../../file-lock.ts';
import { headerProblem } from './header.ts';

/** A directory that this process alone uses. */
export interface DataDirectory {
  readonly path: string;
  /** The file of the store; empty, or on Windows missing, while nothing was stored. */
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
  const release = lock(path, file);
  try {
    // On Windows nothing has made it yet.
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
 * Locks the directory for as long as this process lives, however it ends: the locks are the kernel's, and no file that
 * is left behind means anything. The `lmdb` package would let several processes in, whose caches and subscribers would
 * then know nothing of each other's writes.
 *
 * Two files: `chord.lock` says who holds it, and somebody may think that removing it is a remedy; the data stay locked.
 */
function lock(path: string, file: string): () => void {
  const note = join(path, lockName);
  const descriptors: number[] = [];
  const release = () => {
    for (const descriptor of descriptors.splice(0)) closeSync(descriptor);
  };
  // On Windows a lock keeps LMDB itself from the file.
  const locked = process.platform === 'win32' ? [note] : [note, file];
  try {
    for (const name of locked) {
      const descriptor = attempt(path, () => openSync(name, 'a+', 0o600));
      descriptors.push(descriptor);
      if (attempt(path, () => tryLockFile(descriptor))) continue;
      const holder = attempt(path, () => readFileSync(note, 'utf8').trim());
      const who = holder === '' ? '' : ` (${holder})`;
      throw new DataDirectoryError(
        path,
        `is in use by another process${who}. Stop that one, or choose another directory.`,
      );
    }
    attempt(path, () => writeFileSync(note, `process ${process.pid}\n`));
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
    throw new DataDirectoryError(path, `cannot be used: ${reason}. ${remedyFor(error)}`, { cause: error });
  }
}

function remedyFor(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return 'Give this user the rights, or choose another directory.';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'Make room on the disk, or choose another directory.';
    default:
      return 'Choose another directory.';
  }
}
