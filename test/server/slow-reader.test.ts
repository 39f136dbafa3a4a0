import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { startApp, stopApps } from '../support/app.ts';
import {
  contextChanged,
  eventOf,
  followOperation,
  type LiveEvent,
  openWebSocket,
  operationUrl,
  Replica,
  subscribeOn,
} from '../support/transports.ts';
import { until } from '../support/wait.ts';
import { ServerProcess } from './server-process.ts';

const MiB = 1024 * 1024;
const updates = 100_000;
const bytes = 10_000;

let server: ServerProcess | undefined;
const sockets = new Set<Socket>();

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await server?.stop();
  server = undefined;
  await stopApps();
});

const upgrade =
  'GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n';

/** A client's frame, masked with zeros. */
function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const head = Buffer.alloc(8);
  head.writeUInt16BE(0x81fe);
  head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

/** The payloads of the frames of a server that are complete, and the code of its close frame. */
function readFrames(stream: Buffer): { readonly texts: readonly string[]; readonly closeCode: number | undefined } {
  const texts: string[] = [];
  let closeCode: number | undefined;
  let at = 0;
  while (at + 2 <= stream.length) {
    const short = stream.readUInt8(at + 1) & 0x7f;
    const start = at + (short === 127 ? 10 : short === 126 ? 4 : 2);
    if (start > stream.length) break;
    const length =
      short === 127 ? Number(stream.readBigUInt64BE(at + 2)) : short === 126 ? stream.readUInt16BE(at + 2) : short;
    if (start + length > stream.length) break;
    const opcode = stream.readUInt8(at) & 0x0f;
    if (opcode === 1) texts.push(stream.subarray(start, start + length).toString());
    if (opcode === 8) closeCode = stream.readUInt16BE(start);
    at = start + length;
  }
  return { texts, closeCode };
}

/** A subscriber on a bare socket that reads only when told. */
class BareSubscriber {
  readonly socket: Socket;
  readonly chunks: Buffer[] = [];
  hasEnded = false;
  readonly #parse: (stream: Buffer) => readonly LiveEvent[];

  private constructor(socket: Socket, parse: (stream: Buffer) => readonly LiveEvent[]) {
    this.socket = socket;
    this.#parse = parse;
    sockets.add(socket);
    socket.on('data', (chunk) => this.chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.hasEnded = true;
    });
  }

  static async overWebSocket(port: number, id: string): Promise<BareSubscriber> {
    const subscriber = new BareSubscriber(connect(port, '127.0.0.1'), (stream) =>
      readFrames(stream.subarray(stream.indexOf('\r\n\r\n') + 4)).texts.flatMap((text) => {
        const { type, payload } = JSON.parse(text) as { readonly type: string; readonly payload?: object };
        return type === 'next' && payload !== undefined ? [eventOf(payload)] : [];
      }),
    );
    subscriber.socket.write(upgrade);
    await until('the upgrade', () => subscriber.received.includes('\r\n\r\n'));
    subscriber.socket.write(textFrame('{"type":"connection_init"}'));
    await until('the hello', () => subscriber.received.includes('connection_ack'));
    const payload = { query: contextChanged, variables: { id } };
    subscriber.socket.write(textFrame(JSON.stringify({ id: '1', type: 'subscribe', payload })));
    return subscriber;
  }

  static overEventStream(url: string, port: number, id: string): BareSubscriber {
    const subscriber = new BareSubscriber(connect(port, '127.0.0.1'), (stream) =>
      // Chunked: what is between the chunks is no part of the lines that begin with "data: ".
      withoutChunks(stream.subarray(stream.indexOf('\r\n\r\n') + 4))
        .split('\n')
        .flatMap((line) => (line.startsWith('data: {') ? [eventOf(JSON.parse(line.slice(6)))] : [])),
    );
    const { pathname, search } = new URL(operationUrl(url, followOperation(id)));
    subscriber.socket.write(
      `GET ${pathname}${search} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`,
    );
    return subscriber;
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get events(): readonly LiveEvent[] {
    return this.#parse(this.received);
  }
}

