/* What a socket is sent of results that are written once for many is, byte for byte, what it is sent of its own. */
import { get } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type RunningApp, startApp, stopApps } from '../../support/app.ts';
import { eventSelection } from '../../support/transports.ts';
import { until } from '../../support/wait.ts';
import { RawWebSocket } from '../raw-websocket.ts';

let server: RunningApp;

beforeEach(async () => {
  server = await startApp();
});
afterEach(async () => {
  await stopApps();
});

const shared = `subscription ($id: ID!) { contextChanged(id: $id) { ${eventSelection} } }`;
/** The same, as no group has it. */
const own = `subscription ($id: ID!) { ...Root } fragment Root on Subscription { contextChanged(id: $id) { ${eventSelection} } }`;

test('over WebSocket, each operation under its id', async () => {
  const told = async (query: string, id: string) => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    const texts: string[] = [];
    socket.socket.on('message', (data: Buffer) => texts.push(data.toString()));
    socket.send({ id, type: 'subscribe', payload: { query, variables: { id: 'c' } } });
    await until('the beginning', () => texts.length === 1);
    return texts;
  };
  const ids = ['1', '2"\\\u2028', '__proto__'];
  const pairs = await Promise.all(ids.map(async (id) => [await told(own, id), await told(shared, id)] as const));
  const { chord } = server.app;
  for (let n = 0; n < 50; n++) {
    if (n % 20 === 19) await chord.deleteContext('c');
    else await chord.setContext('c', { n, text: 'é\u2028"\ud800', [`k${n % 7}`]: ['x'.repeat(n * 40)] });
    await until(`change ${n}`, () => pairs.flat().every((texts) => texts.length === n + 2));
  }

  for (const [index, [ownTexts, sharedTexts]] of pairs.entries()) {
    expect(sharedTexts).toEqual(ownTexts);
    expect(JSON.parse(sharedTexts[7] ?? '')).toMatchObject({ id: ids[index], type: 'next' });
  }
});

test('as server-sent events, each with its position', async () => {
  const streams: { text: string; readonly leave: () => void }[] = [];
  const follow = async (query: string) => {
    const search = new URLSearchParams({ query, variables: JSON.stringify({ id: 'c' }) });
    const request = get(`${server.url}?${search}`, { headers: { accept: 'text/event-stream' } });
    const stream = { text: '', leave: () => request.destroy() };
    streams.push(stream);
    request.on('error', () => undefined);
    request.on('response', (response) => {
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (stream.text += chunk));
    });
    await until('the beginning', () => stream.text.includes('event: next'));
  };
  for (const query of [own, shared, own, shared]) await follow(query);
  const { chord } = server.app;
  for (let n = 0; n < 20; n++) {
    if (n % 8 === 7) await chord.deleteContext('c');
    else await chord.setContext('c', { n, text: 'é\n\r\n\u2028' });
    await until(`change ${n}`, () => streams.every(({ text }) => text.split('event: next').length === n + 3));
  }
  for (const { leave } of streams) leave();
  await until('nobody is left', () => server.app.stats().followers === 0);

  const [first, ...others] = streams.map(({ text }) => text);
  for (const other of others) expect(other).toBe(first);
  expect(first).toContain('id: -\n');
});

test('an operation that its client completes is told nothing more, and the others are', async () => {
  const socket = await RawWebSocket.open(server.webSocketUrl);
  await socket.init();
  for (const id of ['a', 'b']) {
    socket.send({ id, type: 'subscribe', payload: { query: shared, variables: { id: 'c' } } });
    expect(await socket.messages.next()).toMatchObject({ id });
  }
  socket.send({ id: 'a', type: 'complete' });
  await until('it has left', () => server.app.stats().followers === 1);
  await server.app.chord.setContext('c', { n: 1 });
  expect(await socket.messages.next()).toMatchObject({ id: 'b' });
  socket.send({ id: 'b', type: 'complete' });
  await until('both have left', () => server.app.stats().followers === 0);
  socket.send({ type: 'ping' });
  expect(await socket.messages.next()).toEqual({ type: 'pong' });
  socket.socket.close();
});
