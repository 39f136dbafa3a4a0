/** Ids by which a client and an operator speak of the same request. */
import { randomUUID } from 'node:crypto';

/** What a client may bring: no character of it can end a line of a log, or mean something in a shell or a URL. */
const acceptable = /^[A-Za-z0-9._:-]{1,128}$/;

/** An id of ours: 16 hexadecimal digits, 62 bits of them random. */
export function newRequestId(): string {
  // The last two groups, which are random but for two bits; whole they are more than anybody reads out.
  return randomUUID().slice(19).replace('-', '');
}

/** The id that a client brought, if it is one; undefined: it brought none that may be used. */
export function acceptRequestId(given: unknown): string | undefined {
  return typeof given === 'string' && acceptable.test(given) ? given : undefined;
}
