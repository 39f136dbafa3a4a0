/* Credentials that run out, and what follows from what a viewer may not do, over real sockets. */
import { createClient as createEventStreamClient } from 'graphql-sse';
import { type Client, createClient } from 'graphql-ws';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { ViewerDescription } from '../../src/access/viewer.ts';
import type { AppOptions } from '../../src/app/app.ts';
import { type GraphQLResult, type RunningApp, startApp, stopApps } from '../support/app.ts';
import { providerOf } from '../support/archive.ts';
import { ManualClock } from '../support/clock.ts';
import { followOperation, nextEvent, subscribeOn } from '../support/transports.ts';
import { Inbox, until } from '../support/wait.ts';

afterEach(stopApps);

const authGraceMs = 5_000;

/** Tokens are `id lifetimeMs`, or the names of `viewers`. */
async function start(viewers: Readonly<Record<string, ViewerDescription>> = {}, options: AppOptions = {}) {
  const clock = new ManualClock();
  const server = await startApp({
    clock,
    authGraceMs,
    cleanupIntervalMs: 0,
    ...options,
    authenticate: ({ header, connectionParams }) => {
      const given = connectionParams?.['authorization'] ?? header('authorization');
      const token = typeof given === 'string' ? given.replace('Bearer ', '') : '';
      const [id, lifetimeMs] = token.split('_');
      if (id === undefined || lifetimeMs === undefined) return viewers[token] ?? null;
      return { id, grants: [{ may: ['read', 'write'] }], expiresAtMs: clock.now() + Number(lifetimeMs) };
    },
  });
  return { clock, server, chord: server.app.chord };
}

function connect(server: RunningApp, token: string) {
  const closed = new Inbox<{ readonly code: number; readonly reason: string }>('the close');
  const client: Client = createClient({
    url: server.webSocketUrl,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
    on: { closed: (event) => closed.put(event as { code: number; reason: string }) },
  });
  return { client, closed };
}

/** One operation on an open WebSocket. */
async function ask(client: Client, query: string): Promise<GraphQLResult> {
  for await (const result of client.iterate({ query })) return result as GraphQLResult;
  throw new Error('no result');
}

async function post(server: RunningApp, token: string, query: string): Promise<GraphQLResult> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const response = await fetch(server.url, { method: 'POST', headers, body: JSON.stringify({ query }) });
  return (await response.json()) as GraphQLResult;
}

