/** The file of `apiKeysFile`: a JSON array with an entry for each key. It holds no key, only digests. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { expectedGrants, type Grant, parseGrants } from './grants.ts';
import { createViewer, type Viewer } from './viewer.ts';

/** What a key stands for. Several keys may stand for the same id: the old and the new one while keys are exchanged. */
interface Entry {
  readonly id: string;
  /** Of the whole key, prefix included. */
  readonly sha256: string;
  readonly grants: readonly Grant[];
  readonly expiresAt?: string | undefined;
}

/** What is wrong with the file. Names the entry, and shows no digest. */
export class ApiKeyFileError extends Error {
  override readonly name = 'ApiKeyFileError';
}

/** Longest id of a viewer, in UTF-16 code units: it is a key of maps and of Redis. */
export const maxViewerIdLength = 256;

/** Well-formed, so that two ids are never the same key somewhere else. */
export function isViewerId(id: unknown): id is string {
  return typeof id === 'string' && id !== '' && id.length <= maxViewerIdLength && id.isWellFormed();
}

const fields = {
  id: [z.custom(isViewerId), `a text of 1 to ${maxViewerIdLength} characters`],
  sha256: [z.string().regex(/^[0-9a-f]{64}$/i), '64 hexadecimal digits (the digest of the key, never the key itself)'],
  grants: [z.custom((value) => parseGrants(value) !== undefined), expectedGrants],
  expiresAt: [z.iso.datetime({ offset: true }).optional(), 'a moment such as 2030-01-31T12:00:00Z'],
} as const satisfies Record<keyof Entry, readonly [z.ZodType, string]>;

// A key that this allows is one of Entry.
const fieldNames = Object.keys(fields) as readonly (keyof Entry)[];

/**
 * Who the keys of the file stand for, by digest.
 *
 * @throws ApiKeyFileError
 */
export function parseApiKeys(text: string): ReadonlyMap<string, Viewer> {
  const entries = parseJson(text);
  if (!Array.isArray(entries)) throw new ApiKeyFileError('expected an array of entries.');
  const viewers = new Map<string, Viewer>();
  for (const [index, value] of entries.entries()) {
    const { id, sha256, grants, expiresAt } = parseEntry(value, index);
    const digest = sha256.toLowerCase();
    if (viewers.has(digest)) throw new ApiKeyFileError(`${nameOf(value, index)} has the digest of an earlier entry.`);
    const expiresAtMs = expiresAt === undefined ? null : Date.parse(expiresAt);
    viewers.set(digest, createViewer({ id, grants, expiresAtMs }));
  }
  return viewers;
}

/** How the file says what a key is. */
export function digestOf(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

function parseEntry(value: unknown, index: number): Entry {
  const name = nameOf(value, index);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ApiKeyFileError(`${name}: expected an object with ${fieldNames.join(', ')}.`);
  }
  const unknown = Object.keys(value).find((key) => !Object.hasOwn(fields, key));
  if (unknown !== undefined) {
    throw new ApiKeyFileError(`${name} has a field that there is none of; expected ${fieldNames.join(', ')}.`);
  }
  for (const field of fieldNames) {
    const [schema, expected] = fields[field];
    if (!schema.safeParse(Reflect.get(value, field)).success) {
      throw new ApiKeyFileError(`${name}: ${field}: expected ${expected}.`);
    }
  }
  // Each field went through its schema.
  return value as Entry;
}

/** Counted from 1, with its id when that is one. */
function nameOf(value: unknown, index: number): string {
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : undefined;
  return fields.id[0].safeParse(id).success ? `entry ${index + 1} (${JSON.stringify(id)})` : `entry ${index + 1}`;
}

/** V8 quotes the text in its message, which may be a key that is in the wrong place. Only the line is taken from it. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const [, position] = /at position (\d+)/.exec(String(error)) ?? [];
    const where = position === undefined ? '' : ` (line ${text.slice(0, Number(position)).split('\n').length})`;
    throw new ApiKeyFileError(`expected JSON${where}.`);
  }
}
