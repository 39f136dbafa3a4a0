/**
 * With trusted documents clients name what they want and cannot say anything else: the strictest of all limits.
 *
 * A document is named by `extensions.persistedQuery.sha256Hash`, as Apollo and urql do it, or by `documentId`
 * (GraphQL over HTTP, appendix "Persisted Documents"). Nobody can add one over the network. A `query` that is sent
 * along is ignored: graphql-transport-ws demands one, and clients fill it with what they like.
 */
import { readFileSync } from 'node:fs';
import { type GraphQLError, parse, validate } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { BadUserInputError } from '../../errors.ts';
import { schema } from '../../graphql/schema.ts';
import { rewrite } from '../mask-error.ts';

/** Documents by the ids that clients know them by. */
export type TrustedDocuments = ReadonlyMap<string, string>;

/**
 * Reads the file that graphql-codegen writes (`persistedDocuments`): a JSON object from ids to documents.
 *
 * @throws TypeError when it cannot be read, or holds a document that the schema cannot run.
 */
export function readTrustedDocuments(path: string): TrustedDocuments {
  const documents = parseFile(path);
  if (typeof documents !== 'object' || documents === null || Array.isArray(documents)) {
    throw new TypeError(`trustedDocumentsFile: ${path} holds no JSON object of documents by their hashes.`);
  }
  return new Map(
    Object.entries(documents).map(([id, text]: [string, unknown]) => {
      const problem = typeof text === 'string' ? problemOf(text) : 'it is no text.';
      if (problem !== undefined) throw new TypeError(`trustedDocumentsFile: ${path}, document ${id}: ${problem}`);
      return [id, String(text)];
    }),
  );
}

/** What a client sends, as far as it names a document. Untrusted. */
interface Named {
  readonly documentId?: unknown;
  readonly extensions?: unknown;
}

/** The text that a request stands for, or why it runs nothing. */
export function resolveDocument(documents: TrustedDocuments, { documentId, extensions }: Named): string | GraphQLError {
  const id = documentId ?? member(member(extensions, 'persistedQuery'), 'sha256Hash');
  if (typeof id !== 'string') return refuse('the hash of a trusted document: nothing else runs here');
  return documents.get(id) ?? refuse('the hash of a trusted document: this is none');
}

/** For HTTP and server-sent events. A WebSocket calls `resolveDocument` itself. */
export function useTrustedDocuments(documents: TrustedDocuments): Plugin {
  return {
    onParams: ({ params, request, setParams }) => {
      // Untrusted: yoga has only parsed them.
      const named: Named = (params as Named | null) ?? {};
      const documentId = named.documentId ?? idInUrl(request);
      const query = resolveDocument(documents, { documentId, extensions: named.extensions });
      if (typeof query !== 'string') throw query;
      const { operationName, variables, extensions } = params;
      setParams({
        query,
        ...(operationName === undefined ? {} : { operationName }),
        ...(variables === undefined ? {} : { variables }),
        ...(extensions === undefined ? {} : { extensions }),
      });
    },
  };
}

function idInUrl({ method, url }: Request): string | undefined {
  return method === 'GET' ? (new URL(url).searchParams.get('documentId') ?? undefined) : undefined;
}

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function refuse(expected: string): GraphQLError {
  const { code, argument, message } = new BadUserInputError('extensions.persistedQuery.sha256Hash', expected);
  return rewrite(undefined, message, { code, argument, http: { status: 400, spec: true } });
}

function parseFile(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const reason = error instanceof SyntaxError ? 'is no JSON' : 'cannot be read';
    throw new TypeError(`trustedDocumentsFile: ${path} ${reason}.`, { cause: error });
  }
}

function problemOf(text: string): string | undefined {
  try {
    return validate(schema, parse(text))[0]?.message;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
