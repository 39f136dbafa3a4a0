import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createApiKey } from '../../src/access/api-keys.ts';
import type { AppOptions } from '../../src/app/app.ts';
import { createLogger, type Logger } from '../../src/observability/logger.ts';
import { replaceFile, temporaryFile } from '../access/stage.ts';
import { type GraphQLResult, type RunningApp, startApp, stopApps } from '../support/app.ts';
import { operationUrl, RawStream } from '../support/transports.ts';
import { until } from '../support/wait.ts';
import { askOn } from './limits-stage.ts';
import { RawWebSocket } from './raw-websocket.ts';

type Line = Readonly<Record<string, unknown>>;

let lines: Line[] = [];
let server: RunningApp;

/** Writes all its lines, as JSON, to `lines`, until another is opened. */
function openLog(): Logger {
  const own: Line[] = [];
  lines = own;
  const write = (line: string) => own.push(JSON.parse(line) as Line);
  return createLogger({ level: 'debug', format: 'json', stream: { write } });
}

function deltaFormatter(): never {
  throw new Error('nobody expected this');
}

async function start(options: AppOptions = {}): Promise<void> {
  server = await startApp({ deltaFormatter, ...options, logger: options.logger ?? openLog() });
  await server.app.chord.setContext('c', { n: 0 });
}

afterEach(stopApps);

const failing = '{ deltas(contextId: "c") { nodes { formatted } } }';
const failingLive = 'subscription { contextChanged(id: "c") { ... on Delta { formatted } } }';
const ours = /^[0-9a-f]{16}$/;

function ask(query: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query }),
  });
}

/** The lines with this message, once there are so many. */
async function linesOf(message: string, count = 1): Promise<readonly Line[]> {
  const found = () => lines.filter((line) => line['message'] === message);
  await until(`${count} lines: ${message}`, () => found().length >= count);
  return found();
}

function idIn(result: GraphQLResult): unknown {
  return result.errors?.[0]?.extensions?.['requestId'];
}

describe('every answer by HTTP has an id', () => {
  test.each([
    ['200', 'POST', '/graphql', '{"query":"{ __typename }"}', 200],
    ['400', 'POST', '/graphql', 'no json', 400],
    ['404', 'GET', '/nowhere', undefined, 404],
    ['302', 'GET', '/', undefined, 302],
    ['405', 'DELETE', '/graphql', undefined, 405],
    ['a preflight', 'OPTIONS', '/graphql', undefined, 204],
    ['/live', 'GET', '/live', undefined, 200],
    ['/ready', 'GET', '/ready', undefined, 200],
  ])('%s', async (_, method, path, body, status) => {
    await start();
    const given = { headers: { 'content-type': 'application/json' }, redirect: 'manual' as const };
    const response = await fetch(new URL(path, server.url), { method, ...given, ...(body ? { body } : {}) });
    expect(response.status).toBe(status);
    expect(response.headers.get('x-request-id')).toMatch(ours);
  });

  test('that of nobody, that of a foreign page, and that of one too many', async () => {
    const file = temporaryFile('keys.json');
    replaceFile(file, [createApiKey('somebody').entry]);
    await start({ apiKeysFile: file, maxConnections: 1 });
    const foreign = await ask('{ __typename }', { origin: 'https://foreign.example', connection: 'close' });
    expect([foreign.status, foreign.headers.get('x-request-id')]).toEqual([403, expect.stringMatching(ours)]);
    await until('it is gone', async () => {
      const refused = await ask('{ __typename }', { 'x-request-id': 'nobody', connection: 'close' });
      return refused.status === 401 && refused.headers.get('x-request-id') === 'nobody';
    });
    const socket = new WebSocket(server.webSocketUrl, 'graphql-transport-ws');
    await once(socket, 'open');
    const surplus = await ask('{ __typename }', { 'x-request-id': 'surplus' });
    expect([surplus.status, surplus.headers.get('x-request-id')]).toEqual([503, 'surplus']);
    socket.terminate();
  });

  test('event streams', async () => {
    await start();
    const stream = await RawStream.open(operationUrl(server.url, { query: failingLive }), {
      headers: { 'x-request-id': 'streamed' },
    });
    expect(stream.response.headers.get('x-request-id')).toBe('streamed');
    stream.leave();
  });
});

