import { randomBytes } from 'node:crypto';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { headerProblem } from '../../../src/backend/lmdb/header.ts';
import { LmdbBackend } from '../../../src/backend/lmdb/lmdb.ts';
import { createChord } from '../../../src/chord.ts';
import { temporaryDirectory } from '../../support/lmdb.ts';
import {
  copyOf,
  editAbout,
  ids,
  lookFromChild,
  refusalOf,
  seenIn,
  usedBytes,
  writtenStore,
  zeroPage,
} from './directories.ts';

describe('a store that is not whole is refused, and stays as it is', () => {
  test.each([
    ['2', 'has format 2; this Chord knows 1. Start the newer Chord that wrote it, or choose another directory.'],
    ['0', 'has the format "0", which no Chord has written.'],
    ['one', 'has the format "one", which no Chord has written.'],
    ['', 'has the format "", which no Chord has written.'],
  ])('with the format %j', async (format, words) => {
    const path = await writtenStore();
    await editAbout(path, { format });
    expect(refusalOf(path)).toContain(`The data directory ${path} ${words}`);
  });

  test('without its identity', async () => {
    const path = await writtenStore();
    await editAbout(path, { serverId: undefined });
    expect(refusalOf(path)).toContain('has lost its identity. Restore it from a backup');
  });

  test('without its format', async () => {
    const path = await writtenStore();
    await editAbout(path, { format: undefined });
    expect(refusalOf(path)).toContain('format');
  });

  test('with neither, and nothing but tombstones', async () => {
    const path = await writtenStore();
    const chord = createChord({ backend: LmdbBackend.open({ path }) });
    for (const id of ids) await chord.deleteContext(id);
    await chord.close();
    await editAbout(path, { serverId: undefined, format: undefined });
    expect(refusalOf(path)).toContain('Restore it from a backup');
  });

  const pageSize = 4096;
  test.each<readonly [string, (size: number) => number]>([
    ['a byte', () => 1],
    ['half a header', () => 100],
    ['a header', () => 160],
    ['a page and no byte more', () => pageSize],
    ['a page and half a header', () => pageSize + 100],
    ['the two first pages', () => 2 * pageSize],
    ['a little more than those', () => 2 * pageSize + 1],
    ['half', (size) => size / 2],
    ['half, but for some bytes', (size) => size / 2 - 1000],
    ['all but its last page', (size) => size - pageSize],
    ['all but its last byte', (size) => size - 1],
  ])('of which %s is left', async (_, left) => {
    const path = await writtenStore(400);
    const file = join(path, 'data.mdb');
    // What ends the file may be free pages that LMDB never wrote.
    truncateSync(file, Math.floor(left(usedBytes(file))));
    expect(refusalOf(path)).toMatch(/holds a file data\.mdb that .*\. Restore it from a backup, or choose another /);
    // Where a page is missing a mapped read ends the process: it must not come to that.
    expect(await lookFromChild(path)).toMatchObject({ kind: 'refused' });
  });

  test.each<readonly [string, Buffer]>([
    ['zeros', Buffer.alloc(100_000)],
    ['few zeros', Buffer.alloc(10)],
    ['random bytes', randomBytes(100_000)],
    ['a text', Buffer.from('hello')],
  ])('that is %s', async (_, bytes) => {
    const path = temporaryDirectory();
    writeFileSync(join(path, 'data.mdb'), bytes);
    expect(refusalOf(path)).toContain('is no store of Chord, or its beginning is lost.');
    expect(await lookFromChild(path)).toMatchObject({ kind: 'refused' });
  });
});

test('a page that is lost ends in an error or ends the process, never in a state that never was', async () => {
  const path = await writtenStore(400);
  const size = usedBytes(join(path, 'data.mdb'));
  const truth = await seenIn(await copyOf(path));
  const kinds: string[] = [];
  for (let page = 2; page < size / 4096; page += 5) {
    const copy = await copyOf(path);
    zeroPage(join(copy, 'data.mdb'), page);
    const look = await lookFromChild(copy);
    kinds.push(look.kind);
    if (look.kind !== 'seen') continue;
    for (const [id, summary] of Object.entries(look.contexts)) expect(summary, `page ${page}, ${id}`).toBe(truth[id]);
    expect(look.errors.length > 0 || Object.keys(look.contexts).length === ids.length, `page ${page}`).toBe(true);
  }
  expect(kinds.length).toBeGreaterThan(15);
});

test('a store that is whole is never taken for a truncated one, however it was written', async () => {
  const path = temporaryDirectory();
  const file = join(path, 'data.mdb');
  let seed = 1;
  const below = (limit: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % limit;
  };
  for (let round = 0; round < 5; round++) {
    const chord = createChord({ backend: LmdbBackend.open({ path }), deltaThreshold: 5 });
    for (let turn = 0; turn < 40; turn++) {
      const id = `c${below(8)}`;
      if (below(4) === 0) await chord.deleteContext(id).catch(() => undefined);
      else await chord.setContext(id, { text: 'x'.repeat(below(3) === 0 ? below(100_000) : below(1_000)), n: turn });
      expect(headerProblem(file)).toBeUndefined();
    }
    await chord.close();
    expect(headerProblem(file)).toBeUndefined();
  }
});
