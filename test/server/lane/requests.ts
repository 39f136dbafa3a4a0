/** The same operation in all kinds of HTTP. */
import { json, type Row, read, readById, update } from './operations.ts';
import type { RequestParts } from './stage.ts';

/** With headers, a plain query. */
const withHeaders = (headers: Readonly<Record<string, string | null>>): RequestParts => ({
  headers,
  ...json({ query: read }),
});

export const bodies: readonly Row[] = [
  ['no body', 'yoga', {}],
  ['a body that is no JSON', 'yoga', { body: '{"query":' }],
  ['a body with more behind it', 'yoga', { body: `${JSON.stringify({ query: read })}}` }],
  ['white space around the body', 'lane', { body: ` \n${JSON.stringify({ query: read })}\r\n ` }],
  ['a body with a BOM', 'yoga', { body: `\ufeff${JSON.stringify({ query: read })}` }],
  [
    'a body that is no UTF-8',
    'lane',
    {
      body: Buffer.concat([
        Buffer.from('{"query":"{ context(id: \\"'),
        Buffer.of(0xff, 0xfe),
        Buffer.from('\\") { id } }"}'),
      ]),
    },
  ],
  ['null', 'yoga', { body: 'null' }],
  ['a number', 'yoga', { body: '5' }],
  ['a text', 'yoga', { body: '"{ __typename }"' }],
  ['an empty batch', 'yoga', { body: '[]' }],
  ['a batch of one', 'yoga', json([{ query: read }])],
  ['a batch of two', 'yoga', json([{ query: read }, { query: read }])],
  ['no document', 'yoga', json({ variables: {} })],
  ['a document of null', 'yoga', json({ query: null })],
  ['a document that is a number', 'yoga', json({ query: 5 })],
  ['variables that are a list', 'yoga', json({ query: readById, variables: ['c'] })],
  ['variables that are a text', 'yoga', json({ query: readById, variables: '{"id":"c"}' })],
  ['extensions that are a list', 'yoga', json({ query: read, extensions: [] })],
  ['extensions that are a text', 'yoga', json({ query: read, extensions: 'a' })],
  ['an operation name that is a number', 'yoga', json({ query: readById, operationName: 5, variables: { id: 'c' } })],
  ['a parameter that there is none of', 'yoga', json({ query: read, id: 'a' })],
  ['a parameter of null that there is none of', 'yoga', json({ query: read, id: null })],
  ['the id of a document', 'yoga', json({ documentId: 'a' })],
  ['the hash of a document', 'yoga', json({ extensions: { persistedQuery: { version: 1, sha256Hash: 'a' } } })],
  ['a parameter __proto__', 'yoga', { body: `{"query":${JSON.stringify(read)},"__proto__":{"a":1}}` }],
  ['a key twice', 'lane', { body: `{"query":"{ nothing }","query":${JSON.stringify(read)}}` }],
  ['a key twice, wrong at last', 'yoga', { body: `{"query":${JSON.stringify(read)},"query":5}` }],
  [
    'a body in chunks',
    'yoga',
    {
      headers: { 'content-length': null, 'transfer-encoding': 'chunked' },
      body: `1a\r\n{"query":"{ __typename }"  \r\n1\r\n}\r\n0\r\n\r\n`,
    },
  ],
  ['a body longer than allowed', 'yoga', json({ query: read, extensions: { big: 'x'.repeat(1_300_000) } })],
];

