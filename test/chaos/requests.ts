/* What writers and probers send over HTTP, and what they make of the answers. */
import { request } from 'node:http';
import type { ContextEvent, Position } from '../../examples/replay/follower.ts';
import { SyncContextDocument } from '../../src/client/generated/graphql.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import { originOf } from './actions.ts';
import type { Answer, FinalRecord, SeenDelta } from './history.ts';
import type { WriteRequest } from './plan.ts';
import type { FleetServer } from './server.ts';

/** Far beyond what any answer may take; that it took too long is found when the history is checked. */
const patienceMs = 60_000;

const delta =
  'delta { __typename contextId epoch fromVersion version insertedAt origin changes { path action value oldValue } }';
const conflict = '... on VersionConflictError { currentEpoch currentVersion }';
const common = '$id: ID!, $expectedVersion: SafeInt, $expectedEpoch: ID, $idempotencyKey: String, $origin: String';
const given =
  'id: $id, expectedVersion: $expectedVersion, expectedEpoch: $expectedEpoch, idempotencyKey: $idempotencyKey, origin: $origin';

const documents = {
  set: `mutation Set(${common}, $state: JSONObject!) { result: setContext(${given}, state: $state) {
    __typename ... on SetContextPayload { epoch version changed duplicate ${delta} } ${conflict} } }`,
  update: `mutation Update(${common}, $changes: JSONObject!, $remove: [[String!]!]) {
    result: updateContext(${given}, changes: $changes, remove: $remove) {
    __typename ... on UpdateContextPayload { epoch version changed duplicate ${delta} } ${conflict} } }`,
  delete: `mutation Delete(${common}) { result: deleteContext(${given}) {
    __typename ... on DeleteContextPayload { epoch version duplicate } ${conflict} } }`,
  end: `query End($id: ID!, $afterVersion: SafeInt) {
    context(id: $id) { epoch version state }
    deltas(contextId: $id, afterVersion: $afterVersion, limit: 250) { hasNextPage nodes {
      __typename contextId epoch fromVersion version insertedAt origin changes { path action value oldValue } } } }`,
} as const;

/** One attempt at a write. Never rejects. */
export async function sendWrite(server: FleetServer, write: WriteRequest): Promise<Answer> {
  const { action, contextId: id, mark, key, expectedEpoch, expectedVersion } = write;
  const { verb, ...rest } = action;
  const variables = { id, expectedEpoch, expectedVersion, idempotencyKey: key, origin: originOf(mark), ...rest };
  const reply = await post(server, documents[verb], variables);
  if (reply.kind === 'lost')
    return { kind: 'failed', outcome: reply.isSent ? 'UNKNOWN' : 'NOT_STORED', why: reply.why };
  const failure = failureOf(reply);
  if (failure?.outcome !== undefined) return { kind: 'failed', outcome: failure.outcome, why: failure.what };
  if (failure !== undefined) return { kind: 'wrong', what: failure.what };
  return toAnswer(reply.body['data']);
}

/** What a reader is told; undefined: nothing, as the store is away. @throws for what nobody may be told. */
export async function sync(
  server: FleetServer,
  id: string,
  position: Position | undefined,
): Promise<ContextEvent | undefined> {
  const variables = { id, clientEpoch: position?.epoch, clientVersion: position?.version };
  const data = await ask(server, String(SyncContextDocument), variables);
  if (data === undefined) return undefined;
  // The answer to that document.
  const event = data['syncContext'] as ContextEvent | null;
  return event ?? { __typename: 'NoContext', contextId: id, epoch: '-', version: 0 };
}

/** The context and its whole chain. @throws when the process does not tell. */
export async function askEnd(server: FleetServer, contextId: string): Promise<FinalRecord> {
  const deltas: SeenDelta[] = [];
  for (;;) {
    const variables = { id: contextId, afterVersion: deltas.at(-1)?.version };
    // The answer to that document.
    const data = (await ask(server, documents.end, variables)) as EndData | undefined;
    if (data === undefined) throw new Error(`${server.name} did not say how ${contextId} ended.`);
    deltas.push(...data.deltas.nodes);
    const context = data.context ?? undefined;
    const atMs = performance.now();
    if (!data.deltas.hasNextPage) return { contextId, process: server.name, atMs, context, deltas };
  }
}

