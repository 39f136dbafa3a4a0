/** Streams a history into a context: one `setContext` per revision over HTTP, now and then a delete in between. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteContextDocument,
  SetContextDocument,
  type TypedDocumentString,
} from '../../src/client/generated/graphql.ts';
import type { JsonObject } from '../../src/delta/index.ts';
import type { Random } from '../../test/fixtures/random.ts';
import type { Position } from './follower.ts';
import type { WriteRecord } from './record.ts';

export interface WriterOptions {
  /** Of the server, without a path. */
  readonly url: string;
  readonly contextId: string;
  readonly revisions: readonly JsonObject[];
  readonly record: WriteRecord;
  readonly random: Random;
  /** How likely the context is deleted, and created again, before a revision. */
  readonly deleteProbability: number;
  /** Between two writes; 0: as fast as the server answers. */
  readonly pauseMs: number;
}

/** @throws when the server refuses, does not answer within 30 s, or puts the context where it should not be. */
export async function write(options: WriterOptions): Promise<void> {
  const { record, revisions, random, deleteProbability, pauseMs } = options;
  for (const revision of revisions) {
    if (record.isStopped) break;
    if (record.version > 0 && random.chance(deleteProbability)) {
      record.sendingDelete();
      record.acknowledge(await deleteContext(options));
    }
    const isChange = record.sendingDocument(revision);
    record.acknowledge(await setContext(options, revision, isChange));
    if (pauseMs > 0) await sleep(pauseMs);
  }
  record.finish();
}

async function setContext(
  { url, contextId: id }: WriterOptions,
  state: JsonObject,
  isChange: boolean,
): Promise<Position> {
  const { setContext: result } = await post(url, SetContextDocument, { id, state, origin: 'replay' });
  if (result?.__typename === 'SetContextPayload' && result.changed === isChange) return result;
  throw new Error(`setContext answered ${JSON.stringify(result)}`);
}

async function deleteContext({ url, contextId: id }: WriterOptions): Promise<Position> {
  const { deleteContext: result } = await post(url, DeleteContextDocument, { id });
  if (result?.__typename === 'DeleteContextPayload') return result;
  throw new Error(`deleteContext answered ${JSON.stringify(result)}`);
}

/** One GraphQL request over HTTP. */
async function post<Result, Variables>(
  url: string,
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
): Promise<Result> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query: String(document), variables }),
    signal: AbortSignal.timeout(30_000),
  });
  // A GraphQL response: data of the document's type, or errors.
  const { data, errors } = (await response.json()) as { data?: Result | null; errors?: unknown };
  if (errors !== undefined || data === undefined || data === null) {
    throw new Error(`a write was answered ${response.status}: ${JSON.stringify(errors)}`);
  }
  return data;
}
