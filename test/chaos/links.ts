/* How followers follow: the transports of the replay, over networks that are lost at any time, also while connecting. */
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { type Connection, type Subscriber, type Transport, transports } from '../../examples/replay/transports.ts';
import { ContextChangedDocument, type ContextChangedSubscription } from '../../src/client/generated/graphql.ts';

/** graphql-ws. The replay's own leaves nobody to hear that a client could not connect which had left already. */
const overWebSocket: Transport = (url, subscriber) => {
  let socket: WebSocket | undefined;
  const client = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: () => true,
    retryWait: () => subscriber.networkIsBack(),
    on: {
      opened: (opened) => {
        // It is of the class that was given as webSocketImpl.
        socket = opened as WebSocket;
      },
    },
  });
  client.subscribe<ContextChangedSubscription>(requestOf(subscriber), {
    next: ({ data, errors }) => {
      if (errors === undefined && data !== null && data !== undefined) subscriber.take(data.contextChanged);
      else subscriber.fail(new Error(`an event with errors: ${JSON.stringify(errors)}`, { cause: errors }));
    },
    error: (error) => subscriber.fail(new Error(`the subscription failed: ${wordsOf(error)}`, { cause: error })),
    complete: () => subscriber.fail(new Error('the server ended the subscription')),
  });
  return {
    cut: () => socket?.terminate(),
    close: () => {
      Promise.resolve(client.dispose()).catch(() => undefined);
    },
  };
};

/** By name. */
export const links = { ...transports, WebSocket: overWebSocket } as const satisfies Record<string, Transport>;

/** The name of a transport. */
export type LinkName = keyof typeof links;

/** What a follower can do with its connection. */
export type Link = Connection;

/** Serialised anew by each connection: it asks for the position then. */
function requestOf(subscriber: Subscriber) {
  const toJSON = () => {
    const position = subscriber.connecting();
    return { id: subscriber.contextId, clientEpoch: position?.epoch, clientVersion: position?.version };
  };
  return { query: String(ContextChangedDocument), variables: { toJSON } };
}

function wordsOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  // What the WebSocket reports when it closes.
  const { code, reason } = error as { readonly code?: number; readonly reason?: string };
  return code === undefined ? JSON.stringify(error) : `closed with ${code} ${reason ?? ''}`;
}
