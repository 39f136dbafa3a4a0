import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { open as openFile } from 'lmdb';
import { describe, expect, test } from 'vitest';
import { renewIdentity } from '../../../src/backend/lmdb/file.ts';
import { LmdbBackend } from '../../../src/backend/lmdb/lmdb.ts';
import { createChord } from '../../../src/chord.ts';
import { temporaryDirectory } from '../../support/lmdb.ts';
import {
  aboutOf,
  answerOf,
  copyOf,
  editAbout,
  errorOf,
  refusalOf,
  startChild,
  touch,
  writtenStore,
} from './directories.ts';

function inUse(path: string, pid: number | undefined): string {
  return `The data directory ${path} is in use by another process (process ${pid}). Stop that one, or choose another directory.`;
}

describe('a directory has one user at a time', () => {
  test('another process is refused, by whom is named, and let in at once when the holder was killed', async () => {
    const path = await writtenStore();
    const child = startChild();
    await answerOf(child, { path });
    expect(refusalOf(path)).toBe(inUse(path, child.pid));
    await expect(renewIdentity(path)).rejects.toThrow(inUse(path, child.pid));

    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
    await using chord = createChord({ backend: LmdbBackend.open({ path }) });
    expect(await chord.getContext('a')).toMatchObject({ version: 2, state: { more: 1 } });
  });

  test('the same process is refused too, also by another name of the directory', async () => {
    const path = await writtenStore();
    const alias = join(temporaryDirectory(), 'alias');
    symlinkSync(path, alias);
    await using backend = LmdbBackend.open({ path });
    expect(errorOf(path)).toBe(inUse(path, process.pid));
    expect(errorOf(alias)).toBe(inUse(alias, process.pid));
    expect(errorOf(`${path}/../${basename(path)}`)).toContain(`in use by another process (process ${process.pid}).`);
    await backend.ping();
  });

  test('a closed one is free, and so is one that was refused', async () => {
    const path = await writtenStore();
    await LmdbBackend.open({ path }).close();
    await editAbout(path, { format: '2' });
    expect(errorOf(path)).toContain('format 2');
    await editAbout(path, { format: '1' });
    await LmdbBackend.open({ path }).close();
  });

  test('a lock file that was left behind means nothing', async () => {
    const path = await writtenStore();
    writeFileSync(join(path, 'chord.lock'), 'process 1\n');
    await expect(LmdbBackend.open({ path }).close()).resolves.toBeUndefined();
  });
});

describe('a directory that can be used', () => {
  test('is made with its parents, for this user alone', async () => {
    const path = join(temporaryDirectory(), 'a', 'b');
    await using backend = LmdbBackend.open({ path });
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(backend.serverId).toMatch(/^[\w-]{16}$/);
  });

  test.each([
    ['a lost+found and dot files', () => undefined],
    ['locks without data', (path: string) => ['chord.lock', 'data.mdb-lock'].map((name) => touch(join(path, name)))],
    ['a file that was made, and not written yet', (path: string) => touch(join(path, 'data.mdb'))],
  ])('may hold %s', async (_, prepare) => {
    const path = temporaryDirectory();
    mkdirSync(join(path, 'lost+found'));
    touch(join(path, '.keep'));
    prepare(path);
    const chord = createChord({ backend: LmdbBackend.open({ path }) });
    await chord.setContext('a', { n: 1 });
    await chord.close();
    await using again = createChord({ backend: LmdbBackend.open({ path }) });
    expect(await again.getContext('a')).toMatchObject({ version: 1, state: { n: 1 } });
  });

  test('keeps its identity, until that is renewed', async () => {
    const path = await writtenStore();
    const { serverId } = LmdbBackend.open({ path: await copyOf(path) });
    const first = LmdbBackend.open({ path });
    expect(first.serverId).toBe(serverId);
    await first.close();
    const renewed = await renewIdentity(path);
    expect(renewed).not.toBe(serverId);
    await using second = LmdbBackend.open({ path });
    expect(second.serverId).toBe(renewed);
  });

  test('says what format and which store it is, also when its identity was renewed', async () => {
    const path = temporaryDirectory();
    await LmdbBackend.open({ path }).close();
    const serverId = await renewIdentity(path);
    await LmdbBackend.open({ path }).close();
    expect(await aboutOf(path)).toEqual({ format: '1', serverId });
  });

  test('has an identity to renew only when there is a store', async () => {
    const path = temporaryDirectory();
    await expect(renewIdentity(path)).rejects.toThrow(`The data directory ${path} holds no store.`);
    expect(readdirSync(path)).toEqual([]);
  });
});

describe('what is of somebody else is refused, and stays as it is', () => {
  test('files of another program', () => {
    const path = temporaryDirectory();
    for (const name of ['notes.txt', 'photo.jpg', 'x.ini', 'y.ini']) writeFileSync(join(path, name), name);
    expect(refusalOf(path)).toMatch(
      / holds files of another program \(\w+\.\w+, \w+\.\w+, \w+\.\w+\)\. Choose an empty /,
    );
    expect(readdirSync(path)).not.toContain('data.mdb');
  });

  test.each<readonly [string, (root: ReturnType<typeof openFile>) => Promise<unknown>]>([
    ['with rows', (root) => root.put('key', 'value')],
    ['with tables', (root) => root.openDB({ name: 'users' }).put(1, 'Ada')],
    ['with a table of a name of ours', (root) => root.openDB({ name: 'chord' }).put('schema', 7)],
    [
      'with tables, one of a name of ours',
      async (root) => {
        await root.openDB({ name: 'chord', encoding: 'string' }).put('owner', 'somebody');
        await root.openDB({ name: 'users' }).put(1, 'Ada');
      },
    ],
    ['with a row of a name of ours', (root) => root.put('chord', 'value')],
    ['with keys that are bytes', (root) => root.openDB({ name: 'x', keyEncoding: 'binary' }).put(randomBytes(8), 1)],
  ])('an LMDB file of another program, %s', async (_, write) => {
    const path = temporaryDirectory();
    const root = openFile({ path: join(path, 'data.mdb'), noSubdir: true, maxDbs: 16 });
    await write(root);
    await root.close();
    expect(refusalOf(path)).toMatch(/another program|cannot be read|has lost its format/);
  });

  test.each([
    ['a file where the directory should be', ''],
    ['a file above where the directory should be', 'below'],
  ])('%s', (_, below) => {
    const file = join(temporaryDirectory(), 'file');
    writeFileSync(file, 'mine');
    const path = join(file, below);
    expect(errorOf(path)).toMatch(/ cannot be used: E(EXIST|NOTDIR): .*Choose another directory\.$/);
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  test.each(['data.mdb', 'chord.lock'])('a directory named %s', (name) => {
    const path = temporaryDirectory();
    mkdirSync(join(path, name));
    expect(errorOf(path)).toMatch(/ cannot be used: EISDIR: /);
    expect(readdirSync(path)).toContain(name);
  });
});
