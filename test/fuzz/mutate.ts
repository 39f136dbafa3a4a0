import * as fc from 'fast-check';

/** Spoils a text: removes, repeats or puts in something at one place or more. */
export function mutate(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const edits = fc.array(
    fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      length: fc.nat(12),
      kind: fc.constantFrom('remove', 'repeat', 'insert'),
      word: fc.constantFrom(
        '{',
        '}',
        '(',
        ')',
        '[',
        ']',
        '!',
        '$',
        '...',
        ' on ',
        '"',
        '"""',
        '@',
        ':',
        '\0',
        '#',
        '\\',
        '\ud800',
        '1e',
        '-',
        '&',
        '😀',
        'null',
      ),
    }),
    { minLength: 1, maxLength: 3 },
  );
  return fc.tuple(text, edits).map(([start, all]) =>
    all.reduce((before, { at, length, kind, word }) => {
      const from = Math.floor(at * before.length);
      const piece = before.slice(from, from + length);
      const middle = { remove: '', repeat: piece + piece, insert: word + piece }[kind];
      return before.slice(0, from) + middle + before.slice(from + length);
    }, start),
  );
}
