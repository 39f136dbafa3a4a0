import { getIntrospectionQuery } from 'graphql';
import { afterEach, describe, expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { post, startApp, stopApps } from '../support/app.ts';
import { besideFollower, refusalOf, ways } from './limits-stage.ts';

afterEach(() => stopApps());

const limits = { maxQueryTokens: 200, maxQueryDepth: 4, maxQueryAliases: 3, maxQueryCost: 500 };

const over: readonly (readonly [string, object, string])[] = [
  ['tokens', { option: 'maxQueryTokens', max: 200, actual: 201 }, `{ ${'__typename '.repeat(200)} }`],
  [
    'depth',
    { option: 'maxQueryDepth', max: 4, actual: 5 },
    '{ contexts(limit: 1) { nodes { deltas(limit: 1) { changes { path } } } } }',
  ],
  [
    'depth through fragments',
    { option: 'maxQueryDepth', max: 4, actual: 5 },
    `{ contexts(limit: 1) { ...P } } fragment P on ContextPage { nodes { ...C } }
     fragment C on Context { deltas(limit: 1) { ... on Delta { changes { path } } } }`,
  ],
  [
    'aliases',
    { option: 'maxQueryAliases', max: 3, actual: 4 },
    'mutation { a: stopCleanup { __typename } b: stopCleanup { __typename } c: stopCleanup { __typename } d: stopCleanup { __typename } }',
  ],
  [
    'repeated fields',
    { option: 'maxQueryAliases', max: 3, actual: 4 },
    '{ __typename __typename __typename __typename __typename }',
  ],
  [
    'aliases through fragments that double each other',
    { option: 'maxQueryAliases', max: 3, actual: 16 },
    `{ ...A ...A } fragment A on Query { ...B ...B } fragment B on Query { ...C ...C }
     fragment C on Query { a: __typename b: __typename }`,
  ],
  ['cost of a page', { option: 'maxQueryCost', max: 500, actual: 501 }, '{ contexts(limit: 250) { nodes { id } } }'],
  [
    'cost of what a page passes over',
    { option: 'maxQueryCost', max: 500, actual: 503 },
    '{ contexts(limit: 1, offset: 500) { nodes { id } } }',
  ],
  [
    'cost of pages in a page, of the size that they have by default',
    { option: 'maxQueryCost', max: 500, actual: 2_601 },
    '{ contexts { nodes { deltas { version } } } }',
  ],
];

describe.each(ways)('over %s', (_way, ask) => {
  test.each(over)(
    'a document over the limit of %s is refused, and others are served',
    async (_what, refusal, query) => {
      const server = await startApp(limits);
      const result = await besideFollower(server, () => ask(server, { query }));
      expect(refusalOf(result)).toEqual({ code: 'LIMIT_EXCEEDED', ...refusal });
      expect(result.data).toBeUndefined();
      expect(server.logger.errors).toEqual([]);
    },
  );

  test('a page costs what its variable says, each time', async () => {
    const server = await startApp(limits);
    const query = 'query ($n: Int! = 250) { contexts(limit: $n) { nodes { id } } }';
    expect(await ask(server, { query, variables: { n: 200 } })).toEqual({ data: { contexts: { nodes: [] } } });
    expect(refusalOf(await ask(server, { query }))).toMatchObject({ option: 'maxQueryCost', actual: 501 });
    expect(await ask(server, { query, variables: { n: 200 } })).toEqual({ data: { contexts: { nodes: [] } } });
  });

  test.each([-1, 1e9])('a page of %d is no cheap one', async (n) => {
    const server = await startApp(limits);
    const query = 'query ($n: Int!) { contexts(limit: $n) { nodes { id } } }';
    expect(refusalOf(await ask(server, { query, variables: { n } }))).toMatchObject({ option: 'maxQueryCost' });
  });

  test('fragments in a cycle are refused as such', async () => {
    const server = await startApp(limits);
    const query = '{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }';
    expect(refusalOf(await ask(server, { query }))).toEqual({ code: 'GRAPHQL_VALIDATION_FAILED' });
  });

  test('two hundred levels of fragments that double each other are measured at once', async () => {
    const server = await startApp({ ...limits, maxQueryTokens: 4_000 });
    const fragments = Array.from({ length: 200 }, (_, n) => `fragment F${n} on Query { ...F${n + 1} ...F${n + 1} }`);
    const query = `{ ...F0 } ${fragments.join(' ')} fragment F200 on Query { a: __typename }`;
    expect(refusalOf(await ask(server, { query }))).toEqual({
      code: 'LIMIT_EXCEEDED',
      option: 'maxQueryAliases',
      max: 3,
      actual: Number.MAX_SAFE_INTEGER,
    });
  });

  test('the limits hold for a subscription', async () => {
    const server = await startApp({ maxQueryCost: 2 });
    const query = 'subscription { contextChanged(id: "c") { version epoch contextId } }';
    expect(refusalOf(await ask(server, { query }))).toMatchObject({ option: 'maxQueryCost', actual: 4 });
    expect(server.app.stats().followers).toBe(0);
  });

  test('introspection is answered by default on a loopback address, and passes the default limits', async () => {
    const { data } = await ask(await startApp(), { query: getIntrospectionQuery() });
    expect(data).toMatchObject({ __schema: { queryType: { name: 'Query' } } });
  });

  test.each([
    ['is switched off', { introspection: false }],
    ['is not said and the address is not loopback', { host: '0.0.0.0', allowAnonymous: true }],
  ])('introspection is refused when it %s', async (_when, options) => {
    const server = await startApp(options);
    for (const query of ['{ __schema { types { name } } }', '{ __type(name: "Query") { name } }']) {
      const { data, errors = [] } = await ask(server, { query });
      expect(data).toBeUndefined();
      expect(new Set(errors.map(({ extensions }) => extensions?.['code']))).toEqual(
        new Set(['GRAPHQL_VALIDATION_FAILED']),
      );
    }
    expect(await ask(server, { query: '{ __typename }' })).toEqual({ data: { __typename: 'Query' } });
  });

  test('an operation that takes too long is answered, what it has begun goes on, and others are served', async () => {
    const backend = new HeldBackend();
    const server = await startApp({ backend, queryTimeoutMs: 50 });
    const query = 'mutation { setContext(id: "c", state: { n: 1 }) { __typename } }';
    const result = await besideFollower(server, async () => {
      backend.hold();
      return ask(server, { query }).finally(() => backend.release());
    });
    expect(refusalOf(result)).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      option: 'queryTimeoutMs',
      max: 50,
      actual: expect.any(Number),
      outcome: 'UNKNOWN',
    });
    await expect.poll(async () => (await server.app.chord.getContext('c'))?.version).toBe(1);
    expect(server.logger.errors).toEqual([]);
  });
});

