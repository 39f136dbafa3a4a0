// docs:begin
import { readFileSync } from 'node:fs';
import { Client, type ExecutionResult, gql, subscriptionExchange } from '@urql/core';
import { type Cache, cacheExchange } from '@urql/exchange-graphcache';
import { buildSchema, introspectionFromSchema } from 'graphql';
import { apply } from '../../src/delta/index.ts';
import { connect, positionIn, withPositions } from './graphql-ws.ts';
import { type Context, type FollowData, type FollowEvent, type FollowOptions, followQuery, isGone } from './replica.ts';

// In a browser: made at build time, see @urql/introspection. Without a schema graphcache guesses what fits a fragment.
const schemaFile = new URL('../../schema/schema.graphql', import.meta.url);
const introspection = introspectionFromSchema(buildSchema(readFileSync(schemaFile, 'utf8')));

const contextFragment = gql<Context>`fragment CachedContext on Context { id epoch version state }`;
/** What components read; it follows what the subscription stores. */
export const contextQuery = gql<{ context: Context | null }>`
  query Context($id: ID!) { context(id: $id) { id epoch version state } }
`;

/** The client rule, on the cache, which holds the context of a FULL already. False: subscribe again. */
function store(cache: Cache, id: string, event: FollowEvent): boolean {
  const { __typename, epoch, version } = event;
  const context = cache.readFragment(contextFragment, { __typename: 'Context', id });
  const from = __typename === 'Delta' ? event.fromVersion : version;
  if (isGone(event) || context?.epoch !== epoch || context.version !== from) {
    cache.invalidate({ __typename: 'Context', id });
    return isGone(event);
  }
  if (__typename === 'Delta') {
    cache.writeFragment(contextFragment, { ...context, version, state: apply(context.state, event.changes) });
  }
  return true;
}

const idOf = (args: Readonly<Record<string, unknown>>): string => args['id'] as string;

export function createUrqlClient(url: string) {
  const webSocket = connect(url);
  const cached = (id: string) => client.readQuery(contextQuery, { id }, { requestPolicy: 'cache-only' })?.data?.context;
  const resuming = withPositions(webSocket, (id) => positionIn(cached(id)));
  const client: Client = new Client({
    url,
    preferGetMethod: false,
    exchanges: [
      cacheExchange({
        schema: introspection,
        keys: { FullContext: () => null, Delta: () => null, Change: () => null, NoChange: () => null },
        resolvers: { Query: { context: (_parent, args) => ({ __typename: 'Context', id: idOf(args) }) } },
        updates: {
          Subscription: {
            contextChanged: ({ contextChanged }, args, cache) => {
              // `terminate` makes graphql-ws connect and subscribe again, now without a position.
              if (!store(cache, idOf(args), contextChanged as FollowEvent)) webSocket.terminate();
            },
          },
        },
      }),
      subscriptionExchange({
        forwardSubscription: ({ query = '', variables }) => ({
          subscribe: (sink) => ({
            unsubscribe: resuming.subscribe(
              { query, variables },
              { ...sink, next: (result) => sink.next(result as ExecutionResult) },
            ),
          }),
        }),
      }),
    ],
  });
  return { client, cached };
}

export function followWithUrql({ url, id, onEvent, onError }: FollowOptions): () => void {
  const { client, cached } = createUrqlClient(url);
  const { unsubscribe } = client.subscription(gql<FollowData>(followQuery), { id }).subscribe(({ data, error }) => {
    if (error !== undefined) onError(error);
    const context = cached(id);
    if (data === undefined || (context == null && !isGone(data.contextChanged))) return;
    onEvent(data.contextChanged, context?.state);
  });
  return unsubscribe;
}
// docs:end
