import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { post } from './support/app.ts';
import { builtCopy } from './support/built.ts';
import { Command, stopCommands } from './support/command.ts';
import { type RedisServer, startRedis } from './support/redis/server.ts';
import { soon } from './support/wait.ts';

/* What the command does with Redis: a built copy of the checkout, in processes of their own. */
let home: string;

beforeAll(async () => {
  home = await builtCopy();
});
afterEach(stopCommands);
afterAll(() => rmSync(home, { recursive: true }));

function chord(url: string, env: Record<string, string> = {}): Command {
  return new Command(process.execPath, [join(home, 'dist/main.js'), '--port', '0'], {
    cwd: home,
    env: { CHORD_BACKEND: 'redis', CHORD_REDIS_URL: url, CHORD_REDIS_TIMEOUT_MS: '1000', ...env },
  });
}

async function readiness(endpoint: string): Promise<number> {
  return (await fetch(new URL('/ready', endpoint))).status;
}

async function stop(command: Command): Promise<void> {
  command.kill('SIGTERM');
  expect(await command.exit).toBe(0);
}

test('two processes serve the same contexts, and say once what Redis may lose', async () => {
  await using server = await startRedis();
  const [one, other] = [chord(server.url), chord(server.url)];
  const [first, second] = [await one.endpoint(), await other.endpoint()];
  await post(first, { query: 'mutation { setContext(id: "c", state: { n: 1 }) { __typename } }' });
  const { data } = await post(second, { query: '{ context(id: "c") { version state } }' });
  expect(data).toEqual({ context: { version: 1, state: { n: 1 } } });
  await stop(one);
  await stop(other);
  expect(one.stdout.match(/keeps nothing on a disk/g)).toHaveLength(1);
});

/** What a log line says, of every line. */
function messagesOf({ stdout }: Command): readonly string[] {
  return [...stdout.matchAll(/"message":"([^"]*)"/g)].map(([, message = '']) => message);
}

describe('Redis is away', () => {
  test('when the server starts: it listens, says that it is not ready, and later that it is', async () => {
    await using server = await startRedis({ appendOnly: true, args: ['--appendfsync', 'always'] });
    await server.kill();
    const command = chord(server.url);
    const endpoint = await command.endpoint();
    expect(messagesOf(command)).toEqual([
      expect.stringContaining('is away'),
      'Chord starts without Redis, and is not ready (/ready: 503) until it is there.',
      `listening, GraphiQL is at ${endpoint}`,
    ]);
    expect(await readiness(endpoint)).toBe(503);
    const answer = await post(endpoint, { query: '{ context(id: "c") { version } }' });
    expect(answer.errors?.[0]?.extensions).toMatchObject({ code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' });
    await server.start();
    await command.printed(/"level":"info".*"Redis is there, Chord is ready"/);
    expect(await readiness(endpoint)).toBe(200);
    await stop(command);
  });

  test.each([
    ['refuses connections', (server: RedisServer) => server.kill()],
    ['does not answer', async (server: RedisServer) => server.pause()],
  ])('when the server stops, and %s: that takes no time limit of Redis, and nothing has failed', async (_, leave) => {
    await using server = await startRedis();
    // Cleanup is nearly always under way.
    const env = { CHORD_REDIS_TIMEOUT_MS: '20000', CHORD_CLEANUP_INTERVAL_MS: '1' };
    const command = chord(server.url, env);
    await command.endpoint();
    await leave(server);
    const startedAtMs = performance.now();
    await stop(command);
    expect(performance.now() - startedAtMs).toBeLessThan(10_000);
    expect(command.stdout).not.toContain('"stack"');
    expect(command.stderr).toBe('');
  });

  test('when a start is given up: nothing is said but that', async () => {
    // Accepts, and never says a word.
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const command = chord(`redis://127.0.0.1:${port}`, { CHORD_REDIS_TIMEOUT_MS: '60000' });
    await once(silent, 'connection');
    command.kill('SIGINT');
    expect(await soon('the end', command.exit)).toBe(0);
    expect(messagesOf(command)).toEqual(['stopping', 'stopped']);
    silent.close();
  });
});

describe('a mistake ends the start with code 2 and one line', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis({ password: 'hush' });
  });
  afterAll(() => server.stop());

  test.each([
    [
      'a password that is wrong',
      () => `redis://:hush2@${server.address}`,
      / refuses the user or the password \(WRONGPASS/,
    ],
    ['a database that is not there', () => `${server.url}/99`, / has no database of that number/],
    [
      'a URL that is none',
      () => 'redis://:hush@one:two',
      /^chord: CHORD_REDIS_URL cannot be used: a port is not a number/,
    ],
    ['no URL', () => 'none', /CHORD_BACKEND is "redis", so redisUrl \(CHORD_REDIS_URL, --redis-url\) must be set/],
  ])('%s', async (_, url, line) => {
    const command = chord(url());
    expect(await command.exit).toBe(2);
    expect(command.stderr).toMatch(line);
    expect(command.stderr.trim().split('\n')).toHaveLength(1);
    expect(command.stdout).toBe('');
    expect(command.stdout + command.stderr).not.toContain('hush');
  });
});
