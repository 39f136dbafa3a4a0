// docs:begin
import { setTimeout as wait } from 'node:timers/promises';
import { type Client, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { type Context, type FollowData, type FollowOptions, followQuery, type Position, Replica } from './replica.ts';

/** The three options keep a server that is away for a moment from ending every subscription for good. */
export function connect(url: string): Client {
  return createClient({
    url: url.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket, // browsers, and Node from 22 on, have their own
    shouldRetry: () => true,
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: (attempts) => wait(Math.random() * Math.min(500 * 2 ** attempts, 30_000)),
  });
}

export function followWithGraphqlWs({ url, id, onEvent, onError }: FollowOptions): () => void {
  const replica = new Replica();
  const client = connect(url);
  const unsubscribe = client.subscribe<FollowData>(
    {
      query: followQuery,
      // The library serialises the request again for every connection: a getter is asked again, a value is not.
      get variables() {
        return { id, ...replica.position };
      },
    },
    {
      next: ({ data, errors }) => {
        if (errors !== undefined) onError(errors);
        if (!data) return;
        // `terminate` makes the library connect and subscribe again, now without a position.
        if (replica.take(data.contextChanged)) onEvent(data.contextChanged, replica.state);
        else client.terminate();
      },
      error: onError,
      complete: () => undefined,
    },
  );
  // Without a subscription the client closes its connection, or gives up making one.
  return unsubscribe;
}
// docs:end

// docs:begin cached
/** For libraries that copy the variables: asks for the position of the context again for every connection. */
export function withPositions(client: Client, positionOf: (id: string) => Position): Client {
  return {
    ...client,
    subscribe: ({ variables, ...payload }, sink) => {
      const request = {
        ...payload,
        get variables() {
          return { ...variables, ...positionOf(String(variables?.['id'])) };
        },
      };
      return client.subscribe(request, sink);
    },
  };
}

/** Without a context, the position is that there is none. */
export function positionIn(context: Context | null | undefined): Position {
  return context ? { clientEpoch: context.epoch, clientVersion: context.version } : {};
}
// docs:end
