import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  cpSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect } from 'vitest';
import { LmdbBackend } from '../../../src/backend/lmdb/lmdb.ts';
import { openAbout, openRoot } from '../../../src/backend/lmdb/tables.ts';
import { createChord } from '../../../src/chord.ts';
import { DataDirectoryError } from '../../../src/errors.ts';
import { temporaryDirectory } from '../../support/lmdb.ts';
import { soon } from '../../support/wait.ts';
import { type Look, lookAround } from './looks.ts';

const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** A process of child.ts, killed with the tests of the file. */
export function startChild(): ChildProcess {
  const child = fork(fileURLToPath(new URL('child.ts', import.meta.url)), {
    execArgv: ['--import', 'tsx'],
    // LMDB says on the standard error what it thinks of damaged pages.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  children.add(child);
  return child;
}

/** The one that looks, while it lives. */
let looking: ChildProcess | undefined;

/** What a process sees in a directory that may end it by a signal. */
export async function lookFromChild(path: string): Promise<Look | { readonly kind: 'died' }> {
  const child = looking ?? startChild();
  looking = child;
  try {
    // The child is ours.
    return (await answerOf(child, { path, ids })) as Look;
  } catch (error) {
    looking = undefined;
    if (child.signalCode === null) throw error;
    return { kind: 'died' };
  }
}

/** What a child answers; fails when it ends instead. */
export async function answerOf(child: ChildProcess, order: object): Promise<unknown> {
  const over = new AbortController();
  const ended = once(child, 'exit', { signal: over.signal }).then(([code, signal]) => {
    throw new Error(`the child ended with ${code ?? signal}`);
  });
  child.send(order);
  try {
    const [answer]: unknown[] = await soon('the answer of the child', Promise.race([once(child, 'message'), ended]));
    return answer;
  } finally {
    over.abort();
  }
}

/** A closed store with some contexts; `kilobytes` about so much. */
export async function writtenStore(kilobytes = 40): Promise<string> {
  const path = temporaryDirectory();
  const chord = createChord({ backend: LmdbBackend.open({ path }) });
  for (const id of ids) {
    await chord.setContext(id, { text: 'x'.repeat((kilobytes * 1024) / ids.length) });
    await chord.updateContext(id, { more: 1 });
  }
  await chord.close();
  return path;
}

/** The contexts of such a store. */
export const ids = ['a', 'b', 'c', 'd'];

/** Every file below a directory with a hash of its bytes. LMDB's lock file is no data: whoever looks is noted there. */
function filesIn(path: string): Readonly<Record<string, string>> {
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => statSync(join(path, name)).isFile() && !name.endsWith('-lock'));
  return Object.fromEntries(
    files.map((name) => [
      name,
      createHash('sha1')
        .update(readFileSync(join(path, name)))
        .digest('hex'),
    ]),
  );
}

/** The message of the refusal. Fails unless every file that was there is as it was. */
export function refusalOf(path: string): string {
  const before = filesIn(path);
  const error = errorOf(path);
  expect(filesIn(path)).toMatchObject(before);
  return error;
}

/** Fails unless opening it is refused, with the right error. */
export function errorOf(path: string): string {
  try {
    void LmdbBackend.open({ path }).close();
  } catch (error) {
    if (error instanceof DataDirectoryError && resolve(error.path) === resolve(path)) return error.message;
    throw error;
  }
  throw new Error('the directory was opened');
}

/** Changes the table that says what the file is. */
export async function editAbout(path: string, edit: Readonly<Record<string, string | undefined>>): Promise<void> {
  const root = openRoot(join(path, 'data.mdb'));
  const about = openAbout(root);
  for (const [key, value] of Object.entries(edit)) {
    const bytes = Buffer.from(key);
    await (value === undefined ? about.remove(bytes) : about.put(bytes, value));
  }
  await root.close();
}

/** The table that says what the file is. */
export async function aboutOf(path: string): Promise<Readonly<Record<string, string>>> {
  const root = openRoot(join(path, 'data.mdb'));
  const found = Object.fromEntries([...openAbout(root).getRange()].map(({ key, value }) => [String(key), value]));
  await root.close();
  return found;
}

/** Makes an empty file. */
export function touch(path: string): void {
  writeFileSync(path, '');
}

/** A copy of a closed store. */
export async function copyOf(path: string): Promise<string> {
  const copy = temporaryDirectory();
  cpSync(path, copy, { recursive: true });
  rmSync(join(copy, 'chord.lock'), { force: true });
  return copy;
}

/** What is in a store that is whole. */
export async function seenIn(path: string): Promise<Readonly<Record<string, string>>> {
  const look = await lookAround(path, ids);
  if (look.kind === 'seen') return look.contexts;
  throw new Error(look.message);
}

/** Loses a page. */
export function zeroPage(file: string, page: number): void {
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, Buffer.alloc(4096), 0, 4096, page * 4096);
  closeSync(descriptor);
}

/** How long the file must be, by the newer of its two first pages. */
export function usedBytes(file: string): number {
  const bytes = readFileSync(file);
  const pages = [0, 4096].map((at) => ({
    last: bytes.readBigUInt64LE(at + 144),
    turn: bytes.readBigUInt64LE(at + 152),
  }));
  const [newest] = pages.toSorted((a, b) => Number(b.turn - a.turn));
  return Number((newest?.last ?? 0n) + 1n) * 4096;
}
