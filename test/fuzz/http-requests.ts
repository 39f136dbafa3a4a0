/** Requests of HTTP as text, of which each character is a byte: right, odd, or spoiled. */
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { document } from './documents.ts';
import { accepts, type Header, hosts, mediaTypes, oddMethods, otherHeaders } from './http-headers.ts';
import * as values from './values.ts';

/** Bytes of UTF-8, one character each. */
function toBytes(text: string): string {
  return Buffer.from(text).toString('latin1');
}

const operation: fc.Arbitrary<string> = fc
  .record({ document, extensions: fc.option(values.anything, { freq: 3, nil: undefined }) })
  .map(({ document: { query, variables, operationName }, extensions }) => {
    const parts = [`"query":${JSON.stringify(query)}`, `"variables":${variables}`];
    if (operationName !== undefined) parts.push(`"operationName":${JSON.stringify(operationName)}`);
    if (extensions !== undefined) parts.push(`"extensions":${extensions.json}`);
    return `{${parts.join(',')}}`;
  });

const body: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: operation.map(toBytes) },
  { weight: 1, arbitrary: fc.constant('{"query":"{ __typename }"}') },
  { weight: 1, arbitrary: fc.array(operation, { maxLength: 3 }).map((all) => toBytes(`[${all.join(',')}]`)) },
  { weight: 1, arbitrary: values.anything.map(({ json }) => toBytes(json)) },
  { weight: 1, arbitrary: values.anything.map(({ json }) => toBytes(`{"query":${json},"operationName":${json}}`)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      'query=%7B__typename%7D',
      'query=%ff&variables=%7B',
      '--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{"query":"{ __typename }"}\r\n--x--\r\n',
      '--x\r\nContent-Disposition: form-data; name="map"; filename="\xff"\r\n\r\n{}\r\n--x',
      '{ __typename }',
      gzipSync('{"query":"{ __typename }"}').toString('latin1'),
      gzipSync('x'.repeat(1_000_000)).toString('latin1'),
      '\xff\xfe{\x00}\x00',
      '\xef\xbb\xbf{"query":"{ __typename }"}',
      '[['.repeat(20_000),
      'x'.repeat(70_000),
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: fc.nat(255).map((unit) => String.fromCharCode(unit)), maxLength: 40 }) },
);

const target: fc.Arbitrary<string> = fc.oneof(
  { weight: 10, arbitrary: fc.constant('/graphql') },
  {
    weight: 4,
    arbitrary: document.map(({ query, variables, operationName }) => {
      const name = operationName === undefined ? '' : `&operationName=${encode(operationName)}`;
      return `/graphql?query=${encode(query)}&variables=${encode(variables)}${name}`;
    }),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '/',
      '/live',
      '/ready',
      '/ready?x',
      '/metrics',
      '/graphql/',
      '/graphql/../live',
      '//graphql',
      '*',
      '',
      '/graphql?',
      '/graphql?query',
      '/graphql?query=%',
      '/graphql?query=%00%ff',
      '/graphql?variables=%7B',
      '/graphql?query=%7B__typename%7D&variables=[]',
      '/graphql?query=%7B__typename%7D&extensions=1',
      '/graphql?query=mutation%7BstopCleanup%7B__typename%7D%7D',
      '/graphql#x',
      '/gr\xe4phql',
      '/%67raphql',
      'http://chord/graphql',
      'http://[::1/graphql',
      'https://evil.example/live',
      'chord:443',
      'x',
      '/\x7f',
      `/graphql?query=${'a'.repeat(15_000)}`,
      `/${'a'.repeat(20_000)}`,
    ),
  },
);

/** A lone surrogate has no bytes. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** How a body says how long it is. */
type Framing = 'length' | 'chunked' | 'odd' | 'none';

/** The odd one now and then. */
export function mostly<T, U>(common: fc.Arbitrary<T>, odd: fc.Arbitrary<U>): fc.Arbitrary<T | U> {
  return fc.oneof({ weight: 12, arbitrary: common }, { weight: 1, arbitrary: odd });
}

const oddLengths: readonly Header[] = [
  ['Content-Length', '-1'],
  ['Content-Length', '0x10'],
  ['Content-Length', '5, 5'],
  ['Content-Length', '99999999999999999999'],
  ['Content-Length', '100'],
  ['Content-Length', '3'],
  ['Transfer-Encoding', 'gzip, chunked'],
  ['Transfer-Encoding', 'chunked, identity'],
  ['Transfer-Encoding', '\x0bchunked'],
  ['Transfer-Encoding', 'xchunked'],
];

const chunkSizes = ['ffffffffffffffff', '-1', '0x5', '5;ext="x"', '5 ', '', 'zz', '00005', `5;${'x'.repeat(20_000)}`];

