/** Whatever is asked, both ways answer the same bytes; and what is plain takes the short one. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ViewerDescription } from '../../../src/access/viewer.ts';
import type { DeltaFormatter } from '../../../src/delta/format.ts';
import { documents, failures, json, read, readById, update, writes } from './operations.ts';
import { bodies, heads } from './requests.ts';
import { Pair, rawRequest, type Stage, sorted } from './stage.ts';

/** Fails, or answers what no JSON can say, where the test wants it. */
const formatter: DeltaFormatter = ({ changes }) => {
  const keys = changes.map(({ path }) => path[0]);
  if (keys.includes('throw')) throw new Error('a secret');
  // The type only knows JSON.
  if (keys.includes('bigint')) return 1n as unknown as number;
  return keys.length;
};

/** Every line that was logged, without what is another each time. */
function linesOf({ logger }: Stage): readonly unknown[] {
  return logger.lines.map(({ level, message, fields }) => ({ level, message, ...fields, durationMs: 0 }));
}

describe('both lanes answer the same', () => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await Pair.open({
      maxRequestBytes: 1_200_000,
      maxQueryTokens: 5_000,
      corsOrigins: ['https://app.example'],
      deltaFormatter: formatter,
    });
    await pair.both(({ chord }) =>
      chord.setContext('c', { title: 'ä€😀\u2028', nested: { list: [1, 2.5, { no: null }] } }),
    );
  });
  afterAll(() => pair[Symbol.asyncDispose]());

  test.each([...documents, ...failures, ...writes, ...bodies, ...heads])('to %s (%s)', async (_name, way, parts) => {
    const { answer, isPlain } = await pair.ask(rawRequest(parts));
    expect(isPlain ? 'lane' : 'yoga').toBe(way);
    expect(answer).toMatch(/^HTTP\/1\.1 \d{3} /);
    expect(answer).not.toContain('secret');
  });

  test('to requests in one breath', async () => {
    const open = { connection: 'keep-alive' };
    const bytes = Buffer.concat([
      rawRequest({ headers: open, ...json({ query: update, variables: { id: 'c', changes: { n: 1 } } }) }),
      rawRequest({ headers: open, ...json({ query: '{ nothing }' }) }),
      rawRequest({ headers: open, ...json({ query: read }) }),
      rawRequest({ method: 'GET', headers: open }),
      rawRequest(json({ query: readById, variables: { id: 'c' } })),
    ]);
    const { answer } = await pair.ask(bytes);
    expect(answer.match(/HTTP\/1\.1 \d{3}/g)).toHaveLength(5);
  });

  test('and log the same', () => {
    expect(sorted(linesOf(pair.lane))).toEqual(sorted(linesOf(pair.yoga)));
    expect(pair.lane.logger.errors.length).toBeGreaterThan(0);
  });
});

const viewers: Readonly<Record<string, ViewerDescription>> = {
  reader: { id: 'reader', grants: [{ may: ['read'], idPrefix: 'c' }] },
  writer: { id: 'writer', grants: [{ may: ['write'] }] },
  late: { id: 'late', grants: [{ may: ['read'] }], expiresAtMs: 1 },
};

describe('who may not', () => {
  let asked: string[] = [];
  let pair: Pair;

  beforeAll(async () => {
    pair = await Pair.open({
      authenticate: ({ header }) => {
        const name = header('x-viewer') ?? '';
        asked.push(name);
        if (name === 'broken') throw new Error('a secret');
        return viewers[name] ?? null;
      },
    });
    await pair.both(({ chord }) => chord.setContext('c', { n: 1 }));
    // Both documents are known.
    for (const query of [read, update])
      await pair.ask(rawRequest({ headers: { 'x-viewer': 'writer' }, ...json({ query }) }));
  });
  afterAll(() => pair[Symbol.asyncDispose]());

  const change = json({ query: update, variables: { id: 'c', changes: { n: 2 } } });

  test.each([
    ['who may read, reading', 'lane', 'reader', json({ query: read }), '"data":{"context":{'],
    ['who may read, writing', 'lane', 'reader', change, 'FORBIDDEN'],
    ['who may write, reading', 'lane', 'writer', json({ query: read }), 'FORBIDDEN'],
    ['who may write, writing', 'lane', 'writer', change, '"context":null'],
    ['nobody', 'yoga', null, json({ query: read }), '401 Unauthorized'],
    ['somebody unknown', 'yoga', 'unknown', json({ query: read }), '401 Unauthorized'],
    ['somebody whose time is over', 'yoga', 'late', json({ query: read }), '401 Unauthorized'],
    ['somebody of whom it cannot be said', 'yoga', 'broken', json({ query: read }), '401 Unauthorized'],
    ['somebody with a document that is not valid', 'yoga', 'reader', json({ query: '{ nothing }' }), 'VALIDATION'],
  ])('is told so, the same by both: %s', async (_name, way, viewer, body, expected) => {
    asked = [];
    const { answer, isPlain } = await pair.ask(rawRequest({ headers: { 'x-viewer': viewer }, ...body }));
    expect(isPlain ? 'lane' : 'yoga').toBe(way);
    expect(answer).toContain(expected);
    // Once for each request: whoever counts failed attempts must not count double.
    expect(asked).toHaveLength(6);
  });

  test('learns nothing of a body that does not come', async () => {
    const head = rawRequest({ headers: { 'x-viewer': 'unknown', 'content-length': '1000' } });
    expect((await pair.ask(head)).answer).toContain('401 Unauthorized');
  });
});

