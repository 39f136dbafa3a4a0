import { afterEach, describe, expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { askOn } from '../server/limits-stage.ts';
import { RawWebSocket } from '../server/raw-websocket.ts';
import { startApp, stopApps } from '../support/app.ts';
import { ManualClock } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';
import { followOperation, operationUrl, RawStream } from '../support/transports.ts';
import { until } from '../support/wait.ts';
import { Collector } from './collector.ts';
import { ask, noteIt, post, remote, sent, traceId } from './tracing-stage.ts';

afterEach(stopApps);

function update(n: number): string {
  return `mutation { setContext(id: "c", state: { n: ${n} }) { __typename } }`;
}

describe('one trace leads from the request to the store', () => {
  test('over HTTP, and goes on that of the client', async () => {
    await using collector = await Collector.open();
    const server = await startApp({ otlpEndpoint: collector.url });
    await post(server.url, noteIt, { ...remote, 'x-request-id': 'my-request' });
    const spans = await sent(server, collector);
    const commit = collector.one('commit memory');
    expect(collector.pathTo(commit)).toEqual(['POST /graphql', 'mutation', 'setContext', 'commit memory']);
    expect(new Set(spans.map((span) => span.traceId))).toEqual(new Set([traceId]));
    expect(collector.one('POST /graphql')).toMatchObject({
      parentSpanId: '00f067aa0ba902b7',
      traceState: 'vendor=opaque',
      kind: 2,
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/graphql',
        'url.path': '/graphql',
        'url.scheme': 'http',
        'http.response.status_code': 200,
        'chord.request.id': 'my-request',
      },
    });
    expect(collector.one('mutation').attributes).toEqual({
      'graphql.operation.type': 'mutation',
      'graphql.operation.name': 'Note',
    });
    expect(collector.one('setContext').attributes).toEqual({ 'chord.outcome': 'done' });
    expect(commit.attributes).toEqual({
      'db.system.name': 'memory',
      'db.operation.name': 'commit',
      'chord.outcome': 'done',
    });
    expect(collector.paths).toEqual(['/v1/traces']);
    expect(commit.resource).toMatchObject({ 'service.name': 'chord', 'service.version': expect.any(String) });
  });

  test('over WebSocket, and goes on that of the operation, not that of the connection', async () => {
    await using collector = await Collector.open();
    const server = await startApp({ otlpEndpoint: collector.url });
    await ask(server, { query: noteIt, extensions: { ...remote, requestId: 'my-operation' } });
    await ask(server, { query: '{ context(id: "c") { version } }' });
    await sent(server, collector);
    const commit = collector.one('commit memory');
    expect(collector.pathTo(commit)).toEqual(['WebSocket /graphql', 'mutation', 'setContext', 'commit memory']);
    const [own, other] = collector.named('WebSocket /graphql');
    expect(own).toMatchObject({
      traceId,
      parentSpanId: '00f067aa0ba902b7',
      traceState: 'vendor=opaque',
      kind: 2,
      attributes: { 'network.protocol.name': 'websocket', 'chord.request.id': 'my-operation' },
    });
    expect(other).toMatchObject({ traceId: expect.not.stringMatching(traceId), parentSpanId: '' });
    expect(collector.pathTo(collector.one('read memory'))).toEqual([
      'WebSocket /graphql',
      'query',
      'getContext',
      'read memory',
    ]);
  });

  test('of a subscription as far as its first event, while it goes on', async () => {
    await using collector = await Collector.open();
    const clock = new ManualClock();
    const server = await startApp({ otlpEndpoint: collector.url, clock, recheckMs: 1_000 });
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    await askOn(socket, 'one', followOperation('a'));
    const stream = await RawStream.open(operationUrl(server.url, followOperation('b')));
    await stream.next();
    await collector.waitFor('follow', 2);
    expect(collector.named('read memory').map((span) => collector.pathTo(span))).toEqual([
      ['WebSocket /graphql', 'subscription', 'follow', 'read memory'],
      ['GET /graphql', 'subscription', 'follow', 'read memory'],
    ]);
    expect(collector.one('GET /graphql').attributes).toMatchObject({ 'http.response.status_code': 200 });
    // What the process does for it from now on is nobody's request, although the request has begun it.
    const before = collector.spans.length;
    await server.app.chord.setContext('a', { n: 1 });
    await socket.messages.next();
    await clock.advance(5_000);
    socket.socket.close();
    stream.leave();
    await sent(server, collector);
    expect(collector.names.slice(before)).toEqual([]);
  });
});

