/**
 * Which verb each root field needs: with that one alone it is answered, with all others it is refused. A root field
 * without a row here fails the first test. (permissions.test.ts has the ids, the credentials and the transports.)
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Verb, verbs } from '../../src/access/grants.ts';
import { schema } from '../../src/graphql/schema.ts';
import { type GraphQLResult, type RunningApp, startApp, stopApps } from '../support/app.ts';

interface Row {
  readonly query: string;
  /** All of them; none: it is open to everybody who is known. */
  readonly needs: readonly Verb[];
  /** What is answered without one of them: a refusal, or a list of nothing. */
  readonly otherwise?: object;
}

const rows: Readonly<Record<string, Row>> = {
  context: { query: '{ context(id: "c") { version } }', needs: ['read'] },
  syncContext: { query: '{ syncContext(id: "c") { version } }', needs: ['read'] },
  contextChanged: { query: 'subscription { contextChanged(id: "c") { version } }', needs: ['read'] },
  contexts: {
    query: '{ contexts { nodes { id } totalCount } }',
    needs: ['list', 'read'],
    otherwise: { contexts: { nodes: [], totalCount: 0 } },
  },
  deltas: {
    query: '{ deltas { nodes { version } } }',
    needs: ['list', 'read'],
    otherwise: { deltas: { nodes: [] } },
  },
  'deltas of one context': { query: '{ deltas(contextId: "c") { nodes { version } } }', needs: ['read'] },
  setContext: { query: 'mutation { setContext(id: "c", state: {}) { __typename } }', needs: ['write'] },
  updateContext: { query: 'mutation { updateContext(id: "c", changes: {}) { __typename } }', needs: ['write'] },
  deleteContext: { query: 'mutation { deleteContext(id: "none") { __typename } }', needs: ['delete'] },
  exportContext: { query: 'mutation { exportContext(id: "c") { __typename } }', needs: ['export'] },
  restoreContext: { query: 'mutation { restoreContext(id: "c") { __typename } }', needs: ['restore'] },
  cleanup: { query: '{ cleanup { running } }', needs: ['admin'] },
  runCleanup: { query: 'mutation { runCleanup { __typename } }', needs: ['admin'] },
  startCleanup: { query: 'mutation { startCleanup { __typename } }', needs: ['admin'] },
  updateCleanup: { query: 'mutation { updateCleanup { __typename } }', needs: ['admin'] },
  stopCleanup: { query: 'mutation { stopCleanup { __typename } }', needs: ['admin'] },
  server: { query: '{ server { __typename } }', needs: ['admin'] },
  connections: { query: '{ connections { totalCount } }', needs: ['admin'] },
  revocations: { query: '{ revocations { __typename } }', needs: ['admin'] },
  revokeAccess: { query: 'mutation { revokeAccess(viewerId: "nobody") { __typename } }', needs: ['admin'] },
  endRevocation: { query: 'mutation { endRevocation(id: "none") { __typename } }', needs: ['admin'] },
  viewer: { query: '{ viewer { viewerId } }', needs: [] },
  refreshCredentials: { query: 'mutation { refreshCredentials(token: "x") { __typename } }', needs: [] },
};

let server: RunningApp;
beforeAll(async () => {
  server = await startApp({
    // The credentials are the verbs.
    authenticate: ({ header }) => {
      const words = (header('authorization') ?? '').replace('Bearer ', '').split('.');
      return { id: 'ada', grants: [{ may: verbs.filter((verb) => words.includes(verb)) }].filter(hasVerbs) };
    },
  });
  await server.app.chord.setContext('c', {});
});
afterAll(stopApps);

/** A grant of nothing is none. */
function hasVerbs({ may }: { readonly may: readonly Verb[] }): boolean {
  return may.length > 0;
}

/** The first result, which is all that is needed of a subscription. */
async function ask(query: string, may: readonly Verb[]): Promise<GraphQLResult> {
  const leaving = new AbortController();
  const response = await fetch(server.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: query.startsWith('subscription') ? 'text/event-stream' : 'application/graphql-response+json',
      authorization: `Bearer x.${may.join('.')}`,
    },
    body: JSON.stringify({ query }),
    signal: leaving.signal,
  });
  if (!query.startsWith('subscription')) return (await response.json()) as GraphQLResult;
  let text = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    const [, data] = /^data: (.+)$/m.exec(text) ?? [];
    if (data === undefined) continue;
    leaving.abort();
    return JSON.parse(data) as GraphQLResult;
  }
  throw new Error(`The stream ended without a result: ${text}`);
}

/** What came of it: the codes of what was refused, or else what was answered. */
function outcomeOf({ data, errors }: GraphQLResult): object | null | undefined {
  return errors?.map(({ extensions }) => extensions?.['code']) ?? data;
}

test('every root field has a row', () => {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  const fields = roots.flatMap((type) => Object.keys(type?.getFields() ?? {}));
  expect(new Set(Object.keys(rows).map((name) => name.split(' ')[0]))).toEqual(new Set(fields));
});

describe.each(Object.entries(rows))('%s', (_name, { query, needs, otherwise = ['FORBIDDEN'] }) => {
  test(`is answered to who may ${needs.join(' and ') || 'nothing'}`, async () => {
    const outcome = outcomeOf(await ask(query, needs));
    expect(outcome).not.toEqual(otherwise);
    expect(outcome).not.toEqual(['UNAUTHENTICATED']);
  });

  test.each(needs)('is refused to who may do everything but %s', async (missing) => {
    const others = verbs.filter((verb) => verb !== missing);
    expect(outcomeOf(await ask(query, others))).toEqual(otherwise);
  });
});
