/**
 * Keys of rows as bytes, in the order that the store wants: strings by their UTF-8 bytes, numbers by size, lists item
 * by item. Own code, since the encoding of the `lmdb` package mixes up control characters in long strings: two ids
 * would be one.
 *
 *   id                 its UTF-8
 *   item of a list     a string: its UTF-8 and 00, which no id or key holds; a number: eight bytes, the highest first
 */

/** Text, or items that are compared one after the other. */
export type Key = string | readonly (string | number)[];

export function encodeKey(key: Key): Buffer {
  if (typeof key === 'string') return Buffer.from(key);
  const bytes = Buffer.allocUnsafe(key.reduce<number>((sum, item) => sum + bytesOf(item), 0));
  let at = 0;
  for (const item of key) {
    if (typeof item === 'number') {
      at = bytes.writeBigUInt64BE(toUint64(item), at);
    } else {
      at += bytes.write(item, at);
      at = bytes.writeUInt8(0, at);
    }
  }
  return bytes;
}

/** Beyond every key that begins so: no UTF-8 holds the byte ff. */
export function beyond(key: Key): Buffer {
  return Buffer.concat([encodeKey(key), Buffer.of(0xff)]);
}

/** Reads a list back, item by item. */
export class KeyReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  number(): number {
    const value = Number(this.#bytes.readBigUInt64BE(this.#at));
    this.#at += 8;
    return value;
  }

  text(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    const text = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return text;
  }
}

function bytesOf(item: string | number): number {
  return typeof item === 'number' ? 8 : Buffer.byteLength(item) + 1;
}

/** A moment may be further away than any that is stored. */
function toUint64(value: number): bigint {
  return BigInt(Math.min(Math.max(0, Math.floor(value)), Number.MAX_SAFE_INTEGER));
}
