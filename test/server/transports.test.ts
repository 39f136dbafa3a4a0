import { EventSource } from 'eventsource';
import { afterEach, describe, expect, test } from 'vitest';
import type { AppOptions } from '../../src/app/app.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { isDeserted, type Operation, post, type RunningApp, startApp, stopApp, stopApps } from '../support/app.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';
import {
  contextChanged,
  eventOf,
  followOperation,
  nextEvent,
  openWebSocket,
  operationUrl,
  RawStream,
  Replica,
  subscribeOn,
  type Transport,
  transports,
} from '../support/transports.ts';
import { soon, until } from '../support/wait.ts';
import { startGate } from './gate.ts';

afterEach(stopApps);

/** The state is heavier than a few deltas, so that who resumes is told a delta. */
const state = { n: 0, padding: 'x'.repeat(1_000) };

async function startWithContext(options: AppOptions = {}) {
  const server = await startApp(options);
  const { epoch } = await server.app.chord.setContext('c', state);
  return { ...server, chord: server.app.chord, epoch };
}

const deserted = ({ app }: RunningApp) => until('nothing of the subscribers is left', () => isDeserted(app));

describe.each(transports)('over $name', (transport: Transport) => {
  test('the first event is the context, then come the changes as they happen', async () => {
    const server = await startWithContext();
    const subscription = transport.subscribe(server, followOperation('c'));
    const replica = new Replica();
    const first = await nextEvent(subscription);
    replica.take(first);
    expect(first).toMatchObject({ __typename: 'FullContext', reason: 'NO_POSITION', version: 1, context: { state } });
    for (let n = 1; n <= 20; n++) {
      await server.chord.updateContext('c', { n });
      replica.take(await nextEvent(subscription));
      expect(replica.is({ ...state, n })).toBe(true);
    }
    expect(replica.seen).toEqual({ 'FullContext NO_POSITION': 1, Delta: 20 });
    subscription.leave();
    await deserted(server);
  });

  test('a client resumes from its position with what it lacks', async () => {
    const server = await startWithContext();
    const { epoch } = server;
    for (let n = 1; n <= 5; n++) await server.chord.updateContext('c', { n });
    const at = transport.subscribe(server, followOperation('c', { clientVersion: 6, clientEpoch: epoch }));
    expect(await nextEvent(at)).toEqual({ __typename: 'NoChange', contextId: 'c', epoch, version: 6 });
    const behind = transport.subscribe(server, followOperation('c', { clientVersion: 3, clientEpoch: epoch }));
    expect(await nextEvent(behind)).toEqual({
      __typename: 'Delta',
      contextId: 'c',
      epoch,
      fromVersion: 3,
      version: 6,
      changes: [{ path: ['n'], action: 'MODIFIED', value: 5, oldValue: 2 }],
    });
    const stranger = transport.subscribe(server, followOperation('c', { clientVersion: 6, clientEpoch: 'other' }));
    expect(await nextEvent(stranger)).toMatchObject({ reason: 'EPOCH_CHANGED' });
    for (const subscription of [at, behind, stranger]) subscription.leave();
    await deserted(server);
  });

  test('a context comes, goes and comes again under one subscription', async () => {
    const server = await startApp();
    const { chord } = server.app;
    const subscription = transport.subscribe(server, followOperation('c'));
    expect(await nextEvent(subscription)).toEqual({ __typename: 'NoContext', contextId: 'c', epoch: '-', version: 0 });
    const { epoch } = await chord.setContext('c', { life: 1 });
    expect(await nextEvent(subscription)).toMatchObject({
      reason: 'NO_POSITION',
      epoch,
      context: { state: { life: 1 } },
    });
    await chord.deleteContext('c');
    expect(await nextEvent(subscription)).toMatchObject({
      __typename: 'ContextGone',
      cause: 'DELETED',
      epoch,
      version: 1,
    });
    await chord.setContext('c', { life: 2 });
    expect(await nextEvent(subscription)).toMatchObject({ reason: 'EPOCH_CHANGED', version: 2 });
    subscription.leave();
    await deserted(server);
  });

  test.each([
    ['an id that is none', followOperation(''), 'BAD_USER_INPUT', 'id'],
    ['a negative version', followOperation('c', { clientVersion: -1 }), 'BAD_USER_INPUT', 'clientVersion'],
    ['a variable of another type', { query: contextChanged, variables: { id: {} } }, 'BAD_USER_INPUT', '$id'],
    [
      'a document that is not valid',
      { query: 'subscription { contextChanged { version } }' },
      'GRAPHQL_VALIDATION_FAILED',
      'id',
    ],
    ['a document that does not parse', { query: 'subscription { contextChanged(' }, 'GRAPHQL_PARSE_FAILED', 'Syntax'],
    [
      'two root fields',
      { query: 'subscription { a: contextChanged(id: "c") { version } b: contextChanged(id: "c") { version } }' },
      'GRAPHQL_VALIDATION_FAILED',
      'one',
    ],
  ])('%s is refused clearly', async (_name, operation: Operation, code, word) => {
    const server = await startApp();
    const subscription = transport.subscribe(server, operation);
    // A result with errors, or an error of the operation: both carry GraphQL errors.
    const refusal = await Promise.race([
      subscription.results.next().then(({ errors }) => errors),
      subscription.end.next().then((end) => (end.kind === 'failed' ? end.reason : end)),
    ]);
    expect(refusal).toMatchObject([{ message: expect.stringContaining(word), extensions: { code } }]);
    expect(JSON.stringify(refusal)).not.toContain('"http"');
    expect(server.logger.errors).toEqual([]);
    subscription.leave();
    await deserted(server);
  });

  test('a store that is away before the first event is reported, with its code', async () => {
    const backend = new FaultyBackend(new MemoryBackend());
    backend.failingReads = 1;
    const server = await startApp({ backend });
    const subscription = transport.subscribe(server, followOperation('c'));
    const refusal = await Promise.race([
      subscription.results.next().then(({ errors }) => errors),
      subscription.end.next().then((end) => (end.kind === 'failed' ? end.reason : end)),
    ]);
    expect(refusal).toMatchObject([{ extensions: { code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' } }]);
    subscription.leave();
    await deserted(server);
    expect(server.logger.errors).toEqual([]);
  });

  test('what nobody expected is masked in its event, and the next events follow', async () => {
    const server = await startApp({
      deltaFormatter: ({ version }) => {
        if (version === 2) throw new Error('a secret');
        return version;
      },
    });
    await server.app.chord.setContext('c', { n: 0 });
    const subscription = transport.subscribe(server, {
      query: 'subscription { contextChanged(id: "c") { version ... on Delta { formatted } } }',
    });
    expect((await subscription.results.next()).data).toEqual({ contextChanged: { version: 1 } });
    await server.app.chord.updateContext('c', { n: 1 });
    const broken = await subscription.results.next();
    expect(broken).toMatchObject({ data: null, errors: [{ extensions: { code: 'INTERNAL_SERVER_ERROR' } }] });
    expect(JSON.stringify(broken)).not.toContain('secret');
    await server.app.chord.updateContext('c', { n: 2 });
    expect((await subscription.results.next()).data).toEqual({ contextChanged: { version: 3, formatted: 3 } });
    expect(server.logger.errors).toHaveLength(1);
    subscription.leave();
    await deserted(server);
  });

  test('leaving frees everything: while nothing happens, while much does, and before the first event', async () => {
    const server = await startWithContext();
    const { app, chord } = server;
    const idle = transport.subscribe(server, followOperation('c'));
    await nextEvent(idle);
    expect(app.stats()).toMatchObject({ followers: 1, watchedContexts: 1 });
    idle.leave();
    await deserted(server);

    const busy = transport.subscribe(server, followOperation('c'));
    await nextEvent(busy);
    const writes = Array.from({ length: 200 }, (_, n) => chord.updateContext('c', { n }));
    busy.leave();
    await Promise.all(writes);
    await deserted(server);

    for (let turn = 0; turn < 20; turn++) {
      const early = transport.subscribe(server, followOperation(`early ${turn}`));
      for (let tick = 0; tick < turn; tick++) await new Promise(setImmediate);
      early.leave();
    }
    await deserted(server);
    expect(server.logger.errors).toEqual([]);
  });

  test('many subscribers of many contexts each see their own', async () => {
    const server = await startApp();
    const ids = Array.from({ length: 10 }, (_, index) => `c${index}`);
    for (const id of ids) await server.app.chord.setContext(id, { id });
    const subscriptions = ids.flatMap((id) => [1, 2].map(() => transport.subscribe(server, followOperation(id))));
    const events = await Promise.all(subscriptions.map((subscription) => nextEvent(subscription)));
    expect(events.map(({ contextId }) => contextId)).toEqual(ids.flatMap((id) => [id, id]));
    expect(server.app.stats()).toMatchObject({ followers: 20, watchedContexts: 10 });
    for (const subscription of subscriptions) subscription.leave();
    await deserted(server);
  });
});

describe('one WebSocket', () => {
  test('carries several subscriptions, and each leaves by itself', async () => {
    const server = await startWithContext();
    await server.chord.setContext('d', { of: 'd' });
    const client = openWebSocket(server);
    const c = subscribeOn(client, followOperation('c'));
    const again = subscribeOn(client, followOperation('c'));
    const d = subscribeOn(client, followOperation('d'));
    expect((await Promise.all([c, again, d].map((one) => nextEvent(one)))).map(({ contextId }) => contextId)).toEqual([
      'c',
      'c',
      'd',
    ]);
    expect(server.app.stats()).toMatchObject({ webSockets: 1, followers: 3, watchedContexts: 2 });
    again.leave();
    await until('one has left', () => server.app.stats().followers === 2);
    await server.chord.updateContext('c', { n: 1 });
    expect(await nextEvent(c)).toMatchObject({ fromVersion: 1, version: 2 });
    expect(again.results.unread).toBe(0);
    c.leave();
    d.leave();
    await until('all have left', () => server.app.stats().followers === 0);
    await client.dispose();
    await deserted(server);
  });

  test('carries queries and mutations too', async () => {
    const server = await startApp();
    const client = openWebSocket(server);
    const write = subscribeOn(client, {
      query:
        'mutation ($state: JSONObject!) { setContext(id: "c", state: $state) { ... on SetContextPayload { version } } }',
      variables: { state: { n: 1 } },
    });
    expect(await write.results.next()).toEqual({ data: { setContext: { version: 1 } } });
    expect(await write.end.next()).toEqual({ kind: 'complete' });
    const read = subscribeOn(client, { query: '{ context(id: "c") { state } }' });
    expect(await read.results.next()).toEqual({ data: { context: { state: { n: 1 } } } });
    expect(await read.end.next()).toEqual({ kind: 'complete' });
    await client.dispose();
    await deserted(server);
  });

  test('keeps its subscriptions whatever another operation on it does wrong', async () => {
    const server = await startWithContext({
      deltaFormatter: () => {
        throw new Error('broken');
      },
    });
    const client = openWebSocket(server);
    const healthy = subscribeOn(client, followOperation('c'));
    await nextEvent(healthy);
    const wrong: readonly Operation[] = [
      { query: '{ context(' },
      { query: '' },
      { query: '{ nothing }' },
      { query: `${'{ a '.repeat(4_900)}${'}'.repeat(4_900)}` },
      { query: 'query ($id: ID!) { context(id: $id) { id } }', variables: { id: {} } },
      { query: 'query ($id: ID!) { context(id: $id) { id } }' },
      { query: 'query A { __typename } query B { __typename }' },
      { query: '{ __typename }', operationName: 'Nobody' },
      { query: 'fragment f on Query { __typename }' },
      { query: '{ context(id: "") { id } }' },
      { query: 'subscription { contextChanged(id: "") { version } }' },
      { query: '{ context(id: "c") { deltas { formatted } } }' },
      { query: 'mutation { deleteContext(id: "none") { __typename } }' },
      { query: 'query @include(if: true) { __typename }' },
    ];
    for (const operation of wrong) {
      const subscription = subscribeOn(client, operation);
      const end = await subscription.end.next();
      const answer = subscription.results.all[0] ?? (end.kind === 'failed' ? end.reason : undefined);
      expect(answer).toBeDefined();
      expect(end.kind === 'failed' ? Array.isArray(end.reason) : true).toBe(true);
      expect(JSON.stringify(answer)).not.toContain('broken');
    }
    await server.chord.updateContext('c', { n: 1 });
    expect(await nextEvent(healthy)).toMatchObject({ fromVersion: 1, version: 2 });
    expect(healthy.end.all).toEqual([]);
    expect(server.app.stats()).toMatchObject({ webSockets: 1, followers: 1 });
    expect(server.logger.errors).toHaveLength(1);
    await client.dispose();
    await deserted(server);
  });
});

const get = (server: RunningApp, operation: Operation, headers: Readonly<Record<string, string>> = {}) =>
  RawStream.open(operationUrl(server.url, operation), { headers });

describe('an event stream', () => {
  test('begins with a comment at once, while there is no event yet', async () => {
    const backend = new FaultyBackend(new MemoryBackend());
    backend.gate = (point) => (point === 'read' ? new Promise(() => undefined) : Promise.resolve());
    const server = await startApp({ backend });
    const stream = await get(server, followOperation('c'));
    expect(await stream.events.next()).toMatchObject({ comment: '' });
    expect(stream.text).toBe(':\nretry: 1000\n\n');
    expect(stream.response.status).toBe(200);
    expect(stream.response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(stream.response.headers.get('cache-control')).toContain('no-cache');
    stream.leave();
    await deserted(server);
  });

  test('is written exactly so', async () => {
    const server = await startWithContext();
    const { epoch } = server;
    const query = 'subscription { contextChanged(id: "c") { version } }';
    const stream = await get(server, { query });
    await stream.next();
    await server.chord.updateContext('c', { n: 1 });
    await stream.next();
    expect(stream.text).toBe(
      `:\nretry: 1000\n\nid: ${epoch}:1\nevent: next\ndata: {"data":{"contextChanged":{"version":1}}}\n\n` +
        `id: ${epoch}:2\nevent: next\ndata: {"data":{"contextChanged":{"version":2}}}\n\n`,
    );
    stream.leave();
    await deserted(server);
  });

  test.each([
    ['{ __typename }', 'contextChanged'],
    ['{ epoch: contextId version: __typename contextId: epoch }', 'contextChanged'],
    ['{ ... on Delta { v: fromVersion } }', 'renamed: contextChanged'],
    ['{ version @skip(if: true) __typename }', 'contextChanged'],
  ])('carries the position as its id when %s is selected of %s', async (selection, field) => {
    const server = await startWithContext();
    const { epoch } = server;
    const stream = await get(server, { query: `subscription { ${field}(id: "c") ${selection} }` });
    expect(await stream.next()).toMatchObject({ id: `${epoch}:1`, event: 'next' });
    await server.chord.updateContext('c', { n: 1 });
    expect(await stream.next()).toMatchObject({ id: `${epoch}:2`, event: 'next' });
    stream.leave();
  });

  test('keeps its id when an event failed, so that the client comes back for it', async () => {
    const server = await startApp({
      deltaFormatter: () => {
        throw new Error('broken');
      },
    });
    const { epoch } = await server.app.chord.setContext('c', { n: 0 });
    const stream = await get(server, {
      query: 'subscription { contextChanged(id: "c") { ... on Delta { formatted } } }',
    });
    await stream.next();
    await server.app.chord.updateContext('c', { n: 1 });
    const event = await stream.next();
    expect(event.id).toBeUndefined();
    expect(event.data).toContain('INTERNAL_SERVER_ERROR');
    expect(stream.text).not.toContain(`id: ${epoch}:2`);
    stream.leave();
  });

  test('ends a position with the id "-", after GONE and after NO_CONTEXT', async () => {
    const server = await startApp();
    const { chord } = server.app;
    const stream = await get(server, followOperation('c'));
    expect((await stream.next()).id).toBe('-');
    const { epoch } = await chord.setContext('c', {});
    expect((await stream.next()).id).toBe(`${epoch}:1`);
    await chord.deleteContext('c');
    expect((await stream.next()).id).toBe('-');
    stream.leave();
    const gone = await get(server, followOperation('c'));
    expect(await gone.next()).toMatchObject({ id: '-', data: expect.stringContaining('ContextGone') });
    gone.leave();
  });

  test('resumes by Last-Event-ID, which outranks the arguments', async () => {
    const server = await startWithContext();
    const { epoch } = server;
    await server.chord.updateContext('c', { n: 1 });
    const first = async (lastEventId: string, operation: Operation) => {
      const stream = await get(server, operation, { 'last-event-id': lastEventId });
      const { data } = await stream.next();
      stream.leave();
      return eventOf(JSON.parse(data ?? ''));
    };
    const current = followOperation('c', { clientVersion: 2, clientEpoch: epoch });
    expect(await first(`${epoch}:1`, followOperation('c'))).toMatchObject({ __typename: 'Delta', fromVersion: 1 });
    expect(await first(`${epoch}:1`, current)).toMatchObject({ __typename: 'Delta', fromVersion: 1 });
    expect(await first(`${epoch}:2`, followOperation('c'))).toMatchObject({ __typename: 'NoChange' });
    expect(await first('other:2', current)).toMatchObject({ reason: 'EPOCH_CHANGED' });
    expect(await first(`${epoch}:9`, current)).toMatchObject({ reason: 'CLIENT_AHEAD' });
    expect(await first('-', current)).toMatchObject({ reason: 'NO_POSITION' });
    for (const unreadable of [
      '',
      'x',
      ':',
      `${epoch}:`,
      `${epoch}:1.5`,
      ':1',
      `${epoch}:-1`,
      `${epoch}:99999999999999999`,
      'a b:1',
      `${epoch}:1:1`,
      'x'.repeat(4_000),
    ]) {
      expect(await first(unreadable, current)).toMatchObject({ __typename: 'NoChange' });
    }
    await deserted(server);
  });

  test('resumes by Last-Event-ID also by POST', async () => {
    const server = await startWithContext();
    await server.chord.updateContext('c', { n: 1 });
    const stream = await RawStream.open(server.url, {
      headers: { 'content-type': 'application/json', 'last-event-id': `${server.epoch}:1` },
      body: JSON.stringify(followOperation('c')),
    });
    expect(await stream.next()).toMatchObject({
      id: `${server.epoch}:2`,
      data: expect.stringContaining('"fromVersion":1'),
    });
    stream.leave();
  });

  test.each(['*/*', 'text/*', 'application/json, text/event-stream', 'text/event-stream;q=0.9, */*;q=0.1'])(
    'is the same to a client that accepts %s',
    async (accept) => {
      const server = await startWithContext();
      const stream = await get(server, followOperation('c'), { accept });
      expect(await stream.next()).toMatchObject({ id: `${server.epoch}:1`, event: 'next' });
      stream.leave();
      await deserted(server);
    },
  );

  test.each(['application/json', 'application/graphql-response+json', 'multipart/mixed'])(
    'is refused to a client that accepts %s alone, and nothing is followed',
    async (accept) => {
      const server = await startWithContext();
      const response = await fetch(server.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept },
        body: JSON.stringify(followOperation('c')),
      });
      expect(response.status).toBe(406);
      expect(response.headers.get('accept')).toContain('text/event-stream');
      expect(await response.text()).not.toContain('data:');
      await deserted(server);
    },
  );

  test('carries queries and mutations as well: one result, then complete', async () => {
    const server = await startWithContext();
    const query = await get(server, { query: '{ context(id: "c") { version } }' });
    expect(await query.next()).toEqual({ event: 'next', data: '{"data":{"context":{"version":1}}}' });
    expect(await query.next()).toEqual({ event: 'complete', data: '' });
    await query.ended;
    const mutation = await RawStream.open(server.url, {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: 'mutation { deleteContext(id: "c") { __typename } }' }),
    });
    expect(await mutation.next()).toEqual({
      event: 'next',
      data: '{"data":{"deleteContext":{"__typename":"DeleteContextPayload"}}}',
    });
    expect(await mutation.next()).toEqual({ event: 'complete', data: '' });
    await mutation.ended;
  });

  test('refuses mutations by GET', async () => {
    const server = await startWithContext();
    const response = await fetch(
      operationUrl(server.url, { query: 'mutation { deleteContext(id: "c") { __typename } }' }),
    );
    expect(response.status).toBe(405);
    expect(await server.chord.getContext('c')).not.toBeNull();
  });

  test('of a client that is gone before it begins holds nothing', async () => {
    const backend = new FaultyBackend(new MemoryBackend());
    const server = await startApp({ backend });
    for (let turn = 0; turn < 30; turn++) {
      const leaving = new AbortController();
      const opening = fetch(operationUrl(server.url, followOperation(`c${turn}`)), {
        headers: { accept: 'text/event-stream' },
        signal: leaving.signal,
      });
      await new Promise(setImmediate);
      leaving.abort();
      await opening.then(({ body }) => body?.cancel()).catch(() => undefined);
    }
    await deserted(server);
    await until('no watch is left', () => backend.inner.watchedIds === 0);
    expect(server.logger.errors).toEqual([]);
  });
});

test('a plain EventSource survives dropped connections, and resumes without gap or duplicate', async () => {
  const server = await startWithContext();
  const gate = await startGate(server.port);
  const source = new EventSource(operationUrl(gate.url, followOperation('c')));
  const replica = new Replica();
  const failures: unknown[] = [];
  let opened = 0;
  source.addEventListener('open', () => opened++);
  source.addEventListener('next', ({ data }) => {
    try {
      replica.take(eventOf(JSON.parse(data)));
    } catch (error) {
      failures.push(error);
    }
  });
  try {
    await until('it follows', () => replica.version === 1);
    let n = 0;
    for (let drop = 1; drop <= 2; drop++) {
      for (let burst = 0; burst < 3; burst++) await server.chord.updateContext('c', { n: ++n });
      gate.cut();
      // Some while nobody follows.
      await deserted(server);
      for (let burst = 0; burst < 3; burst++) await server.chord.updateContext('c', { n: ++n });
      await until('it follows again', () => opened === drop + 1 && replica.is({ ...state, n }));
    }
    expect(failures).toEqual([]);
    // One FULL, at the very beginning: what it lacked after each drop came as a delta.
    expect(replica.seen).toMatchObject({ 'FullContext NO_POSITION': 1, Delta: expect.any(Number) });
    expect(Object.keys(replica.seen).filter((kind) => kind.startsWith('FullContext'))).toHaveLength(1);
  } finally {
    source.close();
    await gate.close();
  }
  await deserted(server);
});

test('200 parallel updates over HTTP are 200 versions, and a follower sees each of them', async () => {
  const server = await startApp({ deltaThreshold: 300 });
  const { chord } = server.app;
  await chord.setContext('c', { fields: {} });
  const client = openWebSocket(server);
  const subscription = subscribeOn(client, followOperation('c'));
  const replica = new Replica();
  replica.take(await nextEvent(subscription));
  const names = Array.from({ length: 200 }, (_, index) => `field ${index}`);
  const results = await Promise.all(
    names.map((name) =>
      post(server.url, {
        query: `mutation ($changes: JSONObject!) {
          updateContext(id: "c", changes: $changes) { ... on UpdateContextPayload { version changed } }
        }`,
        variables: { changes: { fields: { [name]: name } } },
      }),
    ),
  );
  const versions = results.map(({ data }) => Number(Object(data?.['updateContext'])['version']));
  expect(versions.toSorted((a, b) => a - b)).toEqual(names.map((_, index) => index + 2));
  const record = await chord.getContext('c');
  expect(record?.version).toBe(201);
  expect(Object.keys(record?.state['fields'] ?? {}).toSorted()).toEqual(names.toSorted());

  const seen = new Set<string>();
  while (replica.version < 201) {
    // The replica refuses a gap. A delta may span several versions: what counts is that they follow one another.
    const event = await nextEvent(subscription);
    replica.take(event);
    for (const { path } of event.changes ?? []) seen.add(path.join('/'));
  }
  expect(replica.is(record?.state ?? {})).toBe(true);
  expect(seen).toEqual(new Set(names.map((name) => `fields/${name}`)));
  expect(replica.seen['FullContext NO_POSITION']).toBe(1);
  expect(Object.keys(replica.seen).toSorted()).toEqual(['Delta', 'FullContext NO_POSITION']);
  await client.dispose();
});

test('a server without subscribers stops at once', async () => {
  const { app } = await startApp({ drainTimeoutMs: 60_000 });
  await soon('the stop', stopApp(app), 5_000);
  expect(app.stats().webSockets).toBe(0);
});
