/* What administrators are told of the process that answers, over real sockets. */
import { createClient as createEventStreamClient } from 'graphql-sse';
import { createClient } from 'graphql-ws';
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { isDeserted, post, startApp, stopApps } from '../support/app.ts';
import { ManualClock } from '../support/clock.ts';
import { followOperation, nextEvent, subscribeOn } from '../support/transports.ts';
import { Inbox, until } from '../support/wait.ts';

afterEach(stopApps);

test('a process tells what it is, and who is connected to what', async () => {
  const clock = new ManualClock();
  const server = await startApp({ clock, cleanupIntervalMs: 0 });
  const { chord } = server.app;
  await chord.setContext('a', {});
  const { epoch } = (await chord.getContext('a')) ?? {};
  const socket = createClient({ url: server.webSocketUrl, webSocketImpl: WebSocket });
  const [first, second] = [subscribeOn(socket, followOperation('a')), subscribeOn(socket, followOperation('b'))];
  await Promise.all([nextEvent(first), nextEvent(second)]);
  await clock.advance(1_000);
  const operation = followOperation('a');
  const results = new Inbox<unknown>('a result');
  const leave = createEventStreamClient({ url: server.url }).subscribe(
    { query: operation.query, variables: { ...operation.variables } },
    { next: (result) => results.put(result), error: () => undefined, complete: () => undefined },
  );
  await results.next();

  const about = await post(server.url, {
    query: `{ server {
      version startedAt backend storeId isReady
      webSocketCount eventStreamCount subscriptionCount behindCount watchedContextCount queuedWriteCount
    } }`,
  });
  expect(about.data?.['server']).toEqual({
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    startedAt: new Date(clock.now() - 1_000).toISOString(),
    backend: 'memory',
    storeId: expect.stringMatching(/./),
    isReady: true,
    webSocketCount: 1,
    eventStreamCount: 1,
    subscriptionCount: 3,
    behindCount: 0,
    watchedContextCount: 2,
    queuedWriteCount: 0,
  });

  const connections = async (args: string) => {
    const text = `{ connections${args} { totalCount hasNextPage nodes {
      connectionId transport viewerId clientAddress connectedAt expiresAt unsentBytes subscriptionCount
      subscriptions { contextId epoch version isBehind }
    } } }`;
    const { data, errors } = await post(server.url, { query: text });
    expect(errors).toBeUndefined();
    return data?.['connections'] as { readonly totalCount: number; readonly nodes: readonly object[] };
  };
  const connectionId: unknown = expect.stringMatching(/./);
  const common = { connectionId, viewerId: 'anonymous', clientAddress: '127.0.0.1', expiresAt: null, unsentBytes: 0 };
  const onA = { contextId: 'a', epoch, version: 1, isBehind: false };
  const onB = { contextId: 'b', epoch: '-', version: 0, isBehind: false };
  const oldest = {
    ...common,
    transport: 'WEBSOCKET',
    connectedAt: new Date(clock.now() - 1_000).toISOString(),
    subscriptionCount: 2,
    subscriptions: [onA, onB],
  };
  const newest = {
    ...common,
    transport: 'EVENT_STREAM',
    connectedAt: new Date(clock.now()).toISOString(),
    subscriptionCount: 1,
    subscriptions: [onA],
  };
  expect(await connections('')).toEqual({ totalCount: 2, hasNextPage: false, nodes: [oldest, newest] });
  expect(await connections('(limit: 1)')).toEqual({ totalCount: 2, hasNextPage: true, nodes: [oldest] });
  expect(await connections('(offset: 1)')).toEqual({ totalCount: 2, hasNextPage: false, nodes: [newest] });
  expect((await connections('(contextId: "b")')).nodes).toEqual([oldest]);
  expect((await connections('(viewerId: "anna")')).nodes).toEqual([]);
  expect((await connections('(isBehind: true)')).nodes).toEqual([]);
  expect((await connections('(isBehind: false)')).totalCount).toBe(2);
  for (const query of ['{ connections(limit: 0) { totalCount } }', '{ connections(offset: -1) { totalCount } }']) {
    expect(await post(server.url, { query })).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] });
  }

  leave();
  await socket.dispose();
  await until('nobody to be left', async () => (await connections('')).totalCount === 0);
});

interface SlowReader {
  readonly unsentBytes: number;
  readonly subscriptions: readonly { readonly isBehind: boolean }[];
}

test('a reader that takes nothing is a slow one', async () => {
  const server = await startApp();
  const { chord } = server.app;
  const socket = new WebSocket(server.webSocketUrl, 'graphql-transport-ws');
  const messages = new Inbox<string>('a message');
  socket.on('message', (data: Buffer) => messages.put(data.toString()));
  await new Promise((resolve) => {
    socket.once('open', resolve);
  });
  socket.send(JSON.stringify({ type: 'connection_init' }));
  await messages.next();
  const { query, variables } = followOperation('c');
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables } }));
  await messages.next();
  socket.pause();
  const slow = '{ connections(isBehind: true) { nodes { unsentBytes subscriptions { isBehind version } } } }';
  let n = 0;
  const look = async () => {
    const { data } = await post(server.url, { query: slow });
    const page = data?.['connections'] as { readonly nodes: readonly SlowReader[] } | undefined;
    return page?.nodes[0];
  };
  await until('more than the kernel takes', async () => {
    await chord.setContext('c', { n, text: String(n++).repeat(500_000) });
    return ((await look())?.unsentBytes ?? 0) > 0;
  });
  await until('more than that', async () => {
    await chord.setContext('c', { n: n++ });
    return (await look())?.subscriptions[0]?.isBehind === true;
  });
  socket.terminate();
  await until('nobody to be left', () => isDeserted(server.app));
  expect(await look()).toBeUndefined();
});
