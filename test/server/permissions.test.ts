/**
 * Who may do what, over every transport: every root field of the schema with no, wrong, expired, insufficient and
 * sufficient credentials. A root field without a row here fails the first test.
 */
import type { GraphQLError } from 'graphql';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { ViewerDescription } from '../../src/access/viewer.ts';
import { schema } from '../../src/graphql/schema.ts';
import { type GraphQLResult, type Operation, type RunningApp, startApp, stopApps } from '../support/app.ts';
import { contextChanged } from '../support/transports.ts';

/** What is asked, and what is answered to one who may do nothing here. */
interface Row {
  readonly operation: string;
  /** `open` to everybody who is known, `empty`: a list of nothing. */
  readonly otherwise: 'FORBIDDEN' | 'open' | 'empty';
}

const rows: Readonly<Record<string, Row>> = {
  'Query.context': { operation: 'query { context(id: "c") { id state deltas { version } } }', otherwise: 'FORBIDDEN' },
  'Query.contexts': { operation: 'query { contexts { nodes { id } totalCount endCursor } }', otherwise: 'empty' },
  'Query.deltas': { operation: 'query { deltas { nodes { version } totalCount } }', otherwise: 'empty' },
  'Query.syncContext': { operation: 'query { syncContext(id: "c") { version } }', otherwise: 'FORBIDDEN' },
  'Query.cleanup': { operation: 'query { cleanup { running } }', otherwise: 'FORBIDDEN' },
  'Query.server': { operation: 'query { server { storeId } }', otherwise: 'FORBIDDEN' },
  'Query.connections': { operation: 'query { connections { totalCount } }', otherwise: 'FORBIDDEN' },
  'Query.revocations': { operation: 'query { revocations { totalCount } }', otherwise: 'FORBIDDEN' },
  'Query.viewer': { operation: 'query { viewer { viewerId } }', otherwise: 'open' },
  'Mutation.setContext': {
    operation: 'mutation { setContext(id: "c", state: {}) { __typename } }',
    otherwise: 'FORBIDDEN',
  },
  'Mutation.updateContext': {
    operation: 'mutation { updateContext(id: "c", changes: {}) { __typename } }',
    otherwise: 'FORBIDDEN',
  },
  'Mutation.deleteContext': {
    operation: 'mutation { deleteContext(id: "gone") { __typename } }',
    otherwise: 'FORBIDDEN',
  },
  'Mutation.exportContext': { operation: 'mutation { exportContext(id: "c") { __typename } }', otherwise: 'FORBIDDEN' },
  'Mutation.restoreContext': {
    operation: 'mutation { restoreContext(id: "c") { __typename } }',
    otherwise: 'FORBIDDEN',
  },
  'Mutation.runCleanup': { operation: 'mutation { runCleanup { __typename } }', otherwise: 'FORBIDDEN' },
  'Mutation.startCleanup': { operation: 'mutation { startCleanup { __typename } }', otherwise: 'FORBIDDEN' },
  'Mutation.stopCleanup': { operation: 'mutation { stopCleanup { __typename } }', otherwise: 'FORBIDDEN' },
  'Mutation.updateCleanup': { operation: 'mutation { updateCleanup { __typename } }', otherwise: 'FORBIDDEN' },
  'Mutation.revokeAccess': {
    operation: 'mutation { revokeAccess(viewerId: "nobody") { __typename } }',
    otherwise: 'FORBIDDEN',
  },
  'Mutation.endRevocation': { operation: 'mutation { endRevocation(id: "c") { __typename } }', otherwise: 'FORBIDDEN' },
  'Mutation.refreshCredentials': {
    operation: 'mutation { refreshCredentials(token: "nobody") { __typename } }',
    otherwise: 'open',
  },
  'Subscription.contextChanged at the start': { operation: contextChanged, otherwise: 'FORBIDDEN' },
  'Subscription.contextChanged on resume': { operation: contextChanged, otherwise: 'FORBIDDEN' },
};

const viewers: Readonly<Record<string, ViewerDescription>> = {
  sufficient: {
    id: 'sufficient',
    grants: [{ may: ['read', 'write', 'delete', 'export', 'restore', 'list', 'admin'] }],
  },
  insufficient: {
    id: 'insufficient',
    grants: [{ may: ['read', 'write', 'delete', 'export', 'restore', 'list'], idPrefix: 'other:' }],
  },
  expired: { id: 'sufficient', grants: [{ may: ['read', 'admin'] }], expiresAtMs: 1 },
};

/** What came of it: a result, or that nobody was let in. */
type Outcome = GraphQLResult | 'not let in';

let server: RunningApp;
let position: { readonly epoch: string; readonly version: number };

