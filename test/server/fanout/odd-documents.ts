/* Subscriptions that a client may legally send, and what becomes of each. */
import type { Operation } from '../../support/app.ts';

export interface OddDocument extends Operation {
  readonly name: string;
  /** Whether its results are written once for many. */
  readonly isShared: boolean;
}

const args = '(id: $id, clientVersion: $version, clientEpoch: $epoch)';
const head = '$id: ID!, $version: SafeInt, $epoch: ID';

function shared(name: string, query: string, more: Omit<Operation, 'query'> = {}): OddDocument {
  return { name, query, ...more, isShared: true };
}

function own(name: string, query: string, more: Omit<Operation, 'query'> = {}): OddDocument {
  return { name, query, ...more, isShared: false };
}

/** `$id` is the context's, and follows when a test sends them. */
export const oddDocuments: readonly OddDocument[] = [
  shared('one field', `subscription (${head}) { contextChanged${args} { version } }`),
  shared('the name of the type alone', `subscription (${head}) { contextChanged${args} { __typename } }`),
  shared(
    'everything that the event holds',
    `subscription (${head}) { contextChanged${args} {
      __typename contextId epoch version
      ... on FullContext { reason context { id epoch version state insertedAt createdAt expiresAt } }
      ... on Delta { fromVersion changes { path action value oldValue } jsonPatch mergePatch formatted insertedAt origin }
      ... on ContextGone { cause at }
    } }`,
  ),
  shared('an alias at the root', `subscription (${head}) { news: contextChanged${args} { version } }`),
  shared(
    'aliases of one field, of the root’s name and of a key that is special elsewhere',
    `subscription (${head}) { contextChanged${args} { a: version b: version contextChanged: epoch __proto__x: __typename toJSON: version } }`,
  ),
  shared(
    'fields named twice, in another order',
    `subscription (${head}) { contextChanged${args} { version epoch version ... on Delta { epoch fromVersion version } epoch } }`,
  ),
  shared(
    'fragments in fragments, on the interface and on types, one not used by all',
    `subscription (${head}) { contextChanged${args} { ...Where ... on Delta { ...Changes } ...State } }
     fragment Where on ContextEvent { ...Position contextId }
     fragment Position on ContextEvent { epoch version }
     fragment Changes on Delta { changes { ...Change } }
     fragment Change on Change { path value }
     fragment State on FullContext { context { state } }`,
  ),
  shared(
    'a fragment without a type',
    `subscription (${head}) { contextChanged${args} { ... { version ... @include(if: true) { epoch } } } }`,
  ),
  ...[true, false].flatMap((isWanted) => [
    shared(
      `@include and @skip by a variable that is ${isWanted}`,
      `subscription (${head}, $wanted: Boolean!) { contextChanged${args} {
        version epoch @include(if: $wanted) contextId @skip(if: $wanted) ... on Delta @include(if: $wanted) { fromVersion }
      } }`,
      { variables: { wanted: isWanted } },
    ),
    shared(
      `the same by ${isWanted} in the document`,
      `subscription (${head}) { contextChanged${args} { version epoch @include(if: ${isWanted}) contextId @skip(if: ${isWanted}) } }`,
    ),
  ]),
  shared(
    'a variable by its default',
    `subscription (${head}, $wanted: Boolean = true) { contextChanged${args} { version epoch @include(if: $wanted) } }`,
  ),
  shared(
    'a variable that overrides its default',
    `subscription (${head}, $wanted: Boolean = true) { contextChanged${args} { version epoch @include(if: $wanted) } }`,
    { variables: { wanted: false } },
  ),
  shared('variables that are sent and not declared', `subscription (${head}) { contextChanged${args} { version } }`, {
    variables: { stranger: { deep: [1, null, 'x'] } },
  }),
  shared('arguments in the document', 'subscription { contextChanged(id: "odd") { version epoch } }'),
  shared(
    'several operations, the second',
    `query One { __typename }
     subscription Two (${head}) { contextChanged${args} { version } }
     subscription Three (${head}) { contextChanged${args} { epoch } }`,
    { operationName: 'Two' },
  ),
  shared(
    'several operations, the third',
    `query One { __typename }
     subscription Two (${head}) { contextChanged${args} { version } }
     subscription Three (${head}) { contextChanged${args} { epoch } }`,
    { operationName: 'Three' },
  ),
  shared(
    'comments, commas, strings of several lines and a description of nothing',
    '# "quoted" \n subscription,($id: ID!, $version: SafeInt),{,contextChanged(id: $id, clientVersion: $version, clientEpoch: """-"""),{,version,# end\n},}',
  ),
  own(
    'the root in a fragment',
    `subscription (${head}) { ...Root } fragment Root on Subscription { contextChanged${args} { version epoch } }`,
  ),
  own('the root in an inline fragment', `subscription (${head}) { ... { contextChanged${args} { version } } }`),
  own('the root twice', `subscription (${head}) { contextChanged${args} { version } contextChanged${args} { epoch } }`),
  own('a null that is not allowed', 'subscription ($id: ID!) { contextChanged(id: $id) { version } }', {
    variables: { id: null },
  }),
  own('a version that is none', `subscription (${head}) { contextChanged${args} { version } }`, {
    variables: { version: 1.5 },
  }),
  own('a negative version', `subscription (${head}) { contextChanged${args} { version } }`, {
    variables: { version: -1 },
  }),
  own('no id', 'subscription { contextChanged(id: "") { version } }'),
  own(
    'a flag that is no flag',
    `subscription (${head}, $wanted: Boolean!) { contextChanged${args} { version @include(if: $wanted) } }`,
    { variables: { wanted: 'yes' } },
  ),
  own(
    'a flag that is infinite',
    `subscription (${head}, $wanted: Boolean = true) { contextChanged${args} { version @include(if: $wanted) } }`,
    { variables: { wanted: Number.POSITIVE_INFINITY } },
  ),
  own(
    'a flag that is an object',
    `subscription (${head}, $wanted: Boolean!) { contextChanged${args} { version @include(if: $wanted) } }`,
    { variables: { wanted: { yes: true } } },
  ),
];
