import { execute, GraphQLError, subscribe } from 'graphql';
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import type { RequestScope } from '../graphql/request.ts';
import { schema } from '../graphql/schema.ts';
import type { Logger } from '../observability/logger.ts';
import type { ChordService } from '../service/service.ts';
import { DocumentCache, forgetInvalid, noErrorCache } from './document-cache.ts';
import { useGraphiQL } from './graphiql.ts';
import { limitDocuments } from './limits.ts';
import { createErrorMask } from './mask-error.ts';
import type { EventStreams } from './sse.ts';
import { refuseConditionalRoots } from './subscription-root.ts';

/** Where GraphQL is, over every transport. */
export const endpoint = '/graphql';

/** What the GraphQL server is built from. */
export interface YogaOptions {
  readonly chord: ChordService;
  readonly logger: Logger;
  readonly streams: EventStreams;
  readonly graphiql: boolean;
  readonly maxRequestBytes: number;
}

/** What the transports hand to yoga beside the request. A WebSocket brings its scope along. */
export interface TransportContext {
  readonly scope?: RequestScope | undefined;
}

/** The GraphQL server, as the transports use it. */
export type Yoga = YogaServerInstance<TransportContext, RequestScope>;

/** The GraphQL server, without a transport: parsing, validation, execution, masking, GraphiQL, SSE. */
export function createGraphQLServer({ chord, logger, streams, graphiql, maxRequestBytes }: YogaOptions): Yoga {
  const documents = new DocumentCache();
  return createYoga<TransportContext, RequestScope>({
    schema,
    graphqlEndpoint: endpoint,
    context: ({ scope, request }) => scope ?? { chord, logger, ...streams.scopeOf(request) },
    maskedErrors: { maskError: createErrorMask(logger) },
    maxRequestBodySize: maxRequestBytes,
    // What yoga reports the mask has seen, too.
    logging: false,
    parserAndValidationCache: { documentCache: documents, errorCache: noErrorCache },
    batching: false,
    // Nothing is known of who asks, so nothing is gained by cookies, and other sites must not send them along.
    cors: { origin: '*', credentials: false },
    multipart: false,
    landingPage: false,
    graphiql: false,
    plugins: [
      useGraphQLJs,
      refuseBrokenParameters,
      limitDocuments,
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

/** Parameters of a URL or a form that are no JSON; yoga takes them for a failure of its own. */
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
