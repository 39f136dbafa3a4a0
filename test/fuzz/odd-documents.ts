/** GraphQL documents that no schema would lead to. */
import * as fc from 'fast-check';
import { getIntrospectionQuery } from 'graphql';
import { anything } from './values.ts';

const repeated = (text: string, times: number) => Array.from({ length: times }, () => text).join(' ');

/** Cycles, depths, names and definitions that are wrong, or only look so. */
export const oddDocument = fc
  .constantFrom(
    getIntrospectionQuery(),
    '{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }',
    '{ __type(name: "__proto__") { name } }',
    'subscription { contextChanged(id: "a") { version } b: contextChanged(id: "b") { version } }',
    'subscription { __typename }',
    'subscription ($s: Boolean!) { contextChanged(id: "a") @skip(if: $s) { version } }',
    'subscription { ...F } fragment F on Subscription { ...F }',
    'query { ...F } fragment F on Query { ...G } fragment G on Query { ...F }',
    'fragment F on Query { __typename }',
    '{ ...F }',
    '{ viewer }',
    '{ viewer { } }',
    '{ __proto__ }',
    '{ constructor { name } }',
    'query ($__proto__: ID!) { context(id: $__proto__) { id } }',
    'query ($a: ID!, $a: ID!) { context(id: $a) { id } }',
    'query ($a: ID! = $a) { context(id: $a) { id } }',
    '{ context(id: "a", id: "b") { id } }',
    '{ contexts(filter: { ids: ["a"], ids: ["b"] }) { nodes { id } } }',
    'mutation { setContext(id: "a", state: { a: 1, a: 2 }) { __typename } }',
    '\ufeff{ __typename }',
    '# only a comment',
    '',
    '{ a: __typename \u0000 }',
    '{ context(id: "\\uD800") { id } }',
    '{ context(id: "\\u{110000}") { id } }',
    '{ context(id: """\\uD800""") { id } }',
    '{ context(id: 1.5) { id } }',
    '{ context(id: 99999999999999999999999999) { id } }',
    '{ contexts(limit: 1e99) { nodes { id } } }',
    `{ ${repeated('viewer { viewerId }', 120)} }`,
    `{ ${Array.from({ length: 300 }, (_, n) => `a${n}: __typename`).join(' ')} }`,
    `${'{ contexts { nodes '.repeat(40)}${'} }'.repeat(40)}`,
    `{ context(id: ${'['.repeat(600)}${']'.repeat(600)}) { id } }`,
    `query (${Array.from({ length: 100 }, (_, n) => `$v${n}: ${'['.repeat(n)}Int${']'.repeat(n)}`).join(', ')}) { __typename }`,
    `{ ${Array.from({ length: 60 }, (_, n) => `...F${n}`).join(' ')} } ${Array.from({ length: 60 }, (_, n) => `fragment F${n} on Query { ...F${(n + 1) % 60} }`).join(' ')}`,
    `{ contexts(limit: 250) { nodes { deltas(limit: 250) { changes { path value } formatted jsonPatch mergePatch } } } }`,
    `{ syncContext(id: "a") { ...on FullContext { context { ...C } } ...on Delta { ...D } } } fragment C on Context { id deltas { ...D } } fragment D on Delta { changes { value } }`,
  )
  .chain((query) =>
    fc.record({
      query: fc.constant(query),
      variables: fc.oneof(
        { weight: 3, arbitrary: fc.constant('{}') },
        { weight: 1, arbitrary: fc.constantFrom('{"s":true}', '{"s":null}', '{"s":"x"}', '{"a":"a","__proto__":"b"}') },
        { weight: 1, arbitrary: anything.map(({ json }) => json) },
      ),
      operationName: fc.option(fc.constantFrom('', 'O', 'IntrospectionQuery', 'constructor'), { nil: undefined }),
    }),
  );
