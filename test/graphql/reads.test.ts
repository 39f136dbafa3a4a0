import { describe, expect, test } from 'vitest';
import { flatFormatter, treeFormatter } from '../../src/delta/format.ts';
import { type GraphQLHarness, openGraphQL } from '../support/app.ts';
import { ManualClock } from '../support/clock.ts';

const start = new ManualClock().now();
const startText = new Date(start).toISOString();

describe('context', () => {
  test('answers every field of a context', async () => {
    const { chord, run } = openGraphQL({ clock: new ManualClock() });
    const { epoch } = await chord.setContext('c', { a: 1 }, { ttlMs: 60_000 });
    const { data, errors } = await run(
      '{ context(id: "c") { __typename id epoch version state insertedAt createdAt expiresAt deltas { version } } }',
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      context: {
        __typename: 'Context',
        id: 'c',
        epoch,
        version: 1,
        state: { a: 1 },
        insertedAt: startText,
        createdAt: startText,
        expiresAt: new Date(start + 60_000).toISOString(),
        deltas: [{ version: 1 }],
      },
    });
  });

  test('is null for what is not there, which is no error', async () => {
    const { chord, run } = openGraphQL();
    await chord.setContext('gone', {});
    await chord.deleteContext('gone');
    expect(await run('{ never: context(id: "never") { id } gone: context(id: "gone") { id } }')).toEqual({
      data: { never: null, gone: null },
    });
  });

  test('gives each alias its own arguments', async () => {
    const { chord, run } = openGraphQL();
    await chord.setContext('a', { n: 1 });
    await chord.setContext('b', { n: 2 });
    const { data } = await run('{ one: context(id: "a") { state } two: context(id: "b") { s: state } }');
    expect(data).toEqual({ one: { state: { n: 1 } }, two: { s: { n: 2 } } });
  });

  test('lists its deltas beyond a version, as many as asked for', async () => {
    const { chord, run } = openGraphQL();
    await chord.setContext('c', {});
    for (let n = 0; n < 9; n++) await chord.updateContext('c', { n });
    const { data } = await run('{ context(id: "c") { deltas(afterVersion: 3, limit: 2) { fromVersion version } } }');
    expect(data).toEqual({
      context: {
        deltas: [
          { fromVersion: 3, version: 4 },
          { fromVersion: 4, version: 5 },
        ],
      },
    });
  });

  test('takes an id as a number too, and means its text', async () => {
    const { chord, run } = openGraphQL();
    await chord.setContext('42', { a: 1 });
    const { data } = await run(
      'query ($id: ID!) { literal: context(id: 42) { id } variable: context(id: $id) { id } }',
      {
        id: 42,
      },
    );
    expect(data).toEqual({ literal: { id: '42' }, variable: { id: '42' } });
  });
});

async function withContexts(...ids: readonly string[]): Promise<GraphQLHarness> {
  const graphql = openGraphQL({ clock: new ManualClock() });
  for (const id of ids) await graphql.chord.setContext(id, { id });
  return graphql;
}

