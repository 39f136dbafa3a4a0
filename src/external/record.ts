/** What comes back from outside: bytes of unknown origin, read up to a bound and parsed once. */
import { getKey, isJsonObject } from '../delta/json.ts';
import { exportFormat, type ProvidedContext } from './external.ts';

/** The largest record that is read, in bytes. */
export const maxRecordBytes = 64 * 1024 * 1024;

/** What is being read: for whom, and from where, as messages say it. */
export interface RecordSource {
  readonly id: string;
  /** A path or address without secrets. */
  readonly from: string;
}

/**
 * Everything that a stream has. Whatever ends this early also ends the stream, so that no socket stays.
 *
 * @throws Error when there is more than `maxRecordBytes`.
 */
export async function readBounded(chunks: AsyncIterable<Uint8Array>, from: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > maxRecordBytes) throw tooLarge(from);
    parts.push(chunk);
  }
  return Buffer.concat(parts, bytes);
}

/** Why nothing was read. */
export function tooLarge(from: string): Error {
  return new Error(`${from}: the record has more than ${maxRecordBytes} bytes.`);
}

/**
 * The context in the bytes. Its state and version are the service's to check.
 *
 * @throws Error that says what is wrong, and nothing of the contents.
 */
export function parseRecord(bytes: Uint8Array, { id, from }: RecordSource): ProvidedContext {
  const record = parseJson(bytes);
  if (record === undefined) throw new Error(`${from}: the record is not JSON.`);
  if (!isJsonObject(record)) throw new Error(`${from}: the record is not a JSON object.`);
  const format = getKey(record, 'format');
  if (format !== undefined && format !== exportFormat) {
    throw new Error(`${from}: the record is of another format than ${exportFormat}.`);
  }
  const found = getKey(record, 'id');
  if (found !== undefined && found !== id) throw new Error(`${from}: the record is of another context.`);
  // The service takes nothing for granted: it checks them before it uses them.
  return {
    state: getKey(record, 'state'),
    version: getKey(record, 'version'),
    ttlMs: getKey(record, 'ttlMs'),
  } as ProvidedContext;
}

/** Undefined: it is none. The reason is left out, since Node quotes the text in it. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
