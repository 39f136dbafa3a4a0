import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { get, type RequestOptions, request } from 'node:https';
import { connect, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { AppOptions } from '../../src/app/app.ts';
import { type RunningApp, startApp, stopApp, stopApps } from '../support/app.ts';
import { followOperation, operationUrl } from '../support/transports.ts';
import { Inbox, soon, until } from '../support/wait.ts';
import { type CertificateStage, openCertificateStage, shownOn } from './certificate-stage.ts';

let stage: CertificateStage;
const sockets: Socket[] = [];

beforeAll(async () => {
  stage = await openCertificateStage();
  stage.use(stage.first);
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await stopApps();
});
afterAll(() => stage.remove());

function start(options: AppOptions = {}): Promise<RunningApp> {
  const { tlsCertFile, tlsKeyFile } = stage;
  return startApp({ tlsCertFile, tlsKeyFile, ...options });
}

/** An answer to a client that trusts this certificate. */
async function ask(url: string, ca: string, options: RequestOptions & { readonly body?: string } = {}) {
  const { body, ...rest } = options;
  const sent = request(url, { ca, agent: false, ...rest });
  sent.end(body);
  // What node:http emits.
  const [response] = (await soon('the answer', once(sent, 'response'))) as [IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return { status: response.statusCode, headers: response.headers, text };
}

function bare({ port }: RunningApp): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  sockets.push(socket);
  return socket;
}

/** A subscriber over a WebSocket, and what it is told. */
async function follow({ webSocketUrl }: RunningApp, ca: string) {
  const socket = new WebSocket(webSocketUrl, 'graphql-transport-ws', { ca });
  const messages = new Inbox<{ readonly type: string; readonly payload?: unknown }>('the next message');
  // What graphql-transport-ws says.
  socket.on('message', (data: Buffer) => messages.put(JSON.parse(data.toString()) as { readonly type: string }));
  const closed = once(socket, 'close').then(([code]) => Number(code));
  await soon('the upgrade', once(socket, 'open'));
  socket.send('{"type":"connection_init"}');
  await messages.next();
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: followOperation('c') }));
  await messages.next();
  return { messages, closed };
}

