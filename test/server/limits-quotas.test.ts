import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { ViewerDescription } from '../../src/access/viewer.ts';
import { isDeserted, type RunningApp, startApp, stopApps } from '../support/app.ts';
import { ManualClock } from '../support/clock.ts';
import { followOperation, RawStream } from '../support/transports.ts';
import { soon, until } from '../support/wait.ts';
import { askOn, refusalOf } from './limits-stage.ts';
import { RawWebSocket } from './raw-websocket.ts';

afterEach(() => stopApps());

/** The token is the viewer's id. Everybody may do everything. */
const authenticate = ({ header, connectionParams }: Credentials): ViewerDescription => ({
  id: [connectionParams?.['authorization'], header('authorization')].join('').replace('Bearer ', ''),
  grants: [{ may: ['read', 'write', 'delete', 'list', 'admin'] }],
});

interface Credentials {
  readonly header: (name: string) => string | undefined;
  readonly connectionParams?: Readonly<Record<string, unknown>> | undefined;
}

/** Lets nobody through while it is closed. */
class Door {
  waiting = 0;
  #opened: Promise<void> | undefined;
  open: () => void = () => undefined;

  close(): void {
    this.#opened = new Promise((resolve) => {
      this.open = () => {
        this.#opened = undefined;
        resolve();
      };
    });
  }

  readonly authenticate = async (credentials: Credentials): Promise<ViewerDescription> => {
    this.waiting++;
    await this.#opened;
    this.waiting--;
    return authenticate(credentials);
  };
}

async function openAs(server: RunningApp, viewer: string): Promise<RawWebSocket> {
  const socket = await RawWebSocket.open(server.webSocketUrl);
  socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${viewer}` } });
  return socket;
}

async function enterAs(server: RunningApp, viewer: string): Promise<RawWebSocket> {
  const socket = await openAs(server, viewer);
  expect(await socket.messages.next()).toEqual({ type: 'connection_ack' });
  return socket;
}

function streamAs(server: RunningApp, viewer: string): Promise<RawStream> {
  return RawStream.open(server.url, {
    headers: { 'content-type': 'application/json', authorization: `Bearer ${viewer}` },
    body: JSON.stringify(followOperation('c')),
  });
}

function postAs(server: RunningApp, viewer: string, query: string): Promise<Response> {
  return fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${viewer}` },
    body: JSON.stringify({ query }),
  });
}

function write(name: string): string {
  return `${name}: setContext(id: "${name}", state: {}) { __typename }`;
}

const event = { data: { contextChanged: { __typename: 'NoContext' } } };

