/* What a process remembers of contexts: never more than speed depends on it, and never for long when it is wrong. */
import { expect, test } from 'vitest';
import { Keys } from '../../../src/backend/redis/keys.ts';
import { assertBehind } from '../../../src/conformance/check.ts';
import { draft, history } from '../../../src/conformance/draft.ts';
import type { JsonObject } from '../../../src/delta/json.ts';
import { openRedis, openRedisAgain } from '../../support/redis/backend.ts';
import { crash } from '../../support/redis/faults.ts';
import { type RedisServer, startRedis } from '../../support/redis/server.ts';
import { until } from '../../support/wait.ts';

/** Of `size` bytes, more or less. */
function ballast(size: number): JsonObject {
  return Object.fromEntries(Array.from({ length: size / 100 }, (_, n) => [`key${n}`, 'x'.repeat(90)]));
}

/** What the server sends while something is done. */
async function bytesSent(server: RedisServer, action: () => Promise<unknown>): Promise<number> {
  const sent = async () => Number((await server.info('stats')).get('total_net_output_bytes'));
  const before = await sent();
  await action();
  return (await sent()) - before;
}

test('what was seen of a tail that was lost is soon forgotten', async () => {
  await using server = await startRedis();
  await using backend = await openRedis([server.url]);
  const kept = await draft(backend, 'id').set(ballast(200_000)).store();
  await server.cli('SAVE');
  await kept.set({ ...kept.context.state, lost: true }).store();
  await (await crash(server))();
  // It may take some tries until the connection is there again.
  await until('the first read', async () => (await backend.read('id').catch(() => undefined)) !== undefined);
  expect(await backend.read('id')).toMatchObject({ head: { version: 1 }, state: kept.context.state });
  expect(await bytesSent(server, () => backend.read('id'))).toBeLessThan(20_000);
});

test('a state that is heavier than all that may be remembered gets its checkpoints, too', async () => {
  await using server = await startRedis();
  await using backend = await openRedis([server.url], { cacheBytes: 10_000 });
  let last = await draft(backend, 'id').set(ballast(20_000), { keep: 10 }).store();
  for (let n = 0; n < 100; n++) {
    last = await last.set({ ...last.context.state, changing: `${n} ${'y'.repeat(400)}` }, { keep: 10 }).store();
  }
  const checkpoint = `${new Keys(backend.openedWith.prefix ?? '').partitionOf('id')}checkpoint:id`;
  await until('the checkpoint', async () => (await server.cli('EXISTS', checkpoint)) === 1);
  await using cold = await openRedisAgain(backend);
  expect(await cold.read('id')).toMatchObject({ head: { version: 101 }, state: last.context.state });
});

test('a writer that is far behind is told where the context stands, and not each delta since', async () => {
  await using server = await startRedis();
  await using late = await openRedis([server.url]);
  await using other = await openRedisAgain(late);
  const seen = await history(late, 'id', 1);
  let last = await seen.on(other).set({ n: 2 }).store();
  const few = assertBehind(await seen.set({ n: 'late' }).commit());
  expect(few).toMatchObject({ known: { head: { version: 2 } }, since: [{ version: 2 }] });
  while (last.head.version < 1_100) last = await last.set({ n: last.head.version + 1 }).store();
  const many = assertBehind(await seen.set({ n: 'late' }).commit());
  expect(many).toMatchObject({ known: { head: { version: 1_100 }, state: { n: 1_100 } } });
  expect(many.since).toBeUndefined();
});

test('databases of one server with one prefix are stores of their own', async () => {
  await using server = await startRedis();
  const prefix = 'same:';
  await using zero = await openRedis([server.url], { prefix });
  await using one = await openRedis([`${server.url}/1`], { prefix });
  const heard: string[] = [];
  const watch = await one.watch('id', ({ kind }) => heard.push(kind));
  const ofZero: string[] = [];
  const other = await zero.watch('id', ({ kind }) => ofZero.push(kind));
  await history(zero, 'id', 3);
  await until('what was written there', () => ofZero.length === 3);
  await (await history(one, 'id', 1)).remove().store();
  await until('what was written here', () => heard.includes('removed'));
  expect(heard).toEqual(['moved', 'removed']);
  watch.close();
  other.close();
});
