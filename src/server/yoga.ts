import { GraphQLError } from 'graphql';
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import type { RequestScope } from '../graphql/request.ts';
import { schema } from '../graphql/schema.ts';
import { type DocumentCache, noErrorCache, noteValidity } from './document-cache.ts';
import type { Doorkeeper, Entering } from './doorkeeper.ts';
import type { Execute, Subscribe } from './execution.ts';
import { useGraphiQL } from './graphiql.ts';
import { type Origins, refuseForms } from './http/origin.ts';
import { limitDocuments, type QueryLimits } from './limits/limits.ts';
import type { Quotas } from './limits/quotas.ts';
import { type TrustedDocuments, useTrustedDocuments } from './limits/trusted-documents.ts';
import { maskError } from './mask-error.ts';
import type { FollowHook } from './reporting/deliveries.ts';
import type { Requests } from './reporting/requests.ts';
import type { EventStreams } from './sse.ts';
import { refuseConditionalRoots } from './subscription-root.ts';

/** Where GraphQL is, over every transport. */
export const endpoint = '/graphql';

/** What the GraphQL server is built from. */
export interface YogaOptions {
  readonly doorkeeper: Doorkeeper;
  readonly requests: Requests;
  readonly streams: EventStreams;
  readonly documents: DocumentCache;
  readonly execute: Execute;
  readonly subscribe: Subscribe;
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

/** The GraphQL server, as the transports use it. */
export type Yoga = YogaServerInstance<Entering, RequestScope>;

/** The GraphQL server, without a transport: parsing, validation, execution, masking, GraphiQL, SSE. */
export function createGraphQLServer(options: YogaOptions): Yoga {
  const {
    doorkeeper,
    requests,
    streams,
    documents,
    execute,
    subscribe,
    graphiql,
    maxRequestBytes,
    limits,
    origins,
    quotas,
    trustedDocuments,
    onFollow,
  } = options;
  return createYoga<Entering, RequestScope>({
    schema,
    graphqlEndpoint: endpoint,
    context: ({ request }) => {
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
      useExecutors(execute, subscribe),
      refuseForms,
      refuseBrokenParameters,
      limitDocuments(limits),
      ...(trustedDocuments === undefined ? [] : [useTrustedDocuments(trustedDocuments)]),
      quotas.plugin((request) => doorkeeper.admissionOf(request).session.viewer.id),
      refuseConditionalRoots,
      noteValidity(documents),
      streams.plugin,
      ...(graphiql ? [useGraphiQL(endpoint, doorkeeper.isOpen ? 'WS' : 'SSE')] : []),
    ],
  });
}

/** Ours, which hold the limits of what runs, instead of yoga's own. */
function useExecutors(execute: Execute, subscribe: Subscribe): Plugin {
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
