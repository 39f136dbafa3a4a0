/* Notes on a server that refuses, dies or is asked by many. */
import { expect, test } from 'vitest';
import { openRedis, openRedisAgain } from '../../support/redis/backend.ts';
import { cutConnections, fillMemory, holdCommands } from '../../support/redis/faults.ts';
import { startRedis } from '../../support/redis/server.ts';

const first = { text: 'first', revision: 'r1' };
const second = { text: 'second', revision: 'r2' };

test('a note is one key, and stays there', async () => {
  await using server = await startRedis();
  await using backend = await openRedis([server.url]);
  await backend.writeNote('note', first, undefined);
  await backend.writeNote('note', second, 'r1');
  const keys = await server.cli('KEYS', '*}:*');
  const [key = '', ...others] = (keys as readonly string[]).filter((name) => !name.endsWith(':format'));
  expect(others).toEqual([]);
  expect(key).toMatch(/\{\d+\}:note:note$/);
  expect(await server.cli('TTL', key)).toBe(-1);
});

test('a server without memory stores nothing of a note, and still tells it', async () => {
  await using server = await startRedis();
  await using backend = await openRedis([server.url]);
  await backend.writeNote('note', first, undefined);
  const heal = await fillMemory(server);
  const refused = { code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' };
  await expect(backend.writeNote('note', second, 'r1')).rejects.toMatchObject(refused);
  await expect(backend.writeNote('other', second, undefined)).rejects.toMatchObject(refused);
  expect(await backend.readNote('note')).toEqual(first);
  expect(await backend.noteRevision('other')).toBeUndefined();
  await heal();
  expect(await backend.writeNote('note', second, 'r1')).toBe(true);
});

test('a server with too few replicas stores nothing of a note', async () => {
  await using server = await startRedis();
  await using backend = await openRedis([server.url]);
  await server.cli('CONFIG', 'SET', 'min-replicas-to-write', '1');
  const refused = { code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' };
  await expect(backend.writeNote('note', first, undefined)).rejects.toMatchObject(refused);
  await server.cli('CONFIG', 'SET', 'min-replicas-to-write', '0');
  expect(await backend.readNote('note')).toBeUndefined();
});

test('when the answer to a write is lost its outcome is unknown, and reading tells it', async () => {
  await using server = await startRedis();
  await using backend = await openRedis([server.url], { timeoutMs: 2_000 });
  await backend.writeNote('note', first, undefined);
  const heal = await holdCommands(server, 9_000, 'WRITE');
  const failed = backend.writeNote('note', second, 'r1').catch((error: unknown) => error);
  await cutConnections(server, 'normal');
  expect(await failed).toMatchObject({ code: 'BACKEND_UNAVAILABLE', outcome: 'UNKNOWN' });
  await heal();
  await using other = await openRedisAgain(backend);
  const { revision = '' } = (await other.readNote('note')) ?? {};
  expect(['r1', 'r2']).toContain(revision);
  expect(await other.writeNote('note', { text: 'third', revision: 'r3' }, revision)).toBe(true);
});
