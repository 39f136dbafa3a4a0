/**
 * Server-sent events, in the format of the graphql-sse protocol's distinct connections mode: `event: next` with a
 * result, `event: complete` at the end. What we add: each event's `id` is the client's position after it, so that a
 * plain `EventSource` resumes by itself (WHATWG HTML, 9.2 "Server-sent events").
 */
import { Readable } from 'node:stream';
import type { ExecutionResult, GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { RequestScope } from '../graphql/request.ts';
import type { Position } from '../model.ts';
import type { Logger } from '../observability/logger.ts';
import { createErrorMask } from './mask-error.ts';

const mediaType = 'text/event-stream';
/** Ends a position: after `ContextGone` and `NoContext`. Version 0 is what no context has. */
const noPositionId = '-';
/** Proxies close what is silent for long. */
const pingIntervalMs = 12_000;
/** How long an `EventSource` waits before it connects again; by itself it would wait 3 to 5 s. */
const retryMs = 1_000;

/** The position in a `Last-Event-ID`: null when it says that there is none, undefined when it is absent or not ours. */
function parseEventId(id: string | null): Position | null | undefined {
  if (id === null) return undefined;
  if (id === noPositionId) return null;
  const [, epoch, digits] = /^([\w-]{1,64}):(\d{1,16})$/.exec(id) ?? [];
  const version = Number(digits);
  return epoch === undefined || !Number.isSafeInteger(version) ? undefined : { epoch, version };
}

function toEventId(event: Position & { readonly kind?: string }): string {
  return event.kind === 'gone' || event.kind === 'noContext' ? noPositionId : `${event.epoch}:${event.version}`;
}

/** What the resolver says of the event that is about to be sent. */
export type StreamScope = Pick<RequestScope, 'resumeFrom' | 'onPosition'>;

/** All streams of one server. */
export class EventStreams {
  readonly #open = new Set<EventStream>();
  readonly #lastIds = new WeakMap<Request, LastId>();
  readonly #mask: (error: unknown) => GraphQLError;
  #isDraining = false;

  constructor(logger: Logger) {
    this.#mask = createErrorMask(logger);
  }

  /** The part of a request's scope that an event stream needs; empty when the answer cannot be one. */
  scopeOf(request: Request): StreamScope {
    const accept = request.headers.get('accept');
    if (accept !== null && !accept.includes(mediaType) && !accept.includes('*')) return {};
    const last: LastId = { id: undefined };
    this.#lastIds.set(request, last);
    return {
      resumeFrom: parseEventId(request.headers.get('last-event-id')),
      onPosition: (position) => {
        last.id = toEventId(position);
      },
    };
  }

  /** Makes yoga write subscriptions with ids. */
  get plugin(): Plugin {
    return {
      onResultProcess: ({ request, result, resultProcessor, setResultProcessor }) => {
        const last = this.#lastIds.get(request);
        // Without a processor the client does not take event streams, the only way to send more than one result.
        if (last === undefined || resultProcessor === undefined || !isResults(result)) return;
        setResultProcessor((_result, fetchAPI) => {
          const stream = new EventStream(result, last, {
            onOpen: () => {
              this.#open.add(stream);
              if (this.#isDraining) stream.drain();
            },
            onEnd: () => this.#open.delete(stream),
            onFailure: this.#mask,
          });
          const headers = { 'content-type': mediaType, 'cache-control': 'no-cache', 'x-accel-buffering': 'no' };
          // A Node stream is piped as it is, with its backpressure; the type only knows the web's bodies.
          return new fetchAPI.Response(stream as unknown as BodyInit, { headers });
        }, mediaType);
      },
    };
  }

  /** Ends every stream so that its client connects again: without `complete`, and with the time to wait. */
  drain(): void {
    this.#isDraining = true;
    for (const stream of this.#open) stream.drain();
  }
}

interface LastId {
  id: string | undefined;
}

interface StreamLife {
  readonly onOpen: () => void;
  readonly onEnd: () => void;
  /** Logs what nobody expected, and answers what the client may know of it. */
  readonly onFailure: (error: unknown) => GraphQLError;
}

/**
 * One stream: pulls the next result when the socket can take it, and not before.
 *
 * Its life begins when it is read. The client may be gone before that; then nobody reads it, nor ends it.
 */
class EventStream extends Readable {
  readonly #results: AsyncIterator<ExecutionResult, unknown>;
  readonly #last: Readonly<LastId>;
  readonly #life: StreamLife;
  #ping: NodeJS.Timeout | undefined;
  #isPulling = false;
  #isEnding = false;

  constructor(results: AsyncIterable<ExecutionResult>, last: Readonly<LastId>, life: StreamLife) {
    super({ highWaterMark: 1 });
    this.#results = results[Symbol.asyncIterator]();
    this.#last = last;
    this.#life = life;
  }

  override _read(): void {
    if (this.#isPulling || this.#isEnding) return;
    if (this.#ping === undefined) return this.#open();
    this.#isPulling = true;
    this.#results.next().then(
      (next) => {
        this.#isPulling = false;
        if (this.#isEnding) return;
        if (next.done === true) this.#end(complete);
        else this.#tell(next.value);
      },
      // Masked already. What stops a subscription passes: the client is told, and to come back.
      (error: GraphQLError) => this.#end(`${toEvent(undefined, { errors: [error] })}${retry}`),
    );
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    clearInterval(this.#ping);
    this.#life.onEnd();
    // A subscription that fails while it ends has nobody left to tell.
    this.#results.return?.().catch(() => undefined);
    callback(error);
  }

  drain(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    // A turn after the last event: graphql-sse 2 does not notice an end that arrives together with one.
    setImmediate(() => this.#finish(retry));
  }

  #open(): void {
    this.#ping = setInterval(() => {
      if (this.#isPulling && this.readableLength === 0) this.push(':\n\n');
    }, pingIntervalMs);
    this.#ping.unref();
    this.#life.onOpen();
    // Some clients do not see the headers before there is a byte of the body.
    if (!this.#isEnding) this.push(`:\n${retry}`);
  }

  #tell(result: ExecutionResult): void {
    let event: string;
    try {
      // An event that failed did not bring the client to its position.
      event = toEvent(result.data === null ? undefined : this.#last.id, result);
    } catch (error) {
      // Longer than a string can be, or a formatter's answer that is no JSON.
      return this.#end(`${toEvent(undefined, { errors: [this.#life.onFailure(error)] })}${complete}`);
    }
    this.push(event);
  }

  #end(lastWords: string): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#finish(lastWords);
  }

  #finish(lastWords: string): void {
    if (this.destroyed) return;
    this.push(lastWords);
    this.push(null);
  }
}

const complete = 'event: complete\ndata:\n\n';
const retry = `retry: ${retryMs}\n\n`;

function toEvent(id: string | undefined, result: ExecutionResult): string {
  const { data, errors } = result;
  const text = JSON.stringify(errors === undefined ? { data } : { data, errors });
  return `${id === undefined ? '' : `id: ${id}\n`}event: next\ndata: ${text}\n\n`;
}

function isResults(result: unknown): result is AsyncIterable<ExecutionResult> {
  return typeof result === 'object' && result !== null && Symbol.asyncIterator in result;
}
