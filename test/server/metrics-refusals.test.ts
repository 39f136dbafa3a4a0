import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type App, type AppOptions, createApp } from '../../src/app/app.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { Scrape } from '../observability/scrape.ts';
import { post, RecordingLogger } from '../support/app.ts';
import { ManualClock } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';
import { operationUrl, RawStream } from '../support/transports.ts';
import { until } from '../support/wait.ts';
import { askOn } from './limits-stage.ts';
import { RawWebSocket } from './raw-websocket.ts';

const running = new Set<App>();

afterEach(async () => {
  await Promise.all([...running].map((app) => app.stop()));
  running.clear();
});

interface Stage {
  readonly app: App;
  readonly url: string;
  readonly webSocketUrl: string;
  readonly port: number;
  readonly metricsUrl: string;
}

async function start(options: AppOptions): Promise<Stage> {
  const app = createApp({
    port: 0,
    backend: 'memory',
    metricsPort: 0,
    logger: new RecordingLogger(),
    deltaFormatter: () => {
      throw new Error('nobody expected this');
    },
    ...options,
  });
  running.add(app);
  const { url: origin, metricsUrl = '' } = await app.start();
  const url = new URL('/graphql', origin);
  return { app, url: url.href, webSocketUrl: url.href.replace('http', 'ws'), port: Number(url.port), metricsUrl };
}

/** What was counted, once it is so much. */
async function counted({ metricsUrl }: Stage, sum: number) {
  let seen = await Scrape.of(metricsUrl);
  await until(`${sum} refusals`, async () => {
    seen = await Scrape.of(metricsUrl);
    return (seen.value('chord_refusals_total') ?? 0) >= sum;
  });
  return { codes: seen.nonZero('chord_refusals_total'), limits: seen.nonZero('chord_limit_refusals_total') };
}

const follow = (id: string) => `subscription { contextChanged(id: "${id}") { __typename } }`;
const live = 'subscription { contextChanged(id: "c") { ... on Delta { formatted } } }';
const readers = () => ({ id: 'reader', grants: [{ may: ['read', 'write'] as const, id: 'c' }] });

/** Operations over each transport; what each is refused with. */
const operations: readonly (readonly [string, AppOptions, string, readonly string[], string | undefined])[] = [
  ['what does not parse', {}, '{', ['GRAPHQL_PARSE_FAILED'], undefined],
  ['what is not valid', {}, '{ nothing, neither }', ['GRAPHQL_VALIDATION_FAILED'], undefined],
  ['what is not permitted', { authenticate: readers }, '{ context(id: "other") { id } }', ['FORBIDDEN'], undefined],
  ['a wrong argument', {}, '{ context(id: "") { id } }', ['BAD_USER_INPUT'], undefined],
  ['what goes too deep', { maxQueryDepth: 1 }, '{ contexts { nodes { id } } }', ['LIMIT_EXCEEDED'], 'maxQueryDepth'],
  ['what costs too much', { maxQueryCost: 1 }, '{ contexts { nodes { id } } }', ['LIMIT_EXCEEDED'], 'maxQueryCost'],
  ['a mistake of ours', {}, '{ deltas(contextId: "c") { nodes { formatted } } }', ['INTERNAL_SERVER_ERROR'], undefined],
  [
    'several things',
    { authenticate: readers },
    '{ a: context(id: "other") { id } b: context(id: "another") { id } c: context(id: "c") { deltas(limit: 0) { version } } }',
    ['BAD_USER_INPUT', 'FORBIDDEN'],
    undefined,
  ],
];

describe.each(operations)('%s counts once', (_, options, query, codes, limit) => {
  const onceOver = (transport: string) => ({
    codes: Object.fromEntries(codes.map((code) => [`${code} ${transport}`, 1])),
    limits: limit === undefined ? {} : { [limit]: 1 },
  });

  test('over HTTP', async () => {
    const stage = await start(options);
    await stage.app.chord.setContext('c', { n: 1 });
    await post(stage.url, { query });
    expect(await counted(stage, codes.length)).toEqual(onceOver('http'));
  });

  test('as server-sent events', async () => {
    const stage = await start(options);
    await stage.app.chord.setContext('c', { n: 1 });
    const stream = await RawStream.open(operationUrl(stage.url, { query }));
    await stream.ended;
    expect(await counted(stage, codes.length)).toEqual(onceOver('sse'));
  });

  test('over WebSocket', async () => {
    const stage = await start(options);
    await stage.app.chord.setContext('c', { n: 1 });
    const socket = await RawWebSocket.open(stage.webSocketUrl);
    await socket.init();
    await askOn(socket, 'one', { query });
    expect(await counted(stage, codes.length)).toEqual(onceOver('websocket'));
    socket.socket.close();
  });
});

