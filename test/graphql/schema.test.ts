import { readFileSync } from 'node:fs';
import {
  buildSchema,
  type GraphQLArgument,
  GraphQLEnumType,
  type GraphQLField,
  GraphQLInputObjectType,
  GraphQLInterfaceType,
  type GraphQLNamedType,
  GraphQLObjectType,
  type GraphQLSchema,
  GraphQLUnionType,
  isIntrospectionType,
  isNonNullType,
  isSpecifiedScalarType,
  lexicographicSortSchema,
  printSchema,
} from 'graphql';
import { describe, expect, test } from 'vitest';
import { schema } from '../../src/graphql/schema.ts';

/**
 * The public names, a contract: clients are generated from them. Fields may be added, here nothing is ever changed.
 * A field stands for itself with its arguments and their defaults.
 */
const contract = buildSchema(`
  scalar JSON
  scalar JSONObject
  scalar DateTime
  scalar SafeInt

  enum SortDirection { ASC DESC }
  enum ChangeAction { ADDED MODIFIED REMOVED }
  enum FullContextReason { NO_POSITION EPOCH_CHANGED CLIENT_AHEAD TOO_OLD SMALLER }
  enum GoneCause { DELETED EXPIRED }

  type Context {
    id: ID!
    epoch: ID!
    version: SafeInt!
    state: JSONObject!
    insertedAt: DateTime!
    createdAt: DateTime!
    expiresAt: DateTime
    deltas(afterVersion: SafeInt, limit: Int! = 50): [Delta!]!
  }
  type ContextPage { nodes: [Context!]! totalCount: Int hasNextPage: Boolean! }
  input ContextFilter { ids: [ID!] idPrefix: String version: SafeInt insertedBefore: DateTime insertedAfter: DateTime }

  type Change { path: [String!]! action: ChangeAction! value: JSON oldValue: JSON }

  interface ContextEvent { contextId: ID! epoch: ID! version: SafeInt! }
  type FullContext implements ContextEvent { contextId: ID! epoch: ID! version: SafeInt! reason: FullContextReason! context: Context! }
  type Delta implements ContextEvent {
    contextId: ID! epoch: ID! version: SafeInt!
    fromVersion: SafeInt!
    changes: [Change!]!
    jsonPatch: [JSONObject!]!
    mergePatch: JSONObject
    formatted: JSON!
    insertedAt: DateTime!
    origin: String
  }
  type NoChange implements ContextEvent { contextId: ID! epoch: ID! version: SafeInt! }
  type ContextGone implements ContextEvent { contextId: ID! epoch: ID! version: SafeInt! cause: GoneCause! at: DateTime! }
  type NoContext implements ContextEvent { contextId: ID! epoch: ID! version: SafeInt! }
  type DeltaPage { nodes: [Delta!]! totalCount: Int hasNextPage: Boolean! }

  type Query {
    context(id: ID!): Context
    contexts(filter: ContextFilter, after: ID, limit: Int! = 50, offset: Int! = 0, order: SortDirection! = ASC): ContextPage
    deltas(contextId: ID, after: ID, afterVersion: SafeInt, insertedBefore: DateTime, insertedAfter: DateTime, limit: Int! = 50, offset: Int! = 0, order: SortDirection! = ASC): DeltaPage
    syncContext(id: ID!, clientVersion: SafeInt, clientEpoch: ID): ContextEvent
    cleanup: CleanupStatus
  }

  type Mutation {
    setContext(id: ID!, state: JSONObject!, ttlMs: SafeInt, expectedVersion: SafeInt, expectedEpoch: ID, idempotencyKey: String, origin: String): SetContextResult
    updateContext(id: ID!, changes: JSONObject!, remove: [[String!]!], ttlMs: SafeInt, expectedVersion: SafeInt, expectedEpoch: ID, idempotencyKey: String, origin: String): UpdateContextResult
    deleteContext(id: ID!, expectedVersion: SafeInt, expectedEpoch: ID, idempotencyKey: String, origin: String): DeleteContextResult
    exportContext(id: ID!): ExportContextResult
    restoreContext(id: ID!, expectedVersion: SafeInt, expectedEpoch: ID, origin: String): RestoreContextResult
    runCleanup(limit: Int, offset: Int, order: SortDirection): RunCleanupPayload
    startCleanup(intervalMs: SafeInt, limit: Int): StartCleanupPayload
    stopCleanup: StopCleanupPayload
    updateCleanup(intervalMs: SafeInt, limit: Int): UpdateCleanupPayload
  }

  type Subscription {
    contextChanged(id: ID!, clientVersion: SafeInt, clientEpoch: ID): ContextEvent!
  }

  type SetContextPayload { contextId: ID! epoch: ID! version: SafeInt! context: Context delta: Delta changed: Boolean! duplicate: Boolean! }
  type UpdateContextPayload { contextId: ID! epoch: ID! version: SafeInt! context: Context delta: Delta changed: Boolean! duplicate: Boolean! }
  type DeleteContextPayload { contextId: ID! epoch: ID! version: SafeInt! duplicate: Boolean! }
  type ExportContextPayload { contextId: ID! epoch: ID! version: SafeInt! exporter: String! }
  type RestoreContextPayload { contextId: ID! epoch: ID! version: SafeInt! context: Context delta: Delta changed: Boolean! }
  type RunCleanupPayload { report: CleanupReport! }
  type StartCleanupPayload { status: CleanupStatus! }
  type StopCleanupPayload { status: CleanupStatus! }
  type UpdateCleanupPayload { status: CleanupStatus! }
  type CleanupReport { contextsExpired: Int! deltasTrimmed: Int! tombstonesPurged: Int! exportsFailed: Int! remaining: Boolean! durationMs: Int! }
  type CleanupStatus { running: Boolean! intervalMs: SafeInt! limit: Int lastRunAt: DateTime nextRunAt: DateTime lastReport: CleanupReport failedRuns: Int! failingExports: Int! }

  interface Error { message: String! }
  type ContextNotFoundError implements Error { message: String! contextId: ID! }
  type VersionConflictError implements Error { message: String! contextId: ID! currentVersion: SafeInt currentEpoch: ID }
  type IdempotencyConflictError implements Error { message: String! idempotencyKey: String! }
  type InvalidStateError implements Error { message: String! path: [String!]! }
  type LimitExceededError implements Error { message: String! limit: String! max: SafeInt! actual: SafeInt! }
  type NotConfiguredError implements Error { message: String! option: String! }
  type ExternalStorageError implements Error { message: String! }

  union SetContextResult = SetContextPayload | VersionConflictError | IdempotencyConflictError | InvalidStateError | LimitExceededError
  union UpdateContextResult = UpdateContextPayload | ContextNotFoundError | VersionConflictError | IdempotencyConflictError | InvalidStateError | LimitExceededError
  union DeleteContextResult = DeleteContextPayload | ContextNotFoundError | VersionConflictError | IdempotencyConflictError
  union ExportContextResult = ExportContextPayload | ContextNotFoundError | NotConfiguredError | ExternalStorageError
  union RestoreContextResult = RestoreContextPayload | ContextNotFoundError | VersionConflictError | InvalidStateError | LimitExceededError | NotConfiguredError | ExternalStorageError
`);

