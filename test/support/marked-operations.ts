/** Every root field, right and wrong, with marked words wherever a client can say something. */
import type { Operation } from './app.ts';
import type { RawRequest } from './told.ts';

/** What is marked of that which clients send. */
export interface MarkedWords {
  /** A value of a state, and a key of one. */
  readonly value: string;
  readonly field: string;
  readonly idempotencyKey: string;
  readonly origin: string;
  /** Stands where it makes a document or a variable wrong. */
  readonly misplaced: string;
  /** In URLs, headers, messages and bodies that are no operation. */
  readonly loose: string;
}

const failure = '... on Error { message } ... on InvalidStateError { path } ... on LimitExceededError { limit actual }';
const conflict = '... on VersionConflictError { currentVersion currentEpoch }';

/** Operations whose answers hold nothing of a state: none of them selects it. */
export function markedOperations(words: MarkedWords): readonly Operation[] {
  const { value, field, idempotencyKey, origin } = words;
  const id = 'noted';
  const state = { [field]: value, nested: { [field]: [value] } };
  const set = `mutation ($id: ID!, $state: JSONObject!, $key: String, $origin: String, $version: SafeInt, $epoch: ID) {
    setContext(id: $id, state: $state, idempotencyKey: $key, origin: $origin, expectedVersion: $version, expectedEpoch: $epoch) {
      __typename ${failure} ${conflict} ... on SetContextPayload { version duplicate delta { version } }
    }
  }`;
  const update = `mutation ($id: ID!, $changes: JSONObject!, $remove: [[String!]!], $key: String, $origin: String) {
    updateContext(id: $id, changes: $changes, remove: $remove, idempotencyKey: $key, origin: $origin) {
      __typename ${failure}
    }
  }`;
  const deep = JSON.parse(`${`{"${field}":`.repeat(80)}"${value}"${'}'.repeat(80)}`) as Record<string, unknown>;
  const forbidden = { [field]: { forbidden: value } };
  return [
    { query: set, variables: { id, state, key: idempotencyKey, origin } },
    { query: set, variables: { id, state: { other: value }, key: idempotencyKey, origin } },
    { query: set, variables: { id, state, version: 99, origin } },
    { query: set, variables: { id, state, epoch: value } },
    { query: set, variables: { id, state: deep } },
    { query: set, variables: { id, state: forbidden } },
    { query: set, variables: { id, state: { [field]: value.repeat(3_000) } } },
    { query: set, variables: { id, state, key: idempotencyKey.repeat(10) } },
    { query: set, variables: { id, state, origin: origin.repeat(10) } },
    { query: update, variables: { id, changes: { [field]: { [value]: 1 } }, key: `${idempotencyKey}2`, origin } },
    {
      query: update,
      variables: {
        id,
        changes: {},
        remove: [
          [field, value],
          ['nested', field],
        ],
      },
    },
    { query: update, variables: { id, changes: {}, remove: [[]] } },
    { query: update, variables: { id: 'not there', changes: { [field]: value } } },
    { query: `query { context(id: "${id}") { id version } }` },
    { query: `query { syncContext(id: "${id}", clientVersion: 1, clientEpoch: "${value}") { __typename version } }` },
    { query: 'query { contexts { nodes { id version } totalCount } }' },
    { query: `query { deltas(contextId: "${id}") { nodes { version } totalCount } }` },
    { query: 'query { cleanup { running } viewer { viewerId } }' },
    { query: 'query { connections { __typename } }' },
    { query: 'query { server { __typename } }' },
    { query: `subscription { contextChanged(id: "${id}", clientEpoch: "${value}") { __typename version } }` },
    { query: `mutation { exportContext(id: "${id}") { __typename ${failure} } }` },
    { query: `mutation { restoreContext(id: "${id}", origin: "${origin}") { __typename ${failure} } }` },
    { query: 'mutation { restoreContext(id: "invalid") { __typename ... on Error { message } } }' },
    { query: 'mutation { restoreContext(id: "no json") { __typename ... on Error { message } } }' },
    { query: `mutation { refreshCredentials(token: "${words.loose}") { __typename ... on Error { message } } }` },
    { query: 'mutation { runCleanup { __typename } startCleanup { __typename } updateCleanup { __typename } }' },
    { query: 'mutation { stopCleanup { __typename } }' },
    {
      query:
        'mutation { revokeAccess(viewerId: "nobody") { __typename } endRevocation(viewerId: "nobody") { __typename } }',
    },
    { query: 'query { revocations { __typename } }' },
    { query: `mutation { deleteContext(id: "${id}", expectedEpoch: "${value}", origin: "${origin}") { __typename } }` },
    { query: 'mutation { deleteContext(id: "gone", expectedVersion: 3) { __typename } }' },
  ];
}

/** Documents and variables that are wrong where the mark is. GraphQL quotes some of them, to whoever sent them. */
export function misplacedOperations({ misplaced }: MarkedWords): readonly Operation[] {
  return [
    { query: `{ ${misplaced}` },
    { query: `{ context(id: "${misplaced}) { id } }` },
    { query: `{ ${misplaced} { id } }` },
    { query: `{ context(id: "a", ${misplaced}: "${misplaced}") { id } }` },
    { query: `{ contexts(limit: "${misplaced}") { nodes { id } } }` },
    { query: `{ contexts(order: ${misplaced}) { nodes { id } } }` },
    { query: `query ($a: Int!) { contexts(limit: $a) { nodes { id } } }`, variables: { a: misplaced } },
    {
      query: 'query ($a: ContextFilter) { contexts(filter: $a) { nodes { id } } }',
      variables: { a: { [misplaced]: 1 } },
    },
    {
      query: 'mutation ($a: JSONObject!) { setContext(id: "a", state: $a) { __typename } }',
      variables: { a: misplaced },
    },
    { query: 'query ($a: DateTime) { deltas(insertedAfter: $a) { totalCount } }', variables: { a: misplaced } },
    { query: 'query A { viewer { viewerId } } query B { viewer { viewerId } }', operationName: misplaced },
  ];
}

/** Requests that are no operation, or wrong around one. */
export function misplacedRequests({ misplaced, loose }: MarkedWords, authorization: string): readonly RawRequest[] {
  const post = { method: 'POST', headers: { 'content-type': 'application/json', authorization } };
  const query = encodeURIComponent('{ viewer { viewerId } }');
  return [
    { ...post, body: `{"query":"${misplaced}` },
    { ...post, body: `"${misplaced}"` },
    { ...post, body: JSON.stringify({ query: '{ __typename }', variables: misplaced }) },
    { ...post, body: JSON.stringify([{ query: misplaced }]) },
    { ...post, body: JSON.stringify({ query: `{ __typename } # ${misplaced.repeat(4_000)}` }) },
    { ...post, headers: { ...post.headers, 'content-type': 'text/plain' }, body: loose },
    { ...post, headers: { ...post.headers, 'content-type': `application/${loose}` }, body: loose },
    { ...post, headers: { ...post.headers, accept: `text/${loose}` }, body: '{"query":"{ __typename }"}' },
    { ...post, headers: { ...post.headers, cookie: `session=${loose}`, 'x-anything': loose }, body: '{}' },
    { ...post, headers: { ...post.headers, 'x-request-id': `${loose}!` }, body: '{}' },
    { ...post, headers: { ...post.headers, traceparent: loose, tracestate: loose, baggage: loose }, body: '{}' },
    { ...post, headers: { ...post.headers, origin: `https://${loose}.example` }, body: '{}' },
    { ...post, headers: { ...post.headers, 'last-event-id': loose, accept: 'text/event-stream' }, body: '{}' },
    { method: 'OPTIONS', headers: { origin: `https://${loose}.example`, 'access-control-request-headers': loose } },
    { path: `/graphql?query=${query}&access_token=${loose}`, headers: { authorization } },
    { path: `/graphql?query=${query}&token=${loose}&authorization=Bearer%20${loose}` },
    { path: `/graphql?query=%7B${misplaced}&variables=%7B${misplaced}`, headers: { authorization } },
    {
      path: `/graphql?query=mutation%7BdeleteContext(id:%22${loose}%22)%7B__typename%7D%7D`,
      headers: { authorization },
    },
    { path: `/${loose}` },
    { path: `/ready?token=${loose}` },
    { path: `/live?token=${loose}` },
    { method: 'PUT', path: `/graphql?${loose}`, headers: { authorization }, body: loose },
  ];
}

/** Conversations over a WebSocket that go wrong. */
export function misplacedTalks(
  { misplaced, loose }: MarkedWords,
  authorization: string,
): readonly (readonly string[])[] {
  const init = JSON.stringify({ type: 'connection_init', payload: { authorization, other: loose } });
  const follow = { query: 'subscription { contextChanged(id: "noted") { version } }' };
  return [
    [`{"type":"${misplaced}`],
    [JSON.stringify({ type: misplaced, payload: loose })],
    [JSON.stringify({ type: 'connection_init', payload: { authorization: loose } })],
    [JSON.stringify({ type: 'connection_init', payload: { authorization: [loose] } })],
    [JSON.stringify({ type: 'connection_init', payload: loose })],
    [subscribe(misplaced, follow)],
    [init, init],
    // An id is said back to whoever sent it.
    [init, subscribe(misplaced, follow), subscribe(misplaced, follow)],
    [init, subscribe('1', { query: misplaced, extensions: { requestId: `${loose}!`, traceparent: loose } })],
    [init, subscribe('1', { query: '{ __typename }', variables: misplaced })],
    [init, JSON.stringify({ id: misplaced, type: 'next', payload: loose })],
    [JSON.stringify({ type: 'ping', payload: { loose } }), init],
  ];
}

function subscribe(id: string, payload: object): string {
  return JSON.stringify({ id, type: 'subscribe', payload });
}