describe('contexts', () => {
  test('answers a page by id, how many there are, and where it stopped', async () => {
    const { run } = await withContexts('b', 'a', 'c');
    const { data } = await run('{ contexts(limit: 2) { nodes { id state } totalCount hasNextPage endCursor } }');
    expect(data).toEqual({
      contexts: {
        nodes: [
          { id: 'a', state: { id: 'a' } },
          { id: 'b', state: { id: 'b' } },
        ],
        totalCount: 3,
        hasNextPage: true,
        endCursor: 'b',
      },
    });
  });

  test('goes on after an id, in either direction, and skips', async () => {
    const { run } = await withContexts('a', 'b', 'c', 'd');
    const { data } = await run(`{
      up: contexts(after: "b") { nodes { id } hasNextPage }
      down: contexts(after: "c", order: DESC) { nodes { id } hasNextPage }
      skip: contexts(offset: 1, limit: 1) { nodes { id } hasNextPage }
    }`);
    expect(data).toEqual({
      up: { nodes: [{ id: 'c' }, { id: 'd' }], hasNextPage: false },
      down: { nodes: [{ id: 'b' }, { id: 'a' }], hasNextPage: false },
      skip: { nodes: [{ id: 'b' }], hasNextPage: true },
    });
  });

  test('filters by ids, prefix, version and time', async () => {
    const { chord, run } = await withContexts('x/1', 'x/2', 'y');
    await chord.updateContext('x/2', { more: true });
    const { data, errors } = await run(
      `query ($now: DateTime!) {
        ids: contexts(filter: { ids: ["y", "x/1", "none"] }) { nodes { id } }
        prefix: contexts(filter: { idPrefix: "x/" }) { nodes { id } totalCount }
        version: contexts(filter: { version: 2 }) { nodes { id } totalCount }
        before: contexts(filter: { insertedBefore: $now }) { nodes { id } }
        after: contexts(filter: { insertedAfter: "2020-01-01T00:00:00Z" }) { nodes { id } }
      }`,
      { now: startText },
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      ids: { nodes: [{ id: 'x/1' }, { id: 'y' }] },
      prefix: { nodes: [{ id: 'x/1' }, { id: 'x/2' }], totalCount: 2 },
      version: { nodes: [{ id: 'x/2' }], totalCount: null },
      before: { nodes: [] },
      after: { nodes: [{ id: 'x/1' }, { id: 'x/2' }, { id: 'y' }] },
    });
  });

  test('takes null for each optional argument', async () => {
    const { run } = await withContexts('a');
    const { data, errors } = await run(
      '{ contexts(after: null, filter: { ids: null, idPrefix: null, version: null, insertedBefore: null }) { nodes { id } } }',
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({ contexts: { nodes: [{ id: 'a' }] } });
  });
});

describe('deltas', () => {
  test('say the same in every format', async () => {
    const { chord, run } = openGraphQL({ clock: new ManualClock() });
    await chord.setContext('c', { 'a.b': { x: 1 }, gone: null });
    const { epoch, delta } = await chord.updateContext(
      'c',
      { 'a.b': { x: 2 }, new: [1] },
      { remove: [['gone']], origin: 'me' },
    );
    if (delta === null) throw new Error('no delta');
    const { data, errors } = await run(`{
      deltas(contextId: "c", afterVersion: 1) {
        nodes {
          __typename contextId epoch fromVersion version insertedAt origin
          changes { path action value oldValue } jsonPatch mergePatch formatted
        }
        totalCount hasNextPage
      }
    }`);
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      deltas: {
        nodes: [
          {
            __typename: 'Delta',
            contextId: 'c',
            epoch,
            fromVersion: 1,
            version: 2,
            insertedAt: startText,
            origin: 'me',
            changes: expect.arrayContaining([
              { path: ['a.b', 'x'], action: 'MODIFIED', value: 2, oldValue: 1 },
              { path: ['new'], action: 'ADDED', value: [1], oldValue: null },
              { path: ['gone'], action: 'REMOVED', value: null, oldValue: null },
            ]),
            jsonPatch: expect.arrayContaining([
              { op: 'replace', path: '/a.b/x', value: 2 },
              { op: 'add', path: '/new', value: [1] },
              { op: 'remove', path: '/gone' },
            ]),
            mergePatch: { 'a.b': { x: 2 }, new: [1], gone: null },
            formatted: flatFormatter(delta),
          },
        ],
        totalCount: 1,
        hasNextPage: false,
      },
    });
  });

  test('have no merge patch where it cannot say them', async () => {
    const { chord, run } = openGraphQL();
    await chord.setContext('c', { a: 1 });
    await chord.updateContext('c', { a: null });
    expect((await run('{ deltas(contextId: "c", afterVersion: 1) { nodes { mergePatch } } }')).data).toEqual({
      deltas: { nodes: [{ mergePatch: null }] },
    });
  });

  test('are formatted as configured', async () => {
    const { chord, run } = openGraphQL({ deltaFormatter: treeFormatter });
    const { delta } = await chord.setContext('c', { a: { b: 1 } });
    if (delta === null) throw new Error('no delta');
    expect((await run('{ deltas(contextId: "c") { nodes { formatted } } }')).data).toEqual({
      deltas: { nodes: [{ formatted: treeFormatter(delta) }] },
    });
  });

  test('of all contexts go by id, uncounted', async () => {
    const { chord, run } = openGraphQL();
    for (const id of ['b', 'a']) await chord.setContext(id, {});
    await chord.updateContext('a', { n: 1 });
    const { data } = await run(`{
      all: deltas { nodes { contextId version } totalCount }
      seek: deltas(after: "a") { nodes { contextId } totalCount }
    }`);
    expect(data).toEqual({
      all: {
        nodes: [
          { contextId: 'a', version: 1 },
          { contextId: 'a', version: 2 },
          { contextId: 'b', version: 1 },
        ],
        totalCount: null,
      },
      seek: { nodes: [{ contextId: 'b' }], totalCount: null },
    });
  });
});

