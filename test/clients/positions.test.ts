/** What the libraries do with the variables of a subscription when they connect again: why the recipes are as they are. */
import { ApolloClient, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-sse';
import { createClient as createWebSocketClient } from 'graphql-ws';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { createCache } from '../../examples/clients/apollo.ts';
import { withLateEnd } from '../../examples/clients/graphql-sse.ts';
import { connect } from '../../examples/clients/graphql-ws.ts';
import {
  type Context,
  type FollowData,
  type FollowEvent,
  followQuery,
  Replica,
} from '../../examples/clients/replica.ts';
import { post, startApp, stopApp } from '../support/app.ts';
import { until } from '../support/wait.ts';
import { countContinuous, kindOf, loseConnections, play, type Recipe } from './play.ts';

const withPlainVariables: Recipe = ({ url, id, onEvent, onError }) => {
  const replica = new Replica();
  const client = connect(url);
  client.subscribe<FollowData>(
    { query: followQuery, variables: { id } },
    {
      next: ({ data }) => {
        if (data && replica.take(data.contextChanged)) onEvent(data.contextChanged, replica.state);
      },
      error: onError,
      complete: () => undefined,
    },
  );
  return () => void client.dispose();
};

test('without a position in its variables, graphql-ws begins each connection with FULL', { timeout: 60_000 }, () =>
  play(withPlainVariables, async (scene) => {
    await loseConnections(scene, 'WebSocket');
    await scene.catchUp();
    expect(countContinuous(scene.seen).FullContext).toBeGreaterThanOrEqual(7);
    expect(countContinuous(scene.seen).NoChange).toBe(0);
    const connections = scene.seen.map(({ connection }) => connection);
    const firsts = scene.seen.filter((_seen, index) => connections[index] !== connections[index - 1]);
    expect(new Set(firsts.map(({ event }) => kindOf(event)))).toEqual(new Set(['FullContext']));
  }),
);

const withPlainApolloLink: Recipe = ({ url, id, onEvent, onError }) => {
  const replica = new Replica();
  const webSocket = connect(url);
  const client = new ApolloClient({ cache: createCache(), link: new GraphQLWsLink(webSocket) });
  client.subscribe<FollowData>({ query: gql(followQuery), variables: { id } }).subscribe(({ data, error }) => {
    if (error !== undefined) onError(error);
    if (data && replica.take(data.contextChanged)) onEvent(data.contextChanged, replica.state);
  });
  return () => {
    client.stop();
    void webSocket.dispose();
  };
};

test('with its own link, Apollo Client begins each connection with FULL', () =>
  play(withPlainApolloLink, async (scene) => {
    await scene.reconnect(() => scene.stage.cut('reset'));
    await scene.reconnect(() => scene.stage.restart('drain'));
    await scene.catchUp();
    expect(countContinuous(scene.seen)).toMatchObject({ FullContext: 3, NoChange: 0 });
  }));

test('a position fixed in the variables of graphql-ws never continues the copy after a reconnect', () => {
  const refused: FollowEvent[] = [];
  /** As one might begin: the context by a query, and the subscription from there. */
  const withFixedPosition: Recipe = ({ url, id, onEvent, onError }) => {
    const replica = new Replica();
    const client = connect(url);
    const take = (event: FollowEvent) => {
      if (replica.take(event)) onEvent(event, replica.state);
      else refused.push(event);
    };
    const query = 'query ($id: ID!) { context(id: $id) { id epoch version state } }';
    const start = async () => {
      const { data } = await post(url, { query, variables: { id } });
      const context = data?.['context'] as Context;
      take({ __typename: 'FullContext', epoch: context.epoch, version: context.version, context });
      client.subscribe<FollowData>(
        { query: followQuery, variables: { id, ...replica.position } },
        { next: ({ data: event }) => event && take(event.contextChanged), error: onError, complete: () => undefined },
      );
    };
    start().catch(onError);
    return () => void client.dispose();
  };
  return play(withFixedPosition, async ({ stage, seen }) => {
    const last = seen.at(-1)?.event.version ?? 0;
    await until('more events', () => (seen.at(-1)?.event.version ?? 0) > last + 10);
    stage.cut('end');
    await until('many refused events', () => refused.length > 20);
    await stage.stopWriting();
    expect(refused[0]).toMatchObject({ __typename: 'Delta', fromVersion: seen[0]?.event.version });
    expect(countContinuous(seen).FullContext).toBe(1);
    expect(seen.at(-1)?.event.version).toBeLessThan(stage.head.version);
  });
});

test('graphql-ws gives up at the first refused connection, unless it is told to retry everything', async () => {
  const { app, url } = await startApp();
  await stopApp(app);
  const attempts = { byDefault: 0, told: 0 };
  const errors = { byDefault: 0, told: 0 };
  const follow = (who: 'byDefault' | 'told', options: { readonly shouldRetry?: () => boolean }) => {
    const client = createWebSocketClient({
      url: url.replace('http', 'ws'),
      webSocketImpl: WebSocket,
      retryWait: async () => undefined,
      on: { connecting: () => attempts[who]++ },
      ...options,
    });
    const sink = { next: () => undefined, error: () => errors[who]++, complete: () => undefined };
    client.subscribe({ query: 'subscription { version }' }, sink);
    onTestFinished(() => void client.dispose());
  };
  follow('byDefault', {});
  follow('told', { shouldRetry: () => true });
  await until('both gave up', () => errors.byDefault + errors.told === 2);
  expect(attempts).toEqual({ byDefault: 1, told: 6 });
});

test('graphql-sse waits for ever when the stream ends as events arrive, and connects again when it ends later', async () => {
  const plain = followOnce(() => stream(startEnding));
  const late = followOnce(() => withLateEnd(stream(startEnding)));
  await until('a second connection after the late end', () => late.connections > 1);
  expect(plain).toEqual({ events: 3, errors: 0, connections: 1 });
});

test('graphql-sse does not retry when the connection breaks off as events arrive', async () => {
  const heard = followOnce(() => stream(startBreaking));
  await until('the error', () => heard.errors === 1);
  expect(heard).toEqual({ events: 3, errors: 1, connections: 1 });
});

const threeEvents = new TextEncoder().encode('event: next\ndata: {"data":{"version":1}}\n\n'.repeat(3));

/** Three events and the end, all at once. */
function startEnding(controller: ReadableStreamDefaultController): void {
  controller.enqueue(threeEvents);
  controller.close();
}

/** Three events, and the error of a lost connection before the client has looked at them all. */
function startBreaking(controller: ReadableStreamDefaultController): void {
  controller.enqueue(threeEvents);
  const breakOff = async () => {
    for (let turns = 0; turns < 5; turns++) await Promise.resolve();
    controller.error(new TypeError('terminated'));
  };
  void breakOff();
}

function stream(start: (controller: ReadableStreamDefaultController) => void): Response {
  return new Response(new ReadableStream({ start }));
}

/** Counts what graphql-sse makes of streams that begin so, with retries that do not wait. */
function followOnce(answer: () => Response) {
  const heard = { events: 0, errors: 0, connections: 0 };
  const client = createClient({
    url: 'http://chord.test',
    retryAttempts: 1,
    retry: async () => undefined,
    fetchFn: async () => {
      heard.connections++;
      return answer();
    },
  });
  const sink = { next: () => heard.events++, error: () => heard.errors++, complete: () => undefined };
  client.subscribe({ query: 'subscription { version }' }, sink);
  onTestFinished(() => client.dispose());
  return heard;
}
