import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backend/memory.ts';
import type { ListContextsOptions } from '../../src/service/list-input.ts';
import type { ContextPage } from '../../src/service/lists.ts';
import type { ChordService } from '../../src/service/service.ts';
import { clientAt, nextEvent, openChord, openOn, rejectionOf } from '../support/chord.ts';
import { ManualClock } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';

const idsOf = ({ nodes }: ContextPage) => nodes.map(({ id }) => id);

/** In the order of their UTF-8 bytes, which is not that of JavaScript's strings. */
const awkward = ['', 'a', 'B', 'a\u{1}', 'a/b', 'a0', 'aa', 'ab', 'b', 'é', '\uffff', '🙂', 'x'.repeat(300)].slice(1);
const inOrder = awkward.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

async function withContexts(ids: readonly string[]): Promise<ChordService> {
  const { chord } = openChord();
  for (const id of ids) await chord.setContext(id, { id });
  return chord;
}

/** Every id on the way to the end, page by page. */
async function walk(chord: ChordService, options: ListContextsOptions): Promise<readonly string[]> {
  const seen: string[] = [];
  let after: string | null = options.after ?? null;
  for (;;) {
    const page: ContextPage = await chord.listContexts({ ...options, after });
    seen.push(...idsOf(page));
    if (!page.hasNextPage) return seen;
    if (page.endCursor === null || page.endCursor === after) throw new Error('the walk does not move');
    after = page.endCursor;
  }
}

describe('contexts', () => {
  test('are listed by the UTF-8 bytes of their ids, in either direction', async () => {
    const chord = await withContexts(awkward);
    expect(idsOf(await chord.listContexts())).toEqual(inOrder);
    expect(idsOf(await chord.listContexts({ order: 'DESC' }))).toEqual(inOrder.toReversed());
  });

  test('are whole: state, position and times', async () => {
    const { chord } = openChord();
    await chord.setContext('c', { a: { b: 1 } }, { ttlMs: 5 });
    const { nodes } = await chord.listContexts();
    expect(nodes).toEqual([await chord.getContext('c')]);
  });

  test('do not include what was deleted', async () => {
    const chord = await withContexts(['a', 'b', 'c']);
    await chord.deleteContext('b');
    expect(idsOf(await chord.listContexts())).toEqual(['a', 'c']);
    expect(idsOf(await chord.listContexts({ ids: ['a', 'b'] }))).toEqual(['a']);
  });

  test('keep their place whatever is written between two pages', async () => {
    const chord = await withContexts(['a', 'b', 'c', 'd']);
    const page = await chord.listContexts({ limit: 2 });
    await chord.updateContext('a', { n: 1 });
    await chord.setContext('aa', {});
    await chord.deleteContext('b');
    expect(idsOf(await chord.listContexts({ limit: 2, after: page.endCursor }))).toEqual(['c', 'd']);
  });

  test('of an empty store are none', async () => {
    const { chord } = openChord();
    const page = await chord.listContexts();
    expect({ nodes: page.nodes, hasNextPage: page.hasNextPage, endCursor: page.endCursor }).toEqual({
      nodes: [],
      hasNextPage: false,
      endCursor: null,
    });
    expect(await page.totalCount()).toBe(0);
  });

  test('say exactly whether there is a next page', async () => {
    const chord = await withContexts(['a', 'b', 'c']);
    for (const [limit, hasNextPage] of [
      [2, true],
      [3, false],
      [4, false],
    ] as const) {
      expect((await chord.listContexts({ limit })).hasNextPage).toBe(hasNextPage);
      expect((await chord.listContexts({ limit, ids: ['a', 'b', 'c', 'x'] })).hasNextPage).toBe(hasNextPage);
    }
  });
});

