/** Whoever leaves before there is a connection has left: nothing is told any more, and nothing is rejected unseen. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { followWithApollo } from '../../examples/clients/apollo.ts';
import { followWithEventSource } from '../../examples/clients/event-source.ts';
import { followWithGraphqlSse } from '../../examples/clients/graphql-sse.ts';
import { followWithGraphqlWs } from '../../examples/clients/graphql-ws.ts';
import { followWithUrql } from '../../examples/clients/urql.ts';

const unhandled: unknown[] = [];
const note = (reason: unknown) => unhandled.push(reason);
beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', note);
});
afterEach(() => {
  process.off('unhandledRejection', note);
});

test.each([
  ['graphql-ws', followWithGraphqlWs],
  ['graphql-sse', followWithGraphqlSse],
  ['EventSource', followWithEventSource],
  ['urql', followWithUrql],
  ['Apollo Client', followWithApollo],
])('%s', async (_, followWith) => {
  // Accepts, and does not answer.
  let connections = 0;
  const server = createServer(() => connections++).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const told: unknown[] = [];
  const leave = followWith({
    url: `http://127.0.0.1:${port}/graphql`,
    id: 'c',
    onEvent: (event) => told.push(event),
    onError: (error) => told.push(error),
  });
  const [connection] = (await once(server, 'connection')) as [Socket];
  leave();
  connection.destroy();
  await once(connection, 'close');
  // What comes of the end of a connection takes the client a few turns. What a timer brings later is not seen here.
  for (let turns = 0; turns < 20; turns++) await turn();
  server.close();
  expect([told, unhandled, connections]).toEqual([[], [], 1]);
});