function withoutChunks(stream: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; at < stream.length; ) {
    const end = stream.indexOf('\r\n', at);
    if (end < 0) break;
    const size = Number.parseInt(stream.subarray(at, end).toString(), 16);
    // An event that has not arrived as a whole is not read.
    if (end + 2 + size + 2 > stream.length) break;
    parts.push(stream.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
  return Buffer.concat(parts).toString();
}

test('readers that stall cost no memory and delay nobody, and end with the right state', {
  timeout: 240_000,
}, async () => {
  const running = await ServerProcess.start({ slowReaderTimeoutMs: 120_000 });
  server = running;
  await running.ask({ kind: 'write', contextId: 'other', from: 0, count: 0, bytes });
  const created = await fetch(running.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: 'mutation { setContext(id: "c", state: { n: 0, text: "" }) { __typename } }' }),
  });
  expect(await created.json()).toEqual({ data: { setContext: { __typename: 'SetContextPayload' } } });

  const stalled = [
    await BareSubscriber.overWebSocket(running.port, 'c'),
    BareSubscriber.overEventStream(running.url, running.port, 'c'),
  ];
  await until('they follow', () => stalled.every(({ events }) => events.length === 1));
  const client = openWebSocket(running);
  const subscription = subscribeOn(client, followOperation('c'));
  const other = new Replica();
  // The replica refuses a gap. What it has seen is let go, so that this process stays small.
  other.take(eventOf(await subscription.results.next()));
  for (const { socket } of stalled) socket.pause();

  const before = await running.ask({ kind: 'memory' });
  let peak = 0;
  let longestLagMs = 0;
  const batch = 5_000;
  const startMs = performance.now();
  for (let from = 1; from <= updates; from += batch) {
    const { total } = await running.ask({ kind: 'write', contextId: 'c', from, count: batch, bytes });
    peak = Math.max(peak, total);
    // Another follower is told at once, whatever the stalled ones do.
    const doneMs = performance.now();
    while (other.version < from + batch) other.take(eventOf(await subscription.results.next()));
    longestLagMs = Math.max(longestLagMs, performance.now() - doneMs);
  }
  const writtenMs = performance.now() - startMs;
  const after = await running.ask({ kind: 'memory' });
  const kernel = stalled.map(({ socket }) => ({ read: socket.bytesRead }));

  // Stalled they are: of a gigabyte written to each, no more was taken than fits into buffers.
  expect(other.seen['Delta']).toBeGreaterThan(100);
  for (const { socket, events } of stalled) {
    expect(socket.isPaused()).toBe(true);
    expect(events.at(-1)?.version).toBeLessThan(updates / 10);
  }
  expect(after.total - before.total).toBeLessThan(64 * MiB);
  expect(after.rss - before.rss, 'resident').toBeLessThan(400 * MiB);

  for (const { socket } of stalled) socket.resume();
  const last = updates + 1;
  await until('they are up to date', () => stalled.every(({ events }) => events.at(-1)?.version === last), 20_000);
  const kinds = stalled.map(({ events }) => {
    const replica = new Replica();
    for (const event of events) replica.take(event);
    expect(replica.is({ n: updates, text: String(updates).padEnd(bytes, 'x') })).toBe(true);
    return replica.seen;
  });
  expect(other.is({ n: updates, text: String(updates).padEnd(bytes, 'x') })).toBe(true);
  expect((await running.ask({ kind: 'logs' })).errors).toEqual([]);
  await client.dispose();
  for (const { socket } of stalled) socket.destroy();
  await until('nothing of them is left', () => running.isDeserted());
  process.stdout.write(
    `slow readers: ${JSON.stringify({
      before: before.total / MiB,
      after: after.total / MiB,
      peak: peak / MiB,
      rss: [before.rss / MiB, after.rss / MiB],
      writtenMs,
      longestLagMs,
      kernel,
      kinds,
      other: other.seen,
    })}\n`,
  );
});

describe('after slowReaderTimeoutMs without a byte', () => {
  const options = { slowReaderTimeoutMs: 300, maxStateBytes: 64 * MiB } as const;

  async function startStalled(open: 'webSocket' | 'eventStream', slowReaderTimeoutMs = 300) {
    const { app, url, port } = await startApp({ ...options, slowReaderTimeoutMs });
    await app.chord.setContext('c', { text: '' });
    const subscriber =
      open === 'webSocket'
        ? await BareSubscriber.overWebSocket(port, 'c')
        : BareSubscriber.overEventStream(url, port, 'c');
    await until('it follows', () => subscriber.events.length === 1);
    subscriber.socket.pause();
    // More than the buffers of both sides hold.
    await app.chord.updateContext('c', { text: 'x'.repeat(24_000_000) });
    return { app, subscriber };
  }

  test('a WebSocket is closed with 4800, and its subscription is gone', async () => {
    const { app, subscriber } = await startStalled('webSocket');
    await until('the subscription is gone', () => app.stats().followers === 0);
    subscriber.socket.resume();
    await until('the close frame', () => {
      const stream = subscriber.received;
      return readFrames(stream.subarray(stream.indexOf('\r\n\r\n') + 4)).closeCode === 4800;
    });
    subscriber.socket.end();
    await until('the socket is gone', () => app.stats().webSockets === 0);
    expect(app.stats().followers).toBe(0);
  });

  test('an event stream is cut, and its subscription is gone', async () => {
    const { app, subscriber } = await startStalled('eventStream');
    await until('the subscription is gone', () => app.stats().followers === 0);
    subscriber.socket.resume();
    await until('the end', () => subscriber.hasEnded);
    expect(subscriber.socket.bytesRead).toBeLessThan(24_000_000);
  });

  test.each(['webSocket', 'eventStream'] as const)(
    'but not a %s whose reader takes a little now and then',
    async (open) => {
      const { app, subscriber } = await startStalled(open, 1_000);
      const startMs = performance.now();
      // In sips, for some times the timeout. A kernel says that it takes more when a third of its buffer is free: on
      // loopback that is more than a megabyte.
      while (performance.now() - startMs < 2_500) {
        const enough = subscriber.socket.bytesRead + 700_000;
        const stop = () => {
          if (subscriber.socket.bytesRead >= enough) subscriber.socket.pause();
        };
        subscriber.socket.on('data', stop).resume();
        await until('a sip', () => subscriber.socket.isPaused());
        subscriber.socket.off('data', stop);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect(app.stats().followers).toBe(1);
      expect(subscriber.hasEnded).toBe(false);
      expect(subscriber.socket.bytesRead).toBeLessThan(24_000_000);
      subscriber.socket.resume();
      await until('the whole event', () => subscriber.socket.bytesRead > 24_000_000);
      await until('that it can be read', () => subscriber.events.at(-1)?.version === 2);
      subscriber.socket.destroy();
      await until('nothing is left', () => app.stats().followers === 0);
    },
  );

  test('an idle reader is no slow one', async () => {
    const { app, url, port } = await startApp(options);
    const subscriber = BareSubscriber.overEventStream(url, port, 'c');
    await until('it follows', () => subscriber.events.length === 1);
    subscriber.socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 900));
    expect(app.stats().followers).toBe(1);
    subscriber.socket.destroy();
    await once(subscriber.socket, 'close');
  });
});