describe('syncContext', () => {
  const query = `query ($id: ID!, $clientVersion: SafeInt, $clientEpoch: ID) {
    syncContext(id: $id, clientVersion: $clientVersion, clientEpoch: $clientEpoch) {
      __typename contextId epoch version
      ... on FullContext { reason context { state } }
      ... on Delta { fromVersion changes { path value } }
      ... on ContextGone { cause at }
    }
  }`;

  test('answers each kind by the table', async () => {
    const { chord, run } = openGraphQL({ clock: new ManualClock() });
    const sync = async (variables: Readonly<Record<string, unknown>>) =>
      (await run(query, variables)).data?.['syncContext'];
    expect(await sync({ id: 'c' })).toBeNull();
    const { epoch } = await chord.setContext('c', { a: 1, text: 'long enough to be heavier than a delta' });
    await chord.updateContext('c', { a: 2 });
    const at = { contextId: 'c', epoch, version: 2 };
    expect(await sync({ id: 'c' })).toMatchObject({ __typename: 'FullContext', ...at, reason: 'NO_POSITION' });
    expect(await sync({ id: 'c', clientVersion: 0, clientEpoch: epoch })).toMatchObject({ reason: 'NO_POSITION' });
    expect(await sync({ id: 'c', clientVersion: null, clientEpoch: null })).toMatchObject({ reason: 'NO_POSITION' });
    expect(await sync({ id: 'c', clientVersion: 1, clientEpoch: epoch })).toEqual({
      __typename: 'Delta',
      ...at,
      fromVersion: 1,
      changes: [{ path: ['a'], value: 2 }],
    });
    expect(await sync({ id: 'c', clientVersion: 2, clientEpoch: epoch })).toEqual({ __typename: 'NoChange', ...at });
    expect(await sync({ id: 'c', clientVersion: 3, clientEpoch: epoch })).toMatchObject({ reason: 'CLIENT_AHEAD' });
    expect(await sync({ id: 'c', clientVersion: 2, clientEpoch: 'x' })).toMatchObject({ reason: 'EPOCH_CHANGED' });
    await chord.deleteContext('c');
    expect(await sync({ id: 'c', clientVersion: 2, clientEpoch: epoch })).toEqual({
      __typename: 'ContextGone',
      ...at,
      cause: 'DELETED',
      at: startText,
    });
  });

  test('can be read without a fragment: the position is in the interface', async () => {
    const { chord, run } = openGraphQL();
    const { epoch } = await chord.setContext('c', {});
    expect((await run('{ syncContext(id: "c") { contextId epoch version } }')).data).toEqual({
      syncContext: { contextId: 'c', epoch, version: 1 },
    });
  });

  test('takes versions beyond 2^31', async () => {
    const { chord, run } = openGraphQL();
    const { epoch } = await chord.setContext('c', {});
    for (const clientVersion of [2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
      const { data } = await run(query, { id: 'c', clientVersion, clientEpoch: epoch });
      expect(data).toMatchObject({ syncContext: { reason: 'CLIENT_AHEAD' } });
      expect(
        (await run(`{ syncContext(id: "c", clientVersion: ${clientVersion}) { version } }`)).errors,
      ).toBeUndefined();
    }
  });
});
