import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { renewIdentity } from '../../src/backend/lmdb/file.ts';
import { LmdbBackend, type LmdbOptions } from '../../src/backend/lmdb/lmdb.ts';

/** A new directory that is removed with the test. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'chord-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const paths = new WeakMap<LmdbBackend, string>();

/** A store in a directory of its own. */
export function openLmdb(options: Partial<LmdbOptions> = {}): LmdbBackend {
  const path = options.path ?? temporaryDirectory();
  const backend = LmdbBackend.open({ ...options, path });
  paths.set(backend, path);
  return backend;
}

/** Where the store is. */
export function pathOf(backend: LmdbBackend): string {
  const path = paths.get(backend);
  if (path === undefined) throw new TypeError('The store was not opened by openLmdb.');
  return path;
}

/** Opens the directory of a closed store again. */
export function reopenLmdb(closed: LmdbBackend): LmdbBackend {
  return openLmdb({ path: pathOf(closed) });
}

/** The same after its identity was renewed. */
export async function reopenLmdbElsewhere(closed: LmdbBackend): Promise<LmdbBackend> {
  await renewIdentity(pathOf(closed));
  return reopenLmdb(closed);
}
