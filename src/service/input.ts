/** What callers hand in, checked once before anything else sees it. Everything behind this file trusts its types. */
import type { Path } from '../delta/delta.ts';
import { BadUserInputError, InvalidStateError } from '../errors.ts';
import type { ClientPosition } from '../model.ts';
import type { Since } from './sync.ts';

/** An id of a context: 1 to 512 bytes of UTF-8, well-formed, no NUL. */
export function parseId(argument: string, id: unknown): string {
  return parseText(argument, id, 512);
}

/** The beginning of an id, or an id to seek to; null counts as absent, and so does what is empty. */
export function parseIdPart(argument: string, part: unknown): string | undefined {
  return part === undefined || part === null || part === '' ? undefined : parseText(argument, part, 512);
}

/** A label or key of the caller's: at most 255 bytes of UTF-8, well-formed, no NUL; null counts as absent. */
export function parseLabel(argument: string, label: unknown): string | undefined {
  return label === undefined || label === null ? undefined : parseText(argument, label, 255);
}

function parseText(argument: string, text: unknown, maxBytes: number): string {
  const expected = `1 to ${maxBytes} bytes of well-formed Unicode without NUL`;
  if (typeof text !== 'string' || text === '' || text.length > maxBytes)
    throw new BadUserInputError(argument, expected);
  if (!text.isWellFormed() || text.includes('\0')) throw new BadUserInputError(argument, expected);
  if (Buffer.byteLength(text) > maxBytes) throw new BadUserInputError(argument, expected);
  return text;
}

/** Any string: an epoch that is not the store's is an ordinary mismatch. Null counts as absent. */
export function parseEpoch(argument: string, epoch: unknown): string | undefined {
  if (epoch === undefined || epoch === null) return undefined;
  if (typeof epoch !== 'string') throw new BadUserInputError(argument, 'an epoch as the server gave it');
  return epoch;
}

/** A version as a client may name one: 0 or more; null counts as absent. */
export function parseVersion(argument: string, version: unknown): number | undefined {
  if (version === undefined || version === null) return undefined;
  return parseInteger(argument, version, { min: 0, max: Number.MAX_SAFE_INTEGER });
}

/** The position that a client names; undefined: none, or version 0, which no context has. */
export function parseSince(position: ClientPosition | null | undefined): Since | undefined {
  // Named as in GraphQL, where a wrong one comes from most of all.
  const version = parseVersion('clientVersion', position?.version) ?? 0;
  const epoch = parseEpoch('clientEpoch', position?.epoch);
  return version === 0 ? undefined : { epoch, version };
}

/** A time to live in ms. Undefined: keep what is; null: for ever. */
export function parseTtlMs(ttlMs: unknown): number | null | undefined {
  if (ttlMs === undefined || ttlMs === null) return ttlMs;
  return parseInteger('ttlMs', ttlMs, { min: 1, max: maxTtlMs });
}

/** 1,000 years: the moment of expiry stays one that RFC 3339 can write. */
export const maxTtlMs = 1_000 * 366 * 24 * 60 * 60 * 1_000;

/** A whole number within bounds, both included. */
export function parseInteger(
  argument: string,
  value: unknown,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    throw new BadUserInputError(argument, `an integer from ${min} to ${max}`);
  }
  return value;
}

/** A misspelt condition must not pass for none. */
export function assertKnownOptions(options: object, known: ReadonlySet<string>): void {
  for (const name of Object.keys(options)) {
    if (!known.has(name)) throw new BadUserInputError(name, `one of the options ${[...known].join(', ')}`);
  }
}

/** A moment in ms since the Unix epoch; null counts as absent. */
export function parseMoment(argument: string, moment: unknown): number | undefined {
  if (moment === undefined || moment === null) return undefined;
  if (typeof moment === 'number' && Number.isFinite(moment)) return moment;
  throw new BadUserInputError(argument, 'milliseconds since the Unix epoch');
}

/** Whether the list goes downwards; null counts as absent, which is upwards. */
export function parseDescending(order: unknown): boolean {
  if (order === undefined || order === null || order === 'ASC') return false;
  if (order === 'DESC') return true;
  throw new BadUserInputError('order', 'ASC or DESC');
}

/** Lists of keys to remove, copied. An empty list would name the state itself. */
export function parsePaths(remove: unknown): readonly Path[] {
  if (remove === undefined || remove === null) return [];
  if (!Array.isArray(remove)) throw new BadUserInputError('remove', 'a list of paths, each a list of keys');
  // Copied by iterating, which sees holes as undefined; `map` and `every` skip them.
  return Array.from<unknown, Path>(remove, (path, index) => {
    const keys: readonly unknown[] = Array.isArray(path) ? [...path] : [undefined];
    if (!keys.every((key) => typeof key === 'string')) {
      throw new BadUserInputError('remove', 'a list of paths, each a list of keys');
    }
    if (keys.length === 0) throw new InvalidStateError('A path to remove is empty.', [String(index)]);
    return keys;
  });
}