describe('filters', () => {
  test('ids: each once, in the order of the list, without those that are not there', async () => {
    const chord = await withContexts(awkward);
    const ids = ['b', 'nobody', 'a', 'b', '🙂', '\uffff'];
    expect(idsOf(await chord.listContexts({ ids }))).toEqual(['a', 'b', '\uffff', '🙂']);
    expect(idsOf(await chord.listContexts({ ids, order: 'DESC', after: '\uffff' }))).toEqual(['b', 'a']);
    expect(idsOf(await chord.listContexts({ ids, limit: 1, offset: 1 }))).toEqual(['b']);
    expect(idsOf(await chord.listContexts({ ids: [] }))).toEqual([]);
  });

  test('ids: at most 250, each of them one', async () => {
    const { chord } = openChord();
    const many = Array.from({ length: 251 }, (_, index) => `c${index}`);
    expect(idsOf(await chord.listContexts({ ids: many.slice(1) }))).toEqual([]);
    for (const ids of [many, ['']]) {
      const refusal = await rejectionOf(chord.listContexts({ ids }));
      expect(refusal).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'ids' });
    }
  });

  test('idPrefix: those that begin with it, beyond the cursor, in either direction', async () => {
    const chord = await withContexts(awkward);
    const wanted = inOrder.filter((id) => id.startsWith('a'));
    expect(idsOf(await chord.listContexts({ idPrefix: 'a' }))).toEqual(wanted);
    expect(idsOf(await chord.listContexts({ idPrefix: 'a', order: 'DESC' }))).toEqual(wanted.toReversed());
    expect(idsOf(await chord.listContexts({ idPrefix: 'a', after: 'a/b' }))).toEqual(['a0', 'aa', 'ab']);
    expect(idsOf(await chord.listContexts({ idPrefix: 'a', after: 'a0', order: 'DESC' }))).toEqual([
      'a/b',
      'a\u{1}',
      'a',
    ]);
    expect(idsOf(await chord.listContexts({ idPrefix: 'a', after: 'b' }))).toEqual([]);
    expect(idsOf(await chord.listContexts({ idPrefix: 'a', ids: ['ab', 'b'] }))).toEqual(['ab']);
  });

  test('version, insertedBefore and insertedAfter: those of the head, bounds excluded', async () => {
    const { chord, clock } = openChord();
    const start = clock.now();
    for (const id of ['a', 'b', 'c']) {
      await chord.setContext(id, {});
      await clock.advance(10);
    }
    await chord.updateContext('b', { n: 1 });
    expect(idsOf(await chord.listContexts({ version: 1 }))).toEqual(['a', 'c']);
    expect(idsOf(await chord.listContexts({ version: 2 }))).toEqual(['b']);
    expect(idsOf(await chord.listContexts({ insertedAfterMs: start }))).toEqual(['b', 'c']);
    expect(idsOf(await chord.listContexts({ insertedBeforeMs: start + 20 }))).toEqual(['a']);
    expect(idsOf(await chord.listContexts({ insertedAfterMs: start, insertedBeforeMs: start + 30 }))).toEqual(['c']);
    expect(idsOf(await chord.listContexts({ insertedAfterMs: start, ids: ['a', 'b'] }))).toEqual(['b']);
  });
});

describe('bounds', () => {
  test.each([
    ['limit', { limit: 0 }, 'limit'],
    ['limit', { limit: 251 }, 'limit'],
    ['limit', { limit: 1.5 }, 'limit'],
    ['offset', { offset: -1 }, 'offset'],
    ['offset', { offset: 1_001 }, 'after'],
    ['version', { version: -1 }, 'version'],
  ])('a bad %s such as %j is refused by a message that says %s', async (argument, options, hint) => {
    const { chord } = openChord();
    const refusal = await rejectionOf(chord.listContexts(options));
    expect(refusal).toMatchObject({ code: 'BAD_USER_INPUT', argument, message: expect.stringContaining(hint) });
    if ('version' in options) return;
    expect(await rejectionOf(chord.listDeltas(options))).toMatchObject({ code: 'BAD_USER_INPUT', argument });
  });

  test('an offset of 1,000 is one, and is counted from the cursor', async () => {
    const ids = Array.from({ length: 1_010 }, (_, index) => `c${String(index).padStart(4, '0')}`);
    const chord = await withContexts(ids);
    expect(idsOf(await chord.listContexts({ offset: 1_000 }))).toEqual(ids.slice(1_000));
    expect(idsOf(await chord.listContexts({ offset: 3, limit: 2, after: 'c0003' }))).toEqual(['c0007', 'c0008']);
  });
});

describe('totalCount', () => {
  test('is exact without a filter, for a prefix and for ids, whatever the page, and null for what only a look can tell', async () => {
    const chord = await withContexts(['a1', 'a2', 'a3', 'b1']);
    const count = async (options: ListContextsOptions) =>
      (await chord.listContexts({ limit: 1, ...options })).totalCount();
    expect(await count({})).toBe(4);
    expect(await count({ after: 'a2', offset: 1 })).toBe(4);
    expect(await count({ idPrefix: 'a' })).toBe(3);
    expect(await count({ ids: ['a1', 'a1', 'b1', 'x'] })).toBe(2);
    expect(await count({ ids: ['a1', 'a2', 'b1'], idPrefix: 'a' })).toBe(2);
    expect(await count({ ids: ['a1', 'b1'], after: 'a2' })).toBe(2);
    expect(await count({ version: 1 })).toBeNull();
    expect(await count({ insertedAfterMs: 0 })).toBeNull();
  });
});

