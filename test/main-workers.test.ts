/* The command with several workers: a built copy of the checkout, in processes of their own, on a Redis of their own. */
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import type { Client } from 'graphql-ws';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { GraphQLResult } from './support/app.ts';
import { builtCopy } from './support/built.ts';
import { Command, stopCommands } from './support/command.ts';
import { type RedisServer, startRedis } from './support/redis/server.ts';
import { freshPrefix } from './support/redis/shared.ts';
import { followOperation, nextEvent, openWebSocket, type Subscription, subscribeOn } from './support/transports.ts';
import { soon, until } from './support/wait.ts';

let home: string;
let redis: RedisServer;
const clients = new Set<Client>();

beforeAll(async () => {
  home = await builtCopy();
  redis = await startRedis({ password: 'hush' });
});
afterEach(async () => {
  // One that is still connecting may fail to.
  for (const client of clients) await Promise.resolve(client.dispose()).catch(() => undefined);
  clients.clear();
  await stopCommands();
});
afterAll(async () => {
  await redis.stop();
  rmSync(home, { recursive: true });
});

function chord(env: Record<string, string> = {}, args: readonly string[] = ['--port', '0']): Command {
  return new Command(process.execPath, [join(home, 'dist/main.js'), ...args], {
    cwd: home,
    env: {
      CHORD_BACKEND: 'redis',
      CHORD_REDIS_URL: redis.url,
      CHORD_REDIS_PREFIX: freshPrefix(),
      CHORD_WORKERS: '2',
      CHORD_LOG_LEVEL: 'debug',
      ...env,
    },
  });
}

type Line = Readonly<Record<string, unknown>>;

/** The lines of the log with this message. */
function linesOf({ stdout }: Command, message: string): readonly Line[] {
  const lines = stdout.split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Line).filter((line) => line['message'] === message);
}

/** The workers that serve or have served, in the order in which they began. */
function workersOf(command: Command): readonly { readonly number: number; readonly pid: number }[] {
  return linesOf(command, 'worker serves').map(({ worker, pid }) => ({ number: Number(worker), pid: Number(pid) }));
}

/** Which workers wrote them; undefined: the primary. */
function numbersIn(lines: readonly Line[]): readonly unknown[] {
  return [1, 2, 3, undefined].filter((number) => lines.some(({ worker }) => worker === number));
}

/** On a connection of its own, which the primary hands to the next worker. */
async function ask(endpoint: string, query: string): Promise<GraphQLResult> {
  const headers = { 'content-type': 'application/json' };
  const asked = request(endpoint, { method: 'POST', agent: false, headers });
  asked.end(JSON.stringify({ query }));
  // What this event brings.
  const [answer] = (await soon('an answer', once(asked, 'response'))) as [IncomingMessage];
  return JSON.parse(await textOf(answer)) as GraphQLResult;
}

async function write(endpoint: string, n: number): Promise<unknown> {
  const { data } = await ask(endpoint, `mutation { setContext(id: "c", state: { n: ${n} }) { __typename } }`);
  return data;
}

const written = { setContext: { __typename: 'SetContextPayload' } };

async function follow(endpoint: string): Promise<Subscription> {
  const client = openWebSocket({ webSocketUrl: endpoint.replace('http', 'ws') }, { retryAttempts: 1_000 });
  clients.add(client);
  const subscription = subscribeOn(client, followOperation('c'));
  await nextEvent(subscription);
  return subscription;
}

async function stop(command: Command, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  command.kill(signal);
  expect(await soon('the end', command.exit)).toBe(0);
  expect(command.stderr).toBe('');
}