function chunked(text: string, size: number, odd: string | undefined): string {
  const chunks: string[] = odd === undefined ? [] : [`${odd}\r\nhello\r\n`];
  for (let at = 0; at < text.length; at += size) {
    const chunk = text.slice(at, at + size);
    chunks.push(`${chunk.length.toString(16)}\r\n${chunk}\r\n`);
  }
  return `${chunks.join('')}0\r\n\r\n`;
}

/** One request, mostly right, as single bytes. */
export function request(credentials: readonly (string | undefined)[]): fc.Arbitrary<string> {
  return fc
    .record({
      method: mostly(fc.constantFrom('POST', 'POST', 'GET'), fc.constantFrom(...oddMethods)),
      target,
      version: mostly(
        fc.constant('HTTP/1.1'),
        fc.constantFrom('HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/9.9', 'http/1.1', ''),
      ),
      host: mostly(fc.constant('localhost'), fc.constantFrom(...hosts)),
      mediaType: mostly(fc.constant('application/json'), fc.constantFrom(...mediaTypes)),
      accept: fc.constantFrom(undefined, ...accepts),
      authorization: mostly(
        fc.constantFrom(...credentials),
        fc.constantFrom('Bearer', 'Basic YTpi', 'bearer  x', 'Bearer \xff', 'x'.repeat(9_000)),
      ),
      others: fc.array(fc.constantFrom(...otherHeaders), { maxLength: 2 }),
      many: fc.oneof({ weight: 80, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(100, 2_500) }),
      body,
      framing: mostly(fc.constantFrom<Framing>('length', 'length', 'chunked'), fc.constantFrom<Framing>('odd', 'none')),
      oddLength: fc.constantFrom(...oddLengths),
      chunkSize: fc.constantFrom(1_000, 20_000, 7, 100_000),
      oddChunk: mostly(fc.constant(undefined), fc.constantFrom(...chunkSizes)),
    })
    .map((made) => {
      const hasBody = !['GET', 'HEAD', 'TRACE', 'CONNECT', 'OPTIONS'].includes(made.method);
      const framing = hasBody ? made.framing : 'none';
      const headers: Header[] = [['Host', made.host]];
      if (hasBody) headers.push(['Content-Type', made.mediaType]);
      if (made.accept !== undefined) headers.push(['Accept', made.accept]);
      if (made.authorization !== undefined) headers.push(['Authorization', made.authorization]);
      headers.push(...made.others);
      for (let n = 0; n < made.many; n++) headers.push([`X-${n}`, 'y']);
      if (framing === 'length') headers.push(['Content-Length', String(made.body.length)]);
      if (framing === 'chunked') headers.push(['Transfer-Encoding', 'chunked']);
      if (framing === 'odd') headers.push(made.oddLength);
      const isChunked = framing === 'chunked' || (framing === 'odd' && made.oddLength[0] === 'Transfer-Encoding');
      const text = isChunked ? chunked(made.body, made.chunkSize, made.oddChunk) : made.body;
      const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
      const line = [made.method, made.target, made.version].filter((word) => word !== '').join(' ');
      return `${line}\r\n${head}\r\n${hasBody ? text : ''}`;
    });
}

/** Bytes that are put in, taken out, or changed. */
export function spoil(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const edit = fc.record({
    // Where the headers are, mostly: bodies are long.
    at: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 0.1, noNaN: true })),
    length: fc.nat(20),
    kind: fc.constantFrom('remove', 'repeat', 'replace', 'insert', 'cut'),
    bytes: fc.oneof(
      fc.constantFrom(
        '\r',
        '\n',
        '\r\n',
        '\r\n\r\n',
        ':',
        ' ',
        '\t',
        '\0',
        '\xff',
        ' HTTP/1.1\r\n',
        '\x16\x03\x01\x02',
      ),
      fc.string({ unit: fc.nat(255).map((unit) => String.fromCharCode(unit)), minLength: 1, maxLength: 4 }),
    ),
  });
  return fc.tuple(text, fc.array(edit, { minLength: 1, maxLength: 3 })).map(([start, edits]) =>
    edits.reduce((before, { at, length, kind, bytes }) => {
      const from = Math.floor(at * before.length);
      const piece = before.slice(from, from + length);
      if (kind === 'cut') return before.slice(0, from);
      const middle = { remove: '', repeat: piece + piece, replace: bytes, insert: bytes + piece }[kind];
      return before.slice(0, from) + middle + before.slice(from + length);
    }, start),
  );
}

/** What no client of HTTP sends. */
export const noise: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '',
    '\r\n',
    '\r\n'.repeat(5_000),
    '\0',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\x16\x03\x01\x00\xa5\x01',
    'SSH-2.0-x\r\n',
  ),
  fc.string({ unit: fc.nat(255).map((unit) => String.fromCharCode(unit)), maxLength: 200 }),
);
