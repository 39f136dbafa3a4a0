/** Which requests are plain: what clients send all day, and of which yoga's answer needs no second look. */
import type { IncomingMessage } from 'node:http';

/** What an answer that is one result may be sent as. */
export type MediaType = 'application/json' | 'application/graphql-response+json';

/** Parameters of a request as yoga takes them, of which nothing remains to be refused. */
export interface PlainParams {
  readonly query: string | undefined;
  readonly operationName: string | null | undefined;
  readonly variables: Readonly<Record<string, unknown>> | null | undefined;
  readonly extensions: Readonly<Record<string, unknown>> | null | undefined;
}

/** The spellings that are in use. Others are yoga's to judge. */
const jsonTypes = new Set<string | undefined>([
  'application/json',
  'application/json; charset=utf-8',
  'application/json;charset=utf-8',
  'application/json; charset=UTF-8',
  'application/json;charset=UTF-8',
]);

/** Of requests that are not what they look like, or want to hear more than a plain answer says. */
const oddHeaders = [
  'transfer-encoding',
  'content-encoding',
  'access-control-request-method',
  'access-control-request-headers',
];

/** Whether a request is a POST of JSON, of a known length that may be read. */
export function isPlainHead(
  { method, headers }: Pick<IncomingMessage, 'method' | 'headers'>,
  maxBytes: number,
): boolean {
  const length = Number(headers['content-length']);
  return (
    method === 'POST' &&
    jsonTypes.has(headers['content-type']) &&
    length > 0 &&
    length <= maxBytes &&
    oddHeaders.every((name) => headers[name] === undefined)
  );
}

/**
 * What yoga sends a single result as: the first that the client names, JSON to one that takes anything. Undefined: yoga
 * has to look at it.
 *
 * @param accept the header; absent it is the same as any type.
 */
export function mediaTypeOf(accept = '*/*'): MediaType | undefined {
  const only = mediaTypes.get(accept);
  if (only !== undefined) return only;
  for (const entry of accept.split(',')) {
    const [, type = '', parameters = ''] = /^\s*([^;\s]*)\s*(;.*)?$/.exec(entry) ?? [];
    if (!/^(?:;\s*q=[\d.]+\s*)?$/.test(parameters)) return undefined;
    const known = mediaTypes.get(type);
    if (known !== undefined) return known;
    if (!otherTypes.has(type)) return undefined;
  }
  return undefined;
}

const mediaTypes: ReadonlyMap<string, MediaType> = new Map<string, MediaType>([
  ['application/json', 'application/json'],
  ['application/graphql-response+json', 'application/graphql-response+json'],
  ['application/*', 'application/json'],
  ['*/*', 'application/json'],
]);

/** What clients would take as well; a single result is none of these. */
const otherTypes = new Set(['application/graphql+json', 'multipart/mixed', 'text/event-stream', 'text/plain']);

/** Undefined: it is no JSON, or not of a form in which yoga finds nothing to refuse. */
export function parsePlain(body: Buffer): PlainParams | undefined {
  const params = parseJson(body);
  if (!isObject(params)) return undefined;
  for (const name in params) if (!parameterNames.has(name)) return undefined;
  const { query, operationName, variables, extensions } = params;
  if (query !== undefined && typeof query !== 'string') return undefined;
  if (!isAbsent(operationName) && typeof operationName !== 'string') return undefined;
  if (!isAbsent(variables) && !isObject(variables)) return undefined;
  if (!isAbsent(extensions) && !isObject(extensions)) return undefined;
  return { query, operationName, variables, extensions };
}

const parameterNames = new Set(['query', 'operationName', 'variables', 'extensions']);

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