test('the committed SDL is the one that the code says', () => {
  const committed = readFileSync(new URL('../../schema/schema.graphql', import.meta.url), 'utf8');
  expect(committed).toBe(`${printSchema(lexicographicSortSchema(schema))}\n`);
});

test('every element is described, in a sentence', () => {
  const described = ownTypes(schema).flatMap(describedElements);
  expect(described.length).toBeGreaterThan(150);
  const bare = described.filter(
    ({ description }) => description === undefined || !/^\S.*[^\s.][.?]$/su.test(description),
  );
  expect(bare).toEqual([]);
});

test('a failing root field never erases its siblings: all but subscriptions are nullable', () => {
  const fields = [schema.getQueryType(), schema.getMutationType()].flatMap((type) => fieldsOf(type));
  expect(fields.length).toBeGreaterThanOrEqual(7);
  expect(fields.filter(({ type }) => isNonNullType(type)).map(({ name }) => name)).toEqual([]);
  expect(fieldsOf(schema.getSubscriptionType()).every(({ type }) => isNonNullType(type))).toBe(true);
});

test('only Context has a field id, by which caches keep it', () => {
  const keyed = ownTypes(schema).filter((type) => fieldsOf(type).some(({ name }) => name === 'id'));
  expect(keyed.map(({ name }) => name)).toEqual(['Context']);
});

/** They have no failure that a caller could expect. */
const withoutErrors = ['runCleanup', 'startCleanup', 'stopCleanup', 'updateCleanup', 'endRevocation'];

test('every mutation answers a union of its payload and its errors, named after it', () => {
  const fields = fieldsOf(schema.getMutationType()).filter(({ name }) => !withoutErrors.includes(name));
  for (const field of fields) {
    const name = capitalized(field.name);
    expect(String(field.type)).toBe(`${name}Result`);
    if (!(field.type instanceof GraphQLUnionType)) throw new Error(`${name}Result is no union`);
    const [payloads, errors] = partition(field.type.getTypes(), (type) => type.name === `${name}Payload`);
    expect(payloads).toHaveLength(1);
    const strangers = errors.filter((type) => !type.getInterfaces().some((known) => known.name === 'Error'));
    expect(strangers).toEqual([]);
  }
});

