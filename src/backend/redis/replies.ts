/** Replies of Redis, told apart. They come over the network: what does not look as promised is an error. */

/** A list of texts. Scores, which newer protocols send as numbers, become texts. */
export function textsOf(reply: unknown): readonly string[] {
  return listOf(reply).map(String);
}

/** Any list. */
export function listOf(reply: unknown): readonly unknown[] {
  if (Array.isArray(reply)) return reply;
  throw new TypeError('Redis answered something else than a list.');
}

/** A text, or undefined for nothing. */
export function textOf(reply: unknown): string | undefined {
  if (reply === null || reply === undefined) return undefined;
  if (typeof reply === 'string' || typeof reply === 'number') return String(reply);
  throw new TypeError('Redis answered something else than a text.');
}
