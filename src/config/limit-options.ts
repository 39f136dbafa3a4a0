import { boolean, integer, maxTimerMs, option, origins, orNone, text } from './kinds.ts';

/** The options that bound what clients may ask for: a part of the table. docs/limits.md tells what they mean. */
export const limitOptions = {
  maxQueryTokens: option(integer(100, 20_000), {
    default: 2_000,
    unit: 'tokens',
    description: 'Longest GraphQL document, in words and signs.',
  }),
  maxQueryDepth: option(integer(1, 500), {
    default: 15,
    unit: 'levels',
    description: 'Deepest nesting of fields in an operation; introspection counts as one level.',
  }),
  maxQueryAliases: option(integer(0), {
    default: 100,
    unit: 'fields',
    description: 'Most fields of an operation that have an alias or are repeated, its fragments written out.',
  }),
  maxQueryCost: option(integer(1), {
    default: 10_000,
    unit: 'fields',
    description: 'Most fields that an operation may answer, those within a field with a limit as often as that says.',
  }),
  queryTimeoutMs: option(integer(1, maxTimerMs()), {
    default: 60_000,
    unit: 'ms',
    description: 'How long an operation may take to answer; what it has begun goes on.',
  }),
  requestTimeoutMs: option(integer(1, maxTimerMs()), {
    default: 60_000,
    unit: 'ms',
    description: 'How long a client may take to send a request.',
  }),
  connectionInitTimeoutMs: option(integer(1, maxTimerMs()), {
    default: 3_000,
    unit: 'ms',
    description: 'How long a client may take from opening a WebSocket to connection_init.',
  }),
  maxConnections: option(integer(1), {
    default: 50_000,
    unit: 'connections',
    description: 'Most connections of a process, WebSockets and event streams included.',
  }),
  maxSubscriptionsPerConnection: option(integer(1), {
    default: 1_000,
    unit: 'subscriptions',
    description: 'Most subscriptions on one WebSocket.',
  }),
  maxConnectionsPerViewer: option(orNone(integer(1)), {
    default: null,
    unit: 'WebSockets',
    description: 'Most WebSockets of one viewer in a process.',
  }),
  maxSubscriptionsPerViewer: option(orNone(integer(1)), {
    default: null,
    unit: 'subscriptions',
    description: 'Most subscriptions of one viewer in a process, over every transport.',
  }),
  requestsPerSecond: option(orNone(integer(1)), {
    default: null,
    unit: 'operations',
    description: 'Most operations of one viewer in a second, in a process; with Redis in all of them together.',
  }),
  writesPerSecond: option(orNone(integer(1)), {
    default: null,
    unit: 'mutations',
    description:
      'Most mutations of one viewer in a second, each field of a document is one; counted like requestsPerSecond.',
  }),
  corsOrigins: option(origins(), {
    default: [],
    unit: 'origins',
    description:
      'Origins of web pages that may use the server, beside its own, like https://app.example.com; * for all.',
  }),
  trustedDocumentsFile: option(orNone(text()), {
    default: null,
    description:
      'The JSON file with the documents by their hashes, as graphql-codegen writes it; when set, only these run.',
  }),
  introspection: option(boolean(), {
    default: true,
    isLocal: true,
    description: 'Whether clients may ask for the schema.',
  }),
};
