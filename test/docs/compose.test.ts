/*
 * compose.yaml, part by part, since a test has no container engine: the Redis that it starts, two processes as it
 * configures them, and its proxy with its configuration. Only addresses are others.
 */
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { followWithEventSource } from '../../examples/clients/event-source.ts';
import { followWithGraphqlSse } from '../../examples/clients/graphql-sse.ts';
import { followWithGraphqlWs } from '../../examples/clients/graphql-ws.ts';
import type { FollowEvent, FollowOptions } from '../../examples/clients/replica.ts';
import { judgeSettings, readSettings } from '../../src/backend/redis/connection/settings.ts';
import { post } from '../support/app.ts';
import { builtCopy } from '../support/built.ts';
import { ChordProcess } from '../support/chord-process.ts';
import { Command, stopCommands } from '../support/command.ts';
import { installTimeoutMs, needProgram } from '../support/programs.ts';
import { openClient } from '../support/redis/clients.ts';
import { freePorts } from '../support/redis/ports.ts';
import { type RedisServer, startRedis } from '../support/redis/server.ts';
import { until } from '../support/wait.ts';
import { read } from './pages.ts';

const file = read('compose.yaml');

/** What stands under the first key of that name, without its indentation. */
function under(text: string, key: string): string {
  const [, , body = ''] = new RegExp(`^( *)${key}:.*\\n((?:\\1 +.*\\n|\\n)*)`, 'm').exec(text) ?? [];
  if (body === '') throw new Error(`compose.yaml has no ${key} where it is looked for`);
  const indent = /^ */.exec(body)?.[0] ?? '';
  return body.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
}

/** The value of a key. */
function valueOf(text: string, key: string): string {
  const [, value] = new RegExp(`^ *${key}: (.+)$`, 'm').exec(text) ?? [];
  if (value === undefined) throw new Error(`compose.yaml has no ${key} where it is looked for`);
  return value;
}

const services = under(file, 'services');

let home: string;
let haproxy: string;
let redis: RedisServer;
let chords: readonly Service[];
let proxy: Command;
let url: string;

/** One of the two services, which can be started again at its address. */
class Service {
  readonly name: string;
  readonly port: number;
  #process: ChordProcess | undefined;

  constructor(name: string, port: number) {
    this.name = name;
    this.port = port;
  }

  async start(): Promise<void> {
    const environment = under(under(services, 'chord-1'), 'environment');
    const given = [...environment.matchAll(/^(\w+): (.+)$/gm)].map(([, name = '', value = '']) => [name, value]);
    const env = { ...Object.fromEntries(given), CHORD_REDIS_URL: redis.url, CHORD_PORT: String(this.port) };
    this.#process = await ChordProcess.start([], { script: join(home, 'dist/main.js'), env });
  }

  get output(): string {
    return this.#process?.output ?? '';
  }

