import { execute, GraphQLError, subscribe } from 'graphql';
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import type { RequestScope } from '../graphql/request.ts';
import { schema } from '../graphql/schema.ts';
import type { Logger } from '../observability/logger.ts';
import type { FollowHook } from './deliveries.ts';
import { DocumentCache, forgetInvalid, noErrorCache } from './document-cache.ts';
import type { Doorkeeper } from './doorkeeper.ts';
import { useGraphiQL } from './graphiql.ts';
import { limitQueries, type QueryLimits } from './limits.ts';
import { createErrorMask } from './mask-error.ts';
import { type Origins, refuseForms } from './origin.ts';
import type { Quotas } from './quotas.ts';
import type { EventStreams } from './sse.ts';
import { refuseConditionalRoots } from './subscription-root.ts';
import { type TrustedDocuments, useTrustedDocuments } from './trusted-documents.ts';

/** Where GraphQL is, over every transport. */
export const endpoint = '/graphql';

/** What the GraphQL server is built from. */
export interface YogaOptions {
  readonly doorkeeper: Doorkeeper;
  readonly logger: Logger;
  readonly streams: EventStreams;
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
export interface TransportContext {
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
    logger,
    streams,
    graphiql,
    maxRequestBytes,
    limits,
    origins,
    quotas,
    trustedDocuments,
    onFollow,
  } = options;
  const documents = new DocumentCache();
  return createYoga<TransportContext, RequestScope>({
    schema,
    graphqlEndpoint: endpoint,
    context: ({ scope, request }) =>
      scope ?? { ...doorkeeper.admissionOf(request), logger, onFollow, ...streams.scopeOf(request) },
    maskedErrors: { maskError: createErrorMask(logger) },
    maxRequestBodySize: maxRequestBytes,
    // What yoga reports the mask has seen, too.
    logging: false,
    parserAndValidationCache: { documentCache: documents, errorCache: noErrorCache },
    batching: false,
    cors: origins.cors,
    multipart: false,
    landingPage: false,
    graphiql: false,
    plugins: [
      doorkeeper.plugin,
      useGraphQLJs,
      refuseForms,
      refuseBrokenParameters,
      limitQueries(limits),
      ...(trustedDocuments === undefined ? [] : [useTrustedDocuments(trustedDocuments)]),
      quotas.plugin((request) => doorkeeper.admissionOf(request).session.viewer.id),
      refuseConditionalRoots,
      forgetInvalid(documents),
      streams.plugin,
      ...(graphiql ? [useGraphiQL(endpoint)] : []),
    ],
  });
}

/** The reference executor: yoga's own takes a value with a key `then` for a promise, also a state. */
const useGraphQLJs: Plugin = {
  onExecute: ({ setExecuteFn }) => setExecuteFn(execute),
  onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(subscribe),
};

/** Parameters of a URL that are no JSON; yoga takes them for a failure of its own. */
const refuseBrokenParameters: Plugin = {
  onRequestParse: ({ requestParser, setRequestParser }) => {
    if (requestParser === undefined) return;
    setRequestParser(async (request) => {
      try {
        return await requestParser(request);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        throw new GraphQLError('Variables and extensions must be JSON.', { extensions: { http: { status: 400 } } });
      }
    });
  },
};