describe('walking by endCursor', () => {
  test('visits each matching context exactly once, whatever the page, the order and the filter', () =>
    fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(
          fc.string({ unit: fc.constantFrom('a', 'b', 'é', '🙂', '\uffff'), minLength: 1, maxLength: 4 }),
          {
            maxLength: 40,
          },
        ),
        fc.record({
          limit: fc.integer({ min: 1, max: 9 }),
          order: fc.constantFrom('ASC' as const, 'DESC' as const),
          idPrefix: fc.constantFrom(null, 'a', '🙂'),
          version: fc.constantFrom(null, 1, 2),
        }),
        async (ids, options) => {
          const { chord } = openChord();
          const wanted: string[] = [];
          for (const [index, id] of ids.entries()) {
            await chord.setContext(id, {});
            if (index % 3 === 0) await chord.updateContext(id, { index });
            const isWanted = options.version === null || options.version === (index % 3 === 0 ? 2 : 1);
            if (isWanted && id.startsWith(options.idPrefix ?? '')) wanted.push(id);
          }
          wanted.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
          expect(await walk(chord, options)).toEqual(options.order === 'ASC' ? wanted : wanted.toReversed());
        },
      ),
    ));

  describe('in a store of 10,600 contexts', () => {
    const ids = Array.from({ length: 10_600 }, (_, index) => `c${String(index).padStart(5, '0')}`);
    const rare = ids.filter((_, index) => index % 3_533 === 0);
    const memory = new MemoryBackend();
    const backend = new FaultyBackend(memory);
    const chord = openOn(backend, new ManualClock());

    beforeAll(async () => {
      await Promise.all(ids.map((id) => chord.setContext(id, {})));
      await Promise.all(rare.map((id) => chord.updateContext(id, { rare: true })));
    });

    test.each(['ASC', 'DESC'] as const)(
      'a narrow filter finds all, with a first page that ends where it stopped looking (%s)',
      async (order) => {
        backend.headBatches.length = 0;
        const page = await chord.listContexts({ version: 2, order });
        expect(backend.headBatches.flat().length).toBeLessThanOrEqual(10_000);
        expect(page.hasNextPage).toBe(true);
        expect(page.nodes).toHaveLength(3);
        expect(await walk(chord, { version: 2, order })).toEqual(order === 'ASC' ? rare : rare.toReversed());
      },
    );

    test('a filter that nothing matches comes to an end', async () => {
      expect(await walk(chord, { version: 3 })).toEqual([]);
    });

    test('no filter visits all', async () => {
      expect(await walk(chord, { limit: 250 })).toEqual(ids);
    });
  });

  test('skips nobody when a context of the page goes away while it is read', async () => {
    const backend = new FaultyBackend(new MemoryBackend());
    const chord = openOn(backend, new ManualClock());
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    for (const id of ids) await chord.setContext(id, {});
    backend.beforeRead = async (id) => {
      if (id === 'b')
        await backend.inner.commit('b', await baseOf(backend, 'b'), [removal], {
          nowMs: 0,
          freshEpoch: 'e',
          attempt: 0,
        });
    };
    expect(await walk(chord, { version: 1, limit: 2 })).toEqual(ids.filter((id) => id !== 'b'));
  });
});

const removal = { writeId: 'other', step: { kind: 'remove', cause: 'DELETED', atMs: 0 } } as const;

async function baseOf(backend: FaultyBackend, id: string) {
  const [head] = await backend.inner.heads([id]);
  return head === undefined
    ? ({ kind: 'absent' } as const)
    : { kind: 'context' as const, epoch: head.epoch, version: head.version, touches: head.touches };
}

async function withDeltas() {
  const opened = openChord();
  const { chord, clock } = opened;
  for (const id of ['b', 'a', 'c']) {
    await chord.setContext(id, { id });
    for (let n = 2; n <= 4; n++) {
      await clock.advance(1);
      await chord.updateContext(id, { n });
    }
  }
  return opened;
}

const places = (nodes: readonly { readonly contextId: string; readonly version: number }[]) =>
  nodes.map(({ contextId, version }) => `${contextId}${version}`).join(' ');

