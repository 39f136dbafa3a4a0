/** What clients may send, and which way it goes once it was seen. */
import type { RequestParts } from './stage.ts';

/** Plain requests take the lane, which a document is let into that yoga has passed; everything else goes through yoga. */
export type Way = 'lane' | 'yoga';

export type Row = readonly [name: string, way: Way, parts: RequestParts];

export const json = (body: unknown) => ({ body: JSON.stringify(body) });
export const read = '{ context(id: "c") { id version state } }';
export const readById = 'query Read($id: ID!) { context(id: $id) { id version state } }';
export const update =
  'mutation Update($id: ID!, $changes: JSONObject!, $remove: [[String!]!], $at: SafeInt) {' +
  ' updateContext(id: $id, changes: $changes, remove: $remove, expectedVersion: $at) { __typename' +
  ' ... on UpdateContextPayload { version changed duplicate context { state } delta { changes { path } formatted } }' +
  ' ... on Error { message } ... on VersionConflictError { currentVersion } } }';
const two = 'query A { context(id: "c") { id } } query B { context(id: "c") { version } }';
const big = 'x'.repeat(200_000);

export const documents: readonly Row[] = [
  ['a query', 'lane', json({ query: read })],
  ['nothing but __typename', 'lane', json({ query: '{ __typename }' })],
  ['a query with variables', 'lane', json({ query: readById, variables: { id: 'c' } })],
  ['a query for what is not there', 'lane', json({ query: readById, variables: { id: 'nobody' } })],
  [
    'null for all that may be absent',
    'lane',
    json({ query: read, variables: null, operationName: null, extensions: null }),
  ],
  ['extensions that nobody knows', 'lane', json({ query: read, extensions: { a: [1] } })],
  ['variables that nobody declared', 'lane', json({ query: read, variables: { other: { a: 1 } } })],
  ['the name of the only operation', 'lane', json({ query: readById, operationName: 'Read', variables: { id: 'c' } })],
  ['the first of two operations', 'lane', json({ query: two, operationName: 'A' })],
  ['the second of two operations', 'lane', json({ query: two, operationName: 'B' })],
  ['neither of two operations', 'yoga', json({ query: two })],
  ['another than the two operations', 'yoga', json({ query: two, operationName: 'C' })],
  ['an empty operation name', 'yoga', json({ query: two, operationName: '' })],
  ['aliases', 'lane', json({ query: '{ a: context(id: "c") { v: version v2: version } b: context(id: "d") { id } }' })],
  [
    'fragments, named and not',
    'lane',
    json({
      query:
        'query { context(id: "c") { ...F ... on Context { state } ... { id } } } fragment F on Context { version }',
    }),
  ],
  ...[true, false].flatMap((flag): readonly Row[] => [
    [
      `directives with the variable ${flag}`,
      'lane',
      json({
        query:
          'query ($f: Boolean!) { context(id: "c") @skip(if: $f) { id } ' +
          'other: context(id: "c") { version @include(if: $f) ... @skip(if: $f) { state } } }',
        variables: { f: flag },
      }),
    ],
  ]),
  ['a default of a variable', 'lane', json({ query: 'query ($id: ID = "c") { context(id: $id) { id } }' })],
  [
    'a fragment within an interface',
    'lane',
    json({ query: 'mutation { deleteContext(id: "nobody") { ... on Error { message } } }' }),
  ],
  ['introspection', 'lane', json({ query: '{ __schema { types { name kind fields { name type { name } } } } }' })],
  [
    'one type of the schema',
    'lane',
    json({ query: '{ __type(name: "Context") { name fields { name description } } }' }),
  ],
  [
    'names of what has no prototype',
    'lane',
    json({ query: '{ constructor: __typename __proto__: __typename toString: __typename }' }),
  ],
  ['text of all kinds', 'lane', json({ query: readById, variables: { id: 'ä€😀\u0000\ud800"\\\u2028' } })],
  ['a comment and a BOM in the document', 'lane', json({ query: `\ufeff# so\n${read}` })],
  ['a document with CRLF', 'lane', json({ query: '{\r\n  context(id: "c") {\r\n id }\r\n}' })],
  ['a block string', 'lane', json({ query: '{ context(id: """\n  c\n""") { id } }' })],
  ['an id that is a number', 'lane', json({ query: readById, variables: { id: 5 } })],
  [
    'a page',
    'lane',
    json({ query: 'query ($n: Int) { contexts(limit: $n) { nodes { id } totalCount } }', variables: { n: 2 } }),
  ],
  [
    'a page of too many',
    'lane',
    json({ query: 'query ($n: Int) { contexts(limit: $n) { nodes { id } } }', variables: { n: 9e5 } }),
  ],
];

