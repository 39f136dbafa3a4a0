/** Compiled or not, an operation answers the same. */
import { type ExecutionResult, execute, parse, validate } from 'graphql';
import { describe, expect, test } from 'vitest';
import { createService } from '../../src/chord.ts';
import { ForbiddenError } from '../../src/errors.ts';
import type { RequestScope } from '../../src/graphql/request.ts';
import { schema } from '../../src/graphql/schema.ts';
import { createCompiledExecute } from '../../src/server/compiled.ts';
import { maskError } from '../../src/server/mask-error.ts';
import type { ChordService } from '../../src/service/service.ts';
import { ManualClock } from '../support/clock.ts';

type Variables = Readonly<Record<string, unknown>>;
/** What fails is executed again by graphql-js, unless it writes. */
type Row = readonly [name: string, isCompiled: boolean, text: string, variables?: Variables];

const update =
  'mutation ($id: ID!, $changes: JSONObject!, $at: SafeInt) { updateContext(id: $id, changes: $changes, expectedVersion: $at) ';
const outcome =
  '{ __typename ... on UpdateContextPayload { version changed } ... on Error { message } ... on VersionConflictError { currentVersion } }';

const rows: readonly Row[] = [
  [
    'a read',
    true,
    'query ($id: ID!) { context(id: $id) { __typename id version state insertedAt createdAt expiresAt } }',
    { id: 'c' },
  ],
  ['nothing', true, 'query ($id: ID!) { context(id: $id) { id } }', { id: 'nobody' }],
  ['an id that is a number', true, 'query ($id: ID!) { context(id: $id) { id } }', { id: 5 }],
  ['a variable that is missing', false, 'query ($id: ID!) { context(id: $id) { id } }', {}],
  ['a variable of the wrong type', false, 'query ($id: ID!) { context(id: $id) { id } }', { id: [1] }],
  ['a variable that nobody declared', true, 'query ($id: ID!) { context(id: $id) { id } }', { id: 'c', other: 1 }],
  ['a default, not used', true, 'query ($id: ID! = "d") { context(id: $id) { id } }', { id: 'c' }],
  ['a default', true, 'query ($id: ID! = "d") { context(id: $id) { id } }'],
  [
    'lists within lists',
    true,
    'query ($id: ID!) { context(id: $id) { deltas { version changes { path action value oldValue } jsonPatch mergePatch } } }',
    { id: 'c' },
  ],
  ['an argument of the schema', true, '{ contexts { nodes { id } hasNextPage endCursor } }'],
  ['an argument that is a number', true, '{ contexts(limit: 1) { nodes { id } hasNextPage endCursor } }'],
  ['an argument that is not given', true, 'query ($n: Int) { contexts(limit: $n) { nodes { id } } }', {}],
  ['an argument of null', false, 'query ($n: Int) { contexts(limit: $n) { nodes { id } } }', { n: null }],
  [
    'an input object',
    true,
    'query ($f: ContextFilter) { contexts(filter: $f) { nodes { id } totalCount } }',
    { f: { idPrefix: 'c', ids: ['c', 7], version: 2 } },
  ],
  [
    'an input object with a date',
    true,
    'query ($f: ContextFilter) { contexts(filter: $f) { nodes { id } } }',
    { f: { insertedAfter: '2020-01-01T00:00:00Z' } },
  ],
  [
    'an input object with a key too much',
    false,
    'query ($f: ContextFilter) { contexts(filter: $f) { nodes { id } } }',
    { f: { nothing: 1 } },
  ],
  [
    'one id for a list of ids',
    true,
    'query ($f: ContextFilter) { contexts(filter: $f) { nodes { id } } }',
    { f: { ids: 'c' } },
  ],
  [
    'an interface',
    true,
    'query ($id: ID!, $v: SafeInt, $e: ID) { syncContext(id: $id, clientVersion: $v, clientEpoch: $e) { __typename version ... on FullContext { reason context { state } } ... on Delta { fromVersion changes { path } } } }',
    { id: 'c', v: 0, e: 'x' },
  ],
  [
    'fragments',
    true,
    'query ($id: ID!) { context(id: $id) { ...A ... on Context { version } } } fragment A on Context { id ...B } fragment B on Context { state }',
    { id: 'c' },
  ],
  [
    'aliases',
    true,
    'query ($id: ID!) { a: context(id: $id) { x: id y: id } b: context(id: $id) { constructor: version toString: id } }',
    { id: 'c' },
  ],
  [
    'the same field twice',
    true,
    'query ($id: ID!) { context(id: $id) { id } context(id: $id) { id version } }',
    { id: 'c' },
  ],
  [
    'a failing field',
    false,
    'query ($id: ID!) { a: context(id: $id) { id } b: context(id: "c") { id } }'.replace('"c"', '$id'),
    { id: '' },
  ],
  [
    'two failing lists',
    false,
    'query ($id: ID!, $n: Int!) { context(id: $id) { a: deltas(limit: $n) { version } b: deltas(limit: $n) { version } } }',
    { id: 'c', n: 0 },
  ],
  ['a text within', false, '{ context(id: "c") { id } }'],
  ['an object within', false, 'query { contexts(filter: { ids: ["c"] }) { nodes { id } } }'],
  [
    'a directive',
    false,
    'query ($f: Boolean!, $id: ID!) { context(id: $id) { id @skip(if: $f) } }',
    { f: false, id: 'c' },
  ],
  [
    'a variable with a name that all objects have',
    false,
    'query ($constructor: Int) { contexts(limit: $constructor) { nodes { id } } }',
    {},
  ],
  [
    'a condition with such a name',
    false,
    'mutation ($__proto__: SafeInt) { deleteContext(id: 1, expectedVersion: $__proto__) { __typename } }',
    JSON.parse('{"__proto__": 7}') as Variables,
  ],
  [
    'a fragment that is short, again and again',
    false,
    `query ($id: ID!) { ${Array.from({ length: 20 }, (_, n) => `a${n}: context(id: $id) { ...F }`).join(' ')} } fragment F on Context { ...G } fragment G on Context { id version epoch createdAt insertedAt expiresAt state }`,
    { id: 'c' },
  ],
  ['an alias that is no key', false, 'query ($id: ID!) { __proto__: context(id: $id) { id } }', { id: 'c' }],
  ['the schema', false, '{ __schema { queryType { name } } }'],
  ['a long document', false, `query ($id: ID!) { context(id: $id) { id } } #${'x'.repeat(1_000)}`, { id: 'c' }],
  ['a write', true, `${update}${outcome} }`, { id: 'c', changes: { n: 2, 'a"b': [null, { __proto: 1 }] } }],
  ['a write of nothing', true, `${update}${outcome} }`, { id: 'c', changes: {} }],
  ['a write to what is not there', true, `${update}${outcome} }`, { id: 'nobody', changes: {} }],
  ['a write to another version', true, `${update}${outcome} }`, { id: 'c', changes: {}, at: 99 }],
  [
    'a write with an alias',
    true,
    `${update.replace('updateContext', 'mine: updateContext')}${outcome} }`,
    { id: 'c', changes: {} },
  ],
  ['a write that is not permitted', true, `${update}${outcome} }`, { id: 'forbidden', changes: {} }],
  ['a write that breaks', true, `${update}${outcome} }`, { id: 'broken', changes: {} }],
  ['a write of no object', false, `${update}${outcome} }`, { id: 'c', changes: 5 }],
  [
    'a write with an argument that may be null',
    false,
    'mutation ($id: ID = "c", $changes: JSONObject!) { updateContext(id: $id, changes: $changes) { __typename } }',
    { id: null, changes: {} },
  ],
  [
    'a write and more of it',
    false,
    `${update}{ ... on UpdateContextPayload { delta { changes { path } } } } }`,
    { id: 'c', changes: { n: 3 } },
  ],
  [
    'two writes',
    false,
    'mutation ($id: ID!) { a: deleteContext(id: $id) { __typename } b: deleteContext(id: $id) { __typename } }',
    { id: 'nobody' },
  ],
  [
    'a write in a fragment',
    false,
    'mutation ($id: ID!) { ...A } fragment A on Mutation { deleteContext(id: $id) { __typename } }',
    { id: 'nobody' },
  ],
];