test('what is served, and what is a member of a result, is no refusal', async () => {
  const stage = await start({});
  await post(stage.url, { query: 'mutation { setContext(id: "c", state: { n: 1 }) { __typename } }' });
  await post(stage.url, { query: 'mutation { updateContext(id: "absent", changes: {}) { __typename } }' });
  await fetch(new URL('/nowhere', stage.url));
  expect(await counted(stage, 0)).toEqual({ codes: {}, limits: {} });
});

test('a store that is away, over each transport', async () => {
  const backend = new FaultyBackend(new MemoryBackend());
  const stage = await start({ backend });
  backend.failingReads = 3;
  const query = '{ context(id: "c") { id } }';
  await post(stage.url, { query });
  await (await RawStream.open(operationUrl(stage.url, { query }))).ended;
  const socket = await RawWebSocket.open(stage.webSocketUrl);
  await socket.init();
  await askOn(socket, 'one', { query });
  socket.socket.close();
  const { codes } = await counted(stage, 3);
  expect(codes).toEqual({
    'BACKEND_UNAVAILABLE http': 1,
    'BACKEND_UNAVAILABLE sse': 1,
    'BACKEND_UNAVAILABLE websocket': 1,
  });
});

test('events that fail, one by one', async () => {
  const stage = await start({});
  await stage.app.chord.setContext('c', { n: 0 });
  const stream = await RawStream.open(operationUrl(stage.url, { query: live }));
  await stream.next();
  const socket = await RawWebSocket.open(stage.webSocketUrl);
  await socket.init();
  await askOn(socket, 'one', { query: live });
  for (const n of [1, 2]) {
    await stage.app.chord.updateContext('c', { n });
    await stream.next();
    await socket.messages.next();
  }
  const { codes } = await counted(stage, 4);
  expect(codes).toEqual({ 'INTERNAL_SERVER_ERROR sse': 2, 'INTERNAL_SERVER_ERROR websocket': 2 });
  stream.leave();
  socket.socket.close();
});

describe('what is answered before it is read', () => {
  const body = JSON.stringify({ query: '{ __typename }' });
  const ask = ({ url }: Stage, headers: Readonly<Record<string, string>>, text = body) =>
    fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: text });

  test.each([
    ['nobody', { authenticate: () => null }, {}, { 'UNAUTHENTICATED http': 1 }, 401],
    [
      'nobody who streams',
      { authenticate: () => null },
      { accept: 'text/event-stream' },
      { 'UNAUTHENTICATED sse': 1 },
      401,
    ],
    ['a foreign page', {}, { origin: 'https://foreign.example' }, { 'FORBIDDEN http': 1 }, 403],
  ])('%s', async (_, options, headers, expected, status) => {
    const stage = await start(options);
    expect((await ask(stage, headers)).status).toBe(status);
    expect((await counted(stage, 1)).codes).toEqual(expected);
  });

  test('a body that is no JSON, and one that is too long', async () => {
    const stage = await start({ maxRequestBytes: 1_000 });
    await ask(stage, {}, 'no json');
    await ask(stage, {}, JSON.stringify({ query: 'x'.repeat(2_000) }));
    expect(await counted(stage, 2)).toEqual({
      codes: { 'BAD_USER_INPUT http': 1, 'LIMIT_EXCEEDED http': 1 },
      limits: { maxRequestBytes: 1 },
    });
  });

  test('requests that come too fast', async () => {
    const stage = await start({ requestsPerSecond: 1, clock: new ManualClock() });
    const statuses = [];
    for (let turn = 0; turn < 3; turn++) statuses.push((await ask(stage, {})).status);
    expect(statuses).toEqual([200, 429, 429]);
    expect(await counted(stage, 2)).toEqual({ codes: { 'LIMIT_EXCEEDED http': 2 }, limits: { requestsPerSecond: 2 } });
  });

  test('one connection too many, and an upgrade on one', async () => {
    const stage = await start({ maxConnections: 1 });
    const socket = await RawWebSocket.open(stage.webSocketUrl);
    expect((await ask(stage, { connection: 'close' })).status).toBe(503);
    await new Promise((resolve) => new WebSocket(stage.webSocketUrl, 'graphql-transport-ws').once('error', resolve));
    expect(await counted(stage, 2)).toEqual({
      codes: { 'LIMIT_EXCEEDED http': 1, 'LIMIT_EXCEEDED websocket': 1 },
      limits: { maxConnections: 2 },
    });
    socket.socket.close();
  });

  test('an upgrade for a foreign page', async () => {
    const stage = await start({});
    const foreign = new WebSocket(stage.webSocketUrl, 'graphql-transport-ws', { origin: 'https://foreign.example' });
    await new Promise((resolve) => foreign.once('error', resolve));
    expect((await counted(stage, 1)).codes).toEqual({ 'FORBIDDEN websocket': 1 });
  });
});

