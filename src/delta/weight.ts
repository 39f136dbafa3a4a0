/**
 * Weight: the UTF-8 length of compact JSON plus one byte per non-empty object.
 *
 * The extra byte makes it additive. Every entry of an object then costs its key, a colon, a comma and its value, also
 * the last one, whose comma JSON leaves out. So a state's weight follows from its deltas and is never recomputed.
 * No strings are built: weighing is on the path of every write.
 */
import type { Changes } from './delta.ts';
import { isJsonObject, type JsonArray, type JsonObject, type JsonValue, valueOfKey } from './json.ts';

/** The weight of a value in bytes. */
export function weight(value: JsonValue): number {
  if (typeof value === 'string') return bytesOfString(value);
  if (typeof value === 'number') return bytesOfNumber(value);
  if (typeof value === 'boolean') return value ? 4 : 5;
  if (value === null) return 4;
  return isJsonObject(value) ? weightOfObject(value) : weightOfArray(value);
}

/** What the entry adds to the weight of the object that it is in. */
export function weightOfEntry(key: string, value: JsonValue): number {
  return bytesOfString(key) + 2 + weight(value);
}

/** The weight of a delta: for each change the bytes of its path as JSON and the weight of its new value. */
export function weightOfChanges(changes: Changes): number {
  let sum = 0;
  for (const change of changes) {
    sum += weightOfArray(change.path);
    if (change.action !== 'REMOVED') sum += weight(change.value);
  }
  return sum;
}

/** By how much applying the changes raises the weight of a state; negative when it becomes lighter. */
export function growth(changes: Changes): number {
  let sum = 0;
  for (const change of changes) {
    const key = change.path.at(-1) ?? '';
    switch (change.action) {
      case 'ADDED':
        sum += weightOfEntry(key, change.value);
        break;
      case 'MODIFIED':
        sum += weight(change.value) - weight(change.oldValue);
        break;
      case 'REMOVED':
        sum -= weightOfEntry(key, change.oldValue);
        break;
    }
  }
  return sum;
}

function weightOfArray(array: JsonArray): number {
  let sum = array.length === 0 ? 2 : array.length + 1;
  for (const item of array) sum += weight(item);
  return sum;
}

function weightOfObject(object: JsonObject): number {
  let sum = 2;
  for (const key of Object.keys(object)) sum += bytesOfString(key) + 2 + weight(valueOfKey(object, key));
  return sum;
}

function bytesOfNumber(value: number): number {
  return Number.isInteger(value) && value >= 0 && value < 1e6 ? digitsOf(value) : String(value).length;
}

function digitsOf(value: number): number {
  if (value < 1e3) {
    if (value < 10) return 1;
    return value < 100 ? 2 : 3;
  }
  if (value < 1e4) return 4;
  return value < 1e5 ? 5 : 6;
}

/** The bytes that `JSON.stringify` makes of a string: with quotes, lone surrogates escaped. */
function bytesOfString(text: string): number {
  if (text.length > long && plain.test(text)) return text.length + 2;
  let sum = 2;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) {
      sum += unit >= 0x20 && unit !== QUOTE && unit !== BACKSLASH ? 1 : bytesOfEscape(unit);
    } else if (unit < 0x800) {
      sum += 2;
    } else if (unit < 0xd800 || unit > 0xdfff) {
      sum += 3;
    } else if (unit < 0xdc00 && isLowSurrogate(text.charCodeAt(index + 1))) {
      sum += 4;
      index++;
    } else {
      sum += 6;
    }
  }
  return sum;
}

/** Of so many units a look at all at once takes a fifth of the time of one after the other. */
const long = 32;
/** ASCII without controls, quotes and backslashes: each a byte. */
const plain = /^[ !#-[\]-~]*$/;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const VERTICAL_TAB = 0x0b;

/** `\"` `\\` `\b` `\t` `\n` `\f` `\r` are two bytes, the other controls six: `\u0000`. */
function bytesOfEscape(unit: number): number {
  const isShort = unit >= 0x20 || (unit >= 0x08 && unit <= 0x0d && unit !== VERTICAL_TAB);
  return isShort ? 2 : 6;
}

/** False for NaN, which is what lies after the end of a string. */
function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
