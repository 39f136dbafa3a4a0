/**
 * Requests as an operator knows them: each has an id, which is in every line of the log that is about it, in its trace,
 * and in what the client is told of a failure. Here is also where refusals are counted, once for each that is sent.
 *
 * Over HTTP the id is the header `X-Request-Id`: that of the request if it may be used, else one of ours. On a WebSocket
 * that of the upgrade names the connection, and its operations are numbered: `<id>.1`, `<id>.2`. The ids that clients
 * give to operations by the protocol are not used: they may be of any length, and hold anything.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BlockList } from 'node:net';
import type { ExecutionResult } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Labels } from '../../observability/metrics.ts';
import { acceptRequestId, newRequestId } from '../../observability/request-id.ts';
import type { Span } from '../../observability/tracing.ts';
import { clientOf } from '../http/forwarded.ts';
import { maskError } from '../mask-error.ts';
import { ConnectionRecord, type RequestEnd, RequestRecord, type RequestsOptions } from './request-record.ts';

/** The header with the id, of requests and of answers. */
export const requestIdHeader = 'x-request-id';

/** What the transport hands to yoga of a request. */
export interface Recorded {
  record?: RequestRecord | undefined;
}

/** All requests of one server. */
export class Requests {
  readonly #options: RequestsOptions;
  readonly #trusted: BlockList;

  /** @param trusted whose word on where a request comes from is believed. */
  constructor(options: RequestsOptions, trusted: BlockList = new BlockList()) {
    this.#options = options;
    this.#trusted = trusted;
  }

  /** An HTTP request. What becomes of it is seen from the response, which gets the header. */
  http(request: IncomingMessage, response: ServerResponse): RequestRecord {
    const { headers, method, url } = request;
    const { metrics } = this.#options;
    const path = pathLabel(url);
    const id = idOf(request);
    const transport = headers.accept?.includes('text/event-stream') === true ? 'sse' : 'http';
    const { address: clientAddress, isSecure } = clientOf(request, this.#trusted);
    const span = path === 'graphql' ? this.#serve(request, isSecure) : undefined;
    const record = new RequestRecord(this.#options, { id, transport, span });
    response.setHeader(requestIdHeader, id);
    response.once('close', () => {
      metrics?.count('requests', { path, status: statusLabel(response) });
      record.end('request', endOf(response, { method, path, clientAddress, isTraced: span !== undefined }));
    });
    return record;
  }

  /** A WebSocket. Its id is that of the upgrade. */
  connection(upgrade: IncomingMessage): ConnectionRecord {
    return new ConnectionRecord(this.#options, { id: idOf(upgrade), transport: 'websocket' });
  }

  /** Reports the errors of every answer; an event stream reports its own. To be the first of the plugins. */
  get plugin(): Plugin<object, Recorded> {
    return {
      onRequest: ({ serverContext }) => {
        // What came by no transport.
        serverContext.record ??= new RequestRecord(this.#options, { id: newRequestId(), transport: 'http' });
      },
      onResultProcess: ({ result, setResult, resultProcessor, serverContext: { record } }) => {
        // Without a processor the answer is 406.
        if (Symbol.asyncIterator in result) {
          if (resultProcessor !== undefined) record?.settle({ 'http.response.status_code': 200 });
        } else if (!Array.isArray(result)) {
          const errors = result.errors && (record?.report(result.errors) ?? result.errors);
          setResult({ ...result, ...(errors && { errors }), stringify: (answer) => textOf(answer, record) });
        }
      },
    };
  }

  /** @see https://opentelemetry.io/docs/specs/semconv/http/http-spans/ (server; the query of a URL is left out: it may hold variables) */
  #serve({ method = '', headers }: IncomingMessage, isSecure: boolean): Span | undefined {
    const { tracing } = this.#options;
    if (tracing === undefined) return undefined;
    const attributes = {
      'http.request.method': method,
      'http.route': '/graphql',
      'url.path': '/graphql',
      'url.scheme': isSecure ? 'https' : 'http',
    };
    return tracing.serve(
      { name: `${method} /graphql`, kind: 'server', attributes },
      {
        traceparent: headers['traceparent'],
        tracestate: headers['tracestate'],
      },
    );
  }
}

/**
 * An answer as text. What no JSON can say (a formatter of the user's may answer anything) or what is longer than a string
 * can be is a failure like others: thrown to yoga's writers of streams, it would be lost, and the stream never end.
 */
function textOf(answer: ExecutionResult, record: RequestRecord | undefined): string {
  try {
    return JSON.stringify(answer);
  } catch (error) {
    const errors = [maskError(error)];
    return JSON.stringify({ errors: record?.report(errors) ?? errors });
  }
}

function idOf({ headers }: IncomingMessage): string {
  return acceptRequestId(headers[requestIdHeader]) ?? newRequestId();
}

/** What an end is made of. */
interface Served {
  readonly method: string | undefined;
  readonly path: string;
  readonly clientAddress: string;
  readonly isTraced: boolean;
}

/** Written out, since it is made for each request: spread it takes as long as all else that is recorded. */
function endOf({ headersSent, statusCode }: ServerResponse, served: Served): RequestEnd {
  const { method, path, clientAddress, isTraced } = served;
  const fields = { method, path, clientAddress, status: headersSent ? statusCode : 'aborted' };
  if (!headersSent) return { fields, error: { type: 'aborted', isFault: false } };
  const error = statusCode < 500 ? undefined : { type: String(statusCode), isFault: true };
  return isTraced ? { fields, attributes: { 'http.response.status_code': statusCode }, error } : { fields, error };
}

function pathLabel(url: string | undefined): Labels<'requests'>['path'] {
  if (url === '/graphql') return 'graphql';
  const asked = url?.split('?', 1)[0];
  if (asked === '/graphql') return 'graphql';
  if (asked === '/live') return 'live';
  return asked === '/ready' ? 'ready' : 'other';
}

function statusLabel({ headersSent, statusCode }: ServerResponse): Labels<'requests'>['status'] {
  if (!headersSent) return 'aborted';
  if (statusCode < 300) return '2xx';
  if (statusCode < 400) return '3xx';
  return statusCode < 500 ? '4xx' : '5xx';
}
