import type { JsonObject } from '../../src/delta/json.ts';
import { type GraphQLResult, post } from '../support/app.ts';

/** What a write answered. */
export interface Written {
  readonly epoch: string;
  readonly version: number;
  readonly duplicate: boolean;
}

/** @param url of a server, without a path. */
export async function setContext(url: string, variables: { readonly id: string; readonly state: JsonObject }) {
  const query = `mutation ($id: ID!, $state: JSONObject!) {
    setContext(id: $id, state: $state) { __typename ... on SetContextPayload { epoch version duplicate } }
  }`;
  return written(await post(`${url}/graphql`, { query, variables }), 'setContext');
}

/** @param url of a server, without a path. */
export async function updateContext(
  url: string,
  variables: { readonly id: string; readonly changes: JsonObject; readonly key?: string },
): Promise<Written> {
  const query = `mutation ($id: ID!, $changes: JSONObject!, $key: String) {
    updateContext(id: $id, changes: $changes, idempotencyKey: $key) {
      __typename ... on UpdateContextPayload { epoch version duplicate }
    }
  }`;
  return written(await post(`${url}/graphql`, { query, variables }), 'updateContext');
}

/** Makes many contexts, 50 with a request. `ttlMs` null: it stays. @param url of a server, without a path. */
export async function createContexts(
  url: string,
  contexts: readonly { readonly id: string; readonly ttlMs: number | null }[],
): Promise<void> {
  for (let from = 0; from < contexts.length; from += 50) {
    const some = contexts.slice(from, from + 50);
    const fields = some.map(({ id, ttlMs }, index) => {
      const ttl = ttlMs === null ? '' : `, ttlMs: ${ttlMs}`;
      return `c${index}: setContext(id: ${JSON.stringify(id)}, state: {}${ttl}) { ... on SetContextPayload { version } }`;
    });
    const { data, errors } = await post(`${url}/graphql`, { query: `mutation { ${fields.join('\n')} }` });
    const isWritten = some.every((_, index) => JSON.stringify(data?.[`c${index}`]) === '{"version":1}');
    if (errors !== undefined || !isWritten) throw new Error(`not created: ${JSON.stringify(errors ?? data)}`);
  }
}

/** Like `updateContext` through whatever may be cut: sent again under the same key until it is answered. */
export async function updateForSure(
  url: string,
  variables: { readonly id: string; readonly changes: JsonObject; readonly key: string },
): Promise<Written> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await updateContext(url, variables);
    } catch (error) {
      if (attempt === 10) throw error;
    }
  }
}

function written({ data, errors }: GraphQLResult, field: string): Written {
  const answer = data?.[field];
  if (errors !== undefined || typeof answer !== 'object' || answer === null || !('version' in answer)) {
    throw new Error(`not written: ${JSON.stringify(errors ?? answer)}`);
  }
  // The selection above.
  return answer as Written;
}
