import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { createApp } from '../../src/app/app.ts';
import { silentLogger } from '../../src/observability/logger.ts';
import { type GraphQLResult, isDeserted, type RunningApp, startApp, stopApps } from '../support/app.ts';
import { followOperation } from '../support/transports.ts';
import { soon, until } from '../support/wait.ts';
import { RawWebSocket } from './raw-websocket.ts';

afterEach(() => stopApps());

/** Sends raw text, and collects what comes back. */
function talk({ port }: RunningApp, text: string): { readonly socket: Socket; readonly heard: () => string } {
  const socket = connect(port, '127.0.0.1');
  let heard = '';
  socket.on('error', () => undefined);
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    heard += chunk;
  });
  socket.write(text);
  return { socket, heard: () => heard };
}

const subscription = encodeURIComponent('subscription { contextChanged(id: "c") { version } }');
const streamRequest = `GET /graphql?query=${subscription} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`;

/** A BigInt, which only a formatter without types can answer. */
const broken = () => 1n as unknown as number;

test.each(['application/json', 'application/graphql', 'application/graphql+json'])(
  'a body of %s that ends early is no alarm',
  async (type) => {
    const server = await startApp({ logLevel: 'debug' });
    const head = `POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: 100\r\n\r\n`;
    const { socket } = talk(server, `${head}{"que`);
    await once(socket, 'connect');
    socket.destroy();
    await until('the end', () => server.logger.lines.some(({ message }) => message === 'request'));
    expect(server.logger.errors).toEqual([]);
  },
);

describe('an answer that no JSON can say', () => {
  const query = 'subscription { contextChanged(id: "c") { version ... on Delta { formatted } } }';

  test('ends the event stream with a masked error, and nobody else is hurt', async () => {
    const server = await startApp({ deltaFormatter: broken });
    await server.app.chord.setContext('c', { n: 0 });
    const request = `GET /graphql?query=${encodeURIComponent(query)} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`;
    const { heard } = talk(server, request);
    await until('the first event', () => heard().includes('"version":1'));
    await server.app.chord.updateContext('c', { n: 1 });
    await until('the end', () => heard().includes('event: complete'));
    expect(heard()).toContain('INTERNAL_SERVER_ERROR');
    expect(heard()).not.toContain('BigInt');
    expect(server.logger.errors).toHaveLength(1);
    expect((await fetch(server.url.replace('/graphql', '/live'))).status).toBe(200);
  });

  test.each([
    ['application/graphql-response+json', '{"errors":['],
    ['text/event-stream', 'event: complete'],
    ['multipart/mixed', '-----'],
  ])('ends a query that wants %s with a masked error', async (accept, end) => {
    const server = await startApp({ deltaFormatter: broken });
    await server.app.chord.setContext('c', { n: 0 });
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept },
      body: JSON.stringify({ query: '{ deltas(contextId: "c") { nodes { formatted } } }' }),
    });
    const text = await soon('the end', response.text());
    expect([response.status, response.headers.get('content-type')]).toEqual([200, expect.stringContaining(accept)]);
    expect(text).toContain(end);
    const { errors } = JSON.parse(/\{.*\}/.exec(text)?.[0] ?? '') as GraphQLResult;
    expect(errors).toEqual([
      { message: 'Unexpected error.', extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: expect.any(String) } },
    ]);
    expect(server.logger.errors).toMatchObject([
      { message: 'unexpected error', fields: { error: expect.any(TypeError) } },
    ]);
  });

  test('ends the operation over WebSocket with a masked error, and its neighbour lives', async () => {
    const server = await startApp({ deltaFormatter: broken });
    await server.app.chord.setContext('c', { n: 0 });
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    socket.send({ id: 'bad', type: 'subscribe', payload: { query } });
    expect(await socket.messages.next()).toMatchObject({ id: 'bad', type: 'next' });
    socket.send({ id: 'good', type: 'subscribe', payload: followOperation('other') });
    expect(await socket.messages.next()).toMatchObject({ id: 'good', type: 'next' });
    await server.app.chord.updateContext('c', { n: 1 });
    expect(await socket.messages.next()).toEqual({
      id: 'bad',
      type: 'error',
      payload: [
        { message: 'Unexpected error.', extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: expect.any(String) } },
      ],
    });
    await server.app.chord.setContext('other', { n: 1 });
    expect(await socket.messages.next()).toMatchObject({ id: 'good', type: 'next' });
    socket.socket.terminate();
  });
});

