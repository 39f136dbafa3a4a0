/**
 * Three ways to follow a context, behind one interface. Each shows what its library needs to resume: the libraries
 * connect again by themselves, and two of them then send the variables that they were first given. So the variables
 * must answer with the position of *now*; `toJSON` is asked each time they are sent.
 */
import { EventSource } from 'eventsource';
import { createClient as createSSEClient } from 'graphql-sse';
import { createClient as createWSClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { ContextChangedDocument, type ContextChangedSubscription } from '../../src/client/generated/graphql.ts';
import { at, type ContextEvent, type Position } from './follower.ts';

/** Whoever follows. */
export interface Subscriber {
  readonly contextId: string;
  /** Called whenever a connection is made, also by a library itself. Answers where to go on from, if anywhere. */
  connecting(): Position | undefined;
  take(event: ContextEvent): void;
  /** The subscription has ended, and will not come back by itself. */
  fail(error: Error): void;
  /** After `cut`: resolves when the network is there again. */
  networkIsBack(): Promise<void>;
}

export interface Connection {
  /** The network is lost. The library notices, and connects again by itself. */
  cut(): void;
  /** The client leaves. */
  close(): void;
}

/** Begins to follow. `url` is the server's, without a path. */
export type Transport = (url: string, subscriber: Subscriber) => Connection;

/** graphql-ws: the graphql-transport-ws protocol over a WebSocket. */
const overWebSocket: Transport = (url, subscriber) => {
  let socket: WebSocket | undefined;
  const client = createWSClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: () => subscriber.networkIsBack(),
    on: {
      opened: (opened) => {
        // It is of the class that was given as webSocketImpl.
        socket = opened as WebSocket;
      },
    },
  });
  client.subscribe<ContextChangedSubscription>(requestOf(subscriber), sinkOf(subscriber));
  return {
    cut: () => socket?.terminate(),
    close: () => void client.dispose(),
  };
};

/** graphql-sse: server-sent events in answer to a POST. */
const overSSE: Transport = (url, subscriber) => {
  const network = new Network();
  const client = createSSEClient({
    url: `${url}/graphql`,
    fetchFn: network.fetch,
    retryAttempts: Number.POSITIVE_INFINITY,
    retry: () => subscriber.networkIsBack(),
  });
  client.subscribe<ContextChangedSubscription>(requestOf(subscriber), sinkOf(subscriber));
  return { cut: () => network.cut(), close: () => client.dispose() };
};

/**
 * A plain `EventSource`, as browsers have it: the request is in the URL, and the position to resume from is the id of
 * the last event, which it sends by itself as `Last-Event-ID`. There is nothing to do but to listen.
 */
const overEventSource: Transport = (url, subscriber) => {
  const network = new Network();
  const { query, variables } = requestOf(subscriber);
  const search = new URLSearchParams({ query, variables: JSON.stringify(variables) });
  let isFirst = true;
  const source = new EventSource(`${url}/graphql?${search.toString()}`, {
    fetch: async (input, init) => {
      if (!isFirst) {
        await subscriber.networkIsBack();
        const lastId = init.headers['Last-Event-ID'] ?? '-';
        const position = subscriber.connecting();
        const expected = position === undefined ? '-' : `${position.epoch}:${position.version}`;
        // An event source that heard nothing yet repeats its URL.
        if (lastId !== expected && lastId !== '-') {
          subscriber.fail(new Error(`the last event id is ${lastId}, the client is at ${at(position)}`));
        }
      }
      isFirst = false;
      const response = await network.fetch(input, init);
      return new Response(response.body?.pipeThrough(retryAtOnce()) ?? null, response);
    },
  });
  const sink = sinkOf(subscriber);
  source.addEventListener('next', ({ data }: { readonly data: string }) => sink.next(JSON.parse(data) as Result));
  source.addEventListener('complete', () => sink.complete());
  source.addEventListener('error', ({ message }: { readonly message?: string | undefined }) => {
    if (source.readyState === source.CLOSED) sink.error(message);
  });
  return { cut: () => network.cut(), close: () => source.close() };
};

export const transports = {
  WebSocket: overWebSocket,
  SSE: overSSE,
  EventSource: overEventSource,
} as const satisfies Record<string, Transport>;

export type TransportName = keyof typeof transports;

function requestOf(subscriber: Subscriber) {
  const toJSON = () => {
    const position = subscriber.connecting();
    return { id: subscriber.contextId, clientEpoch: position?.epoch, clientVersion: position?.version };
  };
  return { query: String(ContextChangedDocument), variables: { toJSON } };
}

interface Result {
  readonly data?: ContextChangedSubscription | null | undefined;
  readonly errors?: readonly unknown[] | undefined;
}

/** What the libraries call, and what an `EventSource` must be told to call. */
function sinkOf(subscriber: Subscriber) {
  const fail = (what: string, error?: unknown) =>
    subscriber.fail(new Error(error === undefined ? what : `${what}: ${describe(error)}`, { cause: error }));
  return {
    next: ({ data, errors }: Result) => {
      if (errors === undefined && data !== null && data !== undefined) subscriber.take(data.contextChanged);
      else fail('an event with errors', errors);
    },
    error: (error: unknown) => fail('the subscription failed', error),
    complete: () => fail('the server ended the subscription'),
  };
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : JSON.stringify(error);
}

/** `fetch` over a network that can be lost. */
class Network {
  #loss = new AbortController();

  readonly fetch: typeof fetch = (input, init) => {
    const signals = [this.#loss.signal, ...(init?.signal === undefined || init.signal === null ? [] : [init.signal])];
    return fetch(input, { ...init, signal: AbortSignal.any(signals) });
  };

  cut(): void {
    const loss = this.#loss;
    this.#loss = new AbortController();
    // Not an AbortError, which would mean that the client wanted it. And not while the library handles an event.
    setImmediate(() => loss.abort(new TypeError('The network is lost.')));
  }
}

/** An event source waits 3 s unless a server says otherwise; that is long for an example. */
function retryAtOnce(): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({ start: (controller) => controller.enqueue(new TextEncoder().encode('retry: 1\n\n')) });
}