describe('the id that a client brings', () => {
  test.each(['a', 'A-Za-z0-9._:-', '7b5d5a3e-0b1f-4d6a-9d55-1c6f2f0f2b11', 'x'.repeat(128)])(
    '%s is kept',
    async (id) => {
      await start();
      const response = await ask('{ __typename }', { 'x-request-id': id });
      expect(response.headers.get('x-request-id')).toBe(id);
      const [line] = await linesOf('request');
      expect(line).toMatchObject({ requestId: id, viewerId: 'anonymous' });
    },
  );

  test.each(['', 'x'.repeat(129), 'two words', 'a,b', 'é', '"', '{}', '../etc', '%0a', '<b>', '$(x)'])(
    '%j is replaced',
    async (id) => {
      await start();
      const response = await ask('{ __typename }', { 'x-request-id': id });
      expect(response.headers.get('x-request-id')).toMatch(ours);
      const [line] = await linesOf('request');
      expect(line?.['requestId']).toMatch(ours);
    },
  );

  test('twice is replaced', async () => {
    await start();
    const response = await fetch(server.url, {
      headers: [
        ['x-request-id', 'a'],
        ['x-request-id', 'b'],
      ],
    });
    expect(response.headers.get('x-request-id')).toMatch(ours);
  });

  test('is another for each request that brings none', async () => {
    await start();
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask('{ __typename }')));
    expect(new Set(answers.map(({ headers }) => headers.get('x-request-id'))).size).toBe(50);
  });
});

describe('what nobody expected is found in the log by what its client was told', () => {
  test('over HTTP', async () => {
    await start();
    const response = await ask(failing);
    const id = response.headers.get('x-request-id');
    const result = (await response.json()) as GraphQLResult;
    expect(result.errors?.[0]?.extensions).toEqual({ code: 'INTERNAL_SERVER_ERROR', requestId: id });
    const found = await linesOf('unexpected error');
    expect(found).toMatchObject([{ level: 'error', requestId: id, error: { message: 'nobody expected this' } }]);
  });

  test('in an event stream', async () => {
    await start();
    const stream = await RawStream.open(operationUrl(server.url, { query: failingLive }));
    await stream.next();
    await server.app.chord.updateContext('c', { n: 1 });
    const { data = '' } = await stream.next();
    const id = stream.response.headers.get('x-request-id');
    expect(idIn(JSON.parse(data) as GraphQLResult)).toBe(id);
    expect(await linesOf('unexpected error')).toMatchObject([{ requestId: id }]);
    stream.leave();
  });

  test('over WebSocket, where operations are numbered, or bring their own', async () => {
    await start();
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    const first = idIn(await askOn(socket, 'x'.repeat(1_000), { query: failing }));
    await socket.messages.next();
    expect(first).toMatch(/^[0-9a-f]{16}\.1$/);
    const own = await askOn(socket, '2', { query: failing, extensions: { requestId: 'my-operation' } });
    await socket.messages.next();
    const third = await askOn(socket, '3', { query: failing, extensions: { requestId: 'not mine' } });
    expect([idIn(own), idIn(third)]).toEqual(['my-operation', String(first).replace(/1$/, '3')]);
    const found = await linesOf('unexpected error', 3);
    expect(found.map(({ requestId }) => requestId)).toEqual([first, 'my-operation', idIn(third)]);
    socket.socket.close();
  });

  test('of a subscription on a WebSocket, with each event', async () => {
    await start();
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    await askOn(socket, 'one', { query: failingLive, extensions: { requestId: 'live' } });
    await server.app.chord.updateContext('c', { n: 1 });
    expect(await socket.messages.next()).toMatchObject({
      payload: { errors: [{ extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: 'live' } }] },
    });
    socket.socket.close();
  });
});