async function stage(): Promise<ChordService> {
  const chord = createService({ clock: new ManualClock() });
  await chord.setContext('c', { n: 0, nested: { text: 'ä' } });
  await chord.updateContext('c', { n: 1 });
  const real = chord.updateContext.bind(chord);
  chord.updateContext = async (id, ...rest) => {
    if (id === 'forbidden') throw new ForbiddenError();
    if (id === 'broken') throw new TypeError('a secret');
    return real(id, ...rest);
  };
  return chord;
}

/** What a client would be sent, and what it is not told. */
function toText({ data, errors }: ExecutionResult): string {
  const causes = errors?.map(({ originalError }) => String(originalError));
  return JSON.stringify({ data, errors: errors?.map(maskError), causes }).replaceAll(
    /"(?:epoch|endCursor)":"[^"]*"/g,
    '',
  );
}

describe('answers as graphql-js does', () => {
  test.each(rows.map(([name, isCompiled, text, variableValues = {}]) => ({ name, isCompiled, text, variableValues })))(
    '$name (compiled: $isCompiled)',
    async ({ isCompiled, text, variableValues }) => {
      const document = parse(text);
      const refusals = validate(schema, document).map(({ message }) => message);
      expect(refusals).toEqual([]);
      let byReference = 0;
      const compiled = createCompiledExecute(1, (args) => {
        byReference++;
        return execute(args);
      });
      const [ours, theirs] = [await stage(), await stage()];
      const ask = (run: typeof execute, chord: ChordService) => {
        // The verbs are all that these resolvers use.
        const contextValue = { chord } as unknown as RequestScope;
        return run({ schema, document, variableValues, contextValue });
      };
      for (let times = 0; times < 4; times++) {
        const [answer, expected] = [toText(await ask(compiled, ours)), toText(await ask(execute, theirs))];
        expect(answer).toBe(expected);
      }
      // The first is always executed by the reference.
      expect(byReference).toBe(isCompiled ? 1 : 4);
    },
  );
});
