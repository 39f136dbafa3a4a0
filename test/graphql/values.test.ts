import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../src/delta/json.ts';
import { type GraphQLHarness, openGraphQL } from '../support/app.ts';

const set = `mutation ($state: JSONObject!) {
  setContext(id: "c", state: $state) {
    __typename ... on InvalidStateError { path } ... on LimitExceededError { limit max actual }
  }
}`;

/** A state that only text can say. */
const setBody = (state: string) => `{ "query": ${JSON.stringify(set)}, "variables": { "state": ${state} } }`;

/** The state as the server writes it: what a parser makes of some keys depends on the parser. */
async function storedText({ chord }: GraphQLHarness): Promise<string> {
  return JSON.stringify((await chord.getContext('c'))?.state);
}

const json = (text: string) => JSON.parse(text) as JsonObject;

const nest = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

const read = async (graphql: GraphQLHarness) => (await graphql.run('{ context(id: "c") { state } }')).data;

describe('keys are never special', () => {
  const hostile = [
    '{"__proto__":1}',
    '{"__proto__":{"polluted":true}}',
    '{"constructor":{"prototype":{"polluted":true}}}',
    '{"a":{"__proto__":{"b":[{"__proto__":null}]}}}',
    '{"toString":1,"hasOwnProperty":2,"valueOf":null,"then":{"then":1}}',
    '{"":{"":""},"0":1,"a.b":2,"/":3,"~1":4,"$ref":5,"😀":6}',
    '{"\\ud800":"\\udfff","a":"\\ud83d"}',
    '{"__typename":"Query","id":1,"kind":"gone"}',
  ];

  test.each(hostile)('in variables: %s', async (state) => {
    const graphql = openGraphQL();
    const { result } = await graphql.post(setBody(state));
    expect(result).toEqual({ data: { setContext: { __typename: 'SetContextPayload' } } });
    expect(await storedText(graphql)).toBe(JSON.stringify(JSON.parse(state)));
    const answer = await graphql.post(
      '{ "query": "{ context(id: \\"c\\") { state deltas { changes { path value } } } }" }',
    );
    expect(answer.text).toContain(`"state":${JSON.stringify(JSON.parse(state))}`);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  test.each([
    ['{ __proto__: 1 }', '{"__proto__":1}'],
    ['{ a: { __proto__: { polluted: true } } }', '{"a":{"__proto__":{"polluted":true}}}'],
    ['{ constructor: { prototype: [{ __proto__: null }] } }', '{"constructor":{"prototype":[{"__proto__":null}]}}'],
    ['{ toString: "x", n: 1.5, b: false }', '{"toString":"x","n":1.5,"b":false}'],
  ])('in literals: %s', async (literal, expected) => {
    const graphql = openGraphQL();
    const { data, errors } = await graphql.run(`mutation { setContext(id: "c", state: ${literal}) { __typename } }`);
    expect(errors).toBeUndefined();
    expect(data).toEqual({ setContext: { __typename: 'SetContextPayload' } });
    expect(await storedText(graphql)).toBe(expected);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  test('in a variable inside a literal', async () => {
    const graphql = openGraphQL();
    await graphql.post(
      `{ "query": ${JSON.stringify('mutation ($v: JSON) { setContext(id: "c", state: { __proto__: $v }) { __typename } }')}, "variables": { "v": { "__proto__": 2 } } }`,
    );
    expect(await storedText(graphql)).toBe('{"__proto__":{"__proto__":2}}');
  });

  test('in updates, in paths to remove and in deltas', async () => {
    const graphql = openGraphQL();
    await graphql.post(setBody('{"__proto__":{"a":1,"b":2},"constructor":{}}'));
    const update = `mutation ($changes: JSONObject!) {
      updateContext(id: "c", changes: $changes, remove: [["__proto__", "b"], ["constructor"], ["toString"], [""]]) {
        ... on UpdateContextPayload { delta { changes { path action value oldValue } jsonPatch mergePatch formatted } }
      }
    }`;
    const { text } = await graphql.post(
      `{ "query": ${JSON.stringify(update)}, "variables": { "changes": { "__proto__": { "a": 3 } } } }`,
    );
    expect(await storedText(graphql)).toBe('{"__proto__":{"a":3}}');
    expect(text).toContain('{"path":["__proto__","a"],"action":"MODIFIED","value":3,"oldValue":1}');
    expect(text).toContain('"/__proto__/b"');
    expect(text).toContain('"mergePatch":{"__proto__":{"a":3,"b":null},"constructor":null}');
  });

  test('`then` makes no promise of a value, wherever values are answered', async () => {
    const formatted = json('{"then":"formatted"}');
    const { chord, run } = openGraphQL({ deltaFormatter: () => formatted });
    await chord.setContext('c', json('{"then":1,"in":{"then":2}}'));
    await chord.updateContext('c', json('{"then":{"then":3},"in":{"then":null},"new":{"then":4}}'));
    const { data, errors } = await run(`{
      context(id: "c") { state }
      deltas(contextId: "c") { nodes { changes { value oldValue } jsonPatch mergePatch formatted } }
    }`);
    expect(errors).toBeUndefined();
    expect(data).toMatchObject({
      context: { state: json('{"then":{"then":3},"in":{"then":null},"new":{"then":4}}') },
      deltas: { nodes: [{ mergePatch: json('{"then":1,"in":{"then":2}}'), formatted }, { formatted }] },
    });
  });

  test('as ids', async () => {
    const { run } = openGraphQL();
    for (const id of ['__proto__', 'constructor', ' ', '../..', 'a\nb', '😀']) {
      const { data } = await run(
        'mutation ($id: ID!) { setContext(id: $id, state: {}) { ... on SetContextPayload { contextId } } }',
        { id },
      );
      expect(data).toEqual({ setContext: { contextId: id } });
      expect((await run('query ($id: ID!) { context(id: $id) { id } }', { id })).data).toEqual({ context: { id } });
    }
  });
});

describe('what JSON cannot carry is refused', () => {
  test.each([
    ['1e999', ['n']],
    ['-1e999', ['n']],
    ['{ "a": [0, 1e400] }', ['n', 'a', '1']],
  ])('%s in variables', async (value, path) => {
    const { result } = await openGraphQL().post(setBody(`{ "n": ${value} }`));
    expect(result).toEqual({ data: { setContext: { __typename: 'InvalidStateError', path } } });
  });

  test('1e999 in a literal', async () => {
    const { data } = await openGraphQL().run(
      'mutation { setContext(id: "c", state: { n: 1e999 }) { ... on InvalidStateError { path } } }',
    );
    expect(data).toEqual({ setContext: { path: ['n'] } });
  });

  test('-0 is 0', async () => {
    const graphql = openGraphQL();
    await graphql.post(setBody('{ "n": -0 }'));
    const record = await graphql.chord.getContext('c');
    expect(Object.is(record?.state['n'], 0)).toBe(true);
  });
});

describe('deep nests are refused, not followed', () => {
  test.each([63, 64, 1_000, 3_000])('%d arrays in variables', async (depth) => {
    const { result } = await openGraphQL().post(setBody(`{ "a": ${nest(depth)} }`));
    expect(result.data?.['setContext']).toEqual(
      depth < 64
        ? { __typename: 'SetContextPayload' }
        : { __typename: 'LimitExceededError', limit: 'maxStateDepth', max: 64, actual: 65 },
    );
  });

  test('a hundred thousand arrays in variables', async () => {
    const { result } = await openGraphQL().post(setBody(`{ "a": ${nest(100_000)} }`));
    expect(result.data).toMatchObject({ setContext: { __typename: 'LimitExceededError', actual: 65 } });
  });

  test('four hundred arrays in a literal', async () => {
    const { data } = await openGraphQL().run(
      `mutation { setContext(id: "c", state: { a: ${nest(400)} }) { __typename } }`,
    );
    expect(data).toEqual({ setContext: { __typename: 'LimitExceededError' } });
  });
});

describe('scalars', () => {
  test('a state comes back as it went in, whatever its shape', async () => {
    const graphql = openGraphQL();
    const state: JsonObject = {
      null: null,
      true: true,
      number: 1e21,
      small: 5e-324,
      text: '\u0000\u2028',
      list: [[], {}],
    };
    await graphql.run(set, { state });
    expect(await read(graphql)).toEqual({ context: { state } });
  });

  test.each([[null], [1], ['{}'], [[]], [true]])('%j is no JSONObject', async (state) => {
    const { data, errors } = await openGraphQL().run(set, { state });
    expect(data).toBeUndefined();
    expect(errors).toMatchObject([
      { message: expect.stringContaining('$state'), extensions: { code: 'BAD_USER_INPUT' } },
    ]);
  });
});
