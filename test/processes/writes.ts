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

/** The same through whatever may be cut: sent again under the same key until it is answered. */
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
