/** What graphql-ws asks of us: who may come in, what an operation is, and what its client is told. */
import type { IncomingHttpHeaders } from 'node:http';
import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
} from 'graphql';
import { CloseCode, type ServerOptions, type SubscribePayload } from 'graphql-ws';
import { missing } from '../../access/refusals.ts';
import { BackendUnavailableError, type ChordError, UnauthenticatedError } from '../../errors.ts';
import type { RequestScope } from '../../graphql/request.ts';
import { schema } from '../../graphql/schema.ts';
import { toRefusalCode } from '../../observability/refusal-codes.ts';
import type { DocumentCache } from '../document-cache.ts';
import { credentialsIn, type Doorkeeper } from '../doorkeeper.ts';
import type { Execute, Subscribe } from '../execution.ts';
import type { Quotas } from '../limits/quotas.ts';
import { resolveDocument, type TrustedDocuments } from '../limits/trusted-documents.ts';
import { maskError, rewrite } from '../mask-error.ts';
import type { FollowHook } from '../reporting/deliveries.ts';
import type { RequestRecord } from '../reporting/request-record.ts';
import type { Yoga } from '../yoga.ts';
import { ServerCloseCode } from './close-codes.ts';
import type { WebSocketConnection } from './connection.ts';
import { SocketSink } from './socket-sink.ts';

/** What the protocol is spoken with. */
export interface ProtocolOptions {
  /** Parses and validates. */
  readonly yoga: Yoga;
  readonly documents: DocumentCache;
  readonly execute: Execute;
  readonly subscribe: Subscribe;
  readonly doorkeeper: Doorkeeper;
  readonly quotas: Quotas;
  /** How long a client may take to `connection_init`. */
  readonly connectionInitTimeoutMs: number;
  /** Absent: clients send any document. */
  readonly trustedDocuments?: TrustedDocuments | undefined;
  readonly onFollow?: FollowHook | undefined;
}

/** The callbacks that make a server of the protocol one of ours. */
export function protocolOptions(options: ProtocolOptions): ServerOptions<Record<string, unknown>, WebSocketConnection> {
  const { doorkeeper, quotas, execute, subscribe, connectionInitTimeoutMs } = options;
  /** By the payload, which graphql-ws hands to every callback of an operation. */
  const records = new WeakMap<object, RequestRecord>();
  const report = (payload: object, errors: readonly GraphQLError[]) => {
    const masked = errors.map(maskError);
    return (records.get(payload)?.report(masked) ?? masked).map(toWire);
  };
  /** By the arguments, until it runs: they last as long as a subscription does. */
  const waiting = new WeakMap<object, RequestRecord>();
  const run = async <T>(args: ExecutionArgs, begin: () => T | Promise<T>): Promise<T | ExecutionResult> => {
    const record = waiting.get(args);
    if (record === undefined) throw new TypeError('An operation without its record.');
    waiting.delete(args);
    return record.run(() => guard(begin));
  };
  return {
    connectionInitWaitTimeout: connectionInitTimeoutMs,
    onConnect: async ({ connectionParams, extra }) => {
      const end = ({ code, message }: ChordError) =>
        extra.close(CloseCode.Forbidden, message, { code: toRefusalCode(code) });
      const { headers } = extra;
      extra.headers = noHeaders;
      try {
        extra.admission = await doorkeeper.admit(credentialsIn({ headers }, connectionParams), end);
        const { id } = extra.admission.session.viewer;
        extra.record.viewerId = id;
        if (!quotas.connect(id)) {
          const limit = 'maxConnectionsPerViewer';
          extra.close(ServerCloseCode.TryAgainLater, limit, { code: 'LIMIT_EXCEEDED', limit });
          return false;
        }
        // It was closed meanwhile, and nobody will say so again.
        if (extra.isClosed) quotas.disconnect(id);
        else {
          extra.countedViewerId = id;
          extra.admission.session.endInTime();
        }
        return true;
      } catch (error) {
        if (error instanceof UnauthenticatedError) end(error);
        else if (error instanceof BackendUnavailableError)
          extra.close(ServerCloseCode.TryAgainLater, error.message, { code: error.code });
        else throw error;
        return false;
      }
    },
    onSubscribe: async ({ extra }, id, payload) => {
      const record = extra.record.operation(payload.extensions ?? {});
      records.set(payload, record);
      const args = await record.run(() => open(options, extra, { id, payload }));
      if ('document' in args) waiting.set(args, record);
      return args;
    },
    onOperation: ({ extra }, id, payload, _args, result) => {
      if (!(Symbol.asyncIterator in result)) return;
      extra.operations.follow(id, result);
      extra.departure.follow();
      records.get(payload)?.settle();
    },
    onComplete: ({ extra }, id, payload) => {
      if (extra.operations.unfollow(id)) extra.departure.unfollow();
      records.get(payload)?.end('operation');
    },
    onNext: (_ctx, _id, payload, _args, { data, errors }) =>
      errors === undefined ? undefined : { ...(data === undefined ? {} : { data }), errors: report(payload, errors) },
    // Also what a subscription failed with: what cannot be said in JSON, for example.
    onError: (_ctx, _id, payload, errors) => {
      const told = report(payload, errors);
      // Of what did not begin nothing more is heard.
      records.get(payload)?.end('operation');
      return told;
    },
    execute: (args) => run(args, () => execute(args)),
    subscribe: (args) => run(args, () => subscribe(args)),
  };
}

