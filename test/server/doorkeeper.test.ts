/* Authentication that fails as nobody expected, and clients who do not wait for it. */
import { afterEach, describe, expect, test } from 'vitest';
import type { ViewerDescription } from '../../src/access/viewer.ts';
import { post, type RunningApp, startApp, stopApps } from '../support/app.ts';
import { ManualClock } from '../support/clock.ts';
import { until } from '../support/wait.ts';
import { RawWebSocket } from './raw-websocket.ts';

afterEach(stopApps);

const grants = [{ may: ['read'] as const }];

describe('an answer of authenticate that cannot be looked at', () => {
  /** No error of ours, and thrown where only the answer is looked at. */
  const trapped = {
    grants,
    get id(): string {
      throw new Error('a trap with s3cret words');
    },
  };

  const masked = { message: 'Unexpected error.', extensions: { code: 'INTERNAL_SERVER_ERROR' } };

  test.each(['application/json', 'text/event-stream'])(
    'is a masked 500, whatever is asked for (%s)',
    async (accept) => {
      const { url, logger } = await startApp({ authenticate: () => trapped });
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept },
        body: '{"query":"{ viewer { viewerId } }"}',
      });
      expect(response.status).toBe(500);
      const text = await response.text();
      expect(JSON.parse(text)).toMatchObject({ errors: [masked] });
      expect(text).not.toContain('trap');
      expect(logger.errors).toHaveLength(1);
    },
  );

  test('closes a WebSocket without a word of it', async () => {
    const { app, webSocketUrl, logger } = await startApp({ authenticate: () => trapped });
    const socket = await RawWebSocket.open(webSocketUrl);
    socket.send({ type: 'connection_init' });
    const { code, reason } = await socket.closed;
    expect({ code, reason }).toEqual({ code: 4500, reason: 'Unexpected error.' });
    expect(logger.errors).toHaveLength(1);
    await until('nothing is left', () => app.stats().webSockets === 0);
  });
});

/** Answers that wait until they are let go. */
function hold() {
  const waiting: ((viewer: ViewerDescription) => void)[] = [];
  const clock = new ManualClock();
  const authenticate = () =>
    new Promise<ViewerDescription>((resolve) => {
      waiting.push(resolve);
    });
  const letGo = () => {
    for (const resolve of waiting.splice(0)) resolve({ id: 'ada', grants, expiresAtMs: clock.now() + 1_000 });
  };
  return { clock, authenticate, letGo, count: () => waiting.length };
}

async function leaveMidway({ app, webSocketUrl }: RunningApp, count: () => number): Promise<void> {
  const socket = await RawWebSocket.open(webSocketUrl);
  socket.send({ type: 'connection_init' });
  await until('somebody asks', () => count() === 1);
  socket.socket.terminate();
  await until('it has gone', () => app.stats().webSockets === 0);
}

describe('a client who leaves while it is found out who it is', () => {
  test('leaves no place taken, and nobody waits for its credentials to run out', async () => {
    const { clock, authenticate, letGo, count } = hold();
    const server = await startApp({ clock, authenticate, cleanupIntervalMs: 0, maxConnectionsPerViewer: 1 });
    const sleepers = clock.sleepers;
    for (let round = 0; round < 3; round++) {
      await leaveMidway(server, count);
      letGo();
    }
    // The only place of this viewer.
    const socket = await RawWebSocket.open(server.webSocketUrl);
    socket.send({ type: 'connection_init' });
    await until('somebody asks', () => count() === 1);
    letGo();
    expect(await socket.messages.next()).toEqual({ type: 'connection_ack' });
    // Who is there is waited for, and nobody else.
    expect(clock.sleepers).toBe(sleepers + 1);
    socket.socket.terminate();
    await until('nobody sleeps', () => clock.sleepers === sleepers);
    expect(server.logger.errors).toEqual([]);
  });

  test('over HTTP is forgotten, too', async () => {
    const { clock, authenticate, letGo, count } = hold();
    const server = await startApp({ clock, authenticate, cleanupIntervalMs: 0 });
    const sleepers = clock.sleepers;
    const leaving = new AbortController();
    const asked = fetch(`${server.url}?query={viewer{viewerId}}`, { signal: leaving.signal }).catch(() => 'left');
    await until('somebody asks', () => count() === 1);
    leaving.abort();
    expect(await asked).toBe('left');
    letGo();
    await until('nobody sleeps', () => clock.sleepers === sleepers);
    const answer = post(server.url, { query: '{ viewer { viewerId } }' });
    await until('somebody asks', () => count() === 1);
    letGo();
    expect(await answer).toEqual({ data: { viewer: { viewerId: 'ada' } } });
    expect(server.logger.errors).toEqual([]);
  });
});