export const heads: readonly Row[] = [
  [
    'GET',
    'yoga',
    {
      method: 'GET',
      target: `/graphql?query=${encodeURIComponent(read)}`,
      headers: { 'content-type': null, 'content-length': null },
    },
  ],
  [
    'GET of a mutation',
    'yoga',
    { method: 'GET', target: `/graphql?query=${encodeURIComponent('mutation { stopCleanup { __typename } }')}` },
  ],
  ['GET of nothing', 'yoga', { method: 'GET' }],
  ['HEAD', 'yoga', { method: 'HEAD', target: `/graphql?query=${encodeURIComponent(read)}` }],
  ['OPTIONS', 'yoga', { method: 'OPTIONS' }],
  ['PUT', 'yoga', { method: 'PUT', ...json({ query: read }) }],
  ['PATCH', 'yoga', { method: 'PATCH', ...json({ query: read }) }],
  ['DELETE', 'yoga', { method: 'DELETE' }],
  ['POST with a query in the URL', 'yoga', { target: '/graphql?query=5', ...json({ query: read }) }],
  ['POST with a slash', 'yoga', { target: '/graphql/', ...json({ query: read }) }],
  ['POST to the whole URL', 'yoga', { target: 'http://localhost/graphql', ...json({ query: read }) }],
  ['POST elsewhere', 'yoga', { target: '/other', ...json({ query: read }) }],
  ...[
    ['application/json; charset=utf-8', 'lane'],
    ['application/json;charset=UTF-8', 'lane'],
    ['application/json; charset=latin1', 'yoga'],
    ['application/json; a=b', 'yoga'],
    ['application/json, application/json', 'yoga'],
    ['application/json ', 'lane'],
    ['Application/JSON', 'yoga'],
    ['application/graphql+json', 'yoga'],
    ['application/graphql', 'yoga'],
    ['application/x-www-form-urlencoded', 'yoga'],
    ['multipart/form-data; boundary=a', 'yoga'],
    ['text/plain', 'yoga'],
    ['', 'yoga'],
  ].map(
    ([type = '', way]): Row => [
      `the content type '${type}'`,
      way === 'lane' ? 'lane' : 'yoga',
      withHeaders({ 'content-type': type }),
    ],
  ),
  ['no content type', 'yoga', withHeaders({ 'content-type': null })],
  ...[
    ['*/*', 'lane'],
    ['application/json', 'lane'],
    ['application/graphql-response+json', 'lane'],
    ['application/graphql-response+json, application/json', 'lane'],
    ['application/json, application/graphql-response+json', 'lane'],
    ['application/graphql-response+json,application/json;q=0.9', 'lane'],
    ['application/json;q=0.1, application/graphql-response+json; q=1', 'lane'],
    [
      'application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed',
      'lane',
    ],
    ['text/event-stream, application/json', 'lane'],
    ['application/*', 'lane'],
    ['text/html, */*', 'yoga'],
    ['*/json', 'yoga'],
    ['application/json; charset=utf-8', 'yoga'],
    ['application/json; charset=latin1, */*', 'yoga'],
    ['APPLICATION/JSON', 'yoga'],
    ['text/html', 'yoga'],
    ['nonsense', 'yoga'],
    [',', 'yoga'],
    ['', 'yoga'],
  ].map(
    ([accept = '', way]): Row => [`to accept '${accept}'`, way === 'lane' ? 'lane' : 'yoga', withHeaders({ accept })],
  ),
  ...['application/json', 'application/graphql-response+json'].flatMap((accept): readonly Row[] => [
    [`a wrong variable for ${accept}`, 'lane', { headers: { accept }, ...json({ query: readById }) }],
    [
      `a failing field for ${accept}`,
      'lane',
      { headers: { accept }, ...json({ query: '{ context(id: "") { id } }' }) },
    ],
    [
      `a failing formatter for ${accept}`,
      'lane',
      { headers: { accept }, ...json({ query: update, variables: { id: 'c', changes: { throw: 1 } } }) },
    ],
  ]),
  ['a content encoding', 'yoga', withHeaders({ 'content-encoding': 'gzip' })],
  ['a content encoding of nothing', 'yoga', withHeaders({ 'content-encoding': 'identity' })],
  ['an encoding to accept', 'lane', withHeaders({ 'accept-encoding': 'gzip, br' })],
  ['a page of a listed origin', 'lane', withHeaders({ origin: 'https://app.example' })],
  ['a page of the server itself', 'lane', withHeaders({ origin: 'http://localhost' })],
  ['a page of nobody', 'yoga', withHeaders({ origin: 'https://evil.example' })],
  [
    'a preflight',
    'yoga',
    {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      },
    },
  ],
  [
    'a POST that asks like a preflight',
    'yoga',
    withHeaders({ origin: 'https://app.example', 'access-control-request-headers': 'a' }),
  ],
  [
    'a failure for a listed origin',
    'lane',
    { headers: { origin: 'https://app.example' }, ...json({ query: readById }) },
  ],
  ['another host', 'yoga', withHeaders({ host: 'evil.example' })],
  ['a host that is none', 'yoga', withHeaders({ host: 'a b' })],
  ['to go on when told so', 'lane', withHeaders({ expect: '100-continue' })],
];
