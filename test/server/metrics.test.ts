import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type App, type AppOptions, createApp } from '../../src/app/app.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { ConfigError } from '../../src/config/config-error.ts';
import { Scrape } from '../observability/scrape.ts';
import { post, RecordingLogger } from '../support/app.ts';
import { rejectionOf } from '../support/chord.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';
import {
  contextChanged,
  eventStreamTransport,
  followOperation,
  nextEvent,
  operationUrl,
  type Subscription,
  webSocketTransport,
} from '../support/transports.ts';
import { until } from '../support/wait.ts';

const running = new Set<App>();

afterEach(async () => {
  await Promise.all([...running].map((app) => app.stop()));
  running.clear();
});

async function start(options: AppOptions = {}) {
  const logger = new RecordingLogger();
  const app = createApp({ port: 0, backend: 'memory', metricsPort: 0, logger, drainTimeoutMs: 2_000, ...options });
  running.add(app);
  const { url: origin, metricsUrl = '' } = await app.start();
  const url = new URL('/graphql', origin);
  const webSocketUrl = url.href.replace('http', 'ws');
  return { app, logger, url: url.href, webSocketUrl, port: Number(url.port), metricsUrl };
}

function mutation(field: string): { readonly query: string } {
  return { query: `mutation { ${field} { __typename } }` };
}

describe('while a load runs, the figures are those that the load knows', () => {
  test('writes, by verb and outcome, and the requests that brought them', async () => {
    const backend = new FaultyBackend(new MemoryBackend());
    const { url, metricsUrl } = await start({ backend, maxStateBytes: 1_000 });
    let requests = 0;
    const write = async (field: string, times = 1) => {
      requests += times;
      await Promise.all(Array.from({ length: times }, () => post(url, mutation(field))));
    };
    for (let index = 0; index < 10; index++) await write(`setContext(id: "c${index}", state: { n: 0 })`);
    for (let n = 1; n <= 5; n++) await write(`updateContext(id: "c0", changes: { n: ${n} })`);
    await write('updateContext(id: "c0", changes: { n: 5 })', 3);
    await write('updateContext(id: "c0", changes: { n: 6 }, expectedVersion: 1)', 4);
    await write('setContext(id: "keyed", state: {}, idempotencyKey: "k")', 7);
    await write('setContext(id: "keyed", state: { n: 1 }, idempotencyKey: "k")', 2);
    await write('updateContext(id: "absent", changes: {})', 2);
    await write('deleteContext(id: "c9")');
    await write('deleteContext(id: "c9")');
    await write(`setContext(id: "c0", state: { text: "${'x'.repeat(2_000)}" })`);
    backend.commitFaults.push('notStored');
    await write('updateContext(id: "c0", changes: { n: 7 })');
    backend.commitFaults.push('storedThenUnknown');
    await write('updateContext(id: "c0", changes: { n: 8 })');
    backend.commitFaults.push('lost', 'lost');
    await write('updateContext(id: "c0", changes: { n: 9 })');

    const seen = await scrapeWhen(metricsUrl, 'all requests have ended', (now) => {
      return now.value('chord_http_requests_total') === requests;
    });
    expect(seen.nonZero('chord_writes_total')).toEqual({
      'set done': 11,
      'set duplicate': 6,
      'set keyReused': 2,
      'set limit': 1,
      'update done': 6,
      'update unchanged': 3,
      'update conflict': 4,
      'update notFound': 2,
      'update notStored': 1,
      'update unknown': 1,
      'delete done': 1,
      'delete notFound': 1,
    });
    expect(seen.value('chord_write_duration_seconds_count')).toBe(39);
    expect(seen.value('chord_backend_call_duration_seconds_count', { method: 'commit', outcome: 'behind' })).toBe(2);
    expect(seen.nonZero('chord_http_requests_total')).toEqual({ 'graphql 2xx': requests });
    await fetch(new URL('/live', url));
    await fetch(new URL('/nowhere', url));
    const later = await scrapeWhen(metricsUrl, 'two more have', (now) => {
      return now.value('chord_http_requests_total') === requests + 2;
    });
    expect(later.nonZero('chord_http_requests_total')).toEqual({
      'graphql 2xx': requests,
      'live 2xx': 1,
      'other 4xx': 1,
    });
  });

  test('subscribers over both transports, what they were sent, and how long after its commit', async () => {
    const server = await start();
    const { app, metricsUrl } = server;
    await app.chord.setContext('live', { n: 0, text: 'longer than what changes' });
    const sockets = [1, 2, 3].map(() => webSocketTransport.subscribe(server, followOperation('live')));
    const streams = [1, 2].map(() => eventStreamTransport.subscribe(server, followOperation('live')));
    const all: readonly Subscription[] = [...sockets, ...streams];
    await Promise.all(all.map(nextEvent));
    for (let n = 1; n <= 20; n++) {
      await app.chord.updateContext('live', { n });
      // All of them, so that no two changes become one.
      await Promise.all(all.map(nextEvent));
    }
    const seen = await scrapeWhen(metricsUrl, 'all are taken', (now) => now.value('chord_deliveries_total') === 105);
    expect(seen.nonZero('chord_deliveries_total')).toEqual({
      'websocket full': 3,
      'websocket delta': 60,
      'sse full': 2,
      'sse delta': 40,
    });
    expect(seen.value('chord_delivery_lag_seconds_count', { transport: 'websocket' })).toBe(60);
    expect(seen.value('chord_delivery_lag_seconds_count', { transport: 'sse' })).toBe(40);
    expect(seen.value('chord_sync_answers_total', { source: 'subscribe', reason: 'NO_POSITION' })).toBe(5);
    expect(seen.nonZero('chord_subscriptions')).toEqual({ websocket: 3, sse: 2 });
    expect(seen.value('chord_connections', { transport: 'websocket' })).toBe(3);
    expect(seen.value('chord_followers')).toBe(5);
    expect(seen.value('chord_followers_behind')).toBe(0);
    expect(seen.value('chord_watched_contexts')).toBe(1);
    expect(seen.value('chord_announcements_total', { kind: 'changed' })).toBe(20);

    for (const { leave } of all) leave();
    const after = await scrapeWhen(metricsUrl, 'they are gone', (now) => {
      const gauges = ['chord_subscriptions', 'chord_followers'].map((name) => now.value(name));
      const open = now.value('chord_connections', { transport: 'websocket' });
      return [...gauges, open].every((value) => value === 0) && now.value('chord_http_requests_total') === 2;
    });
    expect(after.nonZero('chord_http_requests_total')).toEqual({ 'graphql 2xx': 2 });
  });

  test.each(['websocket', 'http'] as const)('a slow reader over %s is cut, and counts once', async (over) => {
    const { app, url, webSocketUrl, port, metricsUrl } = await start({
      slowReaderTimeoutMs: 400,
      maxStateBytes: 64 * 1024 * 1024,
    });
    await app.chord.setContext('c', { text: '' });
    const end = over === 'websocket' ? await stallWebSocket(webSocketUrl) : await stallEventStream(url, port);
    await scrapeWhen(metricsUrl, 'the first event is taken', (now) => {
      return now.value('chord_deliveries_total', { kind: 'full' }) === 1;
    });
    // More than the buffers of both sides hold.
    await app.chord.updateContext('c', { text: 'x'.repeat(24_000_000) });
    const seen = await scrapeWhen(metricsUrl, 'it is cut', (now) => now.value('chord_subscriptions') === 0);
    expect(seen.nonZero('chord_slow_readers_total')).toEqual({ [over]: 1 });
    // The large one was never taken; but an event stream asks for the next one when the response has the last.
    expect(seen.value('chord_deliveries_total')).toBe(over === 'websocket' ? 1 : 2);
    end();
  });
});

