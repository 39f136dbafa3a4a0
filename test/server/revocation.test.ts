/* Access that is withdrawn while it is used, on several processes, over real sockets. */
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { createClient as createEventStreamClient } from 'graphql-sse';
import { type Client, createClient } from 'graphql-ws';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { ViewerDescription } from '../../src/access/viewer.ts';
import type { AppOptions } from '../../src/app/app.ts';
import { newKey, replaceFile, temporaryFile } from '../access/stage.ts';
import {
  type GraphQLFailure,
  type GraphQLResult,
  isDeserted,
  LastingBackend,
  type RunningApp,
  startApp,
  stopApps,
} from '../support/app.ts';
import { ManualClock } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';
import { startRedis } from '../support/redis/server.ts';
import { freshPrefix, sharedRedis } from '../support/redis/shared.ts';
import { followOperation, nextEvent, type Subscription, subscribeOn } from '../support/transports.ts';
import { Inbox, until } from '../support/wait.ts';

afterEach(stopApps);

const all = ['read', 'write', 'list'] as const;
const viewers: Readonly<Record<string, ViewerDescription>> = {
  admin: { id: 'admin', grants: [{ may: ['admin'] }] },
  deputy: { id: 'deputy', grants: [{ may: ['admin'] }] },
  anna: { id: 'anna', grants: [{ may: all }] },
  annaLater: { id: 'anna', grants: [{ may: all }], issuedAtMs: Date.UTC(2099, 0, 1) },
  bert: { id: 'bert', grants: [{ may: all }] },
};

const authenticate: AppOptions['authenticate'] = ({ header, connectionParams }) => {
  const given = connectionParams?.['authorization'] ?? header('authorization');
  return (typeof given === 'string' ? viewers[given.replace('Bearer ', '')] : undefined) ?? null;
};

function connect({ webSocketUrl }: RunningApp, token: string) {
  const closed = new Inbox<{ readonly code: number; readonly reason: string }>('the close');
  const client: Client = createClient({
    url: webSocketUrl,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
    on: { closed: (event) => closed.put(event as { code: number; reason: string }) },
  });
  return { client, closed };
}

/** A subscription that has had its first event. */
async function follow(client: Client, id: string): Promise<Subscription> {
  const subscription = subscribeOn(client, followOperation(id));
  await nextEvent(subscription);
  return subscription;
}

async function ask({ url }: RunningApp, token: string, query: string): Promise<GraphQLResult> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query }) });
  return (await response.json()) as GraphQLResult;
}

async function revoke(server: RunningApp, args: string): Promise<string> {
  const { data, errors } = await ask(
    server,
    'admin',
    `mutation { revokeAccess(${args}) { ... on RevokeAccessPayload { revocation { revocationId } } } }`,
  );
  expect(errors).toBeUndefined();
  const payload = data?.['revokeAccess'] as { readonly revocation?: { readonly revocationId: string } } | undefined;
  return payload?.revocation?.revocationId ?? '';
}

/** With what a subscription on a WebSocket failed. */
async function failureOf({ end }: Subscription): Promise<unknown> {
  const { kind, ...rest } = await end.next();
  return kind === 'failed' && 'reason' in rest ? codesOf({ errors: rest.reason as readonly GraphQLFailure[] }) : kind;
}

function codesOf({ errors }: GraphQLResult): unknown {
  return errors?.map(({ extensions }) => extensions?.['code']);
}

const stores: Readonly<Record<string, () => Promise<AppOptions>>> = {
  memory: async () => ({ backend: new LastingBackend() }),
  redis: async () => ({ backend: 'redis', redisUrl: await sharedRedis(), redisPrefix: freshPrefix() }),
};

