import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { limitNames, refusalCodes, toLimitName, toRefusalCode } from '../../src/observability/refusal-codes.ts';
import { read } from '../docs/pages.ts';

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.startsWith('observability'))
  .map((path) => read(`src/${path}`));

test('every limit that the sources name has a label of its own', () => {
  const named = sources.flatMap((text) =>
    [...text.matchAll(/(?:limitError|LimitExceededError|tooFast)\(\s*'(\w+)'|(?:option|limit): '(max\w+)'/g)].map(
      ([, thrown, told]) => thrown ?? told ?? '',
    ),
  );
  expect(new Set(named).size).toBeGreaterThan(15);
  expect(named.filter((name) => toLimitName(name) !== name)).toEqual([]);
});

test('no label stands for a limit that there is none of', () => {
  const text = sources.join('');
  expect(limitNames.filter((name) => name !== 'other' && !text.includes(`'${name}'`))).toEqual([]);
});

test('codes are those of errors.ts and of documents, and whatever else is said has one label', () => {
  // What documents are refused with has no class, nor has what nobody expects.
  const others = ['GRAPHQL_PARSE_FAILED', 'GRAPHQL_VALIDATION_FAILED', 'INTERNAL_SERVER_ERROR', 'other'];
  const codes = [...read('src/errors.ts').matchAll(/code = '(\w+)'/g)].map(([, code = '']) => code);
  expect(refusalCodes.filter((code) => !others.includes(code) && !codes.includes(code))).toEqual([]);
  expect(['VERSION_CONFLICT', 'invented by a client', undefined, 7].map(toRefusalCode)).toEqual(Array(4).fill('other'));
  expect(toLimitName('invented')).toBe('other');
});