test('writes of several requests in one commit: it is a part of one of their traces, and linked with the others', async () => {
  await using collector = await Collector.open();
  const backend = new FaultyBackend(new MemoryBackend());
  const server = await startApp({ otlpEndpoint: collector.url, backend });
  const held: (() => void)[] = [];
  backend.gate = async (point) => {
    if (point === 'commit' && held.length === 0) await new Promise<void>((resolve) => held.push(resolve));
  };
  const first = post(server.url, update(0));
  await until('the first is under way', () => held.length === 1);
  const others = [1, 2, 3].map((n) => post(server.url, update(n)));
  await until('the others wait', () => server.app.stats().queuedWrites === 4);
  for (const release of held) release();
  await Promise.all([first, ...others]);
  await sent(server, collector);
  const [alone, batch] = collector.named('commit own');
  expect(alone).toMatchObject({ links: [], attributes: { 'db.operation.name': 'commit' } });
  expect(batch).toMatchObject({ attributes: { 'db.operation.batch.size': 3 } });
  if (alone === undefined || batch === undefined) throw new Error('no commits');
  const verbs = collector.named('setContext');
  const withBatch = verbs.filter(({ spanId }) => spanId !== alone.parentSpanId);
  const leader = withBatch.find(({ spanId }) => spanId === batch.parentSpanId);
  const waiting = withBatch.filter((verb) => verb !== leader);
  expect(leader?.traceId).toBe(batch.traceId);
  expect(new Set(batch.links.map(({ spanId }) => spanId))).toEqual(new Set(waiting.map(({ spanId }) => spanId)));
  for (const { links, traceId: own } of waiting) {
    expect(links).toEqual([{ traceId: batch.traceId, spanId: batch.spanId }]);
    expect(own).not.toBe(batch.traceId);
  }
});

describe('what went wrong is told by its code', () => {
  test('of the store, as a fault all the way up', async () => {
    await using collector = await Collector.open();
    const backend = new FaultyBackend(new MemoryBackend());
    const server = await startApp({ otlpEndpoint: collector.url, backend });
    backend.commitFaults.push('notStored');
    await post(server.url, noteIt);
    await sent(server, collector);
    expect(collector.one('commit own')).toMatchObject({ status: 2, attributes: { 'error.type': 'notStored' } });
    const above = ['setContext', 'mutation', 'POST /graphql'].map((name) => collector.one(name));
    const fault = { status: 2, attributes: { 'error.type': 'BACKEND_UNAVAILABLE' } };
    expect(above).toMatchObject([fault, fault, fault]);
  });

  test('of the client, as no fault of ours', async () => {
    await using collector = await Collector.open();
    const server = await startApp({ otlpEndpoint: collector.url, maxQueryDepth: 2 });
    await post(server.url, 'mutation { updateContext(id: "absent", changes: {}) { __typename } }');
    await ask(server, { query: '{ contexts { nodes { id } } }' });
    await sent(server, collector);
    expect(collector.one('updateContext')).toMatchObject({
      status: 0,
      attributes: { 'error.type': 'CONTEXT_NOT_FOUND' },
    });
    // A member of the result: the operation has done what it should.
    expect(collector.one('POST /graphql').attributes).not.toHaveProperty(['error.type']);
    expect(collector.one('WebSocket /graphql')).toMatchObject({
      status: 0,
      attributes: { 'error.type': 'LIMIT_EXCEEDED' },
    });
  });
});

test('nothing that is stored, and nothing that says who somebody is, is sent', async () => {
  await using collector = await Collector.open();
  const mark = 'marked-c71d';
  const authenticate = () => ({ id: `${mark}-viewer`, grants: [{ may: ['read', 'write', 'list'] as const }] });
  const server = await startApp({ otlpEndpoint: collector.url, authenticate });
  const query = `mutation { setContext(id: "${mark}-id", state: { key: "${mark}-state" }, origin: "${mark}-origin", idempotencyKey: "${mark}-key") { ... on SetContextPayload { context { state } } } }`;
  await post(server.url, query, { authorization: `Bearer ${mark}-token`, 'user-agent': `${mark}-agent` });
  await ask(server, { query, extensions: { [`${mark}-extension`]: mark } });
  const variables = { id: `${mark}-id` };
  await fetch(operationUrl(server.url, { query: 'query ($id: ID!) { context(id: $id) { state } }', variables }));
  const stream = await RawStream.open(operationUrl(server.url, followOperation(`${mark}-id`)));
  await stream.next();
  stream.leave();
  await post(server.url, `{ ${mark.replace('-', '_')} }`);
  await sent(server, collector);
  expect(collector.names).toEqual(expect.arrayContaining(['setContext', 'follow', 'getContext', 'commit memory']));
  expect(collector.raw).not.toContain('marked');
});

test('a line of the log says in which trace its request is', async () => {
  await using collector = await Collector.open();
  const lines: Readonly<Record<string, unknown>>[] = [];
  const write = (line: string) => lines.push(JSON.parse(line) as Readonly<Record<string, unknown>>);
  const logger = createLogger({ level: 'debug', format: 'json', stream: { write } });
  const server = await startApp({ otlpEndpoint: collector.url, logger });
  await post(server.url, '{', { 'x-request-id': 'wrong' });
  await sent(server, collector);
  const { traceId: own } = collector.one('POST /graphql');
  const about = lines.filter(({ requestId }) => requestId === 'wrong');
  expect(about).toMatchObject([
    { message: 'request refused', traceId: own },
    { message: 'request', traceId: own },
  ]);
});
