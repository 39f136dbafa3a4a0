/** Values of JSON and of GraphQL at their edges, as text: a JavaScript value could not say half of them. */
import * as fc from 'fast-check';

/** The same value in both notations. */
export interface Value {
  readonly json: string;
  /** As a literal of a document. */
  readonly literal: string;
}

/** Ids that contexts are made under: few, so that the store stays small, and some that naive code trips over. */
export const ids: readonly string[] = [
  'a',
  'b',
  'c',
  'd',
  'e',
  'f',
  'g',
  'h',
  'a:1',
  'b:2',
  'call:7',
  '__proto__',
  'constructor',
  '../../../tmp/x',
  '..',
  '/',
  '%2e%2e',
  'a\\b',
  'a b',
  '*',
  '{a}',
  'é',
  'e\u0301',
  '😀',
  '\u202e',
  'CON',
  'x'.repeat(255),
  'é'.repeat(256),
];

/** Strings that are no id, or odd ones. */
const oddStrings: readonly string[] = [
  '',
  ' ',
  '\0',
  '\u0000a',
  '\ud800',
  '\udfff\ud800',
  '\ufeff',
  '\u2028',
  '"',
  '\\',
  '\r\n',
  'x'.repeat(513),
  'x'.repeat(20_000),
  'é'.repeat(257),
  '1e999',
  'null',
  'NaN',
  '-',
  'ASC',
  '$a',
  '${a}',
  '%00',
  '2026-01-31T12:00:00Z',
  '9999-12-31T23:59:60Z',
  '+275760-09-13T00:00:00.000Z',
  '2026-01-31',
];

const numbers: readonly string[] = [
  '0',
  '-0',
  '1',
  '2',
  '3',
  '-1',
  '250',
  '251',
  '1000',
  '1001',
  '2147483647',
  '2147483648',
  '-2147483649',
  '9007199254740991',
  '9007199254740992',
  '-9007199254740993',
  '31622400000000',
  '31622400000001',
  '1.5',
  '1e3',
  '1E-400',
  '1e308',
  '1e999',
  '-1e999',
  '0.1e1',
  '123456789012345678901234567890',
];

/** A string, with lone surrogates as escapes. */
export function ofString(text: string): Value {
  const json = JSON.stringify(text);
  return { json, literal: json };
}

function same(text: string): Value {
  return { json: text, literal: text };
}

export const id: fc.Arbitrary<Value> = fc.constantFrom(...ids).map(ofString);
export const string: fc.Arbitrary<Value> = fc.oneof(
  id,
  fc.constantFrom(...oddStrings).map(ofString),
  fc.string({ unit: 'binary', maxLength: 5 }).map(ofString),
  fc.constant({ json: '"\\u0041"', literal: '"""\n  block \\""" "\n"""' }),
);
export const number: fc.Arbitrary<Value> = fc.constantFrom(...numbers).map(same);
/** One that is accepted, mostly. */
export const integer: fc.Arbitrary<Value> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('0', '1', '2', '3', '250', '1000').map(same) },
  { weight: 1, arbitrary: number },
);
/** One that is accepted, mostly. */
export const moment: fc.Arbitrary<Value> = fc
  .constantFrom(
    '2026-01-31T12:00:00.000Z',
    '1970-01-01T00:00:00Z',
    '2099-12-31T23:59:59.999999999Z',
    '2026-01-31T12:00:00.000+14:00',
    '0000-01-01T00:00:00Z',
    '2026-02-30T12:00:00Z',
  )
  .map(ofString);
const word: fc.Arbitrary<Value> = fc.oneof(
  fc.constantFrom('null', 'true', 'false').map(same),
  fc.constantFrom('ASC', 'DESC', 'NOBODY', '__proto__').map((name) => ({ json: JSON.stringify(name), literal: name })),
);

/** Names of keys that a literal can say, too. */
const names = ['a', 'b', 'n', '__proto__', 'constructor', 'then', 'toJSON', 'id', 'version', 'limit'] as const;
/** Keys that only JSON can say. */
const keys = [...names, '', ' ', '0', '-1', '\ud800', 'a.b', '\0', 'x'.repeat(300)] as const;

function ofEntries(entries: readonly (readonly [string, Value])[]): Value {
  return {
    json: `{${entries.map(([key, { json }]) => `${JSON.stringify(key)}:${json}`).join(',')}}`,
    literal: `{${entries
      .filter(([key]) => /^[A-Za-z_]\w*$/.test(key))
      .map(([key, { literal }]) => `${key}: ${literal}`)
      .join(', ')}}`,
  };
}

function ofItems(items: readonly Value[]): Value {
  return {
    json: `[${items.map(({ json }) => json).join(',')}]`,
    literal: `[${items.map(({ literal }) => literal).join(' ')}]`,
  };
}

/** Brackets around brackets. */
const nested: fc.Arbitrary<Value> = fc
  .record({ depth: fc.constantFrom(5, 11, 12, 63, 64, 65, 499, 500, 3_000), isList: fc.boolean(), leaf: number })
  .map(({ depth, isList, leaf }) => {
    const wrap = (text: string, [open, close]: readonly [string, string]) =>
      open.repeat(depth) + text + close.repeat(depth);
    return isList
      ? { json: wrap(leaf.json, ['[', ']']), literal: wrap(leaf.literal, ['[', ']']) }
      : { json: wrap(leaf.json, ['{"a":', '}']), literal: wrap(leaf.literal, ['{a: ', '}']) };
  });

const tree = fc.letrec<{ readonly value: Value; readonly object: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 3, arbitrary: word },
    { weight: 3, arbitrary: number },
    { weight: 3, arbitrary: string },
    { weight: 2, arbitrary: fc.array(tie('value'), { maxLength: 4 }).map(ofItems) },
    { weight: 3, arbitrary: tie('object') },
  ),
  object: fc
    .array(fc.tuple(fc.oneof(fc.constantFrom(...names), fc.constantFrom(...keys)), tie('value')), { maxLength: 4 })
    .map(ofEntries),
}));

/** An object of anything; keys may come twice. */
export const object: fc.Arbitrary<Value> = tree.object;
/** Anything. */
export const anything: fc.Arbitrary<Value> = fc.oneof(
  { weight: 12, arbitrary: tree.value },
  { weight: 1, arbitrary: nested },
);

/** A list of values. */
export function listOf(value: fc.Arbitrary<Value>): fc.Arbitrary<Value> {
  return fc.array(value, { maxLength: 4 }).map(ofItems);
}

/** An object with some of the keys. */
export function objectOf(fields: Readonly<Record<string, fc.Arbitrary<Value>>>): fc.Arbitrary<Value> {
  const entries = Object.entries(fields).map(([key, value]) =>
    fc.option(
      value.map((one) => [key, one] as const),
      { freq: 2, nil: undefined },
    ),
  );
  return fc.tuple(...entries).map((given) => ofEntries(given.filter((entry) => entry !== undefined)));
}
