import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type GraphQLResult, isDeserted, type RunningApp, startApp, stopApps } from '../support/app.ts';
import { eventOf, followOperation } from '../support/transports.ts';
import { soon, until } from '../support/wait.ts';
import { RawWebSocket } from './raw-websocket.ts';

let server: RunningApp;

beforeEach(async () => {
  server = await startApp({ maxRequestBytes: 10_000 });
  await server.app.chord.setContext('c', { n: 0 });
});
afterEach(async () => {
  await until(
    'nothing is left, and nobody was alarmed',
    () => isDeserted(server.app) && server.logger.errors.length === 0,
  );
  await stopApps();
});

const ask = (id: string, query: string) => ({ id, type: 'subscribe', payload: { query } });
const follow = (id: string, context = 'c') => ({ id, type: 'subscribe', payload: followOperation(context) });

describe('the protocol graphql-transport-ws', () => {
  test('goes from hello to goodbye', async () => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    expect(await socket.init()).toEqual({ type: 'connection_ack' });
    socket.send(follow('1'));
    expect(await socket.messages.next()).toMatchObject({
      id: '1',
      type: 'next',
      payload: { data: { contextChanged: { __typename: 'FullContext', version: 1 } } },
    });
    socket.send({ id: '1', type: 'complete' });
    await until('it has left', () => server.app.stats().followers === 0);
    await server.app.chord.updateContext('c', { n: 1 });
    socket.send({ type: 'ping' });
    expect(await socket.messages.next()).toEqual({ type: 'pong' });
    socket.socket.close(1000);
    expect((await socket.closed).code).toBe(1000);
  });

  test('answers pings of either layer, without their payload, before and after the hello', async () => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    socket.send({ type: 'ping', payload: { n: 1 } });
    expect(await socket.messages.next()).toEqual({ type: 'pong' });
    await socket.init();
    socket.send({ type: 'pong' });
    socket.socket.ping('layer');
    expect(await socket.pongs.next()).toBe('layer');
    expect(socket.socket.readyState).toBe(WebSocket.OPEN);
    socket.socket.close();
  });

  test('takes an id for another operation once the first is complete', async () => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    for (let turn = 0; turn < 3; turn++) {
      socket.send({ id: '__proto__', type: 'subscribe', payload: { query: '{ context(id: "c") { version } }' } });
      expect(await socket.messages.next()).toMatchObject({ id: '__proto__', type: 'next' });
      expect(await socket.messages.next()).toEqual({ id: '__proto__', type: 'complete' });
    }
    socket.socket.close();
  });

  test('takes an id again at once when its client has completed it, and ends both', async () => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    const complete = { id: '1', type: 'complete' };
    const former = ['c', 'other', 'c'].flatMap((context) => [follow('1', context), complete]);
    socket.sendTogether([...former, follow('1', 'last')]);
    const first = (await socket.messages.next()) as { readonly payload: GraphQLResult };
    expect(eventOf(first.payload)).toMatchObject({ contextId: 'last' });
    await until('one is left', () => server.app.stats().followers === 1);
    await server.app.chord.setContext('c', { n: 1 });
    await server.app.chord.setContext('last', { n: 1 });
    expect(await socket.messages.next()).toMatchObject({
      id: '1',
      payload: { data: { contextChanged: { contextId: 'last', version: 1 } } },
    });
    socket.send({ id: '1', type: 'complete' });
    await until('it has left', () => server.app.stats().followers === 0);
    socket.socket.close();
  });

  test('does not answer in the name of a successor, which waits and may be completed before it begins', async () => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    const mutation = 'mutation { setContext(id: "m", state: {}) { __typename } }';
    const complete = { id: '1', type: 'complete' };
    const read = ask('2', '{ context(id: "c") { version } }');
    socket.sendTogether([ask('1', mutation), complete, follow('1'), complete, read]);
    expect(await socket.messages.next()).toMatchObject({ id: '2', type: 'next' });
    expect(await socket.messages.next()).toEqual({ id: '2', type: 'complete' });
    await until('it is written', async () => (await server.app.chord.getContext('m')) !== null);
    socket.send({ type: 'ping' });
    expect(await socket.messages.next()).toEqual({ type: 'pong' });
    expect(server.app.stats().followers).toBe(0);
    socket.socket.close();
  });

  test('is left without a follower even when a complete is hidden from us', async () => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    socket.sendTogether([follow('1', 'other'), '{"id":"1","type":"compl\\u0065te"}', follow('1')]);
    await until('one has begun', () => server.app.stats().followers > 0);
    socket.socket.close();
    await until('it has left', () => server.app.stats().followers === 0);
    expect(isDeserted(server.app)).toBe(true);
  });

  test('ignores a complete for what is not there', async () => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    for (const id of ['none', '__proto__', 'constructor']) socket.send({ id, type: 'complete' });
    socket.send({ type: 'ping' });
    expect(await socket.messages.next()).toEqual({ type: 'pong' });
    socket.socket.close();
  });

  test('reads a binary frame as the text that it holds', async () => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    socket.socket.send(Buffer.from('{"type":"connection_init"}'), { binary: true });
    expect(await socket.messages.next()).toEqual({ type: 'connection_ack' });
    socket.socket.close();
  });
});

