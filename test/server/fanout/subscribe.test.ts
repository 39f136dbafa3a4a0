/* Results that are written once for many are, byte for byte, those that graphql-js executes for each. */
import { type ExecutionArgs, type ExecutionResult, parse, subscribe, validate } from 'graphql';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ChordOptions, createService } from '../../../src/chord.ts';
import type { Delta } from '../../../src/delta/delta.ts';
import type { JsonObject } from '../../../src/delta/json.ts';
import { schema } from '../../../src/graphql/schema.ts';
import type { SharedResult } from '../../../src/server/fanout/groups.ts';
import type { ResultSender } from '../../../src/server/fanout/shared-results.ts';
import { sharedSubscribe } from '../../../src/server/fanout/subscribe.ts';
import type { ChordService } from '../../../src/service/service.ts';
import type { Operation } from '../../support/app.ts';
import { until } from '../../support/wait.ts';
import { oddDocuments } from './odd-documents.ts';

let chord: ChordService;
/** What was told, of all that follow. */
let stories: Story[] = [];

beforeEach(() => {
  chord = createService({});
});
afterEach(async () => {
  await Promise.all(stories.map((story) => story.leave()));
  await until('nobody is left', () => chord.stats().followers === 0);
  stories = [];
  await chord.close();
});

type Subscribe = (args: ExecutionArgs) => Promise<AsyncIterable<ExecutionResult> | ExecutionResult>;

/** One subscription: every result as it is written, and how it came. */
class Story {
  readonly lines: string[] = [];
  shared = 0;
  end: string | undefined;
  #results: AsyncIterator<ExecutionResult> | undefined;
  /** Holds what waits to be taken; undefined: everything is taken at once. */
  held: (() => void)[] | undefined;
  /** What sending fails with. */
  failure: Error | undefined;

  async begin(run: Subscribe, { query, operationName, variables }: Operation): Promise<this> {
    const document = parsed(query);
    const sink = {
      send: ({ json }: SharedResult, _event: unknown, sender: ResultSender) => {
        if (this.failure !== undefined) throw this.failure;
        this.lines.push(json);
        this.shared++;
        if (this.held === undefined) queueMicrotask(() => sender.onSent());
        else this.held.push(() => sender.onSent());
      },
    };
    const contextValue = { chord, sink };
    const variableValues = { id: 'odd', ...variables };
    const result = await run({ schema, document, operationName, variableValues, contextValue });
    if (Symbol.asyncIterator in result) {
      this.#results = result[Symbol.asyncIterator]();
      void this.#read(this.#results);
    } else this.lines.push(write(result));
    return this;
  }

  async leave(): Promise<void> {
    await this.#results?.return?.();
  }

  async #read(results: AsyncIterator<ExecutionResult>): Promise<void> {
    try {
      for (let next = await results.next(); next.done !== true; next = await results.next()) {
        this.lines.push(write(next.value));
      }
      this.end = 'complete';
    } catch (error) {
      this.end = String(error);
    }
  }
}

/** As the protocols write it. */
function write({ data, errors }: ExecutionResult): string {
  try {
    return JSON.stringify(errors === undefined ? { data } : { data, errors });
  } catch (error) {
    return String(error);
  }
}

const documents = new Map<string, ReturnType<typeof parse>>();
/** The same text is the same document, as it is on a server. */
function parsed(query: string): ReturnType<typeof parse> {
  const document = documents.get(query) ?? parse(query);
  documents.set(query, document);
  return document;
}

const writes: readonly (() => Promise<unknown>)[] = [
  () => chord.setContext('odd', { n: 1, text: 'é\u2028\ud800</script>', list: [1, [], {}], nothing: null }),
  () =>
    chord.updateContext(
      'odd',
      { n: 2, deep: JSON.parse('{" a.b": {"then": "x", "toJSON": 1}}') as JsonObject },
      { origin: 'someone' },
    ),
  () => chord.setContext('odd', JSON.parse('{"__proto__": {"x": 1}, "n": -0.5e-7, "big": 1e300}') as JsonObject),
  () => chord.deleteContext('odd'),
  () => chord.setContext('odd', {}, { ttlMs: 60_000 }),
  () => chord.updateContext('odd', { n: 3 }),
];

async function tell(...operations: readonly Operation[]): Promise<readonly (readonly [Story, Story])[]> {
  const run = sharedSubscribe((delta) => chord.formatDelta(delta));
  const pairs = await Promise.all(
    operations.map(async (operation) => {
      const own = await new Story().begin(async (args) => subscribe(args), operation);
      return [own, await new Story().begin(run, operation)] as const;
    }),
  );
  stories.push(...pairs.flat());
  await until('the beginning', () => pairs.flat().every(({ lines, end }) => lines.length > 0 || end !== undefined));
  for (const [index, step] of writes.entries()) {
    await step();
    await until(`write ${index}`, isAtLeast(pairs, index + 2));
  }
  await until('all to be told as much', () => pairs.every(([own, shared]) => own.lines.length === shared.lines.length));
  return pairs;
}

/** All that follow have been told so much. */
function isAtLeast(pairs: readonly (readonly [Story, Story])[], count: number): () => boolean {
  return () => pairs.flat().every((story) => !isLive(story) || story.lines.length >= count);
}

function isLive({ lines, end }: Story): boolean {
  const [first] = lines;
  return end === undefined && (first?.startsWith('{"data":{') === true || lines.length > 1);
}