describe.each(Object.entries(stores))('on %s, of two processes', (_name, open) => {
  async function start() {
    const options = { ...(await open()), authenticate };
    const [near, far] = await Promise.all([startApp(options), startApp(options)]);
    return { near, far };
  }

  test('a viewer who is revoked on one loses everything on both, and comes in with later credentials', async () => {
    const { near, far } = await start();
    const [here, there, other] = [connect(near, 'anna'), connect(far, 'anna'), connect(far, 'bert')];
    const [first, second, third] = await Promise.all([
      follow(here.client, 'c'),
      follow(there.client, 'c'),
      follow(other.client, 'c'),
    ]);
    const stream = new Inbox<GraphQLResult>('a result of the stream');
    const { query, variables } = followOperation('c');
    createEventStreamClient({ url: far.url, headers: { authorization: 'Bearer anna' }, retryAttempts: 0 }).subscribe(
      { query, variables: { ...variables } },
      { next: (result) => stream.put(result as GraphQLResult), error: () => undefined, complete: () => undefined },
    );
    await stream.next();

    await revoke(near, 'viewerId: "anna"');
    const end = { code: 4403, reason: 'The credentials were revoked.' };
    expect(await here.closed.next()).toMatchObject(end);
    expect(await there.closed.next()).toMatchObject(end);
    expect(codesOf(await stream.next())).toEqual(['UNAUTHENTICATED']);
    await near.app.chord.setContext('c', { secret: true });
    expect(await nextEvent(third)).toMatchObject({ version: 1 });
    expect([first.results.unread, second.results.unread, stream.unread]).toEqual([0, 0, 0]);

    for (const server of [near, far]) {
      expect(codesOf(await ask(server, 'anna', '{ viewer { viewerId } }'))).toEqual(['UNAUTHENTICATED']);
      const again = connect(server, 'anna');
      subscribeOn(again.client, followOperation('c'));
      expect(await again.closed.next()).toMatchObject(end);
      expect(await ask(server, 'annaLater', '{ context(id: "c") { version } }')).toMatchObject({
        data: { context: { version: 1 } },
      });
    }
  });

  test('a context that is revoked is closed to the viewer, or to all, until that is ended', async () => {
    const { near, far } = await start();
    for (const id of ['c1', 'c2', 'c3']) await near.app.chord.setContext(id, {});
    const { client, closed } = connect(far, 'anna');
    const lost = await follow(client, 'c1');
    const kept = await follow(client, 'c2');
    const other = await follow(connect(far, 'bert').client, 'c1');

    const revocationId = await revoke(near, 'viewerId: "anna", contextId: "c1"');
    expect(await failureOf(lost)).toEqual(['FORBIDDEN']);
    await near.app.chord.setContext('c1', { secret: true });
    await near.app.chord.setContext('c2', { n: 1 });
    expect(await nextEvent(other)).toMatchObject({ version: 2 });
    expect(await nextEvent(kept)).toMatchObject({ version: 2 });
    expect(lost.results.unread).toBe(0);
    expect(closed.all).toEqual([]);

    const reads = [
      '{ context(id: "c1") { id } }',
      '{ syncContext(id: "c1") { version } }',
      '{ deltas(contextId: "c1") { totalCount } }',
      'mutation { setContext(id: "c1", state: {}) { __typename } }',
      'mutation { updateContext(id: "c1", changes: {}) { __typename } }',
    ];
    const refusals = await Promise.all(reads.map((query) => ask(far, 'anna', query)));
    expect(refusals.map(codesOf)).toEqual(reads.map(() => ['FORBIDDEN']));
    const resumed = subscribeOn(client, followOperation('c1', { clientVersion: 1 }));
    expect(codesOf(await resumed.results.next())).toEqual(['FORBIDDEN']);
    const list = '{ contexts { nodes { id } totalCount } deltas { nodes { contextId } } }';
    const { data } = await ask(far, 'anna', list);
    expect(data?.['contexts']).toEqual({ nodes: [{ id: 'c2' }, { id: 'c3' }], totalCount: 2 });
    expect(JSON.stringify(data)).not.toContain('c1');

    await revoke(far, 'contextId: "c1"');
    expect(await failureOf(other)).toEqual(['FORBIDDEN']);
    const { data: left } = await ask(
      near,
      'admin',
      '{ revocations(contextId: "c1") { nodes { revocationId viewerId contextId expiresAt } totalCount } }',
    );
    const ofAnna = { revocationId, viewerId: 'anna', contextId: 'c1', expiresAt: null };
    const nodes = [ofAnna, { viewerId: null, contextId: 'c1' }];
    expect(left?.['revocations']).toMatchObject({ nodes, totalCount: 2 });
    const page = left?.['revocations'] as { readonly nodes: readonly { readonly revocationId: string }[] } | undefined;
    for (const one of page?.nodes ?? []) {
      const end = `mutation { endRevocation(id: "${one.revocationId}") { revocation { revocationId } } }`;
      expect((await ask(near, 'admin', end)).data).toEqual({
        endRevocation: { revocation: { revocationId: one.revocationId } },
      });
    }
    for (const token of ['anna', 'bert']) {
      const isOpen = async () => codesOf(await ask(far, token, '{ context(id: "c1") { id } }')) === undefined;
      await until('access to be back', isOpen);
    }
  });
});