interface EndData {
  readonly context: (Position & { readonly state: JsonObject }) | null;
  readonly deltas: { readonly nodes: readonly SeenDelta[]; readonly hasNextPage: boolean };
}

async function ask(
  server: FleetServer,
  query: string,
  variables: object,
): Promise<Record<string, unknown> | undefined> {
  const reply = await post(server, query, variables);
  if (reply.kind === 'lost') return undefined;
  const failure = failureOf(reply);
  if (failure === undefined) return reply.body['data'];
  if (failure.outcome === undefined) throw new Error(`was answered by ${server.name}: ${failure.what}`);
  return undefined;
}

type Reply =
  | {
      readonly kind: 'reply';
      readonly status: number;
      readonly body: { readonly data?: Record<string, unknown>; readonly errors?: readonly Failure[] };
    }
  | { readonly kind: 'lost'; readonly isSent: boolean; readonly why: string };

interface Failure {
  readonly message: string;
  readonly extensions?: { readonly code?: string; readonly outcome?: 'NOT_STORED' | 'UNKNOWN' };
}

/** Undefined: there are data and nothing else. `outcome`: the store was away. */
function failureOf({ status, body }: Extract<Reply, { kind: 'reply' }>) {
  const [error] = body.errors ?? [];
  if (error === undefined && body.data !== undefined) return undefined;
  const { code, outcome } = error?.extensions ?? {};
  const what = `${status} ${JSON.stringify(body).slice(0, 300)}`;
  return { what, outcome: code === 'BACKEND_UNAVAILABLE' ? outcome : undefined };
}

interface WriteData {
  readonly __typename: string;
  readonly epoch: string;
  readonly version: number;
  readonly changed?: boolean;
  readonly duplicate: boolean;
  readonly delta?: SeenDelta | null;
  readonly currentEpoch: string | null;
  readonly currentVersion: number;
}

function toAnswer(data: Record<string, unknown> | undefined): Answer {
  // The answer to one of the documents above.
  const result = data?.['result'] as WriteData;
  const {
    __typename,
    epoch,
    version,
    changed = true,
    duplicate,
    delta: told = null,
    currentEpoch,
    currentVersion,
  } = result;
  switch (__typename) {
    case 'SetContextPayload':
    case 'UpdateContextPayload':
    case 'DeleteContextPayload':
      return { kind: 'done', position: { epoch, version }, changed, duplicate, delta: told };
    case 'VersionConflictError':
      return {
        kind: 'conflict',
        current: currentEpoch === null ? undefined : { epoch: currentEpoch, version: currentVersion },
      };
    case 'ContextNotFoundError':
      return { kind: 'notFound' };
    default:
      return { kind: 'wrong', what: JSON.stringify(result) };
  }
}

/** Over a connection that is kept. What was not sent for certain (nobody listened) is told apart from what was. */
function post(server: FleetServer, query: string, variables: object): Promise<Reply> {
  const text = JSON.stringify({ query, variables });
  return new Promise((resolve) => {
    const lose = (error: Error & { readonly code?: string }) => {
      resolve({ kind: 'lost', isSent: error.code !== 'ECONNREFUSED', why: error.message });
    };
    const options = {
      method: 'POST',
      agent: server.agent,
      timeout: patienceMs,
      headers: {
        'content-type': 'application/json',
        accept: 'application/graphql-response+json',
        'content-length': Buffer.byteLength(text),
      },
    };
    const sent = request(`${server.url}/graphql`, options, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.once('error', lose);
      response.once('close', () => lose(new Error('cut off')));
      response.once('end', () => {
        resolve({ kind: 'reply', status: response.statusCode ?? 0, body: parse(body) });
      });
    });
    sent.once('timeout', () => sent.destroy(new Error('no answer')));
    sent.once('error', lose);
    sent.end(text);
  });
}

function parse(body: string): Extract<Reply, { kind: 'reply' }>['body'] {
  try {
    // A GraphQL response.
    return JSON.parse(body) as { data?: Record<string, unknown> };
  } catch {
    return { errors: [{ message: body.slice(0, 300) }] };
  }
}
