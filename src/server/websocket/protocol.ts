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
import { type LimitName, type RefusalCode, toRefusalCode } from '../../observability/refusal-codes.ts';
import type { DocumentCache } from '../document-cache.ts';
import { type Admission, credentialsIn, type Doorkeeper } from '../doorkeeper.ts';
import type { Execute, Subscribe } from '../execution.ts';
import type { ResultSink } from '../fanout/shared-results.ts';
import type { Client } from '../http/forwarded.ts';
import type { Quotas } from '../limits/quotas.ts';
import { resolveDocument, type TrustedDocuments } from '../limits/trusted-documents.ts';
import { maskError, rewrite } from '../mask-error.ts';
import type { FollowHook } from '../reporting/deliveries.ts';
import type { ConnectionRecord, RequestRecord } from '../reporting/request-record.ts';
import type { Yoga } from '../yoga.ts';
import { ServerCloseCode } from './close-codes.ts';
import type { Departure } from './departure.ts';
import type { OperationIds } from './operation-ids.ts';

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

/** What a client is refused with, for the metrics. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly limit?: LimitName;
}

/** One WebSocket. */
export interface Connection {
  /** Of the upgrade; none once the credentials were looked at: they would stay as long as the connection. */
  headers: IncomingHttpHeaders;
  readonly record: ConnectionRecord;
  readonly client: Client;
  readonly departure: Departure;
  readonly ids: OperationIds;
  /** Where results of an operation go that are written for many. */
  readonly sinkOf: (id: string) => ResultSink;
  /** Of subscriptions that have not ended, by the payload that asked for them. */
  readonly results: Map<object, AsyncIterable<unknown>>;
  /** @param refusal by default what the code says. */
  readonly close: (code: number, reason: string, refusal?: Refusal) => void;
  /** Undefined before `connection_init` was answered. */
  admission?: Admission;
  isClosed: boolean;
  /** Of the message that is being handled: says that its text is needed no more. */
  releaseText: () => void;
  /** Gives back the viewer's place. */
  release?: (() => void) | undefined;
}

/** What a connection was refused for, by the code that closes it or the error that `ws` closes it for. */
export function refusalBy(reason: number | (Error & { readonly code?: unknown })): Refusal | undefined {
  if (typeof reason === 'number') return refusals.get(reason);
  if (reason.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') return { code: 'LIMIT_EXCEEDED', limit: 'maxRequestBytes' };
  return typeof reason.code === 'string' && reason.code.startsWith('WS_ERR_') ? { code: 'BAD_USER_INPUT' } : undefined;
}

const refusals: ReadonlyMap<number, Refusal> = new Map<number, Refusal>([
  [CloseCode.BadRequest, { code: 'BAD_USER_INPUT' }],
  [CloseCode.SubprotocolNotAcceptable, { code: 'BAD_USER_INPUT' }],
  [CloseCode.SubscriberAlreadyExists, { code: 'BAD_USER_INPUT' }],
  [CloseCode.TooManyInitialisationRequests, { code: 'BAD_USER_INPUT' }],
  [CloseCode.Unauthorized, { code: 'UNAUTHENTICATED' }],
  [CloseCode.ConnectionInitialisationTimeout, { code: 'LIMIT_EXCEEDED', limit: 'connectionInitTimeoutMs' }],
  [CloseCode.InternalServerError, { code: 'INTERNAL_SERVER_ERROR' }],
]);

/** The callbacks that make a server of the protocol one of ours. */
export function protocolOptions(options: ProtocolOptions): ServerOptions<Record<string, unknown>, Connection> {
  const { doorkeeper, quotas, execute, subscribe, connectionInitTimeoutMs } = options;
  /** By the payload, which graphql-ws hands to every callback of an operation. */
  const records = new WeakMap<object, RequestRecord>();
  const report = (payload: object, errors: readonly GraphQLError[]) => {
    const masked = errors.map(maskError);
    return (records.get(payload)?.report(masked) ?? masked).map(toWire);
  };
  const releases = new WeakMap<object, () => void>();
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
      extra.headers = {};
      try {
        extra.admission = await doorkeeper.admit(credentialsIn({ headers }, connectionParams), end);
        const { id } = extra.admission.session.viewer;
        extra.record.viewerId = id;
        extra.release = quotas.connect(id);
        if (extra.release === undefined) {
          const limit = 'maxConnectionsPerViewer';
          extra.close(ServerCloseCode.TryAgainLater, limit, { code: 'LIMIT_EXCEEDED', limit });
          return false;
        }
        // It was closed meanwhile, and nobody will say so again.
        if (extra.isClosed) extra.release();
        else extra.admission.session.endInTime();
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
      releases.set(payload, extra.releaseText);
      const record = extra.record.operation(payload.extensions ?? {});
      records.set(payload, record);
      const args = await record.run(() => open(options, extra, { id, payload }));
      if ('document' in args) waiting.set(args, record);
      return args;
    },
    onOperation: ({ extra }, _id, payload, _args, result) => {
      if (!(Symbol.asyncIterator in result)) return;
      extra.results.set(payload, result);
      // It may last for days; the number of subscriptions has a limit of its own.
      releases.get(payload)?.();
      extra.departure.follow();
      records.get(payload)?.settle();
    },
    onComplete: ({ extra }, _id, payload) => {
      if (extra.results.delete(payload)) extra.departure.unfollow();
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

/** What an operation is to run with, or why it does not. Never rejects: that would close the socket, and end all others on it. */
async function open(
  { yoga, documents, doorkeeper, quotas, trustedDocuments, onFollow }: ProtocolOptions,
  connection: Connection,
  { id, payload }: { readonly id: string; readonly payload: SubscribePayload },
): Promise<ExecutionArgs | readonly GraphQLError[]> {
  if (connection.admission === undefined) return [maskError(missing())];
  const { session, ...verbs } = connection.admission;
  try {
    const refusal = await quotas.request(session.viewer.id);
    if (refusal !== undefined) return [refusal];
    const query = trustedDocuments === undefined ? payload.query : resolveDocument(trustedDocuments, payload);
    if (typeof query !== 'string') return [query];
    const document = documents.valid(query) ?? pass(yoga, query);
    if (!('kind' in document)) return document;
    // The text that all have in common: their own would last as long as their subscriptions.
    Object.assign(payload, { query: document.loc?.source.body ?? query });
    const refresh = (token: string) => doorkeeper.refresh(session, token);
    const scope: RequestScope = { ...verbs, session, refresh, onFollow, by: connection };
    const contextValue = { ...scope, connection, sink: connection.sinkOf(id) };
    const { operationName, variables: variableValues } = payload;
    return { schema, document, operationName, variableValues, contextValue };
  } catch (error) {
    if (!(error instanceof GraphQLError)) return [maskError(error)];
    return [rewrite(error, error.message, { code: 'GRAPHQL_PARSE_FAILED', ...error.extensions })];
  }
}

/** The document, or what is wrong with it. @throws what parsing does */
function pass(yoga: Yoga, query: string): DocumentNode | readonly GraphQLError[] {
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