describe('a WebSocket that is closed for what its client does', () => {
  const subscribe = { type: 'subscribe', id: '1', payload: { query: follow('c') } };
  const init = { type: 'connection_init' };

  test.each([
    [4400, {}, [init, 'no json', 'no json', 'no json'], 'BAD_USER_INPUT', undefined],
    [4400, {}, [init, { type: 'connection_ack' }], 'BAD_USER_INPUT', undefined],
    [4401, {}, [subscribe], 'UNAUTHENTICATED', undefined],
    [4403, { authenticate: () => null }, [init], 'UNAUTHENTICATED', undefined],
    [4408, { connectionInitTimeoutMs: 20 }, [], 'LIMIT_EXCEEDED', 'connectionInitTimeoutMs'],
    [4409, {}, [init, subscribe, subscribe], 'BAD_USER_INPUT', undefined],
    [4429, {}, [init, init], 'BAD_USER_INPUT', undefined],
    [1009, { maxRequestBytes: 100 }, [init, 'x'.repeat(200)], 'LIMIT_EXCEEDED', 'maxRequestBytes'],
  ] as const)('%i', async (code, options, messages, refusal, limit) => {
    const stage = await start(options);
    const socket = await RawWebSocket.open(stage.webSocketUrl);
    for (const message of messages) socket.send(message);
    expect((await socket.closed).code).toBe(code);
    expect(await counted(stage, 1)).toEqual({
      codes: { [`${refusal} websocket`]: 1 },
      limits: limit === undefined ? {} : { [limit]: 1 },
    });
  });

  test('4406, for another protocol', async () => {
    const stage = await start({});
    const socket = new WebSocket(stage.webSocketUrl);
    const [code] = (await once(socket, 'close')) as [number];
    expect(code).toBe(4406);
    expect((await counted(stage, 1)).codes).toEqual({ 'BAD_USER_INPUT websocket': 1 });
  });

  test('1013, for one too many of its viewer', async () => {
    const stage = await start({ maxConnectionsPerViewer: 1 });
    const first = await RawWebSocket.open(stage.webSocketUrl);
    await first.init();
    const second = await RawWebSocket.open(stage.webSocketUrl);
    second.send(init);
    expect((await second.closed).code).toBe(1013);
    expect(await counted(stage, 1)).toEqual({
      codes: { 'LIMIT_EXCEEDED websocket': 1 },
      limits: { maxConnectionsPerViewer: 1 },
    });
    first.socket.close();
  });

  test('not one that leaves, however rudely, and not one that is sent elsewhere', async () => {
    const stage = await start({});
    const [rude, polite, left] = await Promise.all([1, 2, 3].map(() => RawWebSocket.open(stage.webSocketUrl)));
    rude?.socket.terminate();
    polite?.socket.close(4401, 'a code of the server');
    await polite?.closed;
    connect(stage.port, '127.0.0.1').end('GET / HTTP/1.1\r\n');
    expect(await counted(stage, 0)).toEqual({ codes: {}, limits: {} });
    left?.socket.close();
  });
});