describe('subscriptions', () => {
  test('of a WebSocket are so many at a time, and other WebSockets have their own', async () => {
    const server = await startApp({ maxSubscriptionsPerConnection: 2 });
    const [socket, other] = [await enterAs(server, 'a'), await enterAs(server, 'a')];
    for (const id of ['1', '2']) expect(await askOn(socket, id, followOperation('c'))).toMatchObject(event);
    expect(refusalOf(await askOn(socket, '3', followOperation('c')))).toEqual({
      code: 'LIMIT_EXCEEDED',
      option: 'maxSubscriptionsPerConnection',
      max: 2,
      actual: 3,
    });
    expect(await socket.messages.next()).toMatchObject({ id: '3', type: 'complete' });
    expect(await askOn(other, '1', followOperation('c'))).toMatchObject(event);
    expect(await askOn(socket, 'query', { query: '{ __typename }' })).toEqual({ data: { __typename: 'Query' } });
    expect(await socket.messages.next()).toMatchObject({ id: 'query', type: 'complete' });

    // A place that is left is free again.
    socket.send({ id: '1', type: 'complete' });
    await until('it has left', () => server.app.stats().followers === 2);
    expect(await askOn(socket, '4', followOperation('c'))).toMatchObject(event);
    for (const { socket: open } of [socket, other]) open.terminate();
    await until('nothing is left', () => isDeserted(server.app));
  });

  test('that are asked for in one breath are no more', async () => {
    const server = await startApp({ maxSubscriptionsPerConnection: 2 });
    const socket = await enterAs(server, 'a');
    for (let id = 0; id < 10; id++) socket.send({ id: String(id), type: 'subscribe', payload: followOperation('c') });
    await until('all are answered', () => socket.messages.all.length >= 1 + 2 + 8 * 2);
    const refused = socket.messages.all.filter((message) => JSON.stringify(message).includes('LIMIT_EXCEEDED'));
    expect(refused).toHaveLength(8);
    expect(JSON.stringify(refused)).not.toContain('http');
    expect(server.app.stats().followers).toBe(2);
  });

  test('of a viewer are so many over all transports, and other viewers have their own', async () => {
    const server = await startApp({ authenticate, maxSubscriptionsPerViewer: 2 });
    const socket = await enterAs(server, 'a');
    const stream = await streamAs(server, 'a');
    await stream.next();
    expect(await askOn(socket, '1', followOperation('c'))).toMatchObject(event);

    const refusal = { code: 'LIMIT_EXCEEDED', option: 'maxSubscriptionsPerViewer', max: 2, actual: 3 };
    expect(refusalOf(await askOn(socket, '2', followOperation('c')))).toEqual(refusal);
    const refused = await streamAs(server, 'a');
    expect(refused.response.status).toBe(429);
    expect(refused.text).toBe('');
    expect(await refused.next()).toMatchObject({ data: expect.stringContaining('maxSubscriptionsPerViewer') });

    const other = await enterAs(server, 'b');
    expect(await askOn(other, '1', followOperation('c'))).toMatchObject(event);

    stream.leave();
    await until('the stream has left', () => server.app.stats().followers === 2);
    expect(await socket.messages.next()).toMatchObject({ id: '2', type: 'complete' });
    expect(await askOn(socket, '3', followOperation('c'))).toMatchObject(event);
  });

  test('whose clients were gone before they began hold no place', async () => {
    const door = new Door();
    const server = await startApp({ maxSubscriptionsPerViewer: 1, authenticate: door.authenticate });
    const target = `/graphql?query=${encodeURIComponent('subscription { contextChanged(id: "c") { version } }')}`;
    door.close();
    const socket = connect(server.port, '127.0.0.1');
    socket.write(
      `GET ${target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nAuthorization: Bearer a\r\n\r\n`,
    );
    await until('it waits', () => door.waiting === 1);
    socket.destroy();
    // By the time of another answer the server knows that this one is gone.
    await fetch(new URL('/live', server.url));
    door.open();
    const stream = await streamAs(server, 'a');
    expect(stream.response.status).toBe(200);
    await stream.next();
  });
});

describe('WebSockets of a viewer', () => {
  test('are so many, the next is told to come later, and other viewers have their own', async () => {
    const server = await startApp({ authenticate, maxConnectionsPerViewer: 2 });
    const [first] = [await enterAs(server, 'a'), await enterAs(server, 'a')];
    const third = await openAs(server, 'a');
    expect(await soon('the close', third.closed)).toEqual({ code: 1013, reason: 'maxConnectionsPerViewer' });
    await enterAs(server, 'b');

    first?.socket.terminate();
    await until('it is gone', () => server.app.stats().webSockets === 2);
    await enterAs(server, 'a');
  });

  test('that are closed while they say who they are hold no place', async () => {
    const door = new Door();
    const server = await startApp({ maxConnectionsPerViewer: 1, authenticate: door.authenticate });
    door.close();
    const socket = await openAs(server, 'a');
    await until('it waits', () => door.waiting === 1);
    socket.socket.close();
    await soon('the close', socket.closed);
    await until('it is gone', () => server.app.stats().webSockets === 0);
    door.open();
    const next = await enterAs(server, 'a');
    expect(next.socket.readyState).toBe(WebSocket.OPEN);
  });
});

