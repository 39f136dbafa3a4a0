import { EventEmitter, once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import type { AppOptions } from '../../src/app/app.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { spreadOut } from '../../src/server/spread-out.ts';
import { startApp, stopApp, stopApps } from '../support/app.ts';
import { isPending } from '../support/chord.ts';
import { ManualClock } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';
import { followOperation, operationUrl, RawStream } from '../support/transports.ts';
import { soon, until } from '../support/wait.ts';
import { RawWebSocket } from './raw-websocket.ts';

afterEach(stopApps);

/** Calls so many, and answers who was called, in order. */
function leaving(count: number, withinMs: number) {
  const clock = new ManualClock();
  const stopping = new AbortController();
  const gone: number[] = [];
  const calls = Array.from({ length: count }, (_, index) => () => gone.push(index));
  const done = spreadOut(calls, { withinMs, clock, signal: stopping.signal });
  return { clock, gone, done, stop: () => stopping.abort() };
}

describe('in turns', () => {
  test('they leave evenly over the time, the first at once', async () => {
    const { clock, gone, done } = leaving(10_000, 1_000);
    expect(gone).toHaveLength(100);
    await clock.advance(500);
    expect(gone).toHaveLength(5_100);
    await clock.advance(480);
    expect(gone).toHaveLength(9_900);
    await clock.advance(10);
    await done;
    expect(gone.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 10_000 }, (_, index) => index));
  });

  test('in no order that clients know', async () => {
    const orders = await Promise.all(
      [0, 0].map(async (ms) => {
        const { gone, done } = leaving(100, ms);
        await done;
        return gone;
      }),
    );
    expect(orders[0]).not.toEqual(orders[1]);
  });

  test('few take no longer than a millisecond for each', async () => {
    const { clock, gone, done } = leaving(30, 5_000);
    expect(gone).toHaveLength(10);
    await clock.advance(20);
    expect(gone).toHaveLength(30);
    await done;
  });

  test('nobody needs to wait where there is no time, or nobody else', async () => {
    for (const [count, withinMs] of [
      [10_000, 0],
      [1, 5_000],
    ] as const) {
      const { gone, done } = leaving(count, withinMs);
      await done;
      expect(gone).toHaveLength(count);
    }
  });

  test('nobody leaves once it is over', async () => {
    const { clock, gone, done, stop } = leaving(10_000, 1_000);
    stop();
    await done;
    await clock.advance(1_000);
    expect(gone).toHaveLength(100);
  });
});

/** A server by a clock that stands still, with a context that somebody follows over each of so many WebSockets. */
async function followed(count: number, options: AppOptions = {}) {
  const clock = new ManualClock();
  const server = await startApp({ clock, drainTimeoutMs: 60_000, ...options });
  await server.app.chord.setContext('c', { n: 0 });
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = await RawWebSocket.open(server.webSocketUrl);
      await socket.init();
      socket.send({ id: '1', type: 'subscribe', payload: followOperation('c') });
      await socket.messages.next();
      const seen = { socket, code: 0 };
      void socket.closed.then(({ code }) => {
        seen.code = code;
      });
      return seen;
    }),
  );
  return { ...server, clock, sockets, gone: () => sockets.filter(({ code }) => code !== 0) };
}

describe('a server that stops', () => {
  test('sends its subscribers elsewhere one after the other, and serves those who wait for their turn', async () => {
    const { app, clock, sockets, gone } = await followed(40);
    const stopping = stopApp(app);
    await until('the first', () => gone().length === 10);
    await app.chord.updateContext('c', { n: 1 });
    const staying = sockets.filter(({ code }) => code === 0);
    for (const { socket } of staying) expect(JSON.stringify(await socket.messages.next())).toContain('"version":2');
    // Also what they ask for now.
    const [late] = staying;
    late?.socket.send({ id: '2', type: 'subscribe', payload: { query: '{ __typename }' } });
    expect(await late?.socket.messages.next()).toMatchObject({ id: '2', type: 'next' });
    expect(await isPending(stopping)).toBe(true);
    await clock.advance(10);
    await until('the second ten', () => gone().length === 20);
    await clock.advance(20);
    await soon('the stop', stopping);
    for (const { socket } of sockets) expect((await socket.closed).code).toBe(1012);
  });

  test('sends event streams elsewhere in the same turns', async () => {
    const { app, clock, url, gone } = await followed(19);
    const stream = await RawStream.open(operationUrl(url, followOperation('c')));
    await stream.next();
    let isOver = false;
    void stream.ended.then(() => {
      isOver = true;
    });
    const left = () => gone().length + (isOver ? 1 : 0);
    const stopping = stopApp(app);
    await until('the first', () => left() === 10);
    await clock.advance(10);
    await soon('the stop', stopping);
    await until('all', () => left() === 20);
    expect(stream.text).toMatch(/\n\nretry: \d+\n\n$/);
  });

  test('sends all of them away at once when it is told so', async () => {
    const { app, gone } = await followed(40, { drainSpreadMs: 0 });
    await soon('the stop', stopApp(app));
    await until('all', () => gone().length === 40);
    expect(new Set(gone().map(({ code }) => code))).toEqual(new Set([1012]));
  });
});

const write = (n: number) => ({
  id: `write ${n}`,
  type: 'subscribe',
  payload: {
    query: `mutation { setContext(id: "w", state: { n: ${n} }) { ... on SetContextPayload { version } } }`,
  },
});

/** A server whose store holds commits back until told. */
async function holding(options: AppOptions = {}) {
  const backend = new FaultyBackend(new MemoryBackend());
  const server = await startApp({ backend, drainTimeoutMs: 20_000, ...options });
  const socket = await RawWebSocket.open(server.webSocketUrl);
  await socket.init();
  const releasing = new EventEmitter();
  const released = once(releasing, 'release');
  let held = 0;
  backend.gate = async (point) => {
    if (point !== 'commit') return;
    held++;
    await released;
  };
  return { ...server, socket, held: () => held, release: () => releasing.emit('release') };
}

describe('a WebSocket on which a write is under way', () => {
  test('leaves when it was answered, and takes nothing more before that', async () => {
    const { app, socket, held, release } = await holding();
    for (const id of ['follow', 'past']) {
      socket.send({ id, type: 'subscribe', payload: followOperation('w') });
      await socket.messages.next();
    }
    socket.send({ id: 'past', type: 'complete' });
    await until('one has left', () => app.stats().followers === 1);
    socket.send(write(1));
    await until('the write is held', () => held() === 1);
    const stopping = stopApp(app);
    // A turn of the server, in which it tells its subscribers.
    await new Promise(setImmediate);
    socket.send(write(2));
    const pong = once(socket.socket, 'pong');
    socket.socket.ping();
    await pong;
    expect(held()).toBe(1);
    release();
    expect(await soon('the close', socket.closed)).toMatchObject({ code: 1012 });
    await soon('the stop', stopping, 5_000);
    const about = socket.messages.all.filter((message) => (message as { readonly id?: string }).id === 'write 1');
    expect(about).toMatchObject([
      { type: 'next', payload: { data: { setContext: { version: 1 } } } },
      { type: 'complete' },
    ]);
    expect(JSON.stringify(socket.messages.all)).not.toContain('write 2');
  });

  test('is cut off after drainTimeoutMs all the same', async () => {
    const { app, socket, held, release } = await holding({ drainTimeoutMs: 200 });
    socket.send(write(1));
    await until('the write is held', () => held() === 1);
    const stopping = stopApp(app);
    expect(await soon('the close', socket.closed)).toMatchObject({ code: 1006 });
    release();
    await soon('the stop', stopping, 5_000);
  });
});