describe('while the store is away', () => {
  test('nothing is sent to who may have been revoked meanwhile, and to the others all of it is, later', async () => {
    const store = new LastingBackend();
    const link = new FaultyBackend(store);
    const clock = new ManualClock();
    const near = await startApp({ backend: link, clock, authenticate, cleanupIntervalMs: 0 });
    const far = await startApp({ backend: store, clock, authenticate, cleanupIntervalMs: 0 });
    await far.app.chord.setContext('c', {});
    const anna = connect(near, 'anna');
    const lost = await follow(anna.client, 'c');
    const kept = await follow(connect(near, 'bert').client, 'c');
    // Announcements still come, and reads do not.
    link.failingReads = Number.POSITIVE_INFINITY;
    await clock.advance(1_001);
    await revoke(far, 'viewerId: "anna"');
    await far.app.chord.setContext('c', { secret: true });
    expect(codesOf(await ask(near, 'bert', '{ context(id: "c") { id } }'))).toEqual(['BACKEND_UNAVAILABLE']);
    await clock.advance(5_000);
    expect([lost.results.unread, kept.results.unread]).toEqual([0, 0]);

    link.failingReads = 0;
    await clock.advance(250);
    expect(await anna.closed.next()).toMatchObject({ code: 4403 });
    expect(lost.results.unread).toBe(0);
    expect(await nextEvent(kept)).toMatchObject({ version: 2 });
  });

  test('a process that was held up for a second looks before it answers', async () => {
    const store = new LastingBackend();
    const clock = new ManualClock();
    const options = { backend: store, clock, authenticate, cleanupIntervalMs: 0 };
    const [near, far] = [await startApp(options), await startApp(options)];
    const asked = [
      ['anna', 'mutation { setContext(id: "c", state: {}) { __typename } }'],
      ['deputy', 'mutation { stopCleanup { __typename } }'],
    ] as const;
    for (const [viewerId, query] of asked) {
      await revoke(far, `viewerId: "${viewerId}"`);
      // Nobody is woken, as when the process hung.
      clock.set(clock.now() + 1_001);
      expect(codesOf(await ask(near, viewerId, query))).toEqual(['UNAUTHENTICATED']);
    }
  });

  test('who leaves is waited for by nobody', async () => {
    const link = new FaultyBackend(new LastingBackend());
    const clock = new ManualClock();
    const server = await startApp({ backend: link, clock, authenticate, cleanupIntervalMs: 0 });
    await server.app.chord.setContext('c', {});
    const { client } = connect(server, 'anna');
    await follow(client, 'c');
    link.failingReads = Number.POSITIVE_INFINITY;
    await clock.advance(1_001);
    const looks = link.calls.noteRevision;
    await server.app.chord.setContext('c', { n: 1 });
    await until('the event to be held', () => link.calls.noteRevision > looks);
    await client.dispose();
    await until('nothing to be left', () => server.app.stats().followers === 0);
    expect(isDeserted(server.app)).toBe(true);
  });

  test('a Redis that dies and comes back delivers to nobody who was revoked before', async () => {
    await using redis = await startRedis({ appendOnly: true, args: ['--appendfsync', 'always'] });
    const clock = new ManualClock();
    const store = { backend: 'redis', redisUrl: [redis.url], redisTimeoutMs: 1_000 } as const;
    const options = { ...store, clock, authenticate, cleanupIntervalMs: 0 };
    const [near, far] = await Promise.all([startApp(options), startApp(options)]);
    const anna = connect(far, 'anna');
    const lost = await follow(anna.client, 'c');
    const kept = await follow(connect(far, 'bert').client, 'c');
    await revoke(near, 'viewerId: "anna"');
    await redis.kill();
    await clock.advance(1_001);
    await redis.start();
    await until('a write', () =>
      near.app.chord.setContext('c', { secret: true }).then(
        () => true,
        () => false,
      ),
    );
    await until('the event', async () => {
      await clock.advance(250);
      return kept.results.unread > 0;
    });
    expect(await anna.closed.next()).toMatchObject({ code: 4403 });
    expect(JSON.stringify(lost.results.all)).not.toContain('secret');
  });
});

/** A server with one key, a WebSocket that it has opened, and a way to change the file. */
async function startWithKey() {
  const clock = new ManualClock();
  const path = temporaryFile('keys.json');
  const grants = [{ may: ['read', 'list'] }];
  const { key, entry } = newKey('anna', { grants });
  replaceFile(path, [entry]);
  const server = await startApp({ clock, apiKeysFile: path, cleanupIntervalMs: 0 });
  const change = async (entries: readonly object[]) => {
    replaceFile(path, entries);
    const before = server.logger.lines.length;
    await until('the file to be read', async () => {
      await clock.advance(1_000);
      return server.logger.lines.length > before;
    });
  };
  return { server, key, entry, change, ...connect(server, key) };
}

