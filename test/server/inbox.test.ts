/* What a WebSocket may send when nobody listens to it any more, or not yet. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { ServerCloseCode } from '../../src/server/websocket/close-codes.ts';
import { frameBytes, opcodes, readFrames } from '../fuzz/websocket-frames.ts';
import { startApp, stopApps } from '../support/app.ts';
import { soon, until } from '../support/wait.ts';
import { RawWebSocket } from './raw-websocket.ts';
import { ServerProcess } from './server-process.ts';

const MiB = 1024 * 1024;

let server: ServerProcess | undefined;
let client: Socket | undefined;
afterEach(async () => {
  client?.destroy();
  await server?.stop();
  await stopApps();
  server = undefined;
});

function textFrame(text: string): Buffer {
  const frame = { fin: true, rsv: 0, opcode: opcodes.text, isMasked: true, payload: text };
  return Buffer.from(frameBytes(frame), 'latin1');
}

/** A WebSocket without a library, which answers no close. */
async function open(port: number) {
  const socket = connect(port, '127.0.0.1');
  client = socket;
  let heard = Buffer.alloc(0);
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    heard = Buffer.concat([heard, chunk]);
  });
  socket.write(
    'GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n',
  );
  const end = () => heard.indexOf('\r\n\r\n');
  await until('the upgrade', () => end() >= 0);
  return { socket, messages: () => readFrames(heard.subarray(end() + 4)) };
}

/** Writes so much, as fast as it is taken, unless the other side ends the connection. Answers how much was taken. */
async function pour(socket: Socket, piece: Buffer, bytes: number): Promise<number> {
  const closed = once(socket, 'close').catch(() => undefined);
  const start = socket.bytesWritten;
  for (let sent = 0; sent < bytes && !socket.destroyed; sent += piece.length) {
    if (!socket.write(piece)) await Promise.race([once(socket, 'drain').catch(() => undefined), closed]);
  }
  if (socket.writableLength > 0 && !socket.destroyed) await once(socket, 'drain').catch(() => undefined);
  return socket.bytesWritten - start;
}

const init = textFrame('{"type":"connection_init"}');
const subscription = (id: string) =>
  textFrame(
    JSON.stringify({
      id,
      type: 'subscribe',
      payload: { query: 'subscription { contextChanged(id: "c") { version } }' },
    }),
  );

test('a slow reader that is closed while it is not listened to is gone when it has read that', {
  timeout: 60_000,
}, async () => {
  const { app, webSocketUrl } = await startApp({ slowReaderTimeoutMs: 300 });
  await app.chord.setContext('c', { text: 'x'.repeat(900_000) });
  const reader = await RawWebSocket.open(webSocketUrl);
  await reader.init();
  const { socket } = reader;
  reader.send({
    id: 'live',
    type: 'subscribe',
    payload: { query: 'subscription { contextChanged(id: "c") { version } }' },
  });
  await until('it follows', () => app.stats().followers === 1);
  socket.pause();
  const payload = { query: '{ context(id: "c") { state } }' };
  for (let n = 0; n < 40; n++) reader.send({ id: `${n}`, type: 'subscribe', payload });
  await until('it is closed', () => app.stats().followers === 0);
  const closed = once(socket, 'close');
  socket.resume();
  expect((await soon('the end', closed))[0]).toBe(ServerCloseCode.SlowReader);
});

describe('a WebSocket that is closed and goes on sending', () => {
  const padding = textFrame(`{"type":"ping","payload":{"text":"${'x'.repeat(30_000)}"}}`);

  test('is not listened to: nothing of it piles up', { timeout: 60_000 }, async () => {
    server = await ServerProcess.start({ maxRequestBytes: 64 * 1024 });
    const { socket, messages } = await open(server.port);
    socket.write(init);
    await until('the acknowledgement', () => messages().length === 1);
    const before = await server.ask({ kind: 'memory' });
    socket.write(init);
    await until('the close', () => messages().at(-1)?.kind === 'close');
    const taken = await pour(socket, padding, 96 * MiB);
    const after = await server.ask({ kind: 'memory' });
    // Otherwise there was nothing to pile up.
    expect(taken).toBeGreaterThan(90 * MiB);
    expect(after.total - before.total).toBeLessThan(24 * MiB);
    expect(messages()).toEqual([
      { kind: 'text', text: '{"type":"connection_ack"}' },
      { kind: 'close', code: 4429, reason: 'Too many initialisation requests' },
    ]);
  });

  test('begins nothing of what came with the message that closed it', async () => {
    const { app, port, logger } = await startApp();
    const { socket, messages } = await open(port);
    socket.write(init);
    await until('the acknowledgement', () => messages().length === 1);
    // In one piece, so that one read brings them all; the first is handed on by itself, as it comes.
    socket.write(
      Buffer.concat([
        textFrame('{"type":"pong"}'),
        init,
        ...Array.from({ length: 100 }, (_, n) => subscription(String(n))),
      ]),
    );
    await until('the close', () => messages().at(-1)?.kind === 'close');
    for (let turns = 0; turns < 100; turns++) await turn();
    expect(app.stats().followers).toBe(0);
    expect(messages()).toHaveLength(2);
    socket.destroy();
    await until('nothing is left', () => app.stats().followers === 0 && app.stats().webSockets === 0);
    expect(logger.errors).toEqual([]);
  });
});

test('an operation that ends under an id in use again takes nothing of the next one, nor does that outlive its socket', async () => {
  const { app, webSocketUrl } = await startApp();
  const socket = await RawWebSocket.open(webSocketUrl);
  await socket.init();
  const subscribe = (query: string) => socket.send({ id: '1', type: 'subscribe', payload: { query } });
  const follow = (id: string) => subscribe(`subscription { contextChanged(id: "${id}") { contextId version } }`);
  for (let round = 0; round < 20; round++) {
    follow('first');
    socket.send({ id: '1', type: 'complete' });
    subscribe('{ context(id: "first") { version } }');
    socket.send({ id: '1', type: 'complete' });
    follow('last');
    const messages = [await socket.messages.next()];
    while (!JSON.stringify(messages).includes('"last"')) messages.push(await socket.messages.next());
    // Of the others nothing but a first event that was under way.
    expect(JSON.stringify(messages)).not.toContain('"complete"');
    socket.send({ id: '1', type: 'complete' });
  }
  follow('last');
  await socket.messages.next();
  socket.socket.terminate();
  await until('nothing is left', () => app.stats().followers === 0 && app.stats().watchedContexts === 0);
});
