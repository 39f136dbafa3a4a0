import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { beyond, encodeKey, KeyReader } from '../../../src/backend/lmdb/keys.ts';
import { compareUtf8 } from '../../../src/backend/order.ts';

/** What an id or a key may be: well-formed, no NUL; control characters and long ones above all. */
const text = fc
  .oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.string({ unit: fc.constantFrom('\u0001', '\u0002', '\u0004', 'a', '\u{10ffff}'), maxLength: 120 }),
  )
  .map((some) => some.replaceAll('\0', '\u0001').toWellFormed())
  .filter((some) => some !== '');
const moment = fc.oneof(fc.nat(), fc.maxSafeNat());
const sign = (order: number) => Math.sign(order);

test('keys that are text sort by their UTF-8 bytes', () =>
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(sign(encodeKey(a).compare(encodeKey(b)))).toBe(sign(compareUtf8(a, b)));
    }),
  ));

test('keys of several items sort item by item', () =>
  fc.assert(
    fc.property(fc.tuple(moment, text, moment), fc.tuple(moment, text, moment), (a, b) => {
      const order = sign(a[0] - b[0]) || sign(compareUtf8(a[1], b[1])) || sign(a[2] - b[2]);
      expect(sign(encodeKey(a).compare(encodeKey(b)))).toBe(order);
    }),
  ));

test('items are read back as they were', () =>
  fc.assert(
    fc.property(moment, text, text, moment, (one, two, three, four) => {
      const reader = new KeyReader(encodeKey([one, two, three, four]));
      expect([reader.number(), reader.text(), reader.text(), reader.number()]).toEqual([one, two, three, four]);
    }),
  ));

test('beyond a key is beyond all that begins so, and before what comes next', () =>
  fc.assert(
    fc.property(text, text, (prefix, rest) => {
      expect(encodeKey(prefix + rest).compare(beyond(prefix))).toBe(-1);
      expect(encodeKey([prefix, rest, 7]).compare(beyond([prefix]))).toBe(-1);
      const isBeyond = !rest.startsWith(prefix) && compareUtf8(rest, prefix) > 0;
      expect(encodeKey(rest).compare(beyond(prefix))).toBe(isBeyond ? 1 : -1);
    }),
  ));

test('a moment further away than any that is stored is the last one', () => {
  expect(encodeKey([Number.POSITIVE_INFINITY])).toEqual(encodeKey([Number.MAX_SAFE_INTEGER]));
  expect(encodeKey([-1])).toEqual(encodeKey([0]));
});
