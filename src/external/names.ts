import { createHash } from 'node:crypto';

/** Enough to recognise an id by; the hash tells ids apart. */
const maxSlugLength = 64;

/**
 * The name of the file, or object, that holds a context: `call-123-<64 hex digits>.json`, the SHA-256 of the id.
 *
 * Two ids never share a name, not even where upper and lower case are one. It is at most 134 bytes of `[a-z0-9._-]`,
 * begins with a letter, digit or underscore, and is none that Windows keeps for itself (`con.json` would be).
 */
export function fileName(id: string): string {
  const slug = id
    .toLowerCase()
    .replaceAll(/[^a-z0-9_]+/g, '-')
    .slice(0, maxSlugLength)
    .replaceAll(/^-|-$/g, '');
  const hash = createHash('sha256').update(id).digest('hex');
  return `${slug === '' ? '' : `${slug}-`}${hash}.json`;
}