describe('a client that breaks the rules is closed with', () => {
  test.each([
    'no json',
    '',
    'null',
    '[]',
    '{}',
    '{"type":"nothing"}',
    '{"type":"subscribe"}',
    '{"type":"subscribe","id":1,"payload":{"query":"{ __typename }"}}',
    '{"type":"subscribe","id":"","payload":{"query":"{ __typename }"}}',
    '{"type":"subscribe","id":"1","payload":{}}',
    '{"type":"subscribe","id":"1","payload":{"query":"{ __typename }","variables":[]}}',
    '{"type":"complete"}',
    '{"type":"connection_init","payload":7}',
    '{"type":"connection_ack"}',
    '{"type":"next","id":"1","payload":{}}',
    '{"type":"error","id":"1","payload":[{"message":"x"}]}',
    '\ud800',
  ])('4400 for %s', async (message) => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    socket.send(follow('healthy'));
    await socket.messages.next();
    socket.send(message);
    expect((await socket.closed).code).toBe(4400);
  });

  test('4400 for a binary frame that is no message', async () => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    socket.socket.send(Buffer.from([0, 1, 2, 255, 254]));
    expect((await socket.closed).code).toBe(4400);
  });

  test('4401 for an operation before the hello', async () => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    socket.send(follow('1'));
    expect((await socket.closed).code).toBe(4401);
  });

  test('4408 when it does not say hello in time', async () => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    expect((await soon('the close', socket.closed)).code).toBe(4408);
  });

  test('4409 for an id that is in use', async () => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    socket.send(follow('1'));
    socket.send(follow('1', 'other'));
    expect((await socket.closed).code).toBe(4409);
  });

  test('4409 for an id whose two former operations go on', async () => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    socket.sendTogether([follow('1'), { id: '1', type: 'complete' }, follow('1'), follow('1')]);
    expect((await socket.closed).code).toBe(4409);
  });

  test('4400, and what it said in the same breath after that is not done', async () => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    const query = 'mutation { setContext(id: "late", state: {}) { __typename } }';
    const broken = { id: '1', type: 'subscribe', payload: { query: null } };
    socket.sendTogether([broken, { ...broken, payload: { query } }, follow('1', 'late')]);
    expect((await socket.closed).code).toBe(4400);
    await until('nobody is there', () => server.app.stats().webSockets === 0);
    expect(await server.app.chord.getContext('late')).toBeNull();
    expect(server.app.chord.stats().followers).toBe(0);
  });

  test('4409 for an id that does not fit into the reason', async () => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    const id = 'ä'.repeat(1_000);
    socket.send(follow(id));
    socket.send(follow(id));
    const { code, reason } = await socket.closed;
    expect(code).toBe(4409);
    expect(reason).toBe(`Subscriber for ${'ä'.repeat(54)}`);
  });

  test('4429 for a second hello', async () => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    socket.send({ type: 'connection_init' });
    expect((await socket.closed).code).toBe(4429);
  });

  test.each(['graphql-ws', 'chat'])('4406 when it speaks only %s', async (protocol) => {
    // The client of `ws` refuses an answer without the protocol that it asked for; a browser shows the code.
    const socket = new WebSocket(server.webSocketUrl, protocol);
    const [error] = await once(socket, 'error');
    expect(String(error)).toContain('subprotocol');
    const silent = new WebSocket(server.webSocketUrl);
    const [code] = await once(silent, 'close');
    expect(code).toBe(4406);
  });

  test('1009 for a message over maxRequestBytes', async () => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    socket.send({ type: 'ping', payload: { text: 'x'.repeat(9_000) } });
    expect(await socket.messages.next()).toMatchObject({ type: 'pong' });
    socket.send({ type: 'ping', payload: { text: 'x'.repeat(10_000) } });
    expect((await socket.closed).code).toBe(1009);
  });

  test.each([
    ['1002 for a reserved bit', [0xf1, 0x80, 0, 0, 0, 0], 1002],
    ['1002 for a frame without a mask', [0x81, 0x02, 0x7b, 0x7d], 1002],
    ['1002 for a control frame that goes on', [0x09, 0x80, 0, 0, 0, 0], 1002],
    ['1007 for text that is no UTF-8', [0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe], 1007],
    ['1009 for a frame of 2^62 bytes', [0x81, 0xff, 0x3f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0], 1009],
  ] as const)('%s', async (_name, bytes, code) => {
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      'GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
        'Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n',
    );
    const [head] = (await once(socket, 'data')) as [Buffer];
    expect(head.toString()).toMatch(/^HTTP\/1.1 101 /);
    socket.write(Buffer.from(bytes));
    const [frame] = (await once(socket, 'data')) as [Buffer];
    expect(frame[0]).toBe(0x88);
    expect(frame.readUInt16BE(2)).toBe(code);
    socket.destroy();
  });
});

const handshake = (path: string, version = '13') =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  `Sec-WebSocket-Version: ${version}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;

const statusOf = async (request: string) => {
  const socket = connect(server.port, '127.0.0.1');
  socket.write(request);
  const [head] = (await once(socket, 'data')) as [Buffer];
  await once(socket, 'close');
  return head.toString().split('\r\n')[0];
};

describe('an upgrade', () => {
  test.each(['/', '/graphql/', '/graphqlx', '/live', '/GRAPHQL', '//graphql'])('on %s is 404', async (path) => {
    expect(await statusOf(handshake(path))).toBe('HTTP/1.1 404 Not Found');
  });

  test('of another version of the protocol is 400', async () => {
    expect(await statusOf(handshake('/graphql', '7'))).toMatch(/^HTTP\/1.1 4\d\d /);
  });

  test('with a query in its URL is the same', async () => {
    const socket = await RawWebSocket.open(`${server.webSocketUrl}?token=x`);
    expect(await socket.init()).toEqual({ type: 'connection_ack' });
    socket.socket.close();
  });
});