export const failures: readonly Row[] = [
  ['a document that does not parse', 'yoga', json({ query: '{ context(id: ' })],
  ['a document that is not valid', 'yoga', json({ query: '{ nothing }' })],
  ['an empty document', 'yoga', json({ query: '' })],
  ['a fragment alone', 'yoga', json({ query: 'fragment F on Context { id }' })],
  ['a document of definitions', 'yoga', json({ query: 'type A { b: Int }' })],
  [
    'a subscription',
    'yoga',
    {
      headers: { accept: 'application/json' },
      ...json({ query: 'subscription { contextChanged(id: "c") { version } }' }),
    },
  ],
  [
    'a subscription with a condition at its root',
    'yoga',
    json({ query: 'subscription { contextChanged(id: "c") @skip(if: false) { version } }' }),
  ],
  ['a document longer than is kept', 'yoga', json({ query: `${read} #${'x'.repeat(9_000)}` })],
  ['a document too deep to parse', 'yoga', json({ query: '{a'.repeat(3_000) })],
  ['more tokens than allowed', 'yoga', json({ query: `{ ${'a '.repeat(20_000)} }` })],
  ['@defer, which there is none of', 'yoga', json({ query: '{ ... @defer { __typename } }' })],
  ['a variable that is missing', 'lane', json({ query: readById })],
  ['a variable of null that must be there', 'lane', json({ query: readById, variables: { id: null } })],
  ['a variable of the wrong type', 'lane', json({ query: readById, variables: { id: { a: 1 } } })],
  ['a variable that is deep and no object', 'lane', json({ query: update, variables: { id: 'c', changes: [[[1]]] } })],
  ['a failing field among others', 'lane', json({ query: '{ a: context(id: "") { id } b: context(id: "c") { id } }' })],
  [
    'a cost that is too much',
    'lane',
    json({
      query: '{ contexts(limit: 250) { nodes { deltas(limit: 250) { changes { path } fromVersion version } } } }',
    }),
  ],
  [
    'a variable in a key that is no text',
    'lane',
    json({ query: update, variables: { id: 'c', changes: {}, remove: [[1]] } }),
  ],
];

export const writes: readonly Row[] = [
  ['a write', 'lane', json({ query: update, variables: { id: 'c', changes: { title: 'two' } } })],
  ['a write that changes nothing', 'lane', json({ query: update, variables: { id: 'c', changes: {} } })],
  [
    'a write that removes',
    'lane',
    json({ query: update, variables: { id: 'c', changes: { a: { b: 1 } }, remove: [['a', 'b'], ['nothing']] } }),
  ],
  ['a write to what is not there', 'lane', json({ query: update, variables: { id: 'nobody', changes: { a: 1 } } })],
  ['a write to another version', 'lane', json({ query: update, variables: { id: 'c', changes: { a: 1 }, at: 999 } })],
  [
    'a write of infinity',
    'lane',
    { body: `{"query":${JSON.stringify(update)},"variables":{"id":"c","changes":{"n":1e999}}}` },
  ],
  [
    'a write of a number too precise',
    'lane',
    {
      body: `{"query":${JSON.stringify(update)},"variables":{"id":"c","changes":{"n":0.1234567890123456789,"m":12345678901234567890}}}`,
    },
  ],
  [
    'a write of __proto__',
    'lane',
    { body: `{"query":${JSON.stringify(update)},"variables":{"id":"c","changes":{"__proto__":{"a":1}}}}` },
  ],
  [
    'a write deeper than allowed',
    'lane',
    {
      body: `{"query":${JSON.stringify(update)},"variables":{"id":"c","changes":{"a":${'[['.repeat(200)}${']]'.repeat(200)}}}}`,
    },
  ],
  [
    'a write of what is too heavy',
    'lane',
    json({ query: update, variables: { id: 'c', changes: { big: 'x'.repeat(1_100_000) } } }),
  ],
  [
    'several writes at once',
    'lane',
    json({
      query:
        'mutation { a: setContext(id: "x", state: {n: 1}) { __typename } b: deleteContext(id: "x") { ... on DeleteContextPayload { version } } }',
    }),
  ],
  [
    'a write with a literal',
    'lane',
    json({
      query:
        'mutation { setContext(id: "x", state: {n: [1, {m: "a"}], e: 1.5}) { ... on SetContextPayload { version } } }',
    }),
  ],
  [
    'a write with an expectation that is no number',
    'lane',
    json({ query: update, variables: { id: 'c', changes: {}, at: 'x' } }),
  ],
  ['a failing field beside a write', 'lane', json({ query: update, variables: { id: 'c', changes: { throw: true } } })],
  ['what no JSON can say', 'lane', json({ query: update, variables: { id: 'c', changes: { bigint: true } } })],
  ['a large write', 'lane', json({ query: update, variables: { id: 'c', changes: { big } } })],
  [
    'the end of that',
    'lane',
    json({ query: update, variables: { id: 'c', changes: {}, remove: [['big'], ['throw'], ['bigint']] } }),
  ],
];