describe('an API key', () => {
  test('that is taken out of the file ends what it has opened', async () => {
    const { client, closed, change } = await startWithKey();
    await follow(client, 'c');
    await change([]);
    expect(await closed.next()).toMatchObject({ code: 4403, reason: 'The credentials were revoked.' });
  });

  test('that comes to stand for somebody else does, too', async () => {
    const { client, closed, change, entry } = await startWithKey();
    await follow(client, 'c');
    await change([{ ...entry, id: 'bert' }]);
    expect(await closed.next()).toMatchObject({ code: 4403 });
  });

  test('that is taken out while a request is on the way lets it do nothing', async () => {
    const { server, key, change } = await startWithKey();
    const { query, variables } = followOperation('c');
    const body = JSON.stringify({ query, variables: { ...variables } });
    const socket = connectTcp(server.port, '127.0.0.1');
    let heard = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      heard += chunk;
    });
    const head = ['POST /graphql HTTP/1.1', 'Host: localhost', 'Content-Type: application/json'];
    const rest = [`Authorization: Bearer ${key}`, 'Accept: text/event-stream', `Content-Length: ${body.length}`];
    socket.write(`${[...head, ...rest].join('\r\n')}\r\n\r\n${body.slice(0, 5)}`);
    await once(socket, 'connect');
    await until(
      'the request to be let in',
      async () => (await ask(server, key, '{ viewer { viewerId } }')).data !== null,
    );
    await change([]);
    socket.write(body.slice(5));
    await until('the answer', () => heard.includes('UNAUTHENTICATED'));
    expect(server.app.stats().followers).toBe(0);
    socket.destroy();
  });

  test('whose grants change keeps what they still permit', async () => {
    const { server, client, closed, change, entry, key } = await startWithKey();
    const lost = await follow(client, 'a');
    const kept = await follow(client, 'b');
    await change([{ ...entry, grants: [{ may: ['read'], id: 'b' }] }]);
    expect(await failureOf(lost)).toEqual(['FORBIDDEN']);
    await server.app.chord.setContext('b', {});
    expect(await nextEvent(kept)).toMatchObject({ version: 1 });
    expect(closed.all).toEqual([]);
    expect(codesOf(await ask(server, key, '{ context(id: "a") { id } }'))).toEqual(['FORBIDDEN']);
  });
});

test('an administrator is not locked out by itself, and what it does is in the log', async () => {
  const server = await startApp({ authenticate });
  expect(codesOf(await ask(server, 'admin', 'mutation { revokeAccess(viewerId: "admin") { __typename } }'))).toEqual([
    'BAD_USER_INPUT',
  ]);
  const revocationId = await revoke(server, 'viewerId: "anna", contextId: "secret"');
  await ask(server, 'admin', `mutation { endRevocation(id: "${revocationId}") { __typename } }`);
  const fields = { revocationId, revokedViewerId: 'anna', isOfContext: true, expiresAt: null, viewerId: 'admin' };
  expect(server.logger.lines.filter(({ message }) => /revo/.test(message))).toEqual([
    { level: 'info', message: 'access revoked', fields },
    { level: 'info', message: 'revocation ended', fields },
  ]);
});

test('what waits for a reader of an event stream who is revoked is not sent', async () => {
  const server = await startApp({ authenticate });
  await server.app.chord.setContext('c', {});
  const { query, variables } = followOperation('c');
  const body = JSON.stringify({ query, variables: { ...variables } });
  const socket = connectTcp(server.port, '127.0.0.1');
  let heard = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    heard += chunk;
  });
  const head = ['POST /graphql HTTP/1.1', 'Host: localhost', 'Content-Type: application/json'];
  const rest = ['Authorization: Bearer anna', 'Accept: text/event-stream', `Content-Length: ${body.length}`];
  socket.write(`${[...head, ...rest].join('\r\n')}\r\n\r\n${body}`);
  await until('the first event', () => heard.includes('FullContext'));
  socket.pause();
  const unsent = async () => {
    const { data } = await ask(server, 'admin', '{ connections { nodes { unsentBytes } } }');
    const page = data?.['connections'] as { readonly nodes: readonly { readonly unsentBytes: number }[] } | undefined;
    return page?.nodes[0]?.unsentBytes ?? 0;
  };
  let n = 0;
  await until('more than the kernel takes', async () => {
    await server.app.chord.setContext('c', { n, text: `${String(n++).repeat(500_000)}END` });
    return (await unsent()) > 0;
  });
  await revoke(server, 'viewerId: "anna"');
  const closed = once(socket, 'close');
  socket.on('error', () => undefined).resume();
  await closed;
  // Cut off in an event.
  expect(heard.endsWith('\n\n')).toBe(false);
  expect(heard).not.toContain('were revoked');
});

test('where nobody is asked who they are, nothing can be revoked', async () => {
  const server = await startApp();
  expect(
    (await ask(server, 'anybody', 'mutation { revokeAccess(contextId: "c") { __typename ... on Error { message } } }'))
      .data,
  ).toEqual({ revokeAccess: { __typename: 'NotConfiguredError', message: 'The option authenticate is not set.' } });
});
