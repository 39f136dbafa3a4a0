/**
 * Contexts as files of one directory.
 *
 * A record is written beside its place, synced, and renamed into it: readers see the old file or the new one, whole,
 * also after a crash. What a crash leaves is a name that no reader opens, removed when it is an hour old (a younger
 * one may be another process's work). Which of two versions is newer is seen under a lock, so that an older one does
 * not come last. A system call that hangs, as on a network that is gone, ends when the system says so.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { getKey, isJsonObject } from '../delta/json.ts';
import { DirectoryLock } from './directory-lock.ts';
import type { ExportedContext, Exporter, ExternalCall, Provider } from './external.ts';
import { fileName } from './names.ts';
import { maxRecordBytes, parseJson, parseRecord, tooLarge } from './record.ts';

const hourMs = 3_600_000;

/** Exports into a directory, which is created, for its owner alone, when it is missing. */
export function createFileExporter(exportDir: string): Exporter {
  const directory = resolve(exportDir);
  const lock = new DirectoryLock(directory);
  let sweptAtMs = Number.NEGATIVE_INFINITY;
  return {
    name: 'file',
    exportContext: async (record, { signal }) => {
      try {
        signal.throwIfAborted();
        await makeDirectory(directory);
        if (Date.now() - sweptAtMs >= hourMs) {
          sweptAtMs = Date.now();
          // What cannot be removed harms nobody, and is looked for again.
          await sweep(directory).catch(() => undefined);
        }
        await replace(directory, lock, { record, signal });
      } catch (error) {
        throw explained('export to', directory, error, signal);
      }
    },
  };
}

/** Reads what the exporter wrote. A directory that is missing holds nothing. */
export function createFileProvider(exportDir: string): Provider {
  const directory = resolve(exportDir);
  return {
    name: 'file',
    fetchContext: async (id, { signal }) => {
      const path = join(directory, fileName(id));
      signal.throwIfAborted();
      const bytes = await readIfThere(path, signal).catch((error: unknown) => {
        throw explained('read', path, error, signal);
      });
      return bytes === undefined ? null : parseRecord(bytes, { id, from: path });
    },
  };
}

interface Export extends ExternalCall {
  readonly record: ExportedContext;
}

async function replace(directory: string, lock: DirectoryLock, { record, signal }: Export): Promise<void> {
  const path = join(directory, fileName(record.id));
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  try {
    await writeSynced(temporary, JSON.stringify(record), signal);
    await lock.hold(signal, async () => {
      if (!(await holdsNewer(path, record, signal))) await rename(temporary, path);
    });
  } finally {
    await rm(temporary, { force: true });
  }
  // Also for a newer one that was there: whoever wrote it may not have come this far.
  await syncDirectory(directory);
}

async function writeSynced(path: string, text: string, signal: AbortSignal): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text, { signal });
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Whether a later version of the same life is there. What cannot be read as a record is replaced. */
async function holdsNewer(path: string, record: ExportedContext, signal: AbortSignal): Promise<boolean> {
  const bytes = await readIfThere(path, signal);
  const found = bytes === undefined ? undefined : parseJson(bytes);
  if (!isJsonObject(found)) return false;
  if (getKey(found, 'id') !== record.id || getKey(found, 'epoch') !== record.epoch) return false;
  const version = getKey(found, 'version');
  return typeof version === 'number' && version > record.version;
}

/** Undefined: there is no such file. */
async function readIfThere(path: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
  const file = await open(path, 'r').catch(nothingIfAbsent);
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat();
    if (size > maxRecordBytes) throw tooLarge(path);
    return await file.readFile({ signal });
  } finally {
    await file.close();
  }
}

/** Also makes sure that what was created is still there after a crash: an entry is safe when its directory is. */
async function makeDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = directory; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made));
}

async function syncDirectory(directory: string): Promise<void> {
  // Windows opens no directories, and keeps renames safe by itself.
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Removes what crashes have left, and nothing that others put there. */
async function sweep(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!/^[a-z0-9_-]*[0-9a-f]{64}\.json\.[0-9a-f]{16}\.tmp$/.test(name)) continue;
    const path = join(directory, name);
    const found = await stat(path).catch(nothingIfAbsent);
    if (found !== undefined && Date.now() - found.mtimeMs >= hourMs) await rm(path, { force: true });
  }
}

function nothingIfAbsent(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT') return undefined;
  throw error;
}

/** What was tried, and why it failed; an abort is told by its reason. */
function explained(verb: string, path: string, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  const code = codeOf(error);
  if (typeof code !== 'string') return error;
  return new Error(`Cannot ${verb} ${path}: ${code}.`, { cause: error });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
