import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createApp } from '../../src/app/app.ts';
import { type GraphQLResult, type RunningApp, startApp, stopApps } from '../support/app.ts';
import { RawStream } from '../support/transports.ts';
import { askOn, refusalOf } from './limits-stage.ts';
import { RawWebSocket } from './raw-websocket.ts';

const follow = 'subscription Follow($id: ID!) { contextChanged(id: $id) { __typename } }';
const write = 'mutation { setContext(id: "c", state: {}) { __typename } }';
const page = 'query ($n: Int!) { contexts(limit: $n) { nodes { id version epoch } } }';
const hash = (text: string) => createHash('sha256').update(text).digest('hex');
const named = (text: string) => ({ extensions: { persistedQuery: { version: 1, sha256Hash: hash(text) } } });

let directory: string;
let file: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'chord-trusted-'));
  file = join(directory, 'documents.json');
  writeFileSync(file, JSON.stringify(Object.fromEntries([follow, write, page].map((text) => [hash(text), text]))));
});

afterEach(() => stopApps());
afterAll(() => rmSync(directory, { recursive: true }));

type Ask = (server: RunningApp, params: object) => Promise<GraphQLResult>;

const ways: readonly (readonly [string, Ask])[] = [
  [
    'HTTP',
    async ({ url }, params) => {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(params),
      });
      return (await answer.json()) as GraphQLResult;
    },
  ],
  [
    'SSE',
    async ({ url }, params) => {
      const headers = { 'content-type': 'application/json' };
      const stream = await RawStream.open(url, { headers, body: JSON.stringify(params) });
      const { data = '' } = await stream.next();
      stream.leave();
      return JSON.parse(data) as GraphQLResult;
    },
  ],
  [
    'WebSocket',
    async ({ webSocketUrl }, params) => {
      const socket = await RawWebSocket.open(webSocketUrl);
      await socket.init();
      // The protocol demands a text; clients that send a hash leave it empty.
      const result = await askOn(socket, 'asked', { query: '', ...params });
      socket.socket.close();
      return result;
    },
  ],
];

describe.each(ways)('over %s, with trusted documents', (_way, ask) => {
  test.each([
    ['the hash of Apollo', named(write)],
    ['documentId', { documentId: hash(write) }],
    ['a hash, and another text that is not looked at', { ...named(write), query: '{ cleanup { running } }' }],
  ])('one that is named by %s runs', async (_how, params) => {
    const server = await startApp({ trustedDocumentsFile: file });
    expect(await ask(server, params)).toEqual({ data: { setContext: { __typename: 'SetContextPayload' } } });
  });

  test.each([
    ['a text', { query: '{ __typename }' }],
    ['the text of a trusted one', { query: write }],
    ['the hash of no trusted one', { ...named('{ __typename }'), query: '{ __typename }' }],
    ['a hash that is no text', { extensions: { persistedQuery: { sha256Hash: [hash(write)] } } }],
    ['the name of what every object has', { documentId: 'constructor' }],
    ['nothing', {}],
  ])('%s runs nothing', async (_what, params) => {
    const server = await startApp({ trustedDocumentsFile: file });
    expect(refusalOf(await ask(server, params))).toEqual({
      code: 'BAD_USER_INPUT',
      argument: 'extensions.persistedQuery.sha256Hash',
    });
    expect(await server.app.chord.getContext('c')).toBeNull();
    expect(server.logger.errors).toEqual([]);
  });

  test('the other limits hold', async () => {
    const server = await startApp({ trustedDocumentsFile: file, maxQueryCost: 100 });
    const { data } = await ask(server, { ...named(page), variables: { n: 10 } });
    expect(data).toEqual({ contexts: { nodes: [] } });
    expect(refusalOf(await ask(server, { ...named(page), variables: { n: 100 } }))).toMatchObject({
      option: 'maxQueryCost',
    });
  });
});

describe('a subscription that is named', () => {
  const event = { data: { contextChanged: { __typename: 'NoContext' } } };

  test('runs over WebSocket', async () => {
    const server = await startApp({ trustedDocumentsFile: file });
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    expect(await askOn(socket, '1', { query: '', ...named(follow), variables: { id: 'c' } })).toEqual(event);
    socket.socket.close();
  });

  test.each([
    ['its hash', () => ({ extensions: JSON.stringify(named(follow).extensions) })],
    ['documentId', () => ({ documentId: hash(follow) })],
  ])('by %s runs over the URL of an event stream', async (_how, params) => {
    const { url } = await startApp({ trustedDocumentsFile: file });
    const search = new URLSearchParams({ ...params(), variables: JSON.stringify({ id: 'c' }) });
    const stream = await RawStream.open(`${url}?${search}`);
    expect(JSON.parse((await stream.next()).data ?? '')).toEqual(event);
    stream.leave();
  });
});

describe('a file that cannot be used stops the start:', () => {
  test.each([
    ['one that is not there', undefined, 'cannot be read'],
    ['one that is no JSON', '{', 'is no JSON'],
    ['a list', '["{ __typename }"]', 'holds no JSON object of documents'],
    ['a document that is no text', '{"a":7}', 'document a: it is no text'],
    ['a document that does not parse', '{"a":"{"}', 'document a: Syntax Error'],
    ['a document that the schema does not know', '{"a":"{ nothing }"}', 'document a: Cannot query field "nothing"'],
  ])('%s', (_what, text, message) => {
    const path = join(directory, 'other.json');
    if (text !== undefined) writeFileSync(path, text);
    expect(() => createApp({ backend: 'memory', trustedDocumentsFile: path })).toThrow(message);
    rmSync(path, { force: true });
  });
});
