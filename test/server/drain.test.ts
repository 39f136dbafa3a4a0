import { EventEmitter, once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { EventSource } from 'eventsource';
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { LastingBackend, post, startApp, stopApp, stopApps } from '../support/app.ts';
import { isPending } from '../support/chord.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';
import {
  eventOf,
  followOperation,
  nextEvent,
  openWebSocket,
  operationUrl,
  RawStream,
  Replica,
  subscribeOn,
} from '../support/transports.ts';
import { soon, until } from '../support/wait.ts';
import { RawWebSocket } from './raw-websocket.ts';

afterEach(stopApps);

const state = { n: 0, padding: 'x'.repeat(1_000) };

/** The store holds its commits back until told. */
function holdingBackend() {
  const backend = new FaultyBackend(new MemoryBackend());
  const releasing = new EventEmitter();
  const released = once(releasing, 'release');
  const release = () => releasing.emit('release');
  let held = 0;
  backend.gate = async (point) => {
    if (point !== 'commit') return;
    held++;
    await released;
  };
  return { backend, release, held: () => held };
}

const write = { query: 'mutation { setContext(id: "c", state: { n: 1 }) { ... on SetContextPayload { version } } }' };

test('a WebSocket is closed with 1012, and no subscription on it is completed', async () => {
  const { app, webSocketUrl } = await startApp();
  await app.chord.setContext('c', state);
  const socket = await RawWebSocket.open(webSocketUrl);
  await socket.init();
  socket.send({ id: 'one', type: 'subscribe', payload: followOperation('c') });
  socket.send({ id: 'two', type: 'subscribe', payload: followOperation('d') });
  await until('both follow', () => socket.messages.all.length === 3);
  await stopApp(app);
  expect(await socket.closed).toEqual({ code: 1012, reason: 'Service restart' });
  expect(socket.messages.all.map((message) => (message as { readonly type: string }).type)).toEqual([
    'connection_ack',
    'next',
    'next',
  ]);
});

test('an event stream ends with a time to wait, and is not completed', async () => {
  const { app, url } = await startApp();
  await app.chord.setContext('c', state);
  const stream = await RawStream.open(operationUrl(url, followOperation('c')));
  await stream.next();
  await stopApp(app);
  await soon('the end of the stream', stream.ended);
  expect(stream.text).toMatch(/\n\nretry: \d+\n\n$/);
  expect(stream.text).not.toContain('complete');
});

test('a subscription that is asked for while the server stops is told to come back, not followed', async () => {
  const { app, url, port } = await startApp({ drainTimeoutMs: 20_000 });
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const body = JSON.stringify(followOperation('c'));
  socket.write(
    'POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n' +
      `Expect: 100-continue\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`,
  );
  // The server has the request, and waits for its body.
  await until('the server goes on', () => text.includes('100 Continue'));
  const stopping = stopApp(app);
  socket.write(body);
  await once(socket, 'close');
  await soon('the stop', stopping, 5_000);
  expect(text).toContain('retry: ');
  expect(text).not.toContain('event:');
  await expect(fetch(url)).rejects.toThrow('fetch failed');
});

test('a request in flight is answered, and then the connection ends', async () => {
  const { backend, release, held } = holdingBackend();
  const { app, url } = await startApp({ backend, drainTimeoutMs: 20_000 });
  const answer = post(url, write);
  await until('the write is held', () => held() === 1);
  const stopping = stopApp(app);
  release();
  expect(await answer).toEqual({ data: { setContext: { version: 1 } } });
  // The client keeps its connection alive; the server does not wait for that.
  await soon('the stop', stopping, 5_000);
});

test('an answer that its client reads slowly is not cut short', async () => {
  const { app, port } = await startApp({ drainTimeoutMs: 20_000, maxStateBytes: 16_000_000 });
  await app.chord.setContext('c', { text: 'x'.repeat(15_000_000) });
  const socket = connect(port, '127.0.0.1');
  socket.pause();
  let bytes = 0;
  socket.on('data', (chunk) => {
    bytes += chunk.length;
  });
  socket.pause();
  const path = `/graphql?query=${encodeURIComponent('{ context(id: "c") { state } }')}`;
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n`);
  await once(socket, 'readable');
  const stopping = stopApp(app);
  await new Promise(setImmediate);
  socket.resume();
  await once(socket, 'close');
  expect(bytes).toBeGreaterThan(15_000_000);
  await soon('the stop', stopping);
});

test('a request that has arrived when the stop begins, and was not read yet, is answered', async () => {
  const { app, port } = await startApp();
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const live = 'GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n';
  socket.write(live);
  await until('the first answer', () => text.includes('\r\n\r\n'));
  text = '';
  // The kernel has it before the server looks.
  socket.write(live);
  const stopped = stopApp(app);
  await soon('the connection ends', once(socket, 'close'));
  expect(text).toMatch(/^HTTP\/1\.1 200 /);
  expect(text).toMatch(/^connection: close\r$/im);
  await stopped;
});

test('what is sent behind a request whose answer ends the connection is not done', async () => {
  const backend = new FaultyBackend(new MemoryBackend());
  const { app, port } = await startApp({ backend, drainDelayMs: 1_000 });
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(socket, 'connect');
  const stopped = stopApp(app);
  const requests = ['first', 'second', 'third'].map((id) => {
    const body = JSON.stringify({ query: `mutation { setContext(id: "${id}", state: { n: 1 }) { __typename } }` });
    const head = `content-type: application/json\r\ncontent-length: ${body.length}`;
    return `POST /graphql HTTP/1.1\r\nhost: localhost\r\n${head}\r\n\r\n${body}`;
  });
  socket.write(requests.join(''));
  await soon('the connection ends', once(socket, 'close'));
  expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(1);
  await stopped;
  expect(backend.commits.map(({ id }) => id)).toEqual(['first']);
});

test('connections on which nothing was ever asked do not delay the stop', async () => {
  const { app, port } = await startApp({ drainTimeoutMs: 20_000 });
  const reserve = connect(port, '127.0.0.1');
  await once(reserve, 'connect');
  const refused = connect(port, '127.0.0.1');
  refused.write('GET /elsewhere HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  const [answer] = (await once(refused, 'data')) as [Buffer];
  expect(answer.toString()).toContain('404');
  await soon('the stop', stopApp(app), 5_000);
  reserve.destroy();
  refused.destroy();
});

test('the stop ends in its time, even when clients hold on to everything', async () => {
  const { backend, release, held } = holdingBackend();
  const { app, url, port } = await startApp({ backend, drainTimeoutMs: 300 });
  const stuck = post(url, write).catch(() => 'cut');
  await until('the write is held', () => held() === 1);
  // One that does the handshake and then nothing, not even answer the close frame; one in the middle of a request.
  const deaf = await upgraded(port);
  const halfway = connect(port, '127.0.0.1');
  halfway.write(
    'POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n' +
      'Expect: 100-continue\r\n\r\n{',
  );
  // The server has read so far.
  await once(halfway, 'data');
  const startMs = performance.now();
  const stopping = stopApp(app);
  release();
  await soon('the stop', stopping, 3_000);
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(290);
  await stuck;
  deaf.destroy();
  halfway.destroy();
});

test('graphql-ws and EventSource connect again by themselves, and resume without a FULL', async () => {
  const backend = new LastingBackend();
  const first = await startApp({ backend });
  const { port } = first;
  await first.app.chord.setContext('c', state);

  const client = openWebSocket(first, { retryAttempts: 100 });
  const viaSocket = new Replica();
  // As docs say: the library repeats its variables, so they are kept up to date.
  const operation = followOperation('c');
  const variables: Record<string, unknown> = { ...operation.variables };
  const subscription = subscribeOn(client, { ...operation, variables });
  const source = new EventSource(operationUrl(first.url, operation));
  const viaSource = new Replica();
  source.addEventListener('next', ({ data }) => viaSource.take(eventOf(JSON.parse(data))));
  try {
    viaSocket.take(await nextEvent(subscription));
    await until('the source follows', () => viaSource.version === 1);
    subscription.leave();
    const live = resumingFollower(client, viaSocket);
    await until('the socket follows', () => viaSocket.seen['NoChange'] === 1);
    await first.app.chord.updateContext('c', { n: 1 });
    await until('both are up to date', () => viaSocket.version === 2 && viaSource.version === 2);

    await stopApp(first.app);
    const second = await startApp({ backend, port });
    await second.app.chord.updateContext('c', { n: 2 });
    await until('both are up to date again', () => viaSocket.version === 3 && viaSource.version === 3);
    await second.app.chord.updateContext('c', { n: 3 });
    await until('both follow again', () => viaSocket.version === 4 && viaSource.version === 4);
    for (const replica of [viaSocket, viaSource]) {
      expect(replica.is({ ...state, n: 3 })).toBe(true);
      expect(replica.seen['FullContext NO_POSITION']).toBe(1);
      expect(Object.keys(replica.seen).filter((kind) => kind.startsWith('FullContext'))).toHaveLength(1);
    }
    expect(live.errors).toEqual([]);
    live.stop();
  } finally {
    source.close();
    await client.dispose();
  }
});

/** Follows with variables that always say where the client is: the client reads them again when it reconnects. */
function resumingFollower(client: ReturnType<typeof openWebSocket>, replica: Replica) {
  const errors: unknown[] = [];
  const { query, variables } = followOperation('c');
  const current: Record<string, unknown> = { ...variables, clientVersion: replica.version, clientEpoch: replica.epoch };
  const stop = client.subscribe(
    { query, variables: current },
    {
      next: (result) => {
        // The library's result says less of its type than ours.
        const event = eventOf(result as Parameters<typeof eventOf>[0]);
        replica.take(event);
        Object.assign(current, { clientVersion: event.version, clientEpoch: event.epoch });
      },
      error: (error) => errors.push(error),
      complete: () => errors.push('completed'),
    },
  );
  return { errors, stop };
}

/** A WebSocket as far as the handshake. */
async function upgraded(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.write(upgradeRequest);
  await once(socket, 'data');
  return socket;
}

const upgradeRequest =
  'GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
  'Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n';

test('a WebSocket that comes while the server stops is sent away', async () => {
  const { backend, release, held } = holdingBackend();
  const { app, url, webSocketUrl } = await startApp({ backend, drainTimeoutMs: 20_000 });
  const answer = post(url, write);
  await until('the write is held', () => held() === 1);
  const stopping = stopApp(app);
  const late = new WebSocket(webSocketUrl, 'graphql-transport-ws');
  const [error] = await once(late, 'error');
  expect(String(error)).toMatch(/ECONNREFUSED|503/);
  release();
  await answer;
  await stopping;
});

test('WebSockets that wait for their turn when the server begins to stop are sent away, or told to leave', async () => {
  const { app, port } = await startApp({ drainTimeoutMs: 20_000 });
  const sockets = Array.from({ length: 200 }, () => connect(port, '127.0.0.1'));
  // The server has accepted them all.
  await Promise.all(
    sockets.map((socket) => {
      socket.write('GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n');
      return once(socket, 'data');
    }),
  );
  const texts = sockets.map(answersTo);
  for (const socket of sockets) socket.write(upgradeRequest);
  // One has had its turn, and few others.
  await Promise.race(sockets.map((socket) => once(socket, 'data')));
  await soon('the stop', stopApp(app), 5_000);
  const all = await soon('the last', Promise.all(texts));
  const told = (text: string) => all.filter((one) => one.includes(text)).length;
  const opened = told('101 Switching Protocols');
  expect(told('Service restart')).toBe(opened);
  expect(told('503 Service Unavailable')).toBe(200 - opened);
  expect(opened).toBeGreaterThan(0);
  expect(opened).toBeLessThan(200);
});

/** What a connection is sent before it ends. It agrees to the close of a WebSocket, as a client does. */
function answersTo(socket: Socket): Promise<string> {
  let text = '';
  return new Promise((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.endsWith('Service restart')) socket.end(maskedClose);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}

/** Without a code, and with a key of zeros. */
const maskedClose = Buffer.from([0x88, 0x80, 0, 0, 0, 0]);

test('with a delay everything is served as before, but /ready says no, and every answer ends its connection', async () => {
  const { app, url, port } = await startApp({ drainDelayMs: 5_000 });
  await app.chord.setContext('c', state);
  const stream = await RawStream.open(operationUrl(url, followOperation('c')));
  await stream.next();
  const [first, second] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
  const texts = [first, second].map(everything);
  await Promise.all([once(first, 'connect'), once(second, 'connect')]);
  const stopping = stopApp(app);

  first.write('GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const body = JSON.stringify(write);
  second.write(
    'POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  const [readiness = '', answer = ''] = await Promise.all(texts);
  expect(readiness).toMatch(/^HTTP\/1\.1 503 [\s\S]*\r\nconnection: close\r\n[\s\S]*"draining"/i);
  expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\nconnection: close\r\n[\s\S]*"version":2/i);
  expect((await stream.next()).id).toMatch(/:2$/);
  const late = await RawWebSocket.open(url.replace('http', 'ws'));
  await late.init();
  expect(await isPending(stopping)).toBe(true);
  expect((await late.closed).code).toBe(1012);
  await soon('the stop', stopping);
  await expect(fetch(url)).rejects.toThrow('fetch failed');
});

/** What a connection is sent before the server ends it. */
async function everything(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket.setEncoding('utf8')) text += chunk;
  return text;
}