describe('connections', () => {
  test('of a process are so many; one more is told so, and may ask how the server is', async () => {
    const server = await startApp({ maxConnections: 2 });
    const first = await enterAs(server, 'a');
    await askOn(first, '1', followOperation('c'));
    const stream = await streamAs(server, 'a');
    await stream.next();
    const get = async (path: string) => {
      const asking = request({ port: server.port, host: '127.0.0.1', path, agent: new Agent() }).end();
      const [response] = await once(asking, 'response');
      let text = '';
      for await (const chunk of response) text += String(chunk);
      return { status: response.statusCode as number, text };
    };
    expect(await get('/graphql?query={__typename}')).toMatchObject({
      status: 503,
      text: expect.stringContaining('"option":"maxConnections"'),
    });
    expect((await get('/live')).status).toBe(200);
    expect((await get('/ready')).status).toBe(200);
    const refused = new WebSocket(server.webSocketUrl, 'graphql-transport-ws');
    refused.on('error', () => undefined);
    const [, response] = await once(refused, 'unexpected-response');
    expect(response.statusCode).toBe(503);

    // Those that are there are served, and a place that is left is free again.
    await server.app.chord.setContext('c', { n: 1 });
    expect(await first.messages.next()).toMatchObject({ id: '1', type: 'next' });
    stream.leave();
    await until('there is a place', async () => (await get('/graphql?query={__typename}')).status === 200);
  });
});

describe('a viewer who asks too fast', () => {
  const retry = { code: 'LIMIT_EXCEEDED', option: 'requestsPerSecond', max: 2, retryAfterMs: 500 };

  test('is told over HTTP and SSE by 429 when to come again, and others are served', async () => {
    const clock = new ManualClock();
    const server = await startApp({ authenticate, clock, requestsPerSecond: 2 });
    for (let turn = 0; turn < 2; turn++) expect((await postAs(server, 'a', '{ __typename }')).status).toBe(200);
    const refused = await postAs(server, 'a', '{ __typename }');
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ errors: [{ extensions: retry }] });
    expect((await streamAs(server, 'a')).response.status).toBe(429);

    expect((await postAs(server, 'b', '{ __typename }')).status).toBe(200);
    await clock.advance(500);
    expect((await postAs(server, 'a', '{ __typename }')).status).toBe(200);
  });

  test('is told over WebSocket, where what is open goes on', async () => {
    const clock = new ManualClock();
    const server = await startApp({ authenticate, clock, requestsPerSecond: 2 });
    const socket = await enterAs(server, 'a');
    for (const id of ['1', '2']) await askOn(socket, id, followOperation(id));
    expect(refusalOf(await askOn(socket, '3', followOperation('c')))).toMatchObject(retry);
    expect((await postAs(server, 'a', '{ __typename }')).status).toBe(429);
    await server.app.chord.setContext('1', { n: 1 });
    expect(await socket.messages.next()).toMatchObject({ id: '1', type: 'next' });
    const other = await enterAs(server, 'b');
    expect(await askOn(other, '1', followOperation('c'))).toMatchObject(event);
    await clock.advance(500);
    expect(await askOn(socket, '4', followOperation('c'))).toMatchObject(event);
  });

  test('writes no more than so many, however they are put into documents, and reads on', async () => {
    const clock = new ManualClock();
    const server = await startApp({ authenticate, clock, writesPerSecond: 4 });
    const socket = await enterAs(server, 'a');
    const three = `mutation { ${write('a')} ...B } fragment B on Mutation { ${write('b')} ... { ${write('c')} } }`;
    expect(await askOn(socket, '1', { query: three })).toMatchObject({ data: { c: expect.anything() } });
    await socket.messages.next();
    const refused = await postAs(server, 'a', `mutation { ${write('d')} ${write('e')} }`);
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({
      errors: [{ extensions: { code: 'LIMIT_EXCEEDED', option: 'writesPerSecond', max: 4, retryAfterMs: 250 } }],
    });
    expect(refusalOf(await askOn(socket, '2', { query: `mutation { ${write('d')} ${write('e')} }` }))).toMatchObject({
      option: 'writesPerSecond',
    });
    expect(await server.app.chord.getContext('d')).toBeNull();
    expect((await postAs(server, 'a', '{ __typename }')).status).toBe(200);
    expect(await (await postAs(server, 'b', `mutation { ${write('d')} }`)).json()).toMatchObject({
      data: { d: { __typename: 'SetContextPayload' } },
    });
  });
});
