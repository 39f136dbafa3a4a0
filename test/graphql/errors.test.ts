import { describe, expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { type GraphQLFailure, openGraphQL } from '../support/app.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';

const codes = new Set([
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'LIMIT_EXCEEDED',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'BAD_USER_INPUT',
  'RATE_LIMITED',
  'BACKEND_UNAVAILABLE',
  'INTERNAL_SERVER_ERROR',
]);

function onlyError(errors: readonly GraphQLFailure[] | undefined): GraphQLFailure {
  const [error, ...others] = errors ?? [];
  if (error === undefined || others.length > 0) throw new Error(`not one error: ${JSON.stringify(errors)}`);
  return error;
}

describe('every refused request has a code of the closed list', () => {
  const manyVariables =
    'query ($v: SafeInt, $d: DateTime, $id: ID! = "c") { context(id: $id) { deltas(afterVersion: $v) { version } } deltas(insertedAfter: $d) { hasNextPage } }';

  test.each([
    ['a document that does not parse', { query: '{ context(' }, 'GRAPHQL_PARSE_FAILED'],
    ['an empty document', { query: '' }, 'GRAPHQL_PARSE_FAILED'],
    ['a document of comments', { query: '# nothing' }, 'GRAPHQL_PARSE_FAILED'],
    ['an unknown field', { query: '{ nothing }' }, 'GRAPHQL_VALIDATION_FAILED'],
    ['an argument of another type', { query: '{ context(id: [1]) { id } }' }, 'GRAPHQL_VALIDATION_FAILED'],
    [
      'a literal beyond SafeInt',
      { query: '{ syncContext(id: "c", clientVersion: 9007199254740992) { version } }' },
      'GRAPHQL_VALIDATION_FAILED',
    ],
    [
      'a literal that is no moment',
      { query: '{ deltas(insertedAfter: "soon") { hasNextPage } }' },
      'GRAPHQL_VALIDATION_FAILED',
    ],
    ['a missing variable', { query: 'query ($id: ID!) { context(id: $id) { id } }' }, 'BAD_USER_INPUT'],
    ['an unknown operation', { query: '{ context(id: "c") { id } }', operationName: 'Other' }, 'BAD_USER_INPUT'],
    ['two operations and no name', { query: 'query A { __typename } query B { __typename }' }, 'BAD_USER_INPUT'],
    ['no query', { variables: {} }, 'BAD_USER_INPUT'],
    ['a query that is no text', { query: 7 }, 'BAD_USER_INPUT'],
    ['variables that are no object', { query: '{ __typename }', variables: [1] }, 'BAD_USER_INPUT'],
    ['a version that is a fraction', { query: manyVariables, variables: { v: 1.5 } }, 'BAD_USER_INPUT'],
    ['a body that is a list', [{ query: '{ __typename }' }], 'BAD_USER_INPUT'],
    ['a body that is null', null, 'BAD_USER_INPUT'],
  ])('%s', async (_name, body, code) => {
    const { post, logger } = openGraphQL();
    const { result } = await post(JSON.stringify(body));
    expect(result.data ?? undefined).toBeUndefined();
    expect(result.errors).not.toHaveLength(0);
    for (const error of result.errors ?? []) {
      expect(error.extensions).toMatchObject({ code });
      expect(codes.has(code)).toBe(true);
      expect(error.extensions).not.toHaveProperty('originalError');
      expect(error.extensions).not.toHaveProperty('stacktrace');
    }
    expect(logger.errors).toEqual([]);
  });

  test('a body that is no JSON', async () => {
    const { result, status } = await openGraphQL().post('{ "query": ');
    expect(status).toBe(400);
    expect(onlyError(result.errors).extensions).toEqual({ code: 'BAD_USER_INPUT' });
  });

  test('a body over maxRequestBytes, by name', async () => {
    const { result, status } = await openGraphQL({}, { maxRequestBytes: 1_000 }).post(
      JSON.stringify({ query: `{ __typename } # ${'x'.repeat(1_000)}` }),
    );
    expect(status).toBe(413);
    expect(onlyError(result.errors).extensions).toMatchObject({ code: 'LIMIT_EXCEEDED', option: 'maxRequestBytes' });
  });

  test('a document of too many tokens', async () => {
    const { errors } = await openGraphQL().run(`{ ${'__typename '.repeat(20_000)} }`);
    expect(onlyError(errors).extensions).toMatchObject({ code: 'LIMIT_EXCEEDED', option: 'maxQueryTokens' });
  });

  test.each([
    ['selections', (depth: number) => '{ a '.repeat(depth) + '}'.repeat(depth)],
    ['fragments', (depth: number) => `{ ${'... { '.repeat(depth)} __typename ${'}'.repeat(depth)} }`],
    ['lists', (depth: number) => `{ context(id: ${'['.repeat(depth)}${']'.repeat(depth)}) { id } }`],
    [
      'objects',
      (depth: number) =>
        `mutation { setContext(id: "c", state: ${'{ a: '.repeat(depth)}1${'}'.repeat(depth)}) { __typename } }`,
    ],
    ['types', (depth: number) => `query ($a: ${'['.repeat(depth)}Int${']'.repeat(depth)}) { __typename }`],
  ])('a document with very deep %s', async (_name, nest) => {
    for (const depth of [501, 2_000, 4_900]) {
      const { run, logger } = openGraphQL();
      const { errors } = await run(nest(depth));
      expect(onlyError(errors)).toMatchObject({
        message: expect.stringContaining('500'),
        extensions: { code: 'GRAPHQL_PARSE_FAILED' },
      });
      expect(logger.errors).toEqual([]);
    }
  });

  test('brackets in texts and comments do not nest', async () => {
    const { run } = openGraphQL();
    const brackets = '[{('.repeat(400);
    expect((await run(`{ context(id: "${brackets}") { id } } # ${brackets}`)).errors).toHaveLength(1);
    expect((await run(`{ __typename } # ${brackets}`)).data).toEqual({ __typename: 'Query' });
    expect((await run(`{ context(id: "${brackets.slice(0, 500)}") { id } }`)).data).toEqual({ context: null });
  });
});

describe('BAD_USER_INPUT', () => {
  test.each([
    ['SafeInt', { clientVersion: 2 ** 53 }],
    ['SafeInt', { clientVersion: 'one' }],
    ['SafeInt', { clientVersion: {} }],
    ['ID', { clientEpoch: { no: 'id' } }],
    ['ID', { clientEpoch: 1.5 }],
    ['ID', { clientEpoch: true }],
    ['DateTime', { moment: 'yesterday' }],
    ['DateTime', { moment: '2030-02-30T00:00:00Z' }],
    ['DateTime', { moment: {} }],
  ])('names the variable that is no %s: %j', async (_scalar, variables) => {
    const { data, errors } = await openGraphQL().run(
      `query ($clientVersion: SafeInt, $clientEpoch: ID, $moment: DateTime) {
        syncContext(id: "c", clientVersion: $clientVersion, clientEpoch: $clientEpoch) { version }
        deltas(insertedAfter: $moment) { hasNextPage }
      }`,
      variables,
    );
    expect(data).toBeUndefined();
    const error = onlyError(errors);
    expect(error.extensions).toEqual({ code: 'BAD_USER_INPUT' });
    expect(error.message).toContain(`"$${Object.keys(variables)[0]}"`);
    expect(error.message).not.toContain('node_modules');
  });

  test.each([
    ['id', '{ context(id: "") { id } }'],
    ['id', `{ context(id: "${'x'.repeat(513)}") { id } }`],
    ['id', '{ context(id: "a\\u0000b") { id } }'],
    ['id', '{ syncContext(id: "") { version } }'],
    ['clientVersion', '{ syncContext(id: "c", clientVersion: -1) { version } }'],
    ['limit', '{ contexts(limit: 0) { hasNextPage } }'],
    ['limit', '{ contexts(limit: 251) { hasNextPage } }'],
    ['limit', '{ deltas(limit: 251) { hasNextPage } }'],
    ['offset', '{ contexts(offset: -1) { hasNextPage } }'],
    ['offset', '{ contexts(offset: 1001) { hasNextPage } }'],
    ['ttlMs', 'mutation { setContext(id: "c", state: {}, ttlMs: 0) { __typename } }'],
    ['expectedVersion', 'mutation { setContext(id: "c", state: {}, expectedVersion: -1) { __typename } }'],
    ['idempotencyKey', 'mutation { setContext(id: "c", state: {}, idempotencyKey: "") { __typename } }'],
    ['origin', `mutation { setContext(id: "c", state: {}, origin: "${'x'.repeat(256)}") { __typename } }`],
  ])('names the argument %s: %s', async (argument, query) => {
    const { run, logger } = openGraphQL();
    const { data, errors } = await run(query);
    expect(Object.values(data ?? {})).toEqual([null]);
    expect(onlyError(errors)).toMatchObject({
      message: expect.stringContaining(argument),
      extensions: { code: 'BAD_USER_INPUT', argument },
      path: [expect.any(String)],
    });
    expect(logger.errors).toEqual([]);
  });

  test('names the bound of a list, and the way beyond it', async () => {
    const { run } = openGraphQL();
    expect(onlyError((await run('{ contexts(limit: 251) { hasNextPage } }')).errors).message).toContain('250');
    const { message } = onlyError((await run('{ contexts(offset: 1001) { hasNextPage } }')).errors);
    expect(message).toContain('1000');
    expect(message).toContain('after');
  });

  test('an id with half a character, by its variable', async () => {
    const { post } = openGraphQL();
    const { result } = await post(
      '{ "query": "query ($id: ID!) { context(id: $id) { id } }", "variables": { "id": "\\ud800" } }',
    );
    expect(onlyError(result.errors).extensions).toEqual({ code: 'BAD_USER_INPUT', argument: 'id' });
  });
});

function openFaulty() {
  const backend = new FaultyBackend(new MemoryBackend());
  return { backend, ...openGraphQL({ backend }) };
}

describe('BACKEND_UNAVAILABLE', () => {
  test('of a read says that nothing was stored', async () => {
    const { backend, run, logger } = openFaulty();
    backend.failingReads = 1;
    const { data, errors } = await run('{ context(id: "c") { id } other: __typename }');
    expect(data).toEqual({ context: null, other: 'Query' });
    expect(onlyError(errors).extensions).toEqual({ code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' });
    expect(logger.errors).toEqual([]);
  });

  test.each([
    ['notStored', 'NOT_STORED'],
    ['storedThenUnknown', 'UNKNOWN'],
  ] as const)('of a write that was %s says %s', async (fault, outcome) => {
    const { backend, run } = openFaulty();
    backend.everyCommit = fault;
    const { data, errors } = await run('mutation { setContext(id: "c", state: {}) { __typename } }');
    expect(data).toEqual({ setContext: null });
    expect(onlyError(errors).extensions).toEqual({ code: 'BACKEND_UNAVAILABLE', outcome });
  });

  test('of a closed store', async () => {
    const { chord, run } = openGraphQL();
    await chord.close();
    const { errors } = await run('{ context(id: "c") { id } }');
    expect(onlyError(errors).extensions).toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  });
});

test('writes beyond maxQueuedWrites are refused with a code of the list, and the others are done', async () => {
  const backend = new FaultyBackend(new MemoryBackend());
  const held: (() => void)[] = [];
  backend.gate = (point) => (point === 'commit' ? new Promise((resolve) => held.push(resolve)) : Promise.resolve());
  const { run } = openGraphQL({ backend, maxQueuedWrites: 1 });
  const write = () =>
    run('mutation { setContext(id: "c", state: {}) { __typename ... on LimitExceededError { limit } } }');
  const writes = Array.from({ length: 5 }, write);
  const release = setInterval(() => {
    for (const resume of held.splice(0)) resume();
  }, 1);
  const results = await Promise.all(writes);
  clearInterval(release);
  const kinds = results.map(({ data, errors }) => JSON.stringify(errors?.[0]?.extensions?.['code'] ?? data));
  expect(kinds.some((kind) => kind.includes('SetContextPayload'))).toBe(true);
  expect(kinds.some((kind) => kind.includes('maxQueuedWrites') || kind.includes('LIMIT_EXCEEDED'))).toBe(true);
});

describe('what nobody expected', () => {
  const secret = 'the secret of a state';

  function openBroken() {
    return openGraphQL({
      deltaFormatter: () => {
        throw new Error(`cannot format ${secret}`);
      },
    });
  }

  test('is masked, and logged once with its cause', async () => {
    const { chord, logger, post } = openBroken();
    await chord.setContext('c', { secret });
    const { text, result } = await post(
      '{ "query": "{ context(id: \\"c\\") { version } broken: context(id: \\"c\\") { deltas { formatted } } }" }',
    );
    expect(result.data).toEqual({ context: { version: 1 }, broken: null });
    expect(onlyError(result.errors)).toMatchObject({
      message: 'Unexpected error.',
      path: ['broken', 'deltas', 0, 'formatted'],
      extensions: { code: 'INTERNAL_SERVER_ERROR' },
    });
    expect(text).not.toContain(secret);
    expect(text).not.toContain('.ts:');
    expect(text).not.toContain('stack');
    expect(logger.errors).toMatchObject([
      { message: 'unexpected error', fields: { error: { message: `cannot format ${secret}` } } },
    ]);
  });

  test('does not undo the write that it happened in', async () => {
    const { chord, run } = openBroken();
    const { data, errors } = await run(`mutation {
      first: setContext(id: "a", state: {}) { ... on SetContextPayload { version } }
      broken: setContext(id: "b", state: {}) { ... on SetContextPayload { version delta { formatted } } }
      last: setContext(id: "c", state: {}) { ... on SetContextPayload { version } }
    }`);
    expect(onlyError(errors).extensions).toEqual({
      code: 'INTERNAL_SERVER_ERROR',
      requestId: expect.stringMatching(/^\w{16}$/),
    });
    expect(data).toEqual({ first: { version: 1 }, broken: { version: 1, delta: null }, last: { version: 1 } });
    expect(await chord.getContext('b')).toMatchObject({ version: 1 });
  });
});