describe('every transport', () => {
  test('is served, and the address says so', async () => {
    const server = await start();
    expect(server.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/graphql$/);
    await server.app.chord.setContext('c', { n: 1 });
    const body = '{ "query": "{ context(id: \\"c\\") { state } }" }';
    const headers = { 'content-type': 'application/json', origin: new URL(server.url).origin };
    const answer = await ask(server.url, stage.first.pem, { method: 'POST', headers, body });
    expect(JSON.parse(answer.text)).toEqual({ data: { context: { state: { n: 1 } } } });

    const stream = get(operationUrl(server.url, followOperation('c')), {
      ca: stage.first.pem,
      agent: false,
      headers: { accept: 'text/event-stream' },
    });
    const [response] = await soon('the stream', once(stream, 'response'));
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    response.on('error', () => undefined);
    await until('the first event', () => text.includes('"version":1'));
    const { messages } = await follow(server, stage.first.pem);
    await server.app.chord.updateContext('c', { n: 2 });
    await until('the delta', () => text.includes('"version":2'));
    expect(await messages.next()).toMatchObject({
      type: 'next',
      payload: { data: { contextChanged: { version: 2 } } },
    });
    stream.destroy();
  });

  test('is refused to a page without TLS, also when it calls itself by the same name', async () => {
    const server = await start();
    const insecure = new URL(server.url).origin.replace('https', 'http');
    const headers = { 'content-type': 'application/json', origin: insecure };
    const { status } = await ask(server.url, stage.first.pem, { method: 'POST', headers, body: '{}' });
    expect(status).toBe(403);
  });

  test('ends as it does without TLS, when the server stops', async () => {
    const server = await start({ drainTimeoutMs: 20_000 });
    const { closed } = await follow(server, stage.first.pem);
    await soon('the stop', stopApp(server.app), 5_000);
    expect(await closed).toBe(1012);
  });

  test('drops a subscriber who reads nothing, and serves the others', async () => {
    const server = await start({ slowReaderTimeoutMs: 400, maxStateBytes: 32_000_000 });
    await server.app.chord.setContext('c', { text: 'x'.repeat(16_000_000) });
    const socket = connectSecurely({ port: server.port, host: '127.0.0.1', ca: stage.first.pem });
    sockets.push(socket);
    await once(socket, 'secureConnect');
    socket.pause();
    const closed = once(socket, 'close');
    socket.on('error', () => undefined);
    const { pathname, search } = new URL(operationUrl(server.url, followOperation('c')));
    socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`);
    await until('the subscription', () => server.app.stats().followers === 1);
    await until('its end', () => server.app.stats().followers === 0);
    expect((await ask(new URL('/live', server.url).href, stage.first.pem)).status).toBe(200);
    socket.resume();
    await soon('the end of the connection', closed);
  });
});

test('who reads slowly all the time gets all of it', async () => {
  const server = await start({ slowReaderTimeoutMs: 800, maxStateBytes: 32_000_000 });
  await server.app.chord.setContext('c', { text: 'x'.repeat(16_000_000) });
  const socket = connectSecurely({ port: server.port, host: '127.0.0.1', ca: stage.first.pem });
  sockets.push(socket);
  await once(socket, 'secureConnect');
  const ended = once(socket, 'end');
  socket.pause();
  const path = `/graphql?query=${encodeURIComponent('{ context(id: "c") { state } }')}`;
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nConnection: close\r\n\r\n`);
  let bytes = 0;
  // What was encrypted at once takes several times as long as nothing may be written for.
  const reading = setInterval(() => {
    const chunk: unknown = socket.read(65_536) ?? socket.read();
    if (Buffer.isBuffer(chunk)) bytes += chunk.length;
  }, 10);
  await soon('the end', ended);
  clearInterval(reading);
  expect(bytes).toBeGreaterThan(16_000_000);
});

describe('what is no TLS', () => {
  test.each([
    ['HTTP', 'GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['nonsense', Buffer.alloc(4_000, 0x5a)],
    ['half a hello', Buffer.from([0x16, 0x03, 0x01, 0xff, 0xff, 1, 0, 0])],
  ])('is closed, and nobody is alarmed: %s', async (_what, bytes) => {
    const server = await start({ requestTimeoutMs: 300 });
    const socket = bare(server);
    const closed = once(socket, 'close');
    socket.resume();
    socket.write(bytes);
    await soon('the end', closed);
    expect((await ask(new URL('/live', server.url).href, stage.first.pem)).status).toBe(200);
    expect(server.logger.errors).toEqual([]);
  });

  test('and says nothing at all is closed after requestTimeoutMs', async () => {
    const server = await start({ requestTimeoutMs: 300 });
    const socket = bare(server);
    socket.resume();
    await soon('the end', once(socket, 'close'), 5_000);
    expect(server.logger.errors).toEqual([]);
  });

  test('does not delay a stop', async () => {
    const server = await start({ drainTimeoutMs: 20_000 });
    const socket = bare(server);
    await once(socket, 'connect');
    // The server has it, too.
    await ask(new URL('/live', server.url).href, stage.first.pem);
    await soon('the stop', stopApp(server.app), 5_000);
    expect(server.app.stats().webSockets).toBe(0);
  });

  test('is what was TLS before 1.2', async () => {
    const server = await start();
    const old = connectSecurely({
      port: server.port,
      host: '127.0.0.1',
      ca: stage.first.pem,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      // Else this side would not even try.
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    const [error] = await soon('the refusal', once(old, 'error'));
    expect(String(error)).toMatch(/protocol version/);
  });
});

test('a new certificate is shown to who comes, and who is there stays', async () => {
  const server = await start();
  const before = await shownOn(server.port);
  await server.app.chord.setContext('c', { n: 1 });
  const { messages } = await follow(server, stage.first.pem);
  stage.use(stage.second);
  await until('the new certificate', () =>
    server.logger.lines.some(({ message }) => message === 'certificate read again'),
  );
  expect(await shownOn(server.port)).not.toBe(before);
  expect((await ask(new URL('/live', server.url).href, stage.second.pem)).status).toBe(200);
  await server.app.chord.updateContext('c', { n: 2 });
  expect(await messages.next()).toMatchObject({ payload: { data: { contextChanged: { version: 2 } } } });
});