describe('credentials that run out', () => {
  test('end the WebSocket with 4403, when the time for new ones is over as well', async () => {
    const { clock, server, chord } = await start();
    const { client, closed } = connect(server, 'anna_1000');
    const subscription = subscribeOn(client, followOperation('c'));
    await nextEvent(subscription);
    await clock.advance(1_000 + authGraceMs - 1);
    // What is open goes on, and nothing begins.
    for (const query of [
      '{ contexts { nodes { id } } }',
      '{ deltas { nodes { version } } }',
      '{ cleanup { running } }',
      '{ context(id: "c") { id } }',
      'mutation { stopCleanup { __typename } }',
    ]) {
      expect(await ask(client, query)).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
    }
    await chord.setContext('c', { n: 1 });
    expect(await nextEvent(subscription)).toMatchObject({ __typename: 'FullContext' });
    await clock.advance(1);
    expect(await closed.next()).toMatchObject({ code: 4403, reason: 'The credentials have run out.' });
    await until('nothing to be left', () => server.app.stats().followers === 0);
  });

  test('and are replaced in time, let the subscriptions go on', async () => {
    const { clock, server, chord } = await start();
    const { client, closed } = connect(server, 'anna_1000');
    const subscription = subscribeOn(client, followOperation('c'));
    await nextEvent(subscription);
    await clock.advance(1_000);
    const refresh = (token: string) =>
      ask(
        client,
        `mutation { refreshCredentials(token: "${token}") {
          __typename ... on RefreshCredentialsPayload { viewer { viewerId expiresAt } } ... on Error { message }
        } }`,
      );
    expect(await refresh('wrong')).toMatchObject({
      data: { refreshCredentials: { __typename: 'UnauthenticatedError', message: 'The credentials are not valid.' } },
    });
    expect(await refresh('bert_9000')).toMatchObject({
      data: { refreshCredentials: { message: 'The credentials are of another viewer.' } },
    });
    const expiresAt = new Date(clock.now() + 60_000).toISOString();
    expect(await refresh('anna_60000')).toMatchObject({
      data: { refreshCredentials: { viewer: { viewerId: 'anna', expiresAt } } },
    });
    await clock.advance(50_000);
    await chord.setContext('c', { n: 1 });
    expect(await nextEvent(subscription)).toMatchObject({ version: 1 });
    expect(closed.all).toEqual([]);
    await clock.advance(10_000 + authGraceMs);
    expect(await closed.next()).toMatchObject({ code: 4403 });
  });

  test('end an event stream with a result that says so, and what waits is not sent', async () => {
    const { clock, server, chord } = await start();
    const client = createEventStreamClient({
      url: server.url,
      headers: { authorization: 'Bearer anna_1000' },
      retryAttempts: 0,
    });
    const results = new Inbox<GraphQLResult>('a result');
    const { query, variables } = followOperation('c');
    const leave = client.subscribe(
      { query, variables: { ...variables } },
      { next: (result) => results.put(result as GraphQLResult), error: () => undefined, complete: () => undefined },
    );
    await results.next();
    await clock.advance(1_000 + authGraceMs);
    expect(await results.next()).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
    await chord.setContext('c', { n: 1 });
    await until('nothing to be left', () => server.app.stats().followers === 0);
    expect(results.unread).toBe(0);
    leave();
  });

  test('are waited for by nobody once the event stream is left', async () => {
    const { clock, server } = await start();
    const sleepers = clock.sleepers;
    const client = createEventStreamClient({
      url: server.url,
      headers: { authorization: 'Bearer anna_1000' },
      retryAttempts: 0,
    });
    const results = new Inbox<GraphQLResult>('a result');
    const { query, variables } = followOperation('c');
    const leave = client.subscribe(
      { query, variables: { ...variables } },
      { next: (result) => results.put(result as GraphQLResult), error: () => undefined, complete: () => undefined },
    );
    await results.next();
    expect(clock.sleepers).toBeGreaterThan(sleepers);
    leave();
    await until('nobody to sleep', () => clock.sleepers === sleepers);
  });
});

function set(state: string, rest = ''): string {
  return `mutation { setContext(id: "c", state: ${state}${rest}) {
    __typename ... on SetContextPayload { version context { state } delta { changes { path } } }
    ... on VersionConflictError { message currentVersion currentEpoch }
  } }`;
}

/** Brings back what has one field more. */
const provider: AppOptions = { provider: providerOf(() => ({ version: 1, state: { a: 1, b: 2 } })) };

