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
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { type ExecutionArgs, type ExecutionResult, getOperationAST, OperationTypeNode } from 'graphql';
import { processRegularResult } from 'graphql-yoga';
import type { RequestScope } from '../../graphql/request.ts';
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
import { Outbox } from './outbox.ts';
import { isPlainHead, type MediaType, mediaTypeOf, type PlainParams, parsePlain } from './plain.ts';

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

/** A request. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: RequestRecord;
}

/** One that may be for the lane, and what it is to be answered as. */
interface PlainExchange extends Exchange {
  readonly mediaType: MediaType;
}

/** An operation that may run. */
type Operation = Pick<ExecutionArgs, 'document' | 'operationName' | 'variableValues'>;

/** The lane of one server. */
export class Lane {
  readonly #options: LaneOptions;
  readonly #outbox = new Outbox();
  #answered = 0;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** How many requests it has answered itself. */
  get answered(): number {
    return this.#answered;
  }

  /** Answers it, or has yoga do so. Undefined: it is none for the lane, by what precedes its body. */
  answer({ request, response, record }: Exchange): Promise<void> | undefined {
    if (request.url !== endpoint || !isPlainHead(request, this.#options.maxRequestBytes)) return undefined;
    const mediaType = mediaTypeOf(request.headers.accept);
    return mediaType === undefined ? undefined : this.#answer({ request, response, record, mediaType });
  }

  async #answer(exchange: PlainExchange): Promise<void> {
    const { request, record } = exchange;
    const admission = this.#options.doorkeeper.admit(credentialsIn(request));
    const admitted = await admission.catch(() => undefined);
    // Refused before its body is read.
    if (admitted === undefined) return this.#handToYoga(exchange, admission);
    record.viewerId = admitted.session.viewer.id;
    const body = await read(exchange);
    if (body === undefined) {
      record.report([maskError(endsEarly())]);
      return;
    }
    const params = parsePlain(body);
    const operation = params && this.#operationIn(params);
    if (operation === undefined) {
      return this.#handToYoga(
        { ...exchange, request: Object.assign(request, { body: Readable.from([body]) }) },
        admission,
      );
    }
    this.#answered++;
    let result: ExecutionResult;
    try {
      result = await this.#run(operation, admitted);
    } catch (error) {
      result = { errors: [maskError(error)] };
    }
    try {
      await this.#send(exchange, result);
    } catch (error) {
      // What no JSON can say.
      await this.#fail(exchange, { errors: [maskError(error)] });
    }
  }

  async #handToYoga({ request, response, record }: Exchange, admission: Promise<Admission>): Promise<void> {
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

  /** Counts the request and runs it. */
  #run(operation: Operation, admitted: Admission): ReturnType<Execute> {
    const { quotas, execute } = this.#options;
    const { session, chord, access, reports } = admitted;
    const { document, operationName, variableValues } = operation;
    // One for each request, since libraries remember things by it.
    const contextValue: RequestScope = { session, chord, access, reports };
    const run = () => execute({ schema, document, operationName, variableValues, contextValue });
    const counted = quotas.request(session.viewer.id);
    if (counted === undefined) return run();
    return counted.then((tooFast) => (tooFast === undefined ? run() : { errors: [tooFast] }));
  }

  /** Says what yoga would. @throws what JSON.stringify does. */
  #send(exchange: PlainExchange, result: ExecutionResult): Promise<void> | undefined {
    const { request, response, record, mediaType } = exchange;
    if (result.errors !== undefined) return this.#fail(exchange, result);
    const body = JSON.stringify(result);
    const cors = this.#options.origins.corsHeaders(request.headers.origin);
    const headers = { 'Content-Type': `${mediaType}; charset=utf-8`, 'content-length': Buffer.byteLength(body) };
    this.#outbox.add({
      response,
      headers: cors === undefined ? headers : { ...headers, ...cors },
      body,
      onError: (error) => {
        record.logger.error('unexpected error', { error });
        response.destroy();
      },
    });
    return undefined;
  }

  /** The same for a result with errors: yoga itself says with which status. */
  async #fail({ request, response, record, mediaType }: PlainExchange, result: ExecutionResult): Promise<void> {
    const { yoga, origins } = this.#options;
    const errors = record.report((result.errors ?? []).map(maskError));
    const answer = processRegularResult({ ...result, errors }, yoga.fetchAPI, mediaType);
    const body = await answer.text();
    if (response.destroyed) return;
    const cors = origins.corsHeaders(request.headers.origin);
    response.writeHead(answer.status, { ...Object.fromEntries(answer.headers), ...cors }).end(body);
  }
}

/** A body of the length that its head says. Undefined: the client has left before it had said everything. */
function read({ request, response }: Pick<Exchange, 'request' | 'response'>): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let left = Number(request.headers['content-length']);
    request.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      left -= chunk.length;
      if (left === 0) resolve(chunks.length === 1 ? chunk : Buffer.concat(chunks));
    });
    // After all has come it changes nothing. Of the response, which has listeners for it already: one more costs less.
    response.on('close', () => resolve(undefined));
  });
}