describe('two workers', () => {
  test('answer on one port, and what one writes the followers of both see', async () => {
    const command = chord();
    const endpoint = await command.endpoint();
    const followers = [await follow(endpoint), await follow(endpoint)];
    for (const n of [1, 2, 3, 4]) {
      expect(await write(endpoint, n)).toEqual(written);
      for (const follower of followers) expect(await nextEvent(follower)).toMatchObject({ version: n });
    }
    await stop(command);
    // Each of them served requests and followers, and says in each line which it is.
    expect(numbersIn(linesOf(command, 'request'))).toEqual([1, 2]);
    expect(numbersIn(linesOf(command, 'websocket'))).toEqual([1, 2]);
    expect(linesOf(command, `ready, GraphiQL is at ${endpoint}`)).toMatchObject([{ workers: 2 }]);
    expect(command.stdout.match(/GraphiQL is at/g)).toHaveLength(1);
    expect(numbersIn(linesOf(command, 'stopped'))).toEqual([1, 2, undefined]);
  });

  test('one that is killed is replaced, and its followers go on with another', async () => {
    const command = chord();
    const endpoint = await command.endpoint();
    const followers = [await follow(endpoint), await follow(endpoint)];
    const [victim] = workersOf(command);
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    await until('another worker', () => workersOf(command).length === 3);
    expect(linesOf(command, 'worker ended, another takes its place')).toMatchObject([
      { level: 'error', worker: victim?.number, signal: 'SIGKILL', exitCode: null, hung: false },
    ]);
    await until('it serves as well', async () => {
      await ask(endpoint, '{ __typename }');
      return numbersIn(linesOf(command, 'request')).includes(3);
    });
    expect(await write(endpoint, 1)).toEqual(written);
    for (const { results } of followers) {
      await until('the write', () => JSON.stringify(results.all).includes('"version":1'));
    }
    await stop(command);
  });

  test('one that hangs is killed and replaced', async () => {
    const command = chord({ CHORD_WORKER_TIMEOUT_MS: '3000' });
    const endpoint = await command.endpoint();
    const [hung] = workersOf(command);
    process.kill(hung?.pid ?? 0, 'SIGSTOP');
    await until('its end', () => linesOf(command, 'worker ended, another takes its place').length > 0);
    expect(linesOf(command, 'worker ended, another takes its place')).toMatchObject([
      { level: 'error', worker: hung?.number, hung: true },
    ]);
    await until('another worker', () => workersOf(command).length === 3);
    // Whoever is next.
    for (let asked = 0; asked < 4; asked++) {
      expect((await ask(endpoint, '{ __typename }')).data).toEqual({ __typename: 'Query' });
    }
    await stop(command);
  });

  test('one that is stopped by somebody finishes, and is replaced without alarm', async () => {
    const command = chord();
    await command.endpoint();
    process.kill(workersOf(command)[1]?.pid ?? 0, 'SIGTERM');
    await until('another worker', () => workersOf(command).length === 3);
    expect(linesOf(command, 'stopped')).toMatchObject([{ worker: 2 }]);
    expect(linesOf(command, 'worker ended, another takes its place')).toMatchObject([
      { level: 'info', worker: 2, exitCode: 0 },
    ]);
    await stop(command);
  });

  test('are stopped by a signal that all of them get, as from a terminal', async () => {
    const command = chord();
    await command.endpoint();
    for (const { pid } of workersOf(command)) process.kill(pid, 'SIGINT');
    await stop(command, 'SIGINT');
    expect(numbersIn(linesOf(command, 'stopped'))).toEqual([1, 2, undefined]);
  });

  test('end with their primary, however that ends', async () => {
    const command = chord();
    await command.endpoint();
    command.kill('SIGKILL');
    // As long as one of them lives it holds the output open.
    expect(await soon('the end of all', command.exit)).toBe('SIGKILL');
  });

  test('one that does not stop is waited for, and then ended with its primary', async () => {
    const command = chord({ CHORD_DRAIN_TIMEOUT_MS: '0' });
    await command.endpoint();
    const [, hung] = workersOf(command);
    process.kill(hung?.pid ?? 0, 'SIGSTOP');
    command.kill('SIGTERM');
    expect(await soon('the end of all', command.exit)).toBe(1);
    expect(command.stdout).toContain('stopping took too long, gave up');
  });
});

