/** What docs/protocol.md says and no other test holds. */
import { afterEach, expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { openGraphQL, post, startApp, stopApps } from '../support/app.ts';
import { clientAt, openChord, openOn, rejectionOf } from '../support/chord.ts';
import { ManualClock } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';

afterEach(stopApps);

test('what is wrong with the arguments is told before anything about the context', async () => {
  const { chord } = openChord({ maxStateDepth: 2, forbiddenKeys: ['secret'] });
  await chord.setContext('there', { a: 1 }, { idempotencyKey: 'used' });
  const deep = { a: { b: { c: 1 } } };
  const refusals = await Promise.all(
    [
      chord.updateContext('absent', deep),
      chord.setContext('there', deep, { expectedVersion: 9 }),
      chord.setContext('there', deep, { idempotencyKey: 'used' }),
      chord.updateContext('absent', { secret: 1 }),
      chord.updateContext('absent', {}, { remove: [[]] }),
      chord.deleteContext('absent', { idempotencyKey: '' }),
    ].map(rejectionOf),
  );
  expect(refusals).toMatchObject([
    { code: 'LIMIT_EXCEEDED', limit: 'maxStateDepth' },
    { code: 'LIMIT_EXCEEDED', limit: 'maxStateDepth' },
    { code: 'LIMIT_EXCEEDED', limit: 'maxStateDepth' },
    { code: 'INVALID_STATE' },
    { code: 'INVALID_STATE' },
    { code: 'BAD_USER_INPUT', argument: 'idempotencyKey' },
  ]);
});

test('a context that is due stays, and its next write gives it another term', async () => {
  const { chord, clock } = openChord();
  const created = await chord.setContext('c', { a: 1 }, { ttlMs: 100 });
  await clock.advance(1_000);
  const due = await chord.getContext('c');
  expect(due?.expiresAtMs).toBe(clock.now() - 900);
  expect(await chord.syncContext('c', clientAt(created))).toMatchObject({ kind: 'noChange' });
  expect(await chord.updateContext('c', { b: 1 })).toMatchObject({ epoch: created.epoch, version: 2 });
  expect((await chord.getContext('c'))?.expiresAtMs).toBe(clock.now() + 100);
});

test('a delete that finds no room to wait is refused at the top level, by the name of the option', async () => {
  const backend = new FaultyBackend(new MemoryBackend());
  const held: (() => void)[] = [];
  backend.gate = (point) => (point === 'commit' ? new Promise((resolve) => held.push(resolve)) : Promise.resolve());
  const { chord, run } = openGraphQL({ backend, maxQueuedWrites: 1 });
  const writes = [chord.setContext('c', { n: 1 }), chord.setContext('c', { n: 2 })];
  const { errors } = await run('mutation { deleteContext(id: "c") { __typename } }');
  expect(errors?.[0]?.extensions).toEqual({ code: 'LIMIT_EXCEEDED', option: 'maxQueuedWrites', max: 1, actual: 2 });
  backend.gate = undefined;
  for (const resume of held) resume();
  await Promise.all(writes);
});

test('a client further behind than is ever merged is told SMALLER, whatever became of the deltas between', async () => {
  const backend = new FaultyBackend(new MemoryBackend());
  const chord = openOn(backend, new ManualClock(), { maxMergeDeltas: 1 });
  const { epoch } = await chord.setContext('c', { n: 1 });
  for (const n of [2, 3]) await chord.updateContext('c', { n });
  backend.hole = 3;
  const told = (version: number) => chord.syncContext('c', { epoch, version });
  expect(await told(1)).toMatchObject({ kind: 'full', reason: 'SMALLER' });
  expect(await told(2)).toMatchObject({ kind: 'full', reason: 'TOO_OLD' });
});

test.each([
  ['2,000 tokens', `{${' __typename'.repeat(1_998)} }`, `{${' __typename'.repeat(1_999)} }`, 'maxQueryTokens'],
  ['500 levels', nested(500), nested(501), 'GRAPHQL_PARSE_FAILED'],
])('a document of %s is read, and one of more does not parse', async (_, largest, tooLarge, refusal) => {
  const { url } = await startApp();
  expect(JSON.stringify(await post(url, { query: largest }))).not.toContain(refusal);
  const { errors } = await post(url, { query: tooLarge });
  expect(Object.values(errors?.[0]?.extensions ?? {})).toContain(refusal);
});

/** A query with so many brackets open at once: of the selection, the arguments and a list in a list. */
function nested(levels: number): string {
  return `{ contexts(ids: ${'['.repeat(levels - 2)}${']'.repeat(levels - 2)}) { nodes { id } } }`;
}
