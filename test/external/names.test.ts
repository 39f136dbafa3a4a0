import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { fileName } from '../../src/external/names.ts';

const nasty = [
  '../x',
  '..',
  '.',
  '.hidden',
  '/etc/passwd',
  'a/b',
  'a\\b',
  'a-b',
  'a b',
  'A/B',
  'CON',
  'con',
  'Con.',
  'nul.json',
  'x.',
  'x..',
  'x ',
  'x',
  'X',
  '-rf',
  '_',
  '%2e%2e',
  'ﬁ',
  'K',
  'İ',
  'ß',
  'SS',
  'é',
  'e\u0301',
  '🙂',
  '🙂'.repeat(128),
  'x'.repeat(512),
  'X'.repeat(512),
  `${'x'.repeat(511)}y`,
  '\n',
  '\u202e',
  ':',
  '*?"<>|',
] as const;

const id: fc.Arbitrary<string> = fc
  .oneof(
    fc.constantFrom(...nasty),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 128 }),
    fc.string({ unit: fc.constantFrom('a', 'A', '.', '/', '-', ' ', 'é'), minLength: 1, maxLength: 4 }),
  )
  .filter((text) => text.isWellFormed() && !text.includes('\0') && Buffer.byteLength(text) <= 512);

test('every name is safe on every file system, whatever the id', () =>
  fc.assert(
    fc.property(id, (one) => {
      const name = fileName(one);
      expect(name).toMatch(/^[a-z0-9_][a-z0-9._-]*\.json$/);
      expect(Buffer.byteLength(`${name}.0123456789abcdef.tmp`)).toBeLessThanOrEqual(255);
      // Windows looks at what is before the first dot.
      expect(name.split('.')[0]).toMatch(/[0-9a-f]{64}$/);
    }),
  ));

test('two ids never share a name, also where case does not count', () =>
  fc.assert(
    fc.property(id, id, (one, other) => {
      expect(fileName(one).toLowerCase() === fileName(other).toLowerCase()).toBe(one === other);
    }),
  ));

test('nasty ids have names of their own', () => {
  expect(new Set(nasty.map((one) => fileName(one).toLowerCase())).size).toBe(nasty.length);
});

test('a name tells people which context it is, and programs how to find it', () => {
  // printf '%s' call:123 | sha256sum
  expect(fileName('call:123')).toBe('call-123-62f96ed4b5ae1a031072fb577d2ee92ec2a2f0dcd142938489eeaeaae2ded9ea.json');
});
