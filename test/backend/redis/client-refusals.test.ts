/* What becomes of a call that a Redis refuses, and what operators are told of it. */
import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { RedisStoreError } from '../../../src/errors.ts';
import { callsOf, causeOf, failureOf, increment, keysOf, openClient, scriptOf } from '../../support/redis/clients.ts';
import { fillMemory, flushScripts, makeReadOnly } from '../../support/redis/faults.ts';
import { type RedisServer, startRedis } from '../../support/redis/server.ts';
import { until } from '../../support/wait.ts';

const notStored = { outcome: 'NOT_STORED' };
const unknown = { outcome: 'UNKNOWN' };

async function counted(server: RedisServer, key: string): Promise<unknown> {
  return server.cli('GET', `{p}:${key}`);
}

/** Its disk cannot be written to, and it knows. It was started with `--enable-protected-configs yes`. */
async function failDisk(server: RedisServer): Promise<void> {
  const directory = join(server.directory, 'gone');
  mkdirSync(directory);
  await server.cli('CONFIG', 'SET', 'dir', directory, 'save', '3600 1000');
  rmdirSync(directory);
  await server.cli('BGSAVE');
  await until('the failure', async () => (await server.info('persistence')).get('rdb_last_bgsave_status') === 'err');
}

describe('error replies', () => {
  test('a full memory refuses at once', async () => {
    await using server = await startRedis();
    const client = openClient(server.url);
    await client.ping();
    const heal = await fillMemory(server);
    const error = await failureOf(client.run(increment, keysOf('n'), []));
    expect(error).toMatchObject(notStored);
    expect(error.message).toBe('Redis refused the call: it is out of memory (OOM).');
    expect(causeOf(error)).toMatch(/^Redis at 127\.0\.0\.1:\d+: OOM .*[^.]\.$/);
    await heal();
    expect(await client.run(increment, keysOf('n'), [])).toBe(1);
  });

  test('a full memory is told to operators once, and when writes succeed again', async () => {
    await using server = await startRedis();
    const client = openClient(server.url);
    const remove = { ...scriptOf("return redis.call('DEL', KEYS[2])"), name: 'remove' };
    await client.ping();
    const heal = await fillMemory(server);
    for (let call = 0; call < 3; call++) {
      await failureOf(client.run(increment, keysOf('n'), []));
      await failureOf(client.call(['SET', 'key', 'hush'], { isWrite: true }));
      // Needs no memory, and proves nothing.
      await client.run(remove, keysOf('n'), []);
    }
    await heal();
    await until('a line that it is over', async () => {
      await client.run(increment, keysOf('n'), []);
      return client.log.length > 1;
    });
    expect(client.log).toEqual([
      { level: 'warn', text: expect.stringMatching(/^Redis at .* refuses writes: it is out of memory \(OOM .*\)$/) },
      { level: 'info', text: expect.stringMatching(/^Redis at .* takes writes again$/) },
    ]);
    expect(JSON.stringify(client.log)).not.toContain('hush');
  });

  test('a master that becomes a replica has stored nothing of what it refused, and is told of once', async () => {
    await using server = await startRedis();
    const client = openClient(server.url, { timeoutMs: 1_000 });
    await client.run(increment, keysOf('n'), []);
    const heal = await makeReadOnly(server);
    const calls = Array.from({ length: 500 }, () => failureOf(client.run(increment, keysOf('n'), ['x'.repeat(5_000)])));
    for (const error of await Promise.all(calls)) expect(error).toMatchObject(notStored);
    expect(await failureOf(client.run(increment, keysOf('n'), []))).toMatchObject({ message: 'Redis is away.' });
    expect(client.log).toEqual([
      { level: 'warn', text: expect.stringMatching(/^Redis at .* is away: it is a replica$/) },
    ]);
    const patient = openClient(server.url);
    const call = patient.run(increment, keysOf('n'), []);
    await heal();
    expect(await call).toBe(2);
    await until('the connection', () => client.log.length > 1);
    expect(client.log.at(-1)).toEqual({ level: 'info', text: expect.stringMatching(/ is there again$/) });
  });

  test('a server that is left answers what is on its way before', async () => {
    await using server = await startRedis();
    const client = openClient(server.url);
    const once = scriptOf("return redis.call('INCR', KEYS[2]) == 1 and redis.error_reply('READONLY once') or 'done'");
    await server.cli('SCRIPT', 'LOAD', once.text);
    await client.ping();
    // The second blocks the connection until long after the answer to the first.
    const calls = [client.run(once, keysOf('n'), []), client.call(['BLPOP', 'list', 0.4], { isWrite: true })];
    expect(await Promise.all(calls)).toEqual(['done', null]);
    expect(client.log).toEqual([]);
  });

  test('a replica is asked ever more seldom, and not sent scripts as text', async () => {
    await using server = await startRedis();
    const client = openClient(server.url, { timeoutMs: 4_000 });
    await client.run(increment, keysOf('n'), []);
    await flushScripts(server);
    await makeReadOnly(server);
    const before = Number((await server.info('stats')).get('total_connections_received'));
    await Promise.all(Array.from({ length: 100 }, () => failureOf(client.run(increment, keysOf('n'), []))));
    const connections = Number((await server.info('stats')).get('total_connections_received')) - before;
    expect(connections).toBeLessThan(40);
    expect(await callsOf(server, 'eval')).toBeLessThanOrEqual(101);
    expect(await callsOf(server, 'evalsha')).toBeLessThan(2_000);
  });

  test('what is refused to the end is not sent so late that its answer may be missed', async () => {
    await using server = await startRedis();
    const client = openClient(server.url, { timeoutMs: 2_000 });
    await client.ping();
    const script = scriptOf(`
      local function micros() local time = redis.call('TIME') return time[1] * 1000000 + time[2] end
      local began = micros()
      while micros() < began + 5000 do end
      return redis.error_reply('TRYAGAIN later')
    `);
    const errors = await Promise.all(Array.from({ length: 10 }, () => failureOf(client.run(script, keysOf('n'), []))));
    for (const error of errors) {
      expect(error).toMatchObject({
        ...notStored,
        message: 'Redis refused the call: the slot is being moved (TRYAGAIN).',
      });
    }
  });

  test('a master without enough replicas refuses at once', async () => {
    await using server = await startRedis({ args: ['--min-replicas-to-write', '1'] });
    const error = await failureOf(openClient(server.url).run(increment, keysOf('n'), []));
    expect(error).toMatchObject(notStored);
    expect(error.message).toBe('Redis refused the call: it has too few replicas (NOREPLICAS).');
  });

  test('a disk that cannot be written refuses at once', async () => {
    await using server = await startRedis({ args: ['--enable-protected-configs', 'yes'] });
    await failDisk(server);
    const error = await failureOf(openClient(server.url).run(increment, keysOf('n'), []));
    expect(error).toMatchObject(notStored);
    expect(error.message).toBe('Redis refused the call: it cannot write to its disk (MISCONF).');
  });

  test('a server that is busy with a script is asked again', async () => {
    await using server = await startRedis({ args: ['--busy-reply-threshold', '1'] });
    const client = openClient(server.url);
    await client.ping();
    // Its connection gives up after 10 s.
    const endless = server.cli('EVAL', 'while true do end', 0).catch(() => undefined);
    await until('the script', () =>
      server.cli('GET', 'n').then(
        () => false,
        (error) => /BUSY/.test(String(error)),
      ),
    );
    const call = client.run(increment, keysOf('n'), []);
    const impatient = openClient(server.url, { timeoutMs: 300 });
    expect(await failureOf(impatient.run(increment, keysOf('n'), []))).toMatchObject(notStored);
    await server.cli('SCRIPT', 'KILL');
    expect(await call).toBe(1);
    await endless;
  });

  test('a script that fails in the middle is UNKNOWN when it writes', async () => {
    await using server = await startRedis();
    const client = openClient(server.url);
    const text = "redis.call('INCR', KEYS[2]) return redis.call('LPUSH', KEYS[2], 'x')";
    const error = await failureOf(client.run(scriptOf(text), keysOf('n'), []));
    expect(error).toMatchObject(unknown);
    expect(error.message).toBe('Redis failed in the middle of the call: it answered with an error (WRONGTYPE).');
    expect(await counted(server, 'n')).toBe('1');
    expect(await failureOf(client.run(scriptOf("error('no')", false), keysOf('n'), []))).toMatchObject(notStored);
  });

  test('a right that is missing inside a script proves nothing', async () => {
    await using server = await startRedis();
    await server.cli('ACL', 'SETUSER', 'some', 'on', '>secret', '~*', '+@all', '-lpush');
    const client = openClient(`redis://some:secret@${server.address}`);
    const text = "redis.call('INCR', KEYS[2]) return redis.call('LPUSH', KEYS[2], 'x')";
    expect(await failureOf(client.run(scriptOf(text), keysOf('n'), []))).toMatchObject(unknown);
    const error = await failureOf(client.call(['LPUSH', 'list', 'x'], { isWrite: true }));
    expect(error).toMatchObject({ ...notStored, cause: expect.any(RedisStoreError) });
    expect(error.message).toBe('Redis refused the call: its user lacks a right (NOPERM).');
    expect(client.log).toEqual([
      { level: 'warn', text: expect.stringMatching(/^Redis at .* refuses calls: its user lacks a right \(NOPERM /) },
    ]);
  });

  test('no error holds what was sent', async () => {
    await using server = await startRedis();
    const client = openClient(server.url);
    const errors = await Promise.all([
      failureOf(client.run(scriptOf("return redis.call('LPUSH', KEYS[2])"), keysOf('n'), ['hush'])),
      failureOf(client.call(['NOSUCHCOMMAND', 'hush'])),
      failureOf(client.call(['GET', 'hush', 'hush', 'hush'])),
    ]);
    expect(inspect(errors, { depth: 10, showHidden: true })).not.toContain('hush');
    // What who called is told names no server, no script and no text of the server's.
    for (const { message } of errors) expect(message).toMatch(/^Redis [a-z :]+\(ERR\)\.$/);
  });
});

describe('ping', () => {
  test('succeeds while only writes are refused', async () => {
    await using server = await startRedis({ args: ['--enable-protected-configs', 'yes'] });
    await failDisk(server);
    const client = openClient(server.url);
    await client.ping();
    expect(await client.infos()).toHaveLength(1);
  });

  test('fails when the server has become a replica', async () => {
    await using server = await startRedis();
    const client = openClient(server.url, { timeoutMs: 1_000 });
    await client.ping();
    const heal = await makeReadOnly(server);
    expect(await failureOf(client.ping())).toMatchObject(notStored);
    await heal();
    await until('the master', () =>
      client.ping().then(
        () => true,
        () => false,
      ),
    );
  });
});
