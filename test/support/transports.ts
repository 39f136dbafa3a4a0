/** Every way to subscribe, behind one face, over real sockets and with the clients that people use. */
import { EventSource } from 'eventsource';
import { createClient as createEventStreamClient } from 'graphql-sse';
import { type Client, createClient as createWebSocketClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { apply } from '../../src/delta/apply.ts';
import type { Change } from '../../src/delta/delta.ts';
import { equal, type JsonObject } from '../../src/delta/json.ts';
import type { GraphQLResult, Operation, RunningApp } from './app.ts';
import { Inbox } from './wait.ts';

/** How a subscription ended: by the server's word, or because the connection or the operation failed. */
export type End = { readonly kind: 'complete' } | { readonly kind: 'failed'; readonly reason: unknown };

export interface Subscription {
  readonly results: Inbox<GraphQLResult>;
  readonly end: Inbox<End>;
  /** Leaves. Resolves when the client is done, not when the server is. */
  leave(): void;
}

export interface Transport {
  readonly name: string;
  /** Whether the client connects again by itself after this is called. */
  subscribe(server: Pick<RunningApp, 'url' | 'webSocketUrl'>, operation: Operation): Subscription;
}

export const eventSelection = `
  __typename contextId epoch version
  ... on FullContext { reason context { state } }
  ... on Delta { fromVersion changes { path action value oldValue } }
  ... on ContextGone { cause at }`;

export const contextChanged = `
  subscription ContextChanged($id: ID!, $clientVersion: SafeInt, $clientEpoch: ID) {
    contextChanged(id: $id, clientVersion: $clientVersion, clientEpoch: $clientEpoch) { ${eventSelection} }
  }`;

/** An event as `contextChanged` streams it with the selection above. */
export interface LiveEvent {
  readonly __typename: 'FullContext' | 'Delta' | 'NoChange' | 'ContextGone' | 'NoContext';
  readonly contextId: string;
  readonly epoch: string;
  readonly version: number;
  readonly reason?: string;
  readonly context?: { readonly state: JsonObject };
  readonly fromVersion?: number;
  readonly changes?: readonly Change[];
  readonly cause?: string;
}

export function followOperation(
  id: string,
  position: { readonly clientVersion?: number | null; readonly clientEpoch?: string | null } = {},
): Operation {
  return { query: contextChanged, variables: { id, ...position } };
}

/** The event in a result; fails when the result holds none. */
export function eventOf(result: GraphQLResult): LiveEvent {
  const event = result.data?.['contextChanged'];
  if (typeof event !== 'object' || event === null) throw new Error(`no event: ${JSON.stringify(result)}`);
  return event as LiveEvent;
}

export async function nextEvent(subscription: Subscription): Promise<LiveEvent> {
  return eventOf(await subscription.results.next());
}

/** What a client makes of the events. Fails on one that does not lead on from where it is. */
export class Replica {
  epoch = '-';
  version = 0;
  state: JsonObject | undefined;
  /** How many of each kind came, FULLs by their reason. */
  readonly seen: Record<string, number> = {};

  take(event: LiveEvent): void {
    const kind = event.__typename === 'FullContext' ? `FullContext ${event.reason ?? ''}` : event.__typename;
    this.seen[kind] = (this.seen[kind] ?? 0) + 1;
    switch (event.__typename) {
      case 'FullContext':
        this.state = event.context?.state;
        break;
      case 'Delta':
        if (this.state === undefined || event.epoch !== this.epoch || event.fromVersion !== this.version) {
          throw new Error(`a delta from ${event.fromVersion} at ${this.version}`);
        }
        this.state = apply(this.state, event.changes ?? []);
        break;
      case 'NoChange':
        if (event.epoch !== this.epoch || event.version !== this.version) throw new Error('no change from elsewhere');
        break;
      case 'ContextGone':
      case 'NoContext':
        this.state = undefined;
    }
    this.epoch = event.epoch;
    this.version = event.version;
  }

  is(state: JsonObject): boolean {
    return this.state !== undefined && equal(this.state, state);
  }
}

function openSubscription(start: (sink: Sink) => () => void): Subscription {
  const results = new Inbox<GraphQLResult>('the next result');
  const end = new Inbox<End>('the end');
  const leave = start({
    next: (result) => results.put(result),
    error: (reason) => end.put({ kind: 'failed', reason }),
    complete: () => end.put({ kind: 'complete' }),
  });
  return { results, end, leave };
}

interface Sink {
  next(result: GraphQLResult): void;
  error(reason: unknown): void;
  complete(): void;
}

/** The operation without what `exactOptionalPropertyTypes` calls wrong. */
function payload({ query, operationName, variables }: Operation) {
  return {
    query,
    ...(operationName === undefined ? {} : { operationName }),
    ...(variables === undefined ? {} : { variables: { ...variables } }),
  };
}

/** A client of graphql-ws that does not connect again unless told so. */
export function openWebSocket(
  server: Pick<RunningApp, 'webSocketUrl'>,
  options: { readonly retryAttempts?: number } = {},
): Client {
  return createWebSocketClient({
    url: server.webSocketUrl,
    webSocketImpl: WebSocket,
    retryAttempts: options.retryAttempts ?? 0,
    retryWait: () => new Promise((resolve) => setTimeout(resolve, 20)),
  });
}

/** One subscription on a client that may have others. */
export function subscribeOn(client: Client, operation: Operation): Subscription {
  return openSubscription((sink) => client.subscribe(payload(operation), sinkOf(sink)));
}

/** The library's results say less of their types than ours; both are what came off the wire. */
function sinkOf(sink: Sink) {
  return {
    next: (result: unknown) => sink.next(result as GraphQLResult),
    error: (reason: unknown) => sink.error(reason),
    complete: () => sink.complete(),
  };
}

export const webSocketTransport: Transport = {
  name: 'graphql-ws',
  subscribe: (server, operation) => {
    const client = openWebSocket(server);
    return openSubscription((sink) => {
      const unsubscribe = client.subscribe(payload(operation), sinkOf(sink));
      return () => {
        unsubscribe();
        // One that is still connecting may fail to.
        Promise.resolve(client.dispose()).catch(() => undefined);
      };
    });
  },
};

export const eventStreamTransport: Transport = {
  name: 'graphql-sse, by POST',
  subscribe: (server, operation) => {
    const client = createEventStreamClient({ url: server.url, retryAttempts: 0 });
    return openSubscription((sink) => {
      client.subscribe(payload(operation), sinkOf(sink));
      return () => client.dispose();
    });
  },
};

/** The URL of an operation by GET. */
export function operationUrl(url: string, { query, operationName, variables }: Operation): string {
  const target = new URL(url);
  target.searchParams.set('query', query);
  if (operationName !== undefined) target.searchParams.set('operationName', operationName);
  if (variables !== undefined) target.searchParams.set('variables', JSON.stringify(variables));
  return target.href;
}

export const eventSourceTransport: Transport = {
  name: 'EventSource, by GET',
  subscribe: (server, operation) => {
    const source = new EventSource(operationUrl(server.url, operation));
    return openSubscription((sink) => {
      source.addEventListener('next', ({ data }) => sink.next(JSON.parse(data) as GraphQLResult));
      // Without this an EventSource would ask again for ever.
      source.addEventListener('complete', () => {
        source.close();
        sink.complete();
      });
      source.addEventListener('error', (event) => {
        if (source.readyState === source.CLOSED) sink.error(event);
      });
      return () => source.close();
    });
  },
};

export const transports: readonly Transport[] = [webSocketTransport, eventStreamTransport, eventSourceTransport];

/** One event of a stream, field by field; `comment` for a line that begins with a colon. */
export interface RawEvent {
  readonly id?: string;
  readonly event?: string;
  readonly data?: string;
  readonly retry?: string;
  readonly comment?: string;
}

/** An event stream, byte by byte. */
export class RawStream {
  readonly response: Response;
  readonly events = new Inbox<RawEvent>('the next event of the stream');
  /** Resolves when the stream ends, however. */
  readonly ended: Promise<void>;
  text = '';
  readonly #leaving: AbortController;

  private constructor(response: Response, leaving: AbortController) {
    this.response = response;
    this.#leaving = leaving;
    this.ended = this.#read().catch(() => undefined);
  }

  static async open(
    url: string,
    init: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string } = {},
  ) {
    const leaving = new AbortController();
    const response = await fetch(url, {
      method: init.body === undefined ? 'GET' : 'POST',
      ...(init.body === undefined ? {} : { body: init.body }),
      headers: { accept: 'text/event-stream', ...init.headers },
      signal: leaving.signal,
    });
    return new RawStream(response, leaving);
  }

  /** The next event that is one, comments left out. */
  async next(): Promise<RawEvent> {
    for (;;) {
      const event = await this.events.next();
      if (event.comment === undefined) return event;
    }
  }

  leave(): void {
    this.#leaving.abort();
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of this.response.body ?? []) {
      const text = decoder.decode(chunk, { stream: true });
      this.text += text;
      const blocks = (rest + text).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) this.events.put(parseBlock(block));
    }
  }
}

function parseBlock(block: string): RawEvent {
  const fields = block.split('\n').map((line) => {
    const colon = line.indexOf(':');
    const name = colon === 0 ? 'comment' : line.slice(0, colon < 0 ? undefined : colon);
    return [name, colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')];
  });
  return Object.fromEntries(fields) as RawEvent;
}