const noHeaders: IncomingHttpHeaders = Object.freeze({});

/** What an operation is to run with, or why it does not. Never rejects: that would close the socket, and end all others on it. */
async function open(
  { yoga, documents, doorkeeper, quotas, trustedDocuments, onFollow }: ProtocolOptions,
  connection: WebSocketConnection,
  { id, payload }: { readonly id: string; readonly payload: SubscribePayload },
): Promise<ExecutionArgs | readonly GraphQLError[]> {
  const { admission } = connection;
  if (admission === undefined) return [maskError(missing())];
  const { session } = admission;
  try {
    const refusal = await quotas.request(session.viewer.id);
    if (refusal !== undefined) return [refusal];
    const query = trustedDocuments === undefined ? payload.query : resolveDocument(trustedDocuments, payload);
    if (typeof query !== 'string') return [query];
    const document = documents.valid(query) ?? validDocument(yoga, query);
    if (!('kind' in document)) return document;
    // The text that all have in common: their own would last as long as their subscriptions.
    Object.assign(payload, { query: document.loc?.source.body ?? query });
    const refresh = (token: string) => doorkeeper.refresh(session, token);
    const scope: RequestScope = { ...admission, refresh, onFollow, by: connection };
    const contextValue = { ...scope, connection, sink: new SocketSink(connection, id) };
    const { operationName, variables: variableValues } = payload;
    return { schema, document, operationName, variableValues, contextValue };
  } catch (error) {
    if (!(error instanceof GraphQLError)) return [maskError(error)];
    return [rewrite(error, error.message, { code: 'GRAPHQL_PARSE_FAILED', ...error.extensions })];
  }
}

/** The document, or what is wrong with it. @throws what parsing does */
function validDocument(yoga: Yoga, query: string): DocumentNode | readonly GraphQLError[] {
  const { parse, validate } = yoga.getEnveloped({});
  const document = parse(query);
  const errors = validate(schema, document);
  return errors.length > 0 ? errors : document;
}

/** A failure as a result: thrown, it would close the socket and end every other operation on it. */
async function guard<T>(run: () => T | Promise<T>): Promise<T | ExecutionResult> {
  try {
    return await run();
  } catch (error) {
    return { errors: [maskError(error)] };
  }
}

/** Without what yoga notes for HTTP. */
function toWire(error: GraphQLError): GraphQLFormattedError {
  const { http: _http, ...extensions } = error.extensions;
  return rewrite(error, error.message, { code: 'BAD_USER_INPUT', ...extensions }).toJSON();
}
