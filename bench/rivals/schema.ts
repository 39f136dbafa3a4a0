import type { JsonObject } from '../../src/delta/json.ts';
import type { Contexts, Position } from './contexts.ts';

/**
 * The part of schema/schema.graphql that the benchmarks ask for. Scalars are taken as they come: that is the least
 * that a server can do.
 */
export const typeDefs = /* GraphQL */ `
  scalar JSON
  scalar JSONObject
  scalar SafeInt
  scalar DateTime

  type Query {
    context(id: ID!): Context
  }

  type Mutation {
    setContext(id: ID!, state: JSONObject!): SetContextResult
    updateContext(id: ID!, changes: JSONObject!): UpdateContextResult
  }

  type Subscription {
    contextChanged(id: ID!, clientVersion: SafeInt, clientEpoch: ID): ContextEvent!
  }

  type Context {
    id: ID!
    epoch: ID!
    version: SafeInt!
    state: JSONObject!
    insertedAt: DateTime!
    createdAt: DateTime!
  }

  interface ContextEvent {
    contextId: ID!
    epoch: ID!
    version: SafeInt!
  }

  type FullContext implements ContextEvent {
    contextId: ID!
    epoch: ID!
    version: SafeInt!
    context: Context!
  }

  type NoChange implements ContextEvent {
    contextId: ID!
    epoch: ID!
    version: SafeInt!
  }

  type Delta implements ContextEvent {
    contextId: ID!
    epoch: ID!
    version: SafeInt!
    fromVersion: SafeInt!
    changes: [Change!]!
    jsonPatch: [JSONObject!]!
    mergePatch: JSONObject
    insertedAt: DateTime!
    origin: String
  }

  enum ChangeAction {
    ADDED
    MODIFIED
    REMOVED
  }

  type Change {
    path: [String!]!
    action: ChangeAction!
    value: JSON
    oldValue: JSON
  }

  interface Error {
    message: String!
  }

  type ContextNotFoundError implements Error {
    message: String!
    contextId: ID!
  }

  type SetContextPayload {
    contextId: ID!
    version: SafeInt!
    changed: Boolean!
  }

  type UpdateContextPayload {
    contextId: ID!
    version: SafeInt!
    changed: Boolean!
  }

  union SetContextResult = SetContextPayload
  union UpdateContextResult = UpdateContextPayload | ContextNotFoundError
`;

/** What follows a write: the server's own pub/sub. */
export type Publish = (event: Event) => unknown;
type Event = NonNullable<ReturnType<Contexts['update']>>['event'];

/** The arguments of a subscription. */
export interface FollowArgs extends Position {
  readonly id: string;
}

/** The resolvers, but those of the subscription. Objects name their type: nobody has to look for it. */
export function resolvers(contexts: Contexts, publish: Publish) {
  return {
    Query: { context: (_: unknown, { id }: { readonly id: string }) => contexts.get(id) },
    Mutation: {
      setContext: (_: unknown, { id, state }: { readonly id: string; readonly state: JsonObject }) => ({
        __typename: 'SetContextPayload',
        contextId: id,
        version: contexts.set(id, state).version,
        changed: true,
      }),
      updateContext: (_: unknown, { id, changes }: { readonly id: string; readonly changes: JsonObject }) => {
        const done = contexts.update(id, changes);
        if (done === undefined) {
          return { __typename: 'ContextNotFoundError', message: `There is no context ${id}.`, contextId: id };
        }
        publish(done.event);
        return { __typename: 'UpdateContextPayload', contextId: id, version: done.version, changed: true };
      },
    },
  };
}
