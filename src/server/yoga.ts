import { GraphQLError } from 'graphql';
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import type { RequestScope } from '../graphql/request.ts';
import { schema } from '../graphql/schema.ts';
import type { Tracing } from '../observability/tracing.ts';
import { type DocumentCache, noErrorCache, noteValidity } from './document-cache.ts';
import type { Doorkeeper, Entering } from './doorkeeper.ts';
import type { Execute } from './execution.ts';
import { sharedSubscribe, type WithSink } from './fanout/subscribe.ts';
import { useGraphiQL } from './graphiql.ts';
import { type Origins, refuseForms } from './http/origin.ts';
import { limitQueries, type QueryLimits } from './limits/limits.ts';
import type { Quotas } from './limits/quotas.ts';
import { type TrustedDocuments, useTrustedDocuments } from './limits/trusted-documents.ts';
import { maskError } from './mask-error.ts';
import type { FollowHook } from './reporting/deliveries.ts';
import type { Requests } from './reporting/requests.ts';
import { traceSubscriptions } from './reporting/traced-operations.ts';
import type { EventStreams } from './sse.ts';
import { refuseConditionalRoots } from './subscription-root.ts';

/** Where GraphQL is, over every transport. */
export const endpoint = '/graphql';

/** What the GraphQL server is built from. */
export interface YogaOptions {
  readonly doorkeeper: Doorkeeper;
  readonly requests: Requests;
  /** How deltas are told. */
  readonly formatDelta: RequestScope['chord']['formatDelta'];
  /** Absent: nothing is traced. */
  readonly tracing?: Tracing | undefined;
  readonly streams: EventStreams;
  readonly documents: DocumentCache;
  readonly execute: Execute;
  readonly graphiql: boolean;
  readonly maxRequestBytes: number;
  readonly limits: QueryLimits;
  readonly origins: Origins;
  readonly quotas: Quotas;
  /** Absent: clients send any document. */
  readonly trustedDocuments?: TrustedDocuments | undefined;
  /** Absent: nothing is counted. */
  readonly onFollow?: FollowHook | undefined;
}

/** What the transports hand to yoga beside the request. A WebSocket brings its scope along. */
export interface TransportContext extends Entering, WithSink {
  readonly scope?: RequestScope | undefined;
  /** What subscriptions are counted by: a WebSocket. */
  readonly connection?: object | undefined;
}

/** The GraphQL server, as the transports use it. */
export type Yoga = YogaServerInstance<TransportContext, RequestScope>;

/** The GraphQL server, without a transport: parsing, validation, execution, masking, GraphiQL, SSE. */
export function createGraphQLServer(options: YogaOptions): Yoga {
  const {
    doorkeeper,
    requests,
    tracing,
    streams,
    documents,
    execute,
    graphiql,
    maxRequestBytes,
    limits,
    origins,
    quotas,
    trustedDocuments,
    onFollow,
  } = options;
  return createYoga<TransportContext, RequestScope>({
    schema,
    graphqlEndpoint: endpoint,
    context: ({ scope, request }) => {
      if (scope !== undefined) return scope;
      const admission = doorkeeper.admissionOf(request);
      return { ...admission, onFollow, ...streams.scopeOf(request, admission.session) };
    },
    maskedErrors: { maskError },
    maxRequestBodySize: maxRequestBytes,
    // What yoga reports is reported by `requests`.
    logging: false,
    parserAndValidationCache: { documentCache: documents, errorCache: noErrorCache },
    batching: false,
    cors: origins.cors,
    multipart: false,
    landingPage: false,
    graphiql: false,
    plugins: [
      requests.plugin,
      doorkeeper.plugin,
      useExecutors(execute, options.formatDelta),
      refuseForms,
      refuseBrokenParameters,
      limitQueries(limits),
      ...(trustedDocuments === undefined ? [] : [useTrustedDocuments(trustedDocuments)]),
      quotas.plugin((request) => doorkeeper.admissionOf(request).session.viewer.id),
      refuseConditionalRoots,
      ...(tracing === undefined ? [] : [traceSubscriptions(tracing)]),
      noteValidity(documents),
      streams.plugin,
      ...(graphiql ? [useGraphiQL(endpoint, doorkeeper.isOpen ? 'WS' : 'SSE')] : []),
    ],
  });
}

/** The executor that all share, and for subscriptions one that tells many the same. */
function useExecutors(execute: Execute, formatDelta: YogaOptions['formatDelta']): Plugin {
  const subscribe = sharedSubscribe(formatDelta);
  return {
    onExecute: ({ setExecuteFn }) => setExecuteFn(execute),
    onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(subscribe),
  };
}

/** For a client that has cut its request off, and hears nothing any more: for the records. */
export function endsEarly(): GraphQLError {
  return new GraphQLError('The request ends early.', { extensions: { http: { status: 400 } } });
}

/** Parameters of a URL that are no JSON; yoga takes them for a failure of its own. */
const refuseBrokenParameters: Plugin = {
  onRequestParse: ({ requestParser, setRequestParser }) => {
    if (requestParser === undefined) return;
    setRequestParser(async (request) => {
      try {
        return await requestParser(request);
      } catch (error) {
        if (request.signal.aborted) throw endsEarly();
        if (!(error instanceof SyntaxError)) throw error;
        throw new GraphQLError('Variables and extensions must be JSON.', { extensions: { http: { status: 400 } } });
      }
    });
  },
};
