/**
 * Server-sent events, in the format of the graphql-sse protocol's distinct connections mode: `event: next` with a
 * result, `event: complete` at the end. What we add: each event's `id` is the client's position after it, so that a
 * plain `EventSource` resumes by itself (WHATWG HTML, 9.2 "Server-sent events").
 */
import type { IncomingMessage } from 'node:http';
import type { BlockList } from 'node:net';
import { Readable } from 'node:stream';
import type { ExecutionResult, GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Session } from '../access/session.ts';
import type { RequestScope } from '../graphql/request.ts';
import type { ContextEvent, Position } from '../model.ts';
import { newRequestId } from '../observability/request-id.ts';
import type { SharedResult } from './fanout/groups.ts';
import type { ResultSender, ResultSink } from './fanout/shared-results.ts';
import type { WithSink } from './fanout/subscribe.ts';
import { clientOf } from './http/forwarded.ts';
import { maskError } from './mask-error.ts';
import type { RequestRecord } from './reporting/request-record.ts';
import type { Recorded } from './reporting/requests.ts';
import type { Roster } from './reporting/roster.ts';

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

/** What an event stream adds to a request's scope: where it resumes, who hears of positions, where shared results go. */
export type StreamScope = Pick<RequestScope, 'resumeFrom' | 'onPosition' | 'by'> & WithSink;

/** All streams of one server. */
export class EventStreams {
  readonly #open = new Set<EventStream>();
  readonly #asked = new WeakMap<Request, StreamRequest>();
  readonly #roster: Roster;
  readonly #trusted: BlockList;
  #isDraining = false;

  /** @param trusted whose `X-Forwarded-*` are believed. */
  constructor(roster: Roster, trusted: BlockList) {
    this.#roster = roster;
    this.#trusted = trusted;
  }

  /** The part of a request's scope that an event stream needs; empty when the answer cannot be one. */
  scopeOf(request: Request, session: Session): StreamScope {
    const accept = request.headers.get('accept');
    if (accept !== null && !accept.includes(mediaType) && !accept.includes('*')) return {};
    const asked: StreamRequest = { lastId: undefined, session };
    this.#asked.set(request, asked);
    return {
      by: asked,
      sink: { send: (result, event, sender) => asked.stream?.send(result, event, sender) },
      resumeFrom: parseEventId(request.headers.get('last-event-id')),
      onPosition: (position) => {
        asked.lastId = toEventId(position);
      },
    };
  }

  /** Makes yoga write subscriptions with ids. */
  get plugin(): Plugin<object, Recorded & Partial<Streaming>> {
    return {
      onResultProcess: ({ request, result, resultProcessor, setResultProcessor, serverContext: { record, req } }) => {
        const asked = this.#asked.get(request);
        // Without a processor the client does not take event streams, the only way to send more than one result.
        if (asked === undefined || resultProcessor === undefined || !isResults(result)) return;
        setResultProcessor((_result, fetchAPI) => {
          const stream = new EventStream(result, asked, {
            onOpen: () => {
              this.#open.add(stream);
              if (req !== undefined) this.#enter(asked, req);
              if (this.#isDraining) stream.drain();
            },
            onEnd: () => {
              this.#open.delete(stream);
              this.#roster.leave(asked);
              asked.forget?.();
            },
            report: (errors) => record?.report(errors) ?? errors,
          });
          asked.stream = stream;
          const headers = { 'content-type': mediaType, 'cache-control': 'no-cache', 'x-accel-buffering': 'no' };
          // A Node stream is piped as it is, with its backpressure; the type only knows the web's bodies.
          return new fetchAPI.Response(stream as unknown as BodyInit, { headers });
        }, mediaType);
      },
    };
  }

  #enter(asked: StreamRequest, req: IncomingMessage): void {
    // What waits is not for one who is no longer let in. Who reads everything is told why the stream ends.
    asked.forget = asked.session.listen(() => {
      if (req.socket.writableLength > 0) req.socket.destroy();
    });
    this.#roster.enter(asked, {
      id: newRequestId(),
      transport: 'EVENT_STREAM',
      clientAddress: clientOf(req, this.#trusted).address,
      viewer: () => asked.session.viewer,
      unsentBytes: () => req.socket.writableLength,
    });
  }

  /**
   * From now on new streams end at once. Answers what ends those that are open, one for each, so that its client connects
   * again: without `complete`, and with the time to wait.
   */
  drain(): readonly (() => void)[] {
    this.#isDraining = true;
    return [...this.#open].map((stream) => () => stream.drain());
  }
}

/** What an event stream goes by. */
interface StreamRequest {
  /** The position that was told last. */
  lastId: string | undefined;
  readonly session: Session;
  stream?: EventStream;
  /** Ends listening to the session. */
  forget?: () => void;
}

/** What a stream came by. */
interface Streaming extends Recorded {
  readonly req: IncomingMessage;
}

interface StreamLife {
  readonly onOpen: () => void;
  readonly onEnd: () => void;
  /** Told the errors before they are sent, answers what to send. */
  readonly report: RequestRecord['report'];
}

/**
 * One stream: pulls the next result when the socket can take it, and not before.
 *
 * Its life begins when it is read. The client may be gone before that; then nobody reads it, nor ends it.
 */
class EventStream extends Readable implements ResultSink {
  readonly #results: AsyncIterator<ExecutionResult, unknown>;
  readonly #asked: Readonly<StreamRequest>;
  readonly #life: StreamLife;
  #ping: NodeJS.Timeout | undefined;
  #isPulling = false;
  #isEnding = false;
  /** Called when what was written for many has been read. */
  #sender: ResultSender | undefined;

  constructor(results: AsyncIterable<ExecutionResult>, asked: Readonly<StreamRequest>, life: StreamLife) {
    super({ highWaterMark: 1 });
    this.#results = results[Symbol.asyncIterator]();
    this.#asked = asked;
    this.#life = life;
  }

  override _read(): void {
    const sender = this.#sender;
    this.#sender = undefined;
    sender?.onSent();
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
      (error: GraphQLError) => this.#end(`${this.#toFailure(error)}${retry}`),
    );
  }

  send(result: SharedResult, event: ContextEvent, sender: ResultSender): void {
    if (this.#isEnding) return;
    this.#sender = sender;
    this.push(bytesOf(result, event));
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
    const { data, errors } = result;
    const told = errors === undefined ? result : { ...result, errors: this.#life.report(errors) };
    let event: string;
    try {
      // An event that failed did not bring the client to its position.
      event = toEvent(data === null ? undefined : this.#asked.lastId, told);
    } catch (error) {
      // Longer than a string can be, or a formatter's answer that is no JSON.
      return this.#end(`${this.#toFailure(error)}${complete}`);
    }
    this.push(event);
  }

  #toFailure(error: unknown): string {
    return toEvent(undefined, { errors: this.#life.report([maskError(error)]) });
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
  return formatEvent(id, JSON.stringify(errors === undefined ? { data } : { data, errors }));
}

function formatEvent(id: string | undefined, text: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: next\ndata: ${text}\n\n`;
}

/** What was written once, as an event of this protocol. */
const encoded = new WeakMap<SharedResult, Buffer>();

function bytesOf(result: SharedResult, event: ContextEvent): Buffer {
  const known = encoded.get(result);
  if (known !== undefined) return known;
  const bytes = Buffer.from(formatEvent(toEventId(event), result.json));
  encoded.set(result, bytes);
  return bytes;
}

function isResults(result: unknown): result is AsyncIterable<ExecutionResult> {
  return typeof result === 'object' && result !== null && Symbol.asyncIterator in result;
}