test('the metrics of all are read in one place, each once', async () => {
  const command = chord({ CHORD_METRICS_PORT: '0' });
  const endpoint = await command.endpoint();
  const [url] = await command.printed(/http:\/\/127\.0\.0\.1:\d+\/metrics/);
  expect(command.stdout.match(/metrics are at/g)).toHaveLength(1);
  const followers = [await follow(endpoint), await follow(endpoint), await follow(endpoint)];
  for (const n of [1, 2, 3, 4, 5]) expect(await write(endpoint, n)).toEqual(written);
  for (const { results } of followers) {
    await until('the last write', () => JSON.stringify(results.all).includes('"version":5'));
  }
  const answer = await once(get(url, { agent: false }), 'response').then(([response]) => textOf(response));
  for (const figure of [
    'chord_info{backend="redis"} 1',
    'chord_writes_total{verb="set",outcome="done"} 5',
    'chord_followers 3',
    'chord_subscriptions{transport="websocket"} 3',
  ]) {
    expect(answer.split('\n')).toContain(figure);
  }
  expect(answer).toMatch(/^nodejs_eventloop_lag_p99_seconds 0?\./m);
  await stop(command);
});

test('the metrics are read also while a worker starts', async () => {
  // It waits for its Redis.
  const command = chord({ CHORD_METRICS_PORT: '0', CHORD_REDIS_URL: 'redis://127.0.0.1:1' });
  const [url] = await command.printed(/http:\/\/127\.0\.0\.1:\d+\/metrics/);
  const [response] = await soon('the metrics', once(get(url, { agent: false }), 'response'), 20_000);
  expect(await textOf(response)).toContain('chord_info{backend="redis"} 1\n');
  expect(response.statusCode).toBe(200);
  expect(workersOf(command)).toEqual([]);
});

describe('a start that fails', () => {
  test('because the port is in use says so once, and ends with code 1', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    // A TCP server has an address of this shape.
    const { port } = other.address() as AddressInfo;
    const path = join(home, 'counting.config.mjs');
    const loads = join(home, 'loads');
    writeFileSync(
      path,
      `import { appendFileSync } from 'node:fs'; appendFileSync(${JSON.stringify(loads)}, '.'); export default {};`,
    );
    const command = chord({}, ['--port', String(port), '--config', path]);
    expect(await command.exit).toBe(1);
    // By the primary and by one worker: the others are not begun.
    expect(readFileSync(loads, 'utf8')).toBe('..');
    expect(command.stderr).toMatch(/^chord: Port \d+ of 127\.0\.0\.1 is in use\. .*\n$/);
    other.close();
  });

  test.each([
    [
      'a password that is wrong',
      () => ({ CHORD_REDIS_URL: `redis://:hush2@${redis.address}` }),
      / refuses the user or the password \(WRONGPASS/,
    ],
    [
      'a store for one process',
      () => ({ CHORD_BACKEND: 'memory', CHORD_REDIS_URL: '', CHORD_REDIS_PREFIX: '' }),
      /^chord: CHORD_WORKERS is 2, and several processes share the backend redis alone; the backend is memory\./,
    ],
    [
      'a file that is not there',
      () => ({ CHORD_API_KEYS_FILE: 'nowhere.json' }),
      /^chord: CHORD_API_KEYS_FILE: .*nowhere\.json/,
    ],
  ])('because of %s says so once, and ends with code 2', async (_, env, line) => {
    const command = chord(env());
    expect(await command.exit).toBe(2);
    expect(command.stderr).toMatch(line);
    expect(command.stderr.trim().split('\n')).toHaveLength(1);
    expect(command.stdout).toBe('');
  });
});

test('workers that cannot start any more end all of them, with code 1 and what is wrong', async () => {
  const path = join(home, 'spoilt.config.mjs');
  writeFileSync(path, 'export default {};');
  const command = chord({}, ['--port', '0', '--config', path]);
  await command.endpoint();
  writeFileSync(path, 'export default { port: "spoilt" };');
  process.kill(workersOf(command)[0]?.pid ?? 0, 'SIGKILL');
  expect(await soon('the end', command.exit, 60_000)).toBe(1);
  expect(linesOf(command, 'workers do not start any more, all of them end')).toMatchObject([{ level: 'error' }]);
  expect(command.stderr.match(/port in .*spoilt\.config\.mjs is "spoilt"/g)).toHaveLength(6);
  // The other one left as it should.
  expect(linesOf(command, 'stopped')).toMatchObject([{ worker: 2 }, {}]);
});
