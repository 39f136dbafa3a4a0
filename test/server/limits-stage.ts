/** One operation over each transport, and somebody else who must be served meanwhile. */
import { expect } from 'vitest';
import { type GraphQLFailure, type GraphQLResult, type Operation, post, type RunningApp } from '../support/app.ts';
import { followOperation, RawStream } from '../support/transports.ts';
import { RawWebSocket } from './raw-websocket.ts';

/** Asks, and answers the first result. */
export type Ask = (server: Pick<RunningApp, 'url' | 'webSocketUrl'>, operation: Operation) => Promise<GraphQLResult>;

export const ways: readonly (readonly [string, Ask])[] = [
  ['HTTP', ({ url }, operation) => post(url, operation)],
  [
    'SSE',
    async ({ url }, operation) => {
      const stream = await RawStream.open(url, {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(operation),
      });
      const { data = '' } = await stream.next();
      stream.leave();
      return JSON.parse(data) as GraphQLResult;
    },
  ],
  [
    'WebSocket',
    async ({ webSocketUrl }, operation) => {
      const socket = await RawWebSocket.open(webSocketUrl);
      await socket.init();
      const result = await askOn(socket, 'asked', operation);
      socket.socket.close();
      return result;
    },
  ],
];

/** One operation on a WebSocket of which nothing else is expected meanwhile. */
export async function askOn(socket: RawWebSocket, id: string, payload: object): Promise<GraphQLResult> {
  socket.send({ id, type: 'subscribe', payload });
  const message = (await socket.messages.next()) as {
    readonly id: string;
    readonly type: string;
    readonly payload: unknown;
  };
  expect(message.id).toBe(id);
  // The two shapes of the protocol.
  if (message.type === 'error') return { errors: message.payload as readonly GraphQLFailure[] };
  expect(message.type).toBe('next');
  return message.payload as GraphQLResult;
}

/** Runs it while somebody else follows a context, who must get the next change afterwards. */
export async function besideFollower<T>(server: RunningApp, run: () => Promise<T>): Promise<T> {
  const { chord } = server.app;
  await chord.setContext('neighbour', { n: 0 });
  const socket = await RawWebSocket.open(server.webSocketUrl);
  await socket.init();
  await askOn(socket, 'follow', followOperation('neighbour'));
  const result = await run();
  await chord.updateContext('neighbour', { n: 1 });
  expect(await socket.messages.next()).toMatchObject({ id: 'follow', type: 'next' });
  socket.socket.close();
  return result;
}

/** The extensions of the only error. */
export function refusalOf({ errors = [] }: GraphQLResult): unknown {
  expect(errors).toHaveLength(1);
  return errors[0]?.extensions;
}
