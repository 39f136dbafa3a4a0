/** What the load generator sends, the same to every server. */
export const documents = {
  setContext: /* GraphQL */ `
    mutation Set($id: ID!, $state: JSONObject!) {
      setContext(id: $id, state: $state) {
        __typename
        ... on SetContextPayload { version }
      }
    }
  `,
  updateContext: /* GraphQL */ `
    mutation Update($id: ID!, $changes: JSONObject!) {
      updateContext(id: $id, changes: $changes) {
        __typename
        ... on UpdateContextPayload { contextId version changed }
        ... on Error { message }
      }
    }
  `,
  context: /* GraphQL */ `
    query Read($id: ID!) {
      context(id: $id) { id epoch version state insertedAt }
    }
  `,
} as const;

/** By the name of the operation: what subscribers select of each event, beside where it leads. */
export const selections = {
  Changes: subscription('Changes', '... on Delta { fromVersion changes { path action value } }'),
  JsonPatch: subscription('JsonPatch', '... on Delta { fromVersion insertedAt jsonPatch }'),
  MergePatch: subscription('MergePatch', '... on Delta { fromVersion origin mergePatch }'),
  Everything: `${subscription('Everything', '...Step')}
    fragment Step on Delta { fromVersion insertedAt origin changes { path action value oldValue } }`,
} as const;

/** The name of one of them. */
export type Selection = keyof typeof selections;

function subscription(name: string, delta: string): string {
  return /* GraphQL */ `
    subscription ${name}($id: ID!, $clientVersion: SafeInt, $clientEpoch: ID) {
      contextChanged(id: $id, clientVersion: $clientVersion, clientEpoch: $clientEpoch) {
        __typename
        contextId
        epoch
        version
        ... on FullContext { context { state } }
        ${delta}
      }
    }
  `;
}