test.each(withoutErrors)('%s answers its payload alone', (name) => {
  const field = fieldsOf(schema.getMutationType()).find((each) => each.name === name);
  expect(String(field?.type)).toBe(`${capitalized(name)}Payload`);
});

test('two kinds of event never give one field name two types', () => {
  const events = schema.getImplementations(named(schema, 'ContextEvent', GraphQLInterfaceType)).objects;
  const types = new Map<string, string>();
  for (const field of events.flatMap((type) => fieldsOf(type))) {
    expect(String(field.type)).toBe(types.get(field.name) ?? String(field.type));
    types.set(field.name, String(field.type));
  }
  expect(events).toHaveLength(5);
});

describe('the contract holds for', () => {
  test.each(ownTypes(contract).map((type) => [type.name, type] as const))('%s', (name, promised) => {
    const actual = schema.getType(name);
    expect(actual?.constructor).toBe(promised.constructor);
    const elements = new Set(actual === undefined ? [] : signatures(actual));
    expect(signatures(promised).filter((signature) => !elements.has(signature))).toEqual([]);
  });

  test.each([
    'SetContextResult',
    'UpdateContextResult',
    'DeleteContextResult',
    'ExportContextResult',
    'RestoreContextResult',
  ])('the exact members of %s', (name) => {
    const members = (of: GraphQLSchema) =>
      named(of, name, GraphQLUnionType)
        .getTypes()
        .map((type) => type.name)
        .toSorted();
    expect(members(schema)).toEqual(members(contract));
  });

  test('the arguments of every field: what is added is optional', () => {
    const additions = ownTypes(contract).flatMap((type) =>
      fieldsOf(type).flatMap((promised) => {
        const known = new Set(promised.args.map(({ name }) => name));
        const field = fieldsOf(schema.getType(type.name)).find(({ name }) => name === promised.name);
        return (field?.args ?? []).filter(({ name, type: given }) => !known.has(name) && isNonNullType(given));
      }),
    );
    expect(additions).toEqual([]);
  });
});

function ownTypes(of: GraphQLSchema): GraphQLNamedType[] {
  return Object.values(of.getTypeMap()).filter((type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type));
}

function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function fieldsOf(type: GraphQLNamedType | null | undefined): GraphQLField<unknown, unknown>[] {
  return type instanceof GraphQLObjectType || type instanceof GraphQLInterfaceType
    ? Object.values(type.getFields())
    : [];
}

interface Described {
  readonly element: string;
  readonly description: string | undefined;
}

const here = (element: string, { description }: { readonly description?: string | null | undefined }): Described => ({
  element,
  description: description ?? undefined,
});

function describedElements(type: GraphQLNamedType): Described[] {
  const inputs = type instanceof GraphQLInputObjectType ? Object.values(type.getFields()) : [];
  const values = type instanceof GraphQLEnumType ? type.getValues() : [];
  return [
    here(type.name, type),
    ...fieldsOf(type).flatMap((field) => [
      here(`${type.name}.${field.name}`, field),
      ...field.args.map((arg) => here(`${type.name}.${field.name}(${arg.name}:)`, arg)),
    ]),
    ...[...inputs, ...values].map((element) => here(`${type.name}.${element.name}`, element)),
  ];
}

/** What a type says, one line for each thing that a client may rely on. */
function signatures(type: GraphQLNamedType): string[] {
  if (type instanceof GraphQLEnumType) return type.getValues().map(({ name }) => name);
  if (type instanceof GraphQLUnionType) return type.getTypes().map(({ name }) => name);
  if (type instanceof GraphQLInputObjectType) return Object.values(type.getFields()).map(inputSignature);
  const interfaces =
    type instanceof GraphQLObjectType ? type.getInterfaces().map(({ name }) => `implements ${name}`) : [];
  const fields = fieldsOf(type).flatMap((field) => [
    `${field.name}: ${String(field.type)}`,
    ...field.args.map((arg) => `${field.name}(${inputSignature(arg)})`),
  ]);
  return [...interfaces, ...fields];
}

function inputSignature({ name, type, defaultValue }: Pick<GraphQLArgument, 'name' | 'type' | 'defaultValue'>): string {
  return `${name}: ${String(type)} = ${JSON.stringify(defaultValue)}`;
}

function named<T extends GraphQLNamedType>(
  of: GraphQLSchema,
  name: string,
  kind: abstract new (...args: never) => T,
): T {
  const type = of.getType(name);
  if (!(type instanceof kind)) throw new Error(`${name} is not what it should be`);
  return type;
}

function partition<T>(items: readonly T[], is: (item: T) => boolean): [T[], T[]] {
  return [items.filter(is), items.filter((item) => !is(item))];
}
