/**
 * The short way of plain requests: a JSON POST of a document that yoga has passed before.
 *
 * Of the time that a small request takes, most goes into what turns it into a `Request`, an answer into a `Response`, and
 * into asking every plugin once more about a document that was decided long ago. So the decision is kept by the
 * document's text (document-cache.ts), and here is only what depends on the request: who asks, how often, with which
 * variables. That is asked of the same functions that yoga and a WebSocket ask: `Doorkeeper.admit`, `Quotas.request`,
 * `resolveDocument`, and the `Execute` that holds every limit of what runs.
 *
 * Everything else goes through yoga, which answers as if there was no lane: it is given the body that was read, and who
 * was let in. Once a request was counted it is answered here, so that nothing counts or runs twice.
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { type ExecutionArgs, type ExecutionResult, getOperationAST, OperationTypeNode } from 'graphql';
import { processRegularResult } from 'graphql-yoga';
import { schema } from '../../graphql/schema.ts';
import type { DocumentCache } from '../document-cache.ts';
import { type Admission, credentialsIn, type Doorkeeper } from '../doorkeeper.ts';
import type { Execute } from '../execution.ts';
import type { Quotas } from '../limits/quotas.ts';
import { resolveDocument, type TrustedDocuments } from '../limits/trusted-documents.ts';
import { maskError } from '../mask-error.ts';
import type { RequestRecord } from '../reporting/request-record.ts';
import { endpoint, endsEarly, type Yoga } from '../yoga.ts';
import type { Origins } from './origin.ts';
import { isPlainHead, mediaTypeOf, type PlainParams, parsePlain } from './plain.ts';

/** What the lane is built from. */
export interface LaneOptions {
  readonly yoga: Yoga;
  readonly doorkeeper: Doorkeeper;
  readonly quotas: Quotas;
  readonly documents: DocumentCache;
  readonly execute: Execute;
  readonly origins: Origins;
  /** Absent: clients send any document. */
  readonly trustedDocuments?: TrustedDocuments | undefined;
  readonly maxRequestBytes: number;
}

/** What is answered, and what is known of it. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: RequestRecord;
}

interface Answer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: string;
}

/** An operation that may run. */
type Operation = Pick<ExecutionArgs, 'document' | 'operationName' | 'variableValues'>;

/** The lane of one server. */
export class Lane {
  readonly #options: LaneOptions;
  #answered = 0;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** How many requests it has answered itself. */
  get answered(): number {
    return this.#answered;
  }

  /** Whether a request may be one for the lane, by all that can be told before its body is read. */
  takes(request: IncomingMessage): boolean {
    return request.url === endpoint && isPlainHead(request, this.#options.maxRequestBytes);
  }

  /** Answers it, or has yoga do so. */
  async answer(exchange: Exchange): Promise<void> {
    const { request, record } = exchange;
    const { doorkeeper } = this.#options;
    const admission = doorkeeper.admit(credentialsIn(request));
    const admitted = await admission.catch(() => undefined);
    // Refused before its body is read.
    if (admitted === undefined) return this.#leave(exchange, admission);
    record.viewerId = admitted.session.viewer.id;
    const body = await read(request);
    if (body === undefined) {
      record.report([maskError(endsEarly())]);
      return;
    }
    const params = parsePlain(body);
    const operation = params && this.#operationIn(params);
    if (operation === undefined) {
      return this.#leave({ ...exchange, request: Object.assign(request, { body: Readable.from([body]) }) }, admission);
    }
    this.#answered++;
    await this.#send(exchange, await this.#run(operation, admitted));
  }

  async #leave({ request, response, record }: Exchange, admission: Promise<Admission>): Promise<void> {
    await this.#options.yoga(request, response, { record, admission });
  }

  /** Undefined: yoga has not passed its document, or it is a subscription, or none that can be told. */
  #operationIn({ query: sent, operationName, variables, extensions }: PlainParams): Operation | undefined {
    const { documents, trustedDocuments } = this.#options;
    const query = trustedDocuments === undefined ? sent : resolveDocument(trustedDocuments, { extensions });
    const document = typeof query === 'string' ? documents.valid(query) : undefined;
    if (document === undefined) return undefined;
    const type = getOperationAST(document, operationName)?.operation;
    if (type === undefined || type === OperationTypeNode.SUBSCRIPTION) return undefined;
    return { document, operationName, variableValues: variables };
  }

  /** Counts the request and runs it. Never rejects. */
  async #run(operation: Operation, { session, ...verbs }: Admission): Promise<ExecutionResult> {
    const { quotas, execute } = this.#options;
    try {
      const tooFast = await quotas.request(session.viewer.id);
      if (tooFast !== undefined) return { errors: [tooFast] };
      return await execute({ schema, ...operation, contextValue: { session, ...verbs } });
    } catch (error) {
      return { errors: [maskError(error)] };
    }
  }

  async #send(exchange: Exchange, result: ExecutionResult): Promise<void> {
    const { request, response } = exchange;
    // Its client has gone.
    if (response.destroyed) return;
    const { status, headers, body } = await this.#answerOf(exchange, result);
    response.writeHead(status, { ...headers, ...this.#options.origins.corsHeaders(request.headers.origin) }).end(body);
  }

  /** As yoga's would be. */
  async #answerOf({ request, record }: Pick<Exchange, 'request' | 'record'>, result: ExecutionResult): Promise<Answer> {
    const mediaType = mediaTypeOf(request.headers.accept) ?? 'application/json';
    try {
      if (result.errors === undefined) {
        const body = JSON.stringify(result);
        const headers = { 'Content-Type': `${mediaType}; charset=utf-8`, 'content-length': Buffer.byteLength(body) };
        return { status: 200, headers, body };
      }
      const errors = record.report(result.errors.map(maskError));
      const answer = processRegularResult({ ...result, errors }, this.#options.yoga.fetchAPI, mediaType);
      return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() };
    } catch (error) {
      // What no JSON can say.
      return this.#answerOf({ request, record }, { errors: [maskError(error)] });
    }
  }
}

/** Undefined: the client has left before it had said everything. */
function read(request: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => resolve(Buffer.concat(chunks)));
    // After the end it changes nothing.
    request.on('close', () => resolve(undefined));
  });
}