test('event streams asked for in one breath on a connection are all freed when it is cut', async () => {
  const server = await startApp();
  const { socket, heard } = talk(server, streamRequest.repeat(50));
  await until('the first stream', () => heard().includes('event: next'));
  await until('all are followed', () => server.app.stats().followers === 50);
  socket.destroy();
  await until('nothing is left', () => isDeserted(server.app));
  expect(server.logger.errors).toEqual([]);
});

function countReads({ app }: RunningApp): () => number {
  const { chord } = app;
  let reads = 0;
  const getContext = chord.getContext.bind(chord);
  chord.getContext = (id) => {
    reads++;
    return getContext(id);
  };
  return () => reads;
}

describe('a WebSocket client that asks and does not read', () => {
  test('is not read either, so that its answers do not pile up', async () => {
    const server = await startApp();
    await server.app.chord.setContext('big', { text: 'x'.repeat(1_000_000) });
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    socket.socket.pause();
    const reads = countReads(server);
    const question = { type: 'subscribe', payload: { query: '{ context(id: "big") { state } }' } };
    for (let id = 0; id < 400; id++) socket.send({ id: String(id), ...question });
    await until('it has answered some', () => reads() > 0);
    for (let turns = 0; turns < 200; turns++) await turn();
    expect(reads()).toBeLessThan(100);
    socket.socket.resume();
    await until('it has answered all', () => reads() === 400);
    socket.socket.terminate();
    await until('nothing is left', () => isDeserted(server.app));
  });
});

describe('a directive at the root of a subscription', () => {
  test.each([
    'subscription { contextChanged(id: "c") @skip(if: true) { version } }',
    'subscription { ...F @include(if: false) } fragment F on Subscription { contextChanged(id: "c") { version } }',
    'subscription { ... @skip(if: true) { contextChanged(id: "c") { version } } }',
    'subscription ($s: Boolean!) { contextChanged(id: "c") @include(if: $s) { version } }',
  ])('is refused, and the neighbour lives: %s', async (query) => {
    const server = await startApp();
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    socket.send({ id: 'good', type: 'subscribe', payload: followOperation('c') });
    expect(await socket.messages.next()).toMatchObject({ id: 'good', type: 'next' });
    socket.send({ id: 'bad', type: 'subscribe', payload: { query, variables: { s: false } } });
    expect(await socket.messages.next()).toMatchObject({
      id: 'bad',
      type: 'error',
      payload: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }],
    });
    await server.app.chord.setContext('c', {});
    expect(await socket.messages.next()).toMatchObject({ id: 'good', type: 'next' });
    expect(server.logger.errors).toEqual([]);
    socket.socket.terminate();
  });
});

test.each(['[', 'a b', ''])('a Host header that is no host is refused without a stack: %j', async (host) => {
  const server = await startApp();
  const { socket, heard } = talk(server, `GET /graphql HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  await once(socket, 'close');
  expect(heard()).toMatch(/^HTTP\/1.1 4\d\d /);
  expect(heard()).not.toContain('node_modules');
});

test.each(['/health', '/nope', '/graphql/'])('there is nothing at %s', async (path) => {
  const server = await startApp();
  expect((await fetch(new URL(path, server.url))).status).toBe(404);
});

describe('the life of an app', () => {
  test('a stop during the start waits for it, and both settle', async () => {
    const app = createApp({ port: 0, backend: 'memory', logger: silentLogger });
    const starting = app.start();
    await app.stop();
    await expect(starting).resolves.toMatchObject({ url: expect.stringContaining('http://') });
  });

  test('a start that failed has stopped the app, and another one may be tried', async () => {
    const first = await startApp();
    const app = createApp({ port: first.port, backend: 'memory', logger: silentLogger });
    await expect(app.start()).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(app.chord.getContext('c')).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    await expect(app.start()).rejects.toThrow('was stopped');
    await first.app.stop();
    await using other = createApp({ port: first.port, backend: 'memory', logger: silentLogger });
    await expect(other.start()).resolves.toMatchObject({ url: expect.stringContaining(String(first.port)) });
  });

  test('a stopped app does not start again', async () => {
    const app = createApp({ port: 0, backend: 'memory', logger: silentLogger });
    await app.start();
    await app.stop();
    await expect(app.start()).rejects.toThrow('was stopped');
  });
});
