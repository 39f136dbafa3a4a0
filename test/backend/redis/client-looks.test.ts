/* What a server answers when a connection is made may be otherwise a moment later: it is looked at again. */
import { expect, test } from 'vitest';
import { failureOf, increment, keysOf, openClient } from '../../support/redis/clients.ts';
import { type RedisServer, startRedis } from '../../support/redis/server.ts';
import { until } from '../../support/wait.ts';

/** Redis answers BUSY to all, until the script is killed. */
async function keepBusy(server: RedisServer): Promise<() => Promise<void>> {
  const running = server.cli('EVAL', 'while true do end', 0).catch(() => undefined);
  const isBusy = () =>
    server.cli('PING').then(
      () => false,
      (error: unknown) => String(error).includes('BUSY'),
    );
  await until('the script to be known as slow', isBusy);
  return async () => {
    await server.cli('SCRIPT', 'KILL');
    await running;
  };
}

function isUp(client: { ping(): Promise<void> }): Promise<boolean> {
  return client.ping().then(
    () => true,
    () => false,
  );
}

test('a server that was busy when it was connected to is used when it is not', async () => {
  await using server = await startRedis({ args: ['--lua-time-limit', '20'] });
  const heal = await keepBusy(server);
  const client = openClient(server.url, { timeoutMs: 500 });
  expect(await failureOf(client.ping())).toMatchObject({ outcome: 'NOT_STORED' });
  await heal();
  await until('an answer', () => isUp(client));
});

test('nothing is written to another database while the choice of it fails', async () => {
  await using server = await startRedis({ args: ['--lua-time-limit', '20'] });
  const heal = await keepBusy(server);
  const client = openClient(`${server.url}/5`, { timeoutMs: 500 });
  await failureOf(client.run(increment, keysOf('count'), []));
  await heal();
  await until('a write', () =>
    client.run(increment, keysOf('count'), []).then(
      () => true,
      () => false,
    ),
  );
  expect([...(await server.info('keyspace')).keys()]).toEqual(['db5']);
});

test('a right to INFO that is given later is noticed', async () => {
  await using server = await startRedis();
  await server.cli('ACL', 'SETUSER', 'user', 'on', '>secret', '~*', '&*', '+@all', '-info');
  const client = openClient(`redis://user:secret@${server.address}`, { timeoutMs: 500 });
  expect(await failureOf(client.ping())).toMatchObject({ cause: { code: 'REDIS_STORE' } });
  await server.cli('ACL', 'SETUSER', 'user', '+info');
  await until('an answer', () => isUp(client));
});
