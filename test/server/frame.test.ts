import { expect, test } from 'vitest';
import { textFrame } from '../../src/server/websocket/frame.ts';

/** What goes before a payload, as RFC 6455 (5.2) says it: the length in as few bytes as it needs. */
const headers: readonly (readonly [length: number, header: string])[] = [
  [1, '8101'],
  [125, '817d'],
  [126, '817e007e'],
  [127, '817e007f'],
  [4_200, '817e1068'],
  [65_535, '817effff'],
  [65_536, '817f0000000000010000'],
  [70_001, '817f0000000000011171'],
];

test.each(headers)('a message of %i bytes says so, and is whole', (length, header) => {
  const payload = Buffer.from(Array.from({ length }, (_, index) => index % 128));
  for (const headBytes of [0, 1, Math.min(50, length)]) {
    const written = textFrame(payload.toString('latin1', 0, headBytes), payload.subarray(headBytes));
    expect(Buffer.concat(written).toString('hex')).toBe(header + payload.toString('hex'));
  }
});

test('the length is in bytes, also of what is not ASCII', () => {
  const written = textFrame('é\u2028😀', Buffer.from('!'));
  expect(Buffer.concat(written).toString('hex')).toBe(`810a${Buffer.from('é\u2028😀!').toString('hex')}`);
});