describe('who may write and not read', () => {
  const viewers = {
    writer: { id: 'writer', grants: [{ may: ['write', 'delete', 'restore'] }] },
    owner: { id: 'owner', grants: [{ may: ['read', 'write'] }] },
    keeper: { id: 'keeper', grants: [{ may: ['read', 'write', 'delete', 'restore'] }] },
  } as const satisfies Readonly<Record<string, ViewerDescription>>;

  test('is told neither state nor delta, and conflicts without a position', async () => {
    const { server } = await start(viewers);
    expect(await post(server, 'owner', set('{ a: 1 }'))).toMatchObject({
      data: { setContext: { version: 1, context: { state: { a: 1 } } } },
    });
    expect((await post(server, 'writer', set('{ a: 2 }'))).data).toEqual({
      setContext: { __typename: 'SetContextPayload', version: 2, context: null, delta: null },
    });
    expect((await post(server, 'writer', set('{ a: 3 }', ', expectedVersion: 7'))).data).toEqual({
      setContext: {
        __typename: 'VersionConflictError',
        message: 'The write expected another position.',
        currentVersion: null,
        currentEpoch: null,
      },
    });
  });

  const updating = 'updateContext(id: "c", changes: { a: 4 }';
  const restoring = 'restoreContext(id: "c"';
  const deleting = 'deleteContext(id: "c"';
  const conflict = '... on VersionConflictError { currentVersion currentEpoch }';

  test.each([
    ['updateContext', updating, 'UpdateContextPayload'],
    ['restoreContext', restoring, 'RestoreContextPayload'],
  ])('is told neither by %s', async (name, write, payload) => {
    const { server, chord } = await start(viewers, provider);
    await chord.setContext('c', { a: 1 });
    const selection = `__typename ... on ${payload} { version context { state } delta { changes { path } } }`;
    const written = async (token: string) =>
      (await post(server, token, `mutation { ${write}) { ${selection} } }`)).data?.[name];
    expect(await written('writer')).toEqual({ __typename: payload, version: 2, context: null, delta: null });
    await chord.setContext('c', { a: 1 });
    // Whoever may read as well is told all of it.
    expect(await written('keeper')).toMatchObject({ version: 4, context: { state: {} }, delta: { changes: [{}] } });
  });

  test.each([
    ['updateContext', updating],
    ['restoreContext', restoring],
    ['deleteContext', deleting],
  ])('is told of a conflict by %s, and nothing of the position', async (name, write) => {
    const { server, chord } = await start(viewers, provider);
    const { epoch } = await chord.setContext('c', { a: 1 });
    const query = `mutation { ${write}, expectedVersion: 7) { __typename ${conflict} } }`;
    const told = { __typename: 'VersionConflictError', currentVersion: 1, currentEpoch: epoch };
    expect((await post(server, 'writer', query)).data?.[name]).toEqual({
      ...told,
      currentVersion: null,
      currentEpoch: null,
    });
    expect((await post(server, 'keeper', query)).data?.[name]).toEqual(told);
  });

  test('is refused a reading, whether the context is there or not, in the same words', async () => {
    const { server, chord } = await start(viewers);
    await chord.setContext('there', {});
    const errorsOf = async (id: string) => {
      const { errors } = await post(
        server,
        'writer',
        `{ context(id: "${id}") { id } syncContext(id: "${id}") { version } }`,
      );
      return errors?.map(({ message, extensions }) => ({ message, extensions }));
    };
    expect(await errorsOf('there')).toEqual(await errorsOf('nowhere'));
  });
});

describe('a list', () => {
  test('holds and counts what may be listed and read, and names nothing else', async () => {
    const { server, chord } = await start({
      some: {
        id: 'some',
        grants: [
          { may: ['list'], idPrefix: 'call:' },
          { may: ['read'], idPrefix: 'call:a' },
          { may: ['list', 'read'], id: 'note' },
        ],
      },
      pattern: { id: 'pattern', grants: [{ may: ['list', 'read'], idPattern: '*:a*' }] },
    });
    for (const id of ['a', 'call:a1', 'call:a2', 'call:b1', 'note', 'note:1', 'zebra']) await chord.setContext(id, {});
    const page = '{ contexts(limit: 2) { nodes { id } totalCount hasNextPage endCursor } }';
    expect((await post(server, 'some', page)).data?.['contexts']).toEqual({
      nodes: [{ id: 'call:a1' }, { id: 'call:a2' }],
      totalCount: 3,
      hasNextPage: true,
      endCursor: 'call:a2',
    });
    const rest = '{ contexts(after: "call:a2") { nodes { id } hasNextPage endCursor } }';
    expect((await post(server, 'some', rest)).data?.['contexts']).toEqual({
      nodes: [{ id: 'note' }],
      hasNextPage: false,
      endCursor: 'note',
    });
    const back = '{ contexts(order: DESC) { nodes { id } } }';
    expect((await post(server, 'some', back)).data?.['contexts']).toEqual({
      nodes: [{ id: 'note' }, { id: 'call:a2' }, { id: 'call:a1' }],
    });
    const named = '{ contexts(filter: { ids: ["call:a1", "call:b1", "zebra"] }) { nodes { id } totalCount } }';
    expect((await post(server, 'some', named)).data?.['contexts']).toEqual({
      nodes: [{ id: 'call:a1' }],
      totalCount: 1,
    });
    expect((await post(server, 'pattern', page)).data?.['contexts']).toMatchObject({
      nodes: [{ id: 'call:a1' }, { id: 'call:a2' }],
      totalCount: null,
    });
  });
});