test('an upgrade is answered with the id of its connection, whether it may be or not', async () => {
  await start();
  const socket = new WebSocket(server.webSocketUrl, 'graphql-transport-ws', {
    headers: { 'x-request-id': 'my-socket' },
  });
  const [{ headers }] = (await once(socket, 'upgrade')) as [{ readonly headers: Readonly<Record<string, string>> }];
  expect(headers['x-request-id']).toBe('my-socket');
  socket.close(1000);
  expect(await linesOf('websocket')).toMatchObject([{ requestId: 'my-socket', code: 1000 }]);
  const refused = connect(server.port, '127.0.0.1');
  refused.write('GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
  const [answer] = (await once(refused, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 404 Not Found\r\n(.*\r\n)*x-request-id: [0-9a-f]{16}\r\n/);
});

describe('a line for each request, when lines for debugging are written', () => {
  test('says what an operator may know', async () => {
    const file = temporaryFile('keys.json');
    const { key, entry } = createApiKey('telephony');
    replaceFile(file, [entry]);
    await start({ apiKeysFile: file });
    await ask('{ viewer { viewerId } }', { authorization: `Bearer ${key}`, 'x-request-id': 'mine' });
    const [request] = await linesOf('request');
    expect(request).toEqual({
      level: 'debug',
      time: expect.any(String),
      message: 'request',
      requestId: 'mine',
      transport: 'http',
      method: 'POST',
      path: 'graphql',
      clientAddress: '127.0.0.1',
      status: 200,
      durationMs: expect.any(Number),
      viewerId: 'telephony',
    });
    const socket = new WebSocket(server.webSocketUrl, 'graphql-transport-ws', {
      headers: { authorization: `Bearer ${key}`, 'x-request-id': 'socket' },
    });
    await once(socket, 'open');
    socket.send('{"type":"connection_init"}');
    await once(socket, 'message');
    socket.send('{"type":"subscribe","id":"1","payload":{"query":"{ viewer { viewerId } }"}}');
    const [operation] = await linesOf('operation');
    expect(operation).toMatchObject({ requestId: 'socket.1', transport: 'websocket', viewerId: 'telephony' });
    socket.close(1000);
    const [closed] = await linesOf('websocket');
    expect(closed).toMatchObject({ requestId: 'socket', viewerId: 'telephony', code: 1000 });
  });

  test('says of a client that left that there was no answer', async () => {
    const waiting: ((viewer: null) => void)[] = [];
    await start({ authenticate: () => new Promise<null>((resolve) => waiting.push(resolve)) });
    const leaving = new AbortController();
    const asked = fetch(server.url, { signal: leaving.signal }).catch(() => undefined);
    await until('it is there', () => waiting.length > 0);
    leaving.abort();
    await asked;
    expect(await linesOf('request')).toMatchObject([{ path: 'graphql', status: 'aborted' }]);
    for (const answer of waiting) answer(null);
  });

  test('says nothing of what was asked', async () => {
    await start({ authenticate: () => null });
    const mark = 'marked-90ab';
    await fetch(`${server.url}?query={${mark}}&variables={"id":"${mark}"}`, {
      headers: { authorization: `Bearer ${mark}`, 'user-agent': mark, origin: `https://${mark}.example` },
    });
    await ask(`{ context(id: "${mark}") { state } }`, { authorization: `Bearer ${mark}` });
    await fetch(new URL(`/${mark}`, server.url));
    await linesOf('request', 3);
    expect(JSON.stringify(lines)).not.toContain(mark);
  });
});

test('a request of which nothing is to be said makes no logger of its own', async () => {
  const base = openLog();
  let children = 0;
  const counting = (logger: Logger): Logger => ({
    ...logger,
    child: (fields) => {
      children++;
      return counting(logger.child(fields));
    },
  });
  await start({ logger: counting(base) });
  await (await ask('{ context(id: "c") { version } }')).text();
  const socket = await RawWebSocket.open(server.webSocketUrl);
  await socket.init();
  await askOn(socket, 'one', { query: '{ context(id: "c") { version } }' });
  socket.socket.close();
  await linesOf('operation');
  expect(children).toBe(0);
  await (await ask('{ nothing }')).text();
  expect(children).toBe(1);
});