/** Looks until the figures are so. */
async function scrapeWhen(url: string, what: string, isSo: (seen: Scrape) => boolean): Promise<Scrape> {
  let seen = await Scrape.of(url);
  await until(what, async () => {
    seen = await Scrape.of(url);
    return isSo(seen);
  });
  return seen;
}

/** Follows, and reads no more. */
async function stallWebSocket(url: string): Promise<() => void> {
  const socket = new WebSocket(url, 'graphql-transport-ws');
  await once(socket, 'open');
  socket.send('{"type":"connection_init"}');
  await once(socket, 'message');
  const payload = { query: contextChanged, variables: { id: 'c' } };
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload }));
  await once(socket, 'message');
  socket.pause();
  return () => socket.terminate();
}

async function stallEventStream(url: string, port: number): Promise<() => void> {
  const socket = connect(port, '127.0.0.1');
  // Cut is what it shall be.
  socket.on('error', () => undefined);
  const { pathname, search } = new URL(operationUrl(url, followOperation('c')));
  socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`);
  await once(socket, 'data');
  socket.pause();
  return () => socket.destroy();
}

test('nothing that is stored or that identifies anybody is in the text', async () => {
  const mark = 'marked-e7a1';
  const { app, url, metricsUrl, logger } = await start();
  await post(url, mutation(`setContext(id: "${mark}-id", state: { key: "${mark}-state" }, origin: "${mark}-origin")`));
  await post(url, mutation(`setContext(id: "${mark}-id", state: {}, idempotencyKey: "${mark}-key")`));
  await fetch(`${url}/${mark}-path?query=${mark}`, {
    method: 'PROPFIND',
    headers: { authorization: `Bearer ${mark}` },
  });
  await rejectionOf(app.chord.updateContext(`${mark}-absent`, {}));
  const events = app.chord.follow(`${mark}-id`);
  await events.next();
  const { text } = await Scrape.of(metricsUrl);
  expect(text).toContain('chord_writes_total{verb="set",outcome="done"} 2');
  expect(text).not.toContain(mark);
  expect(JSON.stringify(logger.lines)).not.toContain(`${mark}-state`);
});

describe('the listener', () => {
  test('is another than that of the API, and serves nothing else', async () => {
    const { url, metricsUrl } = await start();
    const response = await fetch(metricsUrl);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(new URL(metricsUrl).hostname).toBe('127.0.0.1');
    expect((await fetch(new URL('/metrics', url))).status).toBe(404);
    expect((await fetch(new URL('/graphql', metricsUrl))).status).toBe(404);
    expect((await fetch(metricsUrl, { method: 'POST' })).status).toBe(405);
  });

  test('goes when the app stops', async () => {
    const { app, metricsUrl } = await start();
    await fetch(metricsUrl);
    await app.stop();
    expect(await rejectionOf(fetch(metricsUrl))).toBeInstanceOf(TypeError);
  });

  test('that cannot be there refuses the start, and names its option', async () => {
    const { metricsUrl } = await start();
    const metricsPort = Number(new URL(metricsUrl).port);
    const error = await rejectionOf(start({ metricsPort }));
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toContain(`metricsPort is ${metricsPort}`);
  });

  test('is not there by default', async () => {
    const { metricsUrl } = await start({ metricsPort: null });
    expect(metricsUrl).toBe('');
  });
});