  /** As `docker compose stop` does, or as when its machine fails. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.#process?.end(signal);
  }
}

beforeAll(async () => {
  haproxy = await needProgram(['haproxy'], 'haproxy');
  home = await builtCopy();
  const [, ...args] = valueOf(under(services, 'redis'), 'command').split(' ');
  redis = await startRedis({ args });
  const [port = 0, ...ports] = await freePorts(3);
  chords = ports.map((each, index) => new Service(`chord-${index + 1}`, each));
  await Promise.all(chords.map((chord) => chord.start()));
  proxy = startProxy(port);
  url = `http://127.0.0.1:${port}/graphql`;
  await until('the proxy', () =>
    fetch(new URL('/ready', url)).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
}, installTimeoutMs);

const leaving: (() => void)[] = [];
afterEach(() => {
  for (const leave of leaving.splice(0)) leave();
});

afterAll(async () => {
  await stopCommands();
  await redis?.stop();
  rmSync(home, { recursive: true });
});

function startProxy(port: number): Command {
  const given = under(under(file, 'haproxy'), 'content').replace('bind :4000', `bind 127.0.0.1:${port}`);
  const text = chords.reduce((all, chord) => all.replace(`${chord.name}:4000`, `127.0.0.1:${chord.port}`), given);
  const path = join(home, 'haproxy.cfg');
  writeFileSync(path, text);
  return new Command(haproxy, ['-db', '-f', path], { cwd: home });
}

/** Waits until the proxy has noticed. */
async function seenByProxy({ name }: Service, state: 'UP' | 'DOWN'): Promise<void> {
  await until(`${name} to be ${state} to the proxy`, () => {
    const changes = [...proxy.stderr.matchAll(/(chord-\d) is (UP|DOWN)/g)];
    return changes.findLast(([, who]) => who === name)?.[2] === state;
  });
}

/** The status of a request that calls the proxy by that name. */
async function statusFor(host: string): Promise<number | undefined> {
  const { port } = new URL(url);
  const asked = request({ host: '127.0.0.1', port, path: '/graphql?query={__typename}', headers: { host } }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

async function write(n: number): Promise<void> {
  const result = await post(url, {
    query: 'mutation ($n: Int!) { updateContext(id: "c", changes: { n: $n }) { __typename } }',
    variables: { n },
  });
  expect(result).toEqual({ data: { updateContext: { __typename: 'UpdateContextPayload' } } });
}

const errors: unknown[] = [];
const recipes = [followWithGraphqlWs, followWithGraphqlSse, followWithEventSource];

/** Who follows the context through the proxy, and what they were told. */
function follow(recipe: (options: FollowOptions) => () => void) {
  const events: FollowEvent[] = [];
  const follower: { n: unknown; readonly events: readonly FollowEvent[] } = { n: undefined, events };
  const leave = recipe({
    url,
    id: 'c',
    onEvent: (event, state) => {
      events.push(event);
      follower.n = state?.['n'];
    },
    onError: (error) => errors.push(error),
  });
  leaving.push(leave);
  return follower;
}

test('the Redis loses nothing, as far as its settings go, and the processes warn of nothing', async () => {
  expect(judgeSettings(await readSettings(openClient(redis.url)))).toEqual([]);
  for (const chord of chords) expect(chord.output).not.toMatch(/"level":"(warn|error)"/);
});

test('the proxy is called by names of this machine alone', async () => {
  expect(await statusFor('localhost:4000')).toBe(200);
  expect(await statusFor('127.0.0.1')).toBe(200);
  expect(await statusFor('evil.example:4000')).toBe(403);
  expect(await statusFor('localhost.evil.example')).toBe(403);
});

test('one process alone keeps its contexts on a volume, where the image has them', async () => {
  const one = under(services, 'one');
  const [mount = ''] = /[\w-]+:\/\w+$/m.exec(under(one, 'volumes')) ?? [];
  const [volume = '', path] = mount.split(':');
  expect(file).toMatch(new RegExp(`^volumes:\n(?:  \\w+:\n)*  ${volume}:\n`, 'm'));
  expect(read('Dockerfile')).toContain(`ENV CHORD_DATA_DIR=${path}\n`);
  const given = [...under(one, 'environment').matchAll(/^(\w+): (.+)$/gm)].map(([, name = '', value = '']) => [
    name,
    value,
  ]);
  const env = { ...Object.fromEntries(given), CHORD_DATA_DIR: join(home, 'data'), CHORD_PORT: '0' };
  const alone = await ChordProcess.start([], { script: join(home, 'dist/main.js'), env });
  expect(alone.output).toContain('"backend":"lmdb"');
  expect(await alone.end('SIGTERM')).toBe(0);
});

test('one port serves HTTP, event streams and WebSockets of both processes, and notices who leaves', async () => {
  await post(url, { query: 'mutation { setContext(id: "c", state: { n: 0 }) { __typename } }' });
  // Twice as many as there are processes, so that each serves some.
  const followers = [...recipes, ...recipes].map(follow);
  await until('the contexts', () => followers.every(({ n }) => n === 0));
  await write(1);
  await until('the deltas', () => followers.every(({ n }) => n === 1));
  expect(errors).toEqual([]);
  for (const { events } of followers) expect(events.map((event) => event.__typename)).toEqual(['FullContext', 'Delta']);

  expect(await redis.cli('PUBSUB', 'SHARDNUMSUB', ...(await channels()))).toEqual([
    expect.stringMatching(/watch:c$/),
    2,
  ]);
  for (const leave of leaving.splice(0)) leave();
  await until('both processes to hear nothing any more', async () => (await channels()).length === 0);
});

async function channels(): Promise<readonly string[]> {
  // What Redis answers.
  return (await redis.cli('PUBSUB', 'SHARDCHANNELS')) as readonly string[];
}

test('the subscribers of a process that stops or dies go on with the other, from where they were', {
  timeout: 60_000,
}, async () => {
  await post(url, { query: 'mutation { setContext(id: "c", state: { n: 0 }) { __typename } }' });
  const followers = [...recipes, ...recipes].map(follow);
  await until('the contexts', () => followers.every(({ n }) => n === 0));
  let n = 0;
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    for (const chord of chords) {
      await chord.end(signal);
      await write((n += 1));
      await until(`all to have seen the write after ${signal}`, () => followers.every((each) => each.n === n));
      await seenByProxy(chord, 'DOWN');
      await chord.start();
      await seenByProxy(chord, 'UP');
    }
  }
  expect(errors).toEqual([]);
  const kinds = followers.flatMap(({ events }) => events.map((event) => event.__typename));
  expect(kinds.filter((kind) => kind === 'FullContext')).toHaveLength(followers.length);
  for (const kind of kinds) expect(['FullContext', 'Delta', 'NoChange']).toContain(kind);
});
