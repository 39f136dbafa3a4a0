import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { CloseCode } from 'graphql-ws';
import { afterEach, describe, expect, test } from 'vitest';
import { ServerCloseCode } from '../../src/server/websocket/close-codes.ts';
import { startApp, stopApps } from '../support/app.ts';
import { holdingsIn, isThere } from './held-by.ts';
import { anchorsOf, blocksOf, checkout, pages, proseOf, quoted, read, rowsOf, sectionOf } from './pages.ts';
import { Walker } from './walker.ts';

const page = read('docs/protocol.md');

afterEach(stopApps);

/** Items of a list that begin with a bold number. */
const rules = [...page.matchAll(/^- \*\*([A-Z]\d+)\*\* /gm)].map(([, number = '']) => number);
const holdings = holdingsIn(sectionOf(page, 'What holds each rule'));

describe('the rules of docs/protocol.md', () => {
  test('are numbered from 1 on within their letter, each number once and in order', () => {
    const letters = [...new Set(rules.map((number) => number.charAt(0)))];
    expect(letters).toEqual(['W', 'V', 'D', 'S', 'L', 'P', 'R', 'T']);
    const wanted = letters.flatMap((letter) =>
      rules.filter((number) => number.startsWith(letter)).map((_, index) => `${letter}${index + 1}`),
    );
    expect(rules).toEqual(wanted);
  });

  test('are those of the table of tests, in its order', () => {
    expect([...new Set(holdings.map(({ number }) => number))]).toEqual(rules);
    const rows = holdings.map(({ number, file }) => `${number} ${file}`);
    expect(new Set(rows).size).toBe(rows.length);
  });

  test.each(rules)('%s names tests that are there', (rule) => {
    const held = holdings.filter(({ number }) => number === rule);
    const titles = held.flatMap(({ file, titles: ofFile }) => ofFile.map((title) => [file, title] as const));
    expect(titles).not.toEqual([]);
    expect(titles.filter(([file, title]) => !isThere(file, title))).toEqual([]);
  });

  test('are the only ones that are mentioned', () => {
    const mentioned = new Set(proseOf(page).match(/\b[WVDSLPRT]\d+\b/g));
    expect([...mentioned].filter((number) => !rules.includes(number))).toEqual([]);
  });
});

describe('the walks of docs/protocol.md', () => {
  test('the walks happen as the page tells them', async () => {
    const section = sectionOf(page, 'Three walks');
    const [selection = ''] = blocksOf(section, 'graphql');
    const walks = blocksOf(section, '');
    expect(walks).toHaveLength(3);
    const walker = new Walker(await startApp(), selection);
    try {
      for (const walk of walks) expect(await walker.walk(walk)).toBe(walk);
    } finally {
      await walker.leave();
    }
  });
});

describe('the errors of docs/protocol.md', () => {
  const rows = rowsOf(sectionOf(page, 'Errors'));
  /** Three columns: members of a result. Two: at the top level. */
  const members = rows
    .filter((row) => row.length === 3)
    .map(([code = '', type = '']) => [...quoted(code), ...quoted(type)]);
  const topLevel = rows.filter((row) => row.length === 2).flatMap(([codes = '']) => quoted(codes));
  const classes = [
    ...read('src/errors.ts').matchAll(/class (\w+) extends ChordError \{\n {2}readonly code = '(\w+)'/g),
  ].map(([, type = '', code = '']) => [code, type] as const);

  /** Codes without a class: what the GraphQL layer says of documents, and of what nobody expected. */
  const withoutClass = ['GRAPHQL_PARSE_FAILED', 'GRAPHQL_VALIDATION_FAILED', 'INTERNAL_SERVER_ERROR'];

  test('are those of src/errors.ts and the three that are no class of ours', () => {
    const codes = new Set([...members.map(([code]) => code), ...topLevel]);
    expect(codes).toEqual(new Set([...classes.map(([code]) => code), ...withoutClass]));
    expect(classes).not.toEqual([]);
  });

  test('at the top level are those that src/server gives to what is no class of ours, and no other', () => {
    const sources = ['mask-error.ts', 'refusals.ts', 'doorkeeper.ts', 'websocket/protocol.ts', 'websocket/websocket.ts']
      .map((file) => read(`src/server/${file}`))
      .join('');
    for (const code of withoutClass) expect(sources).toContain(`'${code}'`);
    const given = [...sources.matchAll(/code: '([A-Z_]+)'/g)].map(([, code]) => code);
    expect(given.filter((code) => code === undefined || !topLevel.includes(code))).toEqual([]);
  });

  test('that are members of a result have the type that the schema has', () => {
    const unions = [...read('schema/schema.graphql').matchAll(/^union \w+Result =([^\n]*(?:\n {2}[^\n]*)*)/gm)];
    const inSchema = new Set(unions.flatMap(([, types = '']) => types.match(/\w+Error\b/g) ?? []));
    expect(new Set(members.map(([, type]) => type))).toEqual(inSchema);
    for (const member of members) expect(classes).toContainEqual(member);
  });
});

describe('the close codes of docs/protocol.md', () => {
  const rows = rowsOf(sectionOf(page, 'Close codes'));
  const by = (who: string) => rows.filter((row) => row[1] === who).map(([code]) => Number(code));

  test('of the server are those of src/server/websocket/close-codes.ts', () => {
    expect(new Set(by('server'))).toEqual(new Set(Object.values(ServerCloseCode)));
  });

  test('of graphql-ws are codes of graphql-ws', () => {
    const known: readonly number[] = Object.values(CloseCode).filter((code) => typeof code === 'number');
    expect(by('graphql-ws').filter((code) => !known.includes(code))).toEqual([]);
  });

  test('are all that the tests of the WebSocket see, each once', () => {
    const codes = rows.map(([code]) => code);
    expect(new Set(codes).size).toBe(codes.length);
    const tests = read('test/server/websocket.test.ts');
    const seen = [...tests.matchAll(/['"`]([14]\d{3}) (?:for|when) /g)].map(([, code = '']) => code);
    expect(seen).not.toEqual([]);
    expect(seen.filter((code) => !codes.includes(code))).toEqual([]);
  });
});

describe('the links', () => {
  test.each(pages())('of %s lead to files and headings that are there', (from) => {
    const links = [...proseOf(read(from)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
    const broken = links.filter((link) => {
      if (/^[a-z]+:/.test(link)) return false;
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? from : normalize(join(dirname(from), path));
      if (target.startsWith('..') || !existsSync(join(checkout, target))) return true;
      return anchor !== undefined && !anchorsOf(read(target)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  test.each(pages())('of %s in backticks, from the root of the project, lead to what is there', (from) => {
    const paths = quoted(proseOf(read(from))).filter((text) =>
      /^(docs|examples|schema|scripts|src|test)\/[\w./-]*$/.test(text),
    );
    expect(paths.filter((path) => !existsSync(join(checkout, path)))).toEqual([]);
  });
});
