// docs:begin
import { ApolloClient, gql, InMemoryCache, type TypedDocumentNode } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { apply } from '../../src/delta/index.ts';
import { connect, positionIn, withPositions } from './graphql-ws.ts';
import { type Context, type FollowData, type FollowEvent, type FollowOptions, followQuery, isGone } from './replica.ts';

const followDocument: TypedDocumentNode<FollowData> = gql(followQuery);
const fragment: TypedDocumentNode<Context> = gql`fragment CachedContext on Context { id epoch version state }`;

export function createCache(): InMemoryCache {
  return new InMemoryCache({
    possibleTypes: { ContextEvent: ['FullContext', 'Delta', 'NoChange', 'ContextGone', 'NoContext'] },
    typePolicies: {
      // An event replaces the one before it.
      Subscription: { fields: { contextChanged: { merge: false } } },
      // useQuery of `context(id)` finds, and then follows, what the subscription stores.
      Query: {
        fields: { context: (known, { args, toReference }) => known ?? toReference({ __typename: 'Context', ...args }) },
      },
    },
  });
}

export function cached(cache: InMemoryCache, id: string): Context | null {
  return cache.readFragment({ id: `Context:${id}`, fragment });
}

/** The client rule, on the cache, which holds the context of a FULL already. False: subscribe again. */
function store(cache: InMemoryCache, id: string, event: FollowEvent): boolean {
  const { __typename, epoch, version } = event;
  const context = cached(cache, id);
  const from = __typename === 'Delta' ? event.fromVersion : version;
  if (isGone(event) || context?.epoch !== epoch || context.version !== from) {
    cache.evict({ id: `Context:${id}` });
    return isGone(event);
  }
  if (__typename === 'Delta') {
    const data = { ...context, version, state: apply(context.state, event.changes) };
    cache.writeFragment({ id: `Context:${id}`, fragment, data });
  }
  return true;
}

export function followWithApollo({ url, id, onEvent, onError }: FollowOptions): () => void {
  const cache = createCache();
  const webSocket = connect(url);
  // `new GraphQLWsLink(webSocket)` works as well: it never sends a position, so each connection begins with a FULL.
  const link = new GraphQLWsLink(withPositions(webSocket, (key) => positionIn(cached(cache, key))));
  const client = new ApolloClient({ cache, link });
  const subscription = client.subscribe({ query: followDocument, variables: { id } }).subscribe(({ data, error }) => {
    if (error !== undefined) onError(error);
    if (!data) return;
    // `terminate` makes graphql-ws connect and subscribe again, now without a position.
    if (store(cache, id, data.contextChanged)) onEvent(data.contextChanged, cached(cache, id)?.state);
    else webSocket.terminate();
  });
  return () => {
    subscription.unsubscribe();
    client.stop();
  };
}
// docs:end