beforeAll(async () => {
  server = await startApp({
    authenticate: ({ header, connectionParams }) => {
      const value = connectionParams?.['authorization'] ?? header('authorization');
      return viewers[typeof value === 'string' ? value.replace('Bearer ', '') : ''] ?? null;
    },
  });
  const { epoch, version } = await server.app.chord.setContext('c', {});
  position = { epoch, version };
});
afterAll(stopApps);

function operationOf(name: string, { operation: query }: Row): Operation {
  if (!name.startsWith('Subscription')) return { query };
  const resumed = { clientVersion: position.version, clientEpoch: position.epoch };
  return { query, variables: { id: 'c', ...(name.endsWith('resume') ? resumed : {}) } };
}

function headersOf(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

async function overHttp(operation: Operation, token: string | undefined, accept: string): Promise<Outcome> {
  const ending = new AbortController();
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept, ...headersOf(token) },
    body: JSON.stringify(operation),
    signal: ending.signal,
  });
  if (response.status === 401) {
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
    return 'not let in';
  }
  if (response.headers.get('content-type')?.includes('event-stream') !== true) {
    return (await response.json()) as GraphQLResult;
  }
  let text = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    const [, data] = /^data: (.+)$/m.exec(text) ?? [];
    if (data !== undefined) {
      ending.abort();
      return JSON.parse(data) as GraphQLResult;
    }
  }
  throw new Error(`The stream ended without a result: ${text}`);
}

async function overWebSocket(operation: Operation, token: string | undefined): Promise<Outcome> {
  const connectionParams = headersOf(token);
  const client = createClient({
    url: server.webSocketUrl,
    webSocketImpl: WebSocket,
    connectionParams,
    retryAttempts: 0,
  });
  try {
    for await (const result of client.iterate({ query: operation.query, variables: { ...operation.variables } })) {
      return result as GraphQLResult;
    }
    throw new Error('The operation ended without a result.');
  } catch (error) {
    if (Array.isArray(error)) return { errors: error as readonly GraphQLError[] } as unknown as GraphQLResult;
    if ((error as { readonly code?: number }).code === 4403) return 'not let in';
    throw error;
  } finally {
    await client.dispose();
  }
}

const transports: Readonly<Record<string, (operation: Operation, token: string | undefined) => Promise<Outcome>>> = {
  HTTP: (operation, token) => overHttp(operation, token, 'application/graphql-response+json'),
  SSE: (operation, token) => overHttp(operation, token, 'text/event-stream'),
  WebSocket: overWebSocket,
};

function codesOf(outcome: Outcome): unknown {
  return outcome === 'not let in' ? outcome : outcome.errors?.map(({ extensions }) => extensions?.['code']);
}

test('every root field has a row', () => {
  const fields = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].flatMap((type) =>
    Object.keys(type?.getFields() ?? {}).map((name) => `${type?.name}.${name}`),
  );
  expect(new Set(Object.keys(rows).map((name) => name.split(' ')[0]))).toEqual(new Set(fields));
});

describe.each(Object.entries(transports))('%s', (transport, send) => {
  // Subscriptions have no answer in one piece.
  const asked = Object.entries(rows).filter(([name]) => transport !== 'HTTP' || !name.startsWith('Subscription'));

  test.each(asked)('%s', async (name, row) => {
    const operation = operationOf(name, row);
    const strangers = [undefined, 'wrong', 'expired'].map((token) => send(operation, token));
    expect(await Promise.all(strangers)).toEqual(['not let in', 'not let in', 'not let in']);

    const isMisplaced = transport !== 'WebSocket' && name === 'Mutation.refreshCredentials';
    const welcome = isMisplaced ? ['BAD_USER_INPUT'] : undefined;
    const refused = await send(operation, 'insufficient');
    expect(codesOf(refused)).toEqual(row.otherwise === 'FORBIDDEN' ? ['FORBIDDEN'] : welcome);
    // Nothing of what is there, not even its name.
    expect(JSON.stringify(refused)).not.toContain('"c"');

    const answered = await send(operation, 'sufficient');
    expect(codesOf(answered)).toEqual(welcome);
  });
});

/** As a browser does. */
async function look(url: string): Promise<Response> {
  return fetch(url, { headers: { accept: 'application/json, text/html' } });
}

test('a page is shown to everybody, and nothing else is, not even what is wrong with a document', async () => {
  const page = await look(server.url);
  expect(page.headers.get('content-type')).toContain('text/html');
  // What is entered as headers goes with event streams, and not with WebSockets.
  expect(await page.text()).toContain('"subscriptionsProtocol":"SSE"');
  const closed = await startApp({ graphiql: false, authenticate: () => null });
  const answer = await look(`${closed.url}?query=${encodeURIComponent('{ contextz }')}`);
  expect(answer.status).toBe(401);
  expect(await answer.text()).not.toContain('contexts');
});
