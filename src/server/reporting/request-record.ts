import type { GraphQLError } from 'graphql';
import type { Logger } from '../../observability/logger.ts';
import type { Labels, Metrics } from '../../observability/metrics.ts';
import { type LimitName, type RefusalCode, toLimitName, toRefusalCode } from '../../observability/refusal-codes.ts';
import { acceptRequestId } from '../../observability/request-id.ts';
import type { Attributes, RemoteTrace, Span, SpanError, Tracing } from '../../observability/tracing.ts';
import { maskError, rewrite, surpriseIn } from '../mask-error.ts';

/** Who is told of requests. */
export interface RequestsOptions {
  readonly logger: Logger;
  /** Absent: nothing is counted. */
  readonly metrics?: Metrics | undefined;
  /** Absent: nothing is traced. */
  readonly tracing?: Tracing | undefined;
}

/** How a client asks. */
export type RequestTransport = Labels<'refusals'>['transport'];

/** What a record begins with. */
export interface Identity {
  readonly id: string;
  readonly transport: RequestTransport;
  readonly span?: Span | undefined;
}

/** What is said of a request at its end. */
export interface RequestEnd {
  /** For the log. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** For its trace. */
  readonly attributes?: Attributes;
  /** What it ended with, if nothing else was told. */
  readonly error?: SpanError | undefined;
}

/** What an operation on a WebSocket brings along. Untrusted. */
export interface OperationExtensions extends RemoteTrace {
  readonly requestId?: unknown;
}

/** One request: an HTTP request, a WebSocket, or an operation on one. */
export class RequestRecord {
  readonly id: string;
  /** Who asks, once that is known. */
  viewerId: string | undefined;
  protected readonly options: RequestsOptions;
  readonly #transport: RequestTransport;
  readonly #span: Span | undefined;
  readonly #beganMs = performance.now();
  #logger: Logger | undefined;
  /** The first refusal. */
  #error: SpanError | undefined;
  #isOver = false;

  constructor(options: RequestsOptions, { id, transport, span }: Identity) {
    this.id = id;
    this.options = options;
    this.#transport = transport;
    this.#span = span;
  }

  /** Says of every line which request it is about. Made when it is needed, which is seldom. */
  get logger(): Logger {
    this.#logger ??= this.options.logger.child({ requestId: this.id, ...this.#traceId() });
    return this.#logger;
  }

  /** Does work as a part of its trace, if it has one. */
  run<T>(work: () => T): T {
    return this.#span === undefined ? work() : this.#span.run(work);
  }

  /** Counts a refusal. */
  refuse(code: RefusalCode, limit?: LimitName): void {
    this.#error ??= { type: code, isFault: faults.has(code) };
    const { metrics } = this.options;
    metrics?.count('refusals', { code, transport: this.#transport });
    if (limit !== undefined) metrics?.count('limitRefusals', { limit });
  }

  /**
   * To be called once for the errors of each answer, before it is sent: logs what nobody expected, and counts.
   *
   * @param errors masked.
   * @returns the errors to send: those that nobody expected with the id, so that somebody can ask for them.
   */
  report(errors: readonly GraphQLError[]): readonly GraphQLError[] {
    const told = new Set<RefusalCode>();
    return errors.map((error) => {
      const { path, message, extensions } = error;
      const code = toRefusalCode(extensions['code'] ?? 'BAD_USER_INPUT');
      if (!told.has(code)) {
        told.add(code);
        this.refuse(code, code === 'LIMIT_EXCEEDED' ? toLimitName(extensions['option']) : undefined);
      }
      const surprise = surpriseIn(error);
      if (surprise === undefined) {
        // Not its words: they may quote the request.
        this.logger.debug('request refused', { code, path });
        return error;
      }
      this.logger.error('unexpected error', { error: surprise.cause, path });
      return rewrite(error, message, { ...extensions, requestId: this.id });
    });
  }

  /** Its trace ends, although it goes on: a subscription that is accepted may last for days. */
  settle(attributes?: Attributes): void {
    this.#span?.end({ ...attributes, 'chord.request.id': this.id }, this.#error);
  }

  /** It is over, and a line of the log and its trace say what has become of it. What is said later does not count. */
  end(message: string, { fields, attributes, error }: RequestEnd = {}): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error ??= error;
    this.settle(attributes);
    const { id: requestId, viewerId } = this;
    const durationMs = Math.round((performance.now() - this.#beganMs) * 1000) / 1000;
    const about = { requestId, transport: this.#transport, ...fields, durationMs, viewerId, ...this.#traceId() };
    // Not by a logger of its own: few programs write this line, and making one costs more than the line.
    this.options.logger.debug(message, about);
  }

  #traceId(): { readonly traceId?: string } {
    return this.#span === undefined ? {} : { traceId: this.#span.traceId };
  }
}

/** What a trace says of an error: its code alone. */
export function toSpanError(error: unknown): SpanError {
  const { code } = maskError(error).extensions;
  return { type: String(code), isFault: faults.has(toRefusalCode(code)) };
}

/** Codes that are not the client's doing. */
const faults = new Set<RefusalCode>(['INTERNAL_SERVER_ERROR', 'BACKEND_UNAVAILABLE', 'EXTERNAL_STORAGE']);

/** A WebSocket. */
export class ConnectionRecord extends RequestRecord {
  #operations = 0;

  /** The next operation on it. */
  operation(extensions: OperationExtensions): RequestRecord {
    this.#operations++;
    const id = acceptRequestId(extensions.requestId) ?? `${this.id}.${this.#operations}`;
    // No convention has names for GraphQL on a WebSocket; these are those of HTTP that fit.
    const attributes = { 'http.route': '/graphql', 'url.path': '/graphql', 'network.protocol.name': 'websocket' };
    const span = this.options.tracing?.serve({ name: 'WebSocket /graphql', kind: 'server', attributes }, extensions);
    const record = new RequestRecord(this.options, { id, transport: 'websocket', span });
    record.viewerId = this.viewerId;
    return record;
  }
}