test.each(oddDocuments)('$name', async ({ query, operationName, variables, isShared }) => {
  const operation: Operation = {
    query,
    ...(operationName === undefined ? {} : { operationName }),
    ...(variables === undefined ? {} : { variables }),
  };
  const [pair] = await tell(operation);
  const [own, shared] = pair ?? [];

  expect(shared?.lines).toEqual(own?.lines);
  expect(shared?.end).toBe(own?.end);
  expect(shared?.shared).toBe(isShared ? writes.length + 1 : 0);
});

test('all documents at once are told as each by itself', async () => {
  const pairs = await tell(...oddDocuments, ...oddDocuments);
  for (const [own, shared] of pairs) expect(shared.lines).toEqual(own.lines);
});

test('the documents are valid', () => {
  for (const { name, query } of oddDocuments) expect([name, validate(schema, parse(query))]).toEqual([name, []]);
});

describe('what cannot be shared is each subscriber’s own', () => {
  const formatted = 'subscription ($id: ID!) { contextChanged(id: $id) { version ... on Delta { formatted } } }';

  async function withFormatter(deltaFormatter: ChordOptions['deltaFormatter']) {
    await chord.close();
    chord = createService({ deltaFormatter });
    return tell({ query: formatted }, { query: formatted });
  }

  test('a field that fails now and then', async () => {
    const pairs = await withFormatter(({ changes }) => {
      if (changes.length === 2) throw new Error('a formatter that fails');
      return changes.length;
    });
    for (const [own, shared] of pairs) {
      expect(shared.lines).toEqual(own.lines);
      expect(own.lines.filter((line) => line.includes('"errors"'))).toHaveLength(1);
      expect(shared.shared).toBe(own.lines.length - 1);
    }
  });

  test('what no JSON can say', async () => {
    const pairs = await withFormatter(() => 1n as unknown as number);
    for (const [own, shared] of pairs) {
      expect(shared.lines).toEqual(own.lines);
      expect(own.lines.filter((line) => line.startsWith('TypeError'))).toHaveLength(3);
    }
  });

  test('a field that asks the store', async () => {
    const query = `subscription ($id: ID!) { contextChanged(id: $id) {
      version ... on FullContext { context { deltas(limit: 2) { version } } } } }`;
    const pairs = await tell({ query }, { query });
    for (const [own, shared] of pairs) {
      expect(shared.lines).toEqual(own.lines);
      expect(own.lines.join()).toContain('"deltas":[{"version":1}]');
      expect(shared.shared).toBe(own.lines.length - own.lines.filter((line) => line.includes('"deltas"')).length);
    }
  });
});

test('an event is formatted once for all that are told the same, and by each for itself without that', async () => {
  let count = 0;
  await chord.close();
  chord = createService({ deltaFormatter: ({ changes }) => `${changes.length} ${count++}` });
  const run = sharedSubscribe((delta: Delta) => chord.formatDelta(delta));
  const query = `subscription ($id: ID!, $more: Boolean!) {
    contextChanged(id: $id) { version epoch @include(if: $more) ... on Delta { formatted } } }`;
  await chord.setContext('odd', {});
  for (const more of [true, false, true, false, true]) {
    stories.push(await new Story().begin(run, { query, variables: { more } }));
  }
  await until('the beginning', () => stories.every(({ lines }) => lines.length === 1));
  await chord.updateContext('odd', { n: 1 });
  await until('the delta', () => stories.every(({ lines }) => lines.length === 2));

  expect(count).toBe(2);
  expect(new Set(stories.map(({ lines }) => lines[1])).size).toBe(2);
});

test('a reader that is slow is told what leads from where it is to now, and others nothing of that', async () => {
  const run = sharedSubscribe((delta: Delta) => chord.formatDelta(delta));
  const query =
    'subscription ($id: ID!) { contextChanged(id: $id) { version ... on Delta { fromVersion changes { value } } } }';
  await chord.setContext('odd', { n: 0 });
  const slow = new Story();
  slow.held = [];
  const quick = new Story();
  stories = [slow, quick];
  await Promise.all(stories.map((story) => story.begin(run, { query })));
  await until('the beginning', () => stories.every(({ lines }) => lines.length === 1));
  for (let n = 1; n <= 20; n++) {
    await chord.updateContext('odd', { n });
    await until(`${n}`, () => quick.lines.length === n + 1);
  }
  expect(slow.lines).toHaveLength(1);
  for (const take of slow.held.splice(0)) take();
  await until('what was missed', () => slow.lines.length === 2);

  expect(JSON.parse(slow.lines[1] ?? '')).toEqual({
    data: { contextChanged: { version: 21, fromVersion: 1, changes: [{ value: 20 }] } },
  });
});

test('a transport that fails ends its subscription, and no other', async () => {
  const run = sharedSubscribe((delta: Delta) => chord.formatDelta(delta));
  const query = 'subscription ($id: ID!) { contextChanged(id: $id) { version } }';
  const [failing, other] = [new Story(), new Story()];
  stories = [failing, other];
  await Promise.all(stories.map((story) => story.begin(run, { query })));
  await until('the beginning', () => stories.every(({ lines }) => lines.length === 1));
  failing.failure = new RangeError('too long for a message');
  await chord.setContext('odd', {});
  await until('the news', () => failing.end !== undefined && other.lines.length === 2);

  expect(failing.end).toBe('RangeError: too long for a message');
  expect(failing.lines).toHaveLength(1);
  await until('it has left', () => chord.stats().followers === 1);
});
