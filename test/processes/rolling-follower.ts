/** A client that follows a context through restarts, with the libraries that people use, and writes everything down. */
import { setTimeout as sleep } from 'node:timers/promises';
import { EventSource } from 'eventsource';
import { createClient as createEventStreamClient } from 'graphql-sse';
import { createClient as createWebSocketClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { GraphQLResult } from '../support/app.ts';
import { contextChanged, eventOf, type LiveEvent, operationUrl } from '../support/transports.ts';

/** One event, without its values. */
export interface SeenEvent {
  readonly kind: LiveEvent['__typename'];
  readonly reason: string | undefined;
  readonly epoch: string;
  readonly fromVersion: number | undefined;
  readonly version: number;
  /** The fields at the root of the state that it brought. */
  readonly added: readonly string[];
  /** Other changes: writers only add fields. */
  readonly others: number;
}

/** What one follower saw. Times in ms. */
export interface FollowerRecord {
  readonly name: string;
  readonly contextId: string;
  readonly events: readonly SeenEvent[];
  /** From the loss of a connection to the first event on the next. */
  readonly awayMs: readonly number[];
  /** Why it gave up, if it did. */
  readonly failures: readonly string[];
}

/** How followers connect. */
export const ways = ['graphql-ws', 'graphql-sse', 'EventSource'] as const;

type Way = (typeof ways)[number];

/** Where it stands, as `clientEpoch` and `clientVersion`. */
interface Known {
  readonly epoch: string;
  readonly version: number;
}

/** Follows from the moment that it is made. */
export class RollingFollower {
  readonly #name: string;
  readonly #contextId: string;
  readonly #events: SeenEvent[] = [];
  readonly #awayMs: number[] = [];
  readonly #failures: string[] = [];
  readonly #leave: () => void;
  #known: Known | undefined;
  #lostMs: number | undefined;

  /** @param url of the server, without a path. */
  constructor(url: string, { way, contextId, number }: { way: Way; contextId: string; number: number }) {
    this.#name = `${way} ${number}`;
    this.#contextId = contextId;
    this.#leave = follow[way](url, {
      contextId,
      position: () => this.#known,
      take: (result) => this.#take(result),
      lose: () => {
        this.#lostMs ??= performance.now();
      },
      fail: (error) => this.#failures.push(error instanceof Error ? String(error) : JSON.stringify(error)),
    });
  }

  get record(): FollowerRecord {
    return {
      name: this.#name,
      contextId: this.#contextId,
      events: this.#events,
      awayMs: this.#awayMs,
      failures: this.#failures,
    };
  }

  /** Whether it has heard something since it lost its connection last, or never will. */
  get isThere(): boolean {
    return this.#failures.length > 0 || (this.#known !== undefined && this.#lostMs === undefined);
  }

  /** Whether it is there and has this version. */
  isAt(version: number): boolean {
    return this.isThere && (this.#failures.length > 0 || this.#known?.version === version);
  }

  leave(): void {
    this.#leave();
  }

  #take(result: GraphQLResult): void {
    try {
      const event = eventOf(result);
      this.#events.push(toSeen(event));
      this.#known = { epoch: event.epoch, version: event.version };
      if (this.#lostMs !== undefined) this.#awayMs.push(performance.now() - this.#lostMs);
      this.#lostMs = undefined;
    } catch (error) {
      this.#failures.push(String(error));
    }
  }
}

function toSeen({
  __typename: kind,
  reason,
  epoch,
  fromVersion,
  version,
  context,
  changes = [],
}: LiveEvent): SeenEvent {
  const added = changes.filter(({ action, path }) => action === 'ADDED' && path.length === 1);
  return {
    kind,
    reason,
    epoch,
    fromVersion,
    version,
    added: [...Object.keys(context?.state ?? {}), ...added.map(({ path: [field = ''] }) => field)],
    others: changes.length - added.length,
  };
}

interface Sink {
  readonly contextId: string;
  position(): Known | undefined;
  take(result: GraphQLResult): void;
  lose(): void;
  fail(error: unknown): void;
}

/** As docs/clients.md says: at random, so that those who were cut off together do not come back together. */
function beforeRetry(attempts: number): Promise<void> {
  return sleep(Math.random() * Math.min(500 * 2 ** attempts, 5_000));
}

/** Libraries ask for it each time they connect. */
function variablesOf({ contextId, position }: Sink) {
  const toJSON = () => ({ id: contextId, clientEpoch: position()?.epoch, clientVersion: position()?.version });
  return { toJSON };
}

/** The server's end of the subscription: nobody asked for it. */
const completed = new Error('The server ended the subscription.');

const follow: Readonly<Record<Way, (url: string, sink: Sink) => () => void>> = {
  'graphql-ws': (url, sink) => {
    const client = createWebSocketClient({
      url: `${url.replace(/^http/, 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      shouldRetry: () => true,
      retryAttempts: Number.POSITIVE_INFINITY,
      retryWait: beforeRetry,
      on: { closed: () => sink.lose() },
    });
    client.subscribe(
      { query: contextChanged, variables: variablesOf(sink) },
      {
        // The library's results say less of their types than ours; both are what came off the wire.
        next: (result) => sink.take(result as GraphQLResult),
        error: (error) => sink.fail(error),
        complete: () => sink.fail(completed),
      },
    );
    return () => void client.dispose();
  },
  'graphql-sse': (url, sink) => {
    const client = createEventStreamClient({
      url: `${url}/graphql`,
      retryAttempts: Number.POSITIVE_INFINITY,
      retry: (attempts) => {
        sink.lose();
        return beforeRetry(attempts);
      },
    });
    client.subscribe(
      { query: contextChanged, variables: variablesOf(sink) },
      {
        // As above.
        next: (result) => sink.take(result as GraphQLResult),
        error: (error) => sink.fail(error),
        complete: () => sink.fail(completed),
      },
    );
    return () => client.dispose();
  },
  EventSource: (url, sink) => {
    // It waits as long as the server says, and sends the id of the last event.
    const operation = { query: contextChanged, variables: { id: sink.contextId } };
    const source = new EventSource(operationUrl(`${url}/graphql`, operation));
    source.addEventListener('next', ({ data }) => sink.take(JSON.parse(String(data)) as GraphQLResult));
    source.addEventListener('complete', () => sink.fail(completed));
    source.addEventListener('error', () => {
      sink.lose();
      if (source.readyState === source.CLOSED) sink.fail(new Error('The event source is closed.'));
    });
    return () => source.close();
  },
};