describe('over HTTP', () => {
  test.each([
    ['application/graphql-response+json', 400],
    ['application/json', 200],
  ])('a refusal for %s has the status %d, as an invalid document has', async (accept, status) => {
    const { url } = await startApp(limits);
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept },
      body: JSON.stringify({ query: '{ contexts(limit: 250) { nodes { id } } }' }),
    });
    expect(answer.status).toBe(status);
  });

  test('a batch is refused', async () => {
    const { url } = await startApp();
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify([{ query: '{ __typename }' }, { query: '{ __typename }' }]),
    });
    expect(answer.status).toBe(400);
  });

  test('GraphiQL is there by default on a loopback address only', async () => {
    const open = { host: '0.0.0.0', allowAnonymous: true };
    expect(await pageType({})).toBe('text/html');
    expect(await pageType(open)).not.toBe('text/html');
    expect(await pageType({ ...open, graphiql: true })).toBe('text/html');
  });
});

test('the README asks for nothing near the default limits', async () => {
  const { url } = await startApp();
  const query = '{ contexts(limit: 250) { totalCount hasNextPage endCursor nodes { id version epoch state } } }';
  expect(await post(url, { query })).toMatchObject({ data: { contexts: { nodes: [] } } });
});

/** What a browser is answered. */
async function pageType(options: object): Promise<string | undefined> {
  const { port } = await startApp(options);
  const answer = await fetch(`http://127.0.0.1:${port}/graphql`, { headers: { accept: 'text/html' } });
  return answer.headers.get('content-type')?.split(';', 1)[0];
}

/** A store whose writes wait while it is held. */
class HeldBackend extends MemoryBackend {
  #held: Promise<void> | undefined;
  release: () => void = () => undefined;

  hold(): void {
    this.#held = new Promise((resolve) => {
      this.release = () => {
        this.#held = undefined;
        resolve();
      };
    });
  }

  override async commit(...args: Parameters<MemoryBackend['commit']>): ReturnType<MemoryBackend['commit']> {
    await this.#held;
    return super.commit(...args);
  }
}