describe('deltas', () => {
  test('of one context walk by version, the creating one included', async () => {
    const { chord } = await withDeltas();
    const page = await chord.listDeltas({ contextId: 'a' });
    expect(places(page.nodes)).toBe('a1 a2 a3 a4');
    expect(page.nodes[0]).toMatchObject({
      kind: 'delta',
      fromVersion: 0,
      changes: [{ action: 'ADDED', path: ['id'], value: 'a' }],
    });
    expect(page.hasNextPage).toBe(false);
    expect(await page.totalCount()).toBe(4);
    expect(places((await chord.listDeltas({ contextId: 'a', order: 'DESC', limit: 2 })).nodes)).toBe('a4 a3');
    const rest = await chord.listDeltas({ contextId: 'a', afterVersion: 1, offset: 1, limit: 1 });
    expect(places(rest.nodes)).toBe('a3');
    expect(rest.hasNextPage).toBe(true);
    expect(await rest.totalCount()).toBe(3);
  });

  test('of all contexts walk by id and version, and are not counted', async () => {
    const { chord } = await withDeltas();
    const page = await chord.listDeltas({});
    expect(places(page.nodes)).toBe('a1 a2 a3 a4 b1 b2 b3 b4 c1 c2 c3 c4');
    expect(await page.totalCount()).toBeNull();
    expect(places((await chord.listDeltas({ order: 'DESC', limit: 5 })).nodes)).toBe('c4 c3 c2 c1 b4');
    expect(places((await chord.listDeltas({ after: 'a', afterVersion: 2 })).nodes)).toBe('b3 b4 c3 c4');
    const middle = await chord.listDeltas({ offset: 3, limit: 3 });
    expect(places(middle.nodes)).toBe('a4 b1 b2');
    expect(middle.hasNextPage).toBe(true);
  });

  test('are filtered by their time, bounds excluded', async () => {
    const { chord, clock } = await withDeltas();
    const at = clock.now();
    expect(places((await chord.listDeltas({ insertedAfterMs: at - 2 })).nodes)).toBe('c3 c4');
    const range = { contextId: 'c', insertedAfterMs: at - 3, insertedBeforeMs: at };
    const page = await chord.listDeltas(range);
    expect(places(page.nodes)).toBe('c2 c3');
    expect(await page.totalCount()).toBe(2);
  });

  test('of an absent or deleted context are none', async () => {
    const { chord } = await withDeltas();
    await chord.deleteContext('a');
    for (const contextId of ['a', 'nobody']) {
      const page = await chord.listDeltas({ contextId });
      expect([page.nodes, page.hasNextPage, await page.totalCount()]).toEqual([[], false, 0]);
    }
    expect(await rejectionOf(chord.listDeltas({ contextId: '' }))).toMatchObject({ argument: 'contextId' });
  });

  test('are those retained: of the present life, and no more than the threshold', async () => {
    const { chord } = openChord({ deltaThreshold: 2 });
    await chord.setContext('c', {});
    await chord.deleteContext('c');
    for (let n = 0; n < 4; n++) await chord.setContext('c', { n });
    expect(places((await chord.listDeltas({ contextId: 'c' })).nodes)).toBe('c4 c5');
  });

  test('with a threshold of 0 are none, not even the creating one', async () => {
    const { chord } = openChord({ deltaThreshold: 0 });
    const created = await chord.setContext('c', { a: 1 });
    expect(created.delta).toMatchObject({ fromVersion: 0, version: 1 });
    const page = await chord.listDeltas({ contextId: 'c' });
    expect([page.nodes, await page.totalCount()]).toEqual([[], 0]);
    expect(await chord.syncContext('c', clientAt(created))).toMatchObject({ kind: 'noChange' });
    await chord.updateContext('c', { a: 2 });
    expect((await chord.listDeltas({ contextId: 'c' })).nodes).toEqual([]);
    expect(await chord.syncContext('c', clientAt(created))).toMatchObject({ kind: 'full', reason: 'TOO_OLD' });
  });
});

test('options that are null, as from JavaScript, count as absent', async () => {
  const { chord } = openChord();
  await chord.setContext('c', { a: 1 }, null);
  await chord.updateContext('c', { a: 2 }, null);
  expect((await chord.listContexts(null)).nodes).toMatchObject([{ id: 'c', version: 2 }]);
  expect((await chord.listDeltas(null)).nodes).toMatchObject([{ version: 1 }, { version: 2 }]);
  expect(await chord.syncContext('c', null)).toMatchObject({ kind: 'full' });
  const events = chord.follow('c', null, null);
  expect(await nextEvent(events)).toMatchObject({ kind: 'full' });
  await events.return?.();
  expect(await chord.deleteContext('c', null)).toMatchObject({ version: 2 });
});