function page(n: number): Buffer {
  return rawRequest(json({ query: 'query ($n: Int!) { contexts(limit: $n) { nodes { id } } }', variables: { n } }));
}

function named(sha256Hash: string, more: object = {}): Buffer {
  return rawRequest(json({ ...more, extensions: { persistedQuery: { version: 1, sha256Hash } } }));
}

/** An answer without how long it took. */
function timeless(answer: string): string {
  return answer.replace(/"actual":\d+/, '"actual":0').replace(/content-length: .*/i, '');
}

describe('limits hold in the lane', () => {
  test('of requests in a second, which are counted once', async () => {
    await using pair = await Pair.open({ requestsPerSecond: 7 });
    const request = rawRequest(json({ query: read }));
    for (let times = 0; times < 2; times++) expect((await pair.ask(request)).answer).toContain('200 OK');
    // Goes through yoga, and counts as well.
    expect((await pair.ask(rawRequest(json({ query: '{ nothing }' })))).answer).toContain('429 Too Many Requests');
    const { answer, isPlain } = await pair.ask(request);
    expect(isPlain).toBe(true);
    expect(answer).toMatch(/retry-after: 1/i);
    await pair.both(({ clock }) => clock.advance(200));
    expect(await pair.lane.heard(request)).toContain('200 OK');
    expect(await pair.lane.heard(request)).toContain('429 Too Many Requests');
  });

  test('of writes in a second', async () => {
    await using pair = await Pair.open({ writesPerSecond: 4 });
    await pair.both(({ chord }) => chord.setContext('c', {}));
    const request = rawRequest(json({ query: update, variables: { id: 'c', changes: { n: 1 } } }));
    expect((await pair.ask(request)).answer).toContain('200 OK');
    const { answer, isPlain } = await pair.ask(request);
    expect(isPlain).toBe(true);
    expect(answer).toContain('429 Too Many Requests');
    expect(answer).toContain('writesPerSecond');
    expect((await pair.ask(rawRequest(json({ query: read })))).answer).toContain('"version":2');
  });

  test('of cost, by the variables of each request', async () => {
    await using pair = await Pair.open({ maxQueryCost: 100 });
    expect((await pair.ask(page(10))).answer).toContain('"data":');
    const { answer, isPlain } = await pair.ask(page(200));
    expect(isPlain).toBe(true);
    expect(answer).toContain('maxQueryCost');
  });

  test('of time, and what was begun is not begun again', async () => {
    await using pair = await Pair.open({ queryTimeoutMs: 40 });
    const request = rawRequest(json({ query: update, variables: { id: 'c', changes: { n: 1 } } }));
    expect((await pair.ask(request)).answer).toContain('ContextNotFoundError');
    let begun = 0;
    await pair.both(async ({ chord }) => {
      chord.updateContext = () => {
        begun++;
        return new Promise(() => undefined);
      };
    });
    const [ours, yogas] = [await pair.lane.heard(request), await pair.yoga.heard(request)];
    expect(timeless(ours)).toBe(timeless(yogas));
    expect(ours).toContain('503 Service Unavailable');
    expect(ours).toContain('"outcome":"UNKNOWN"');
    expect(begun).toBe(2);
  });

  test('of documents: only trusted ones run', async () => {
    await using pair = await Pair.open({ trustedDocuments: new Map([['known', read]]) });
    for (const [request, way, expected] of [
      [named('known'), 'lane', '"context":null'],
      [named('known', { query: '{ nothing }' }), 'lane', '"context":null'],
      [named('other', { query: read }), 'yoga', 'sha256Hash'],
      [rawRequest(json({ query: read })), 'yoga', 'sha256Hash'],
      [rawRequest(json({ documentId: 'known' })), 'yoga', '"context":null'],
    ] as const) {
      const { answer, isPlain } = await pair.ask(request);
      expect(isPlain ? 'lane' : 'yoga').toBe(way);
      expect(answer).toContain(expected);
    }
  });
});

test('requests have an id of their own when the client brings none', async () => {
  await using pair = await Pair.open();
  const ids = new Set<string | undefined>();
  for (let times = 0; times < 3; times++) {
    const answer = await pair.lane.heard(rawRequest({ headers: { 'x-request-id': null }, ...json({ query: read }) }));
    ids.add(/^x-request-id: ([0-9a-f]{16})$/im.exec(answer)?.[1]);
  }
  expect(ids.size).toBe(3);
  expect(ids).not.toContain(undefined);
});
