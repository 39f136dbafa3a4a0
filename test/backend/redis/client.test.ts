/* What a call to one Redis ends with, whatever happens to it. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { callsOf, causeOf, failureOf, increment, keysOf, openClient } from '../../support/redis/clients.ts';
import { flushScripts, hang } from '../../support/redis/faults.ts';
import { type RedisServer, startRedis } from '../../support/redis/server.ts';
import { soon, until } from '../../support/wait.ts';
import { isLoading, startLoading } from './loading.ts';

const notStored = { outcome: 'NOT_STORED' };
const unknown = { outcome: 'UNKNOWN' };

async function counted(server: RedisServer, key: string): Promise<unknown> {
  return server.cli('GET', `{p}:${key}`);
}

describe('answers', () => {
  test('calls that are made before there is a connection wait for it', async () => {
    await using server = await startRedis();
    const client = openClient(server.url);
    const replies = Array.from({ length: 1_000 }, () => client.run(increment, keysOf('n'), []));
    expect(await Promise.all(replies)).toEqual(replies.map((_, index) => index + 1));
  });

  test('texts and bytes arrive as they are', async () => {
    await using server = await startRedis();
    const client = openClient(server.url);
    await client.call(['SET', 'text', 'ä\u{1f600}"\r\n'], { isWrite: true });
    expect(await client.call(['GET', 'text'])).toBe('ä\u{1f600}"\r\n');
    await client.call(['SET', 'bytes', Buffer.from([0xc3, 0xa4])], { isWrite: true });
    expect(await client.call(['GET', 'bytes'])).toBe('ä');
    expect(await client.call(['HGETALL', 'nothing'])).toEqual([]);
  });

  test('a warm process sends a script once for each call, by its hash', async () => {
    await using server = await startRedis();
    const client = openClient(server.url);
    await client.run(increment, keysOf('n'), []);
    expect(await callsOf(server, 'eval')).toBe(1);
    for (let call = 0; call < 20; call += 1) await client.run(increment, keysOf('n'), []);
    expect([await callsOf(server, 'eval'), await callsOf(server, 'evalsha')]).toEqual([1, 21]);
  });

  test('a script that the server forgot is sent again', async () => {
    await using server = await startRedis();
    const client = openClient(server.url);
    await client.run(increment, keysOf('n'), []);
    await flushScripts(server);
    const replies = await Promise.all([1, 2, 3].map(() => client.run(increment, keysOf('n'), [])));
    expect(replies).toEqual([2, 3, 4]);
  });

  test('every master tells of itself', async () => {
    await using server = await startRedis();
    const client = openClient(server.url);
    expect((await client.infos()).map((info) => info.get('tcp_port'))).toEqual([String(server.port)]);
    expect(await client.settings('appendonly')).toEqual([['appendonly', 'no']]);
  });
});

describe('away', () => {
  test('a call ends when its time is over, having done nothing, now and later', async () => {
    await using server = await startRedis();
    await server.kill();
    const client = openClient(server.url, { timeoutMs: 300 });
    const error = await failureOf(client.run(increment, keysOf('n'), []));
    expect(error).toMatchObject(notStored);
    expect(error.message).toBe('Redis is away.');
    expect(causeOf(error)).toMatch(/^Redis at 127\.0\.0\.1:\d+ is away: connect ECONNREFUSED [^ ]*\d\.$/);
    await server.start();
    await until('the connection', () =>
      client.ping().then(
        () => true,
        () => false,
      ),
    );
    expect(await counted(server, 'n')).toBeNull();
  });

  test('a call waits for a server that comes back in time, and operators are told once each', async () => {
    await using server = await startRedis();
    const client = openClient(server.url);
    await client.ping();
    await server.kill();
    await until('the warning', () => client.warnings.length === 1);
    const call = client.run(increment, keysOf('n'), []);
    await server.start();
    expect(await call).toBe(1);
    expect(client.log).toEqual([
      { level: 'warn', text: expect.stringMatching(/^Redis at .* is away: /) },
      { level: 'info', text: expect.stringMatching(/^Redis at .* is there again$/) },
    ]);
  });

  test('a server that loads its data is waited for', async () => {
    const { server, loaded } = await startLoading();
    onTestFinished(() => server.stop());
    const client = openClient(server.url);
    expect(await client.run(increment, keysOf('n'), [])).toBe(1);
    expect(await isLoading(server)).toBe(false);
    await loaded;
    expect(client.warnings).toEqual([expect.stringMatching(/ is away: it is loading its data$/)]);
  });

  test('a write whose reply is lost is UNKNOWN, and not sent again; a read is', async () => {
    await using server = await startRedis({ appendOnly: true });
    const client = openClient(server.url);
    await client.run(increment, keysOf('n'), []);
    await hang(server);
    const write = failureOf(client.run(increment, keysOf('n'), []));
    const read = client.call(['GET', '{p}:n']);
    await server.kill();
    expect(await write).toMatchObject({ ...unknown, message: 'The connection to Redis was lost before the answer.' });
    expect(causeOf(await write)).toMatch(/^The connection to Redis at 127\.0\.0\.1:\d+ was lost before the answer\.$/);
    await server.start();
    expect(await read).toBe('1');
    expect(await counted(server, 'n')).toBe('1');
  });

  test('a server that hangs costs a call its time, and the connection', async () => {
    await using server = await startRedis();
    const client = openClient(server.url, { timeoutMs: 500 });
    await client.run(increment, keysOf('n'), []);
    const heal = await hang(server);
    const beganAtMs = performance.now();
    const calls = [failureOf(client.run(increment, keysOf('n'), [])), failureOf(client.call(['GET', '{p}:n']))];
    const [write, read] = await Promise.all(calls);
    // Its time and that of the connection are over at the same moment.
    expect(write).toMatchObject({ ...unknown, message: expect.stringMatching(/did not answer|was lost before/) });
    expect(read).toMatchObject(notStored);
    expect(performance.now() - beganAtMs).toBeLessThan(5_000);
    await until('the warning', () => client.warnings.some((text) => text.endsWith('it does not answer')));
    // The next ones know that there is no connection.
    expect(await failureOf(client.run(increment, keysOf('m'), []))).toMatchObject(notStored);
    await heal();
    await until('the connection', () =>
      client.ping().then(
        () => true,
        () => false,
      ),
    );
    expect(await counted(server, 'm')).toBeNull();
    // It was on its way when the server went on.
    expect(['1', '2']).toContain(await counted(server, 'n'));
  });

  test('what is given up before the handshake ended is never sent', async () => {
    await using server = await startRedis();
    const heal = await hang(server);
    const client = openClient(server.url, { timeoutMs: 400 });
    expect(await failureOf(client.run(increment, keysOf('n'), []))).toMatchObject(notStored);
    await heal();
    await until('the connection', () =>
      client.ping().then(
        () => true,
        () => false,
      ),
    );
    expect(await counted(server, 'n')).toBeNull();
  });
});

describe('close', () => {
  test('ends what waits, waits a moment for what is on its way, and leaves nothing', async () => {
    await using server = await startRedis();
    const client = openClient(server.url);
    await client.ping();
    const call = client.run(increment, keysOf('n'), []);
    const closed = client.close();
    expect(await call).toBe(1);
    await closed;
    expect(String(await server.cli('CLIENT', 'LIST'))).not.toContain('name=chord');
    expect(await failureOf(client.ping())).toMatchObject({ ...notStored, message: 'The store is closed.' });
    expect(client.warnings).toEqual([]);
  });

  test('is bounded when the server hangs', async () => {
    await using server = await startRedis();
    const client = openClient(server.url);
    await client.ping();
    const heal = await hang(server);
    const call = failureOf(client.run(increment, keysOf('n'), []));
    await soon('the end', client.close(), 5_000);
    expect(await call).toMatchObject(unknown);
    await heal();
  });

  test('ends what waits for a server that is away', async () => {
    await using server = await startRedis();
    await server.kill();
    const client = openClient(server.url);
    const call = failureOf(client.run(increment, keysOf('n'), []));
    await client.close();
    expect(await call).toMatchObject(notStored);
  });
});
