import { expect, test } from 'vitest';
import { maxRecordBytes, parseRecord, readBounded } from '../../src/external/record.ts';
import { rejectionOf } from '../support/chord.ts';

const secret = 'hUsH-hUsH';

function parse(text: string | Uint8Array) {
  return parseRecord(Buffer.from(text), { id: 'c', from: 'there' });
}

test.each([
  ['is not JSON', `{"state": {"key": "${secret}"`, 'there: the record is not JSON.'],
  ['is empty', '', 'there: the record is not JSON.'],
  ['is no object', `["${secret}"]`, 'there: the record is not a JSON object.'],
  ['has another format', `{"format":"${secret}"}`, 'there: the record is of another format than chord.context/1.'],
  ['is of another context', `{"id":"${secret}"}`, 'there: the record is of another context.'],
  ['has an id that is no text', '{"id":7}', 'there: the record is of another context.'],
])('a record that %s is refused, in words that show nothing of it', async (_, text, message) => {
  const error = await rejectionOf(Promise.resolve().then(() => parse(text)));
  expect(error).toMatchObject({ message });
  // Node quotes the text in the reason that JSON.parse gives.
  expect(error).not.toHaveProperty('cause');
});

test('bytes that are no UTF-8 are refused, not mended', () => {
  expect(() => parse(Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x7d]))).toThrow('not JSON');
});

test('format and id may be missing', () => {
  expect(parse('{"state":{"a":1},"version":7}')).toEqual({ state: { a: 1 }, version: 7 });
});

test('keys of a state are never special, and those of a prototype are not taken for the record', () => {
  const { state } = parse('{"state":{"__proto__":{"a":1},"constructor":2},"version":1}');
  expect(Object.keys(state)).toEqual(['__proto__', 'constructor']);
  expect(parse('{"__proto__":{"state":{"a":1},"version":1}}')).toEqual({ state: undefined, version: undefined });
});

test('lone surrogates in a state come back', () => {
  const state = { '\ud800': '\udc00x' };
  expect(parse(JSON.stringify({ state, version: 1 })).state).toEqual(state);
});

test('more than the bound is refused, and the stream is ended', async () => {
  let isEnded = false;
  async function* endless() {
    try {
      for (;;) yield new Uint8Array(maxRecordBytes / 4);
    } finally {
      isEnded = true;
    }
  }
  expect(await rejectionOf(readBounded(endless(), 'there'))).toMatchObject({
    message: 'there: the record has more than 67108864 bytes.',
  });
  expect(isEnded).toBe(true);
});
