/** What must not grow, or be taken in one bite. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openRoot, openTables, sizeOf } from '../../../src/backend/lmdb/tables.ts';
import { draft, history, start } from '../../../src/conformance/draft.ts';
import { openLmdb, pathOf } from '../../support/lmdb.ts';

test('outcomes that have run out do not pile up, however many writers share a flush', async () => {
  const backend = openLmdb();
  const ids = Array.from({ length: 32 }, (_, index) => `id-${index}`);
  let last = await Promise.all(ids.map((id) => draft(backend, id).set({ n: 0 }).store()));
  for (let round = 1; round <= 20; round++) {
    const options = { key: `key-${round}`, atMs: start + round * 1_000, windowMs: 500 };
    last = await Promise.all(last.map((one) => one.set({ n: round }, options).store()));
  }
  await backend.close();
  const root = openRoot(join(pathOf(backend), 'data.mdb'));
  const { outcomes, outcomesDue } = openTables(root);
  const sizes = [sizeOf(outcomes), sizeOf(outcomesDue)];
  await root.close();
  expect(sizes[0]).toBe(sizes[1]);
  // Two rounds at most of the twenty.
  expect(sizes[0]).toBeLessThanOrEqual(2 * ids.length);
});

test('a long log is trimmed to the last delta that is old enough, in pieces', async () => {
  await using backend = openLmdb();
  const written = await history(backend, 'id', 700);
  expect(await backend.trimDeltas('id', start + 599)).toBe(600);
  expect(await backend.nextDue('deltas')).toBe(start + 600);
  const kept = await backend.deltas('id', { limit: 1_000 });
  expect([kept.length, kept[0]?.version, kept.at(-1)?.version]).toEqual([100, 601, 700]);
  expect((await backend.heads(['id']))[0]).toMatchObject({ floor: 600, version: 700 });
  expect(await backend.read('id')).toMatchObject({ state: { n: 700 } });
  expect(written.head.version).toBe(700);
});

test('more ids than are counted at once are counted exactly', async () => {
  await using backend = openLmdb();
  const ids = Array.from({ length: 10_001 }, (_, index) => `a:${index}`);
  await Promise.all(['a', 'b', ...ids].map((id) => draft(backend, id).set({}).commit()));
  expect(await backend.count({ idPrefix: 'a:' })).toBe(10_001);
  expect(await backend.count({ idPrefix: 'a:1' })).toBe(ids.filter((id) => id.startsWith('a:1')).length);
  expect(await backend.count({})).toBe(10_003);
});

test('removing the lock file lets nobody in', async () => {
  await using backend = openLmdb();
  const path = pathOf(backend);
  rmSync(join(path, 'chord.lock'));
  expect(() => openLmdb({ path })).toThrow('is in use by another process');
});
