import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { baseVersion } from '../../../src/backend/lmdb/records.ts';
import { dueKinds } from '../../../src/backend/lmdb/tables.ts';
import { equal, type JsonObject } from '../../../src/delta/json.ts';
import { weight } from '../../../src/delta/weight.ts';
import { bytesOf, id, PlannedContext, rowsOf, startMs } from '../planned-context.ts';

const nested: JsonObject = Object.fromEntries(
  Array.from({ length: 100 }, (_, part) => [
    `part ${part}`,
    { n: 0, ...Object.fromEntries(Array.from({ length: 10 }, (__, line) => [`line ${line}`, 'x'.repeat(1_000)])) },
  ]),
);
const flat: JsonObject = Object.fromEntries(Array.from({ length: 20_000 }, (_, key) => [`key ${key}`, 'x'.repeat(40)]));

/** A context of so many bytes, in one field, beside a small one. */
function contextOf(bytes: number): PlannedContext {
  return PlannedContext.of({ ballast: 'x'.repeat(bytes), n: '' });
}

/** How many writes it takes until the state is written down. */
function writesUntilCheckpoint(
  context: PlannedContext,
  text: string,
): { readonly writes: number; readonly bytes: number } {
  let bytes = 0;
  for (let writes = 1; writes < 5_000; writes++) {
    const { rows } = context.set('n', `${text}${writes % 10}`);
    if (rowsOf(rows, 'checkpoints').length > 0) return { writes, bytes };
    bytes += bytesOf(rowsOf(rows, 'deltas'));
  }
  throw new Error('none came');
}

describe('a small change to a context of 1 MB', () => {
  test.each([
    ['with 100 parts of 10 kB', nested, ['part 50', 'n']],
    ['with 20,000 keys', flat, ['key 10000']],
  ])('%s writes less than 2 kB', (_, state, path) => {
    const context = PlannedContext.of(state);
    // What the creating delta holds is written down once.
    context.change([{ action: 'ADDED', path: ['first'], value: 1 }]);
    expect(weight(state)).toBeGreaterThan(1_000_000);
    let old = path.length === 2 ? 0 : 'x'.repeat(40);
    for (let value = 1; value <= 200; value++) {
      const { rows } = context.change([{ action: 'MODIFIED', path, oldValue: old, value }], { keep: 100 });
      expect(bytesOf(rows)).toBeLessThan(2_000);
      old = value;
    }
  });

  test('costs, over many of them, less than four times their deltas and a checkpoint for every 1,024', () => {
    const fields = Object.fromEntries(Array.from({ length: 100 }, (_, key) => [`field ${key}`, '']));
    const state = { ...nested, ...fields };
    const context = PlannedContext.of(state);
    let written = 0;
    let deltas = 0;
    const writes = 5_000;
    for (let n = 0; n < writes; n++) {
      const { rows } = context.set(`field ${n % 100}`, `${n} ${'y'.repeat(n % 300)}`, { keep: 100 });
      written += bytesOf(rows);
      deltas += bytesOf(rowsOf(rows, 'deltas').filter(({ value }) => value !== undefined));
    }
    const checkpoints = Math.ceil(writes / 1_024) * weight(state);

    expect(written).toBeLessThan(4 * deltas + checkpoints);
  });
});

describe('the state is written down', () => {
  test('after more than 16 kB of deltas while it is small', () => {
    const context = contextOf(10);
    const { bytes } = writesUntilCheckpoint(context, 'y'.repeat(500));
    expect(bytes).toBeGreaterThan(15_000);
    expect(bytes).toBeLessThan(20_000);
  });

  test.each([100_000, 1_000_000])('after deltas of half its size when that is more: %i bytes', (size) => {
    const context = contextOf(size);
    // The first delta is as long as the state: it is written down at once.
    expect(writesUntilCheckpoint(context, '').writes).toBe(1);
    const { bytes } = writesUntilCheckpoint(context, 'y'.repeat(2_000));
    expect(bytes).toBeGreaterThan(size / 2 - 5_000);
    expect(bytes).toBeLessThan(size / 2 + 10_000);
  });

  test('after 1,024 deltas, however small', () => {
    const context = contextOf(1_000_000);
    writesUntilCheckpoint(context, '');
    expect(writesUntilCheckpoint(context, '').writes).toBe(1_025);
  });

  test('as it was before the commit, whose deltas lead on from there', () => {
    const context = contextOf(30_000);
    const before = context.state;
    const { rows } = context.set('n', 'new');
    expect(rowsOf(rows, 'checkpoints')).toEqual([{ table: 'checkpoints', key: id, value: JSON.stringify(before) }]);
    expect(context.row).toMatchObject({ checkpoint: 1, head: { version: 2 } });
    expect(context.rebuilt).toEqual({ ...before, n: 'new' });
  });

  test('when a history begins, however small it is', () => {
    const elsewhere = PlannedContext.of({ n: 'old' }, { serverId: 'elsewhere' });
    const plan = elsewhere.set('n', 'new');
    expect(plan.epochBegan).toBe(true);
    expect(elsewhere.row).toMatchObject({
      checkpoint: 1,
      keptFrom: 2,
      head: { epoch: 'fresh', firstVersion: 2, floor: 2 },
    });
    expect(elsewhere.rebuilt).toEqual({ n: 'new' });
  });
});

describe('what is logged before the checkpoint', () => {
  test('is dropped when nobody may see it, some of it at a time', () => {
    const context = contextOf(10);
    for (let n = 0; n < 400; n++) context.set('n', `${n} ${'y'.repeat(300)}`, { keep: 5 });
    const { checkpoint, keptFrom, loggedFrom, head } = context.row;
    expect(head.version).toBe(401);
    expect(keptFrom).toBe(397);
    expect(checkpoint).toBeGreaterThan(320);
    expect(Math.min(keptFrom, (checkpoint ?? 0) + 1) - loggedFrom).toBeLessThan(32);
    expect(context.logged).toHaveLength(401 - loggedFrom + 1);
  });

  test('stays while it may be seen', () => {
    const context = contextOf(10);
    for (let n = 0; n < 400; n++) context.set('n', `${n} ${'y'.repeat(300)}`);
    expect(context.row).toMatchObject({ keptFrom: 1, loggedFrom: 1 });
    expect(context.logged).toHaveLength(401);
  });
});

describe('what cleanup trims', () => {
  test('is hidden, and stays where it leads on from the checkpoint', () => {
    const context = contextOf(20_000);
    for (let n = 0; n < 10; n++) context.set('n', String(n));
    expect(context.row).toMatchObject({ checkpoint: 1, head: { version: 11 } });
    context.trim(9);
    expect(context.row).toMatchObject({ keptFrom: 9, loggedFrom: 2 });
    expect(context.logged).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(context.rebuilt).toEqual(context.state);
  });

  test('without a checkpoint, all of it leads on', () => {
    const context = contextOf(10);
    for (let n = 0; n < 10; n++) context.set('n', String(n));
    const rows = context.trim(12);
    expect(context.row).toMatchObject({ keptFrom: 12, loggedFrom: 1, checkpoint: null });
    expect(rowsOf(rows, 'deltas')).toEqual([]);
    expect(context.rebuilt).toEqual(context.state);
  });

  test('never comes back', () => {
    const context = contextOf(10);
    for (let n = 0; n < 10; n++) context.set('n', String(n));
    context.trim(8);
    context.trim(3);
    context.set('n', 'new');
    expect(context.row).toMatchObject({ keptFrom: 8 });
  });
});

describe('due entries', () => {
  const laterMs = startMs + 100_000;

  test('are written once for what stays as it is', () => {
    const context = PlannedContext.of({ n: '' }, { expiresAtMs: laterMs });
    expect(context.due).toEqual({ [dueKinds.context]: laterMs, [dueKinds.deltas]: startMs + 1 });
    expect(rowsOf(context.set('n', 'a', { expiresAtMs: laterMs }).rows, 'due')).toEqual([]);
  });

  test('stay where they are when the time to live is renewed', () => {
    const context = PlannedContext.of({ n: '' }, { expiresAtMs: laterMs });
    for (let n = 1; n <= 10; n++) {
      expect(rowsOf(context.set('n', String(n), { expiresAtMs: laterMs + n }).rows, 'due')).toEqual([]);
      expect(rowsOf(context.touch(laterMs + 10 + n).rows, 'due')).toEqual([]);
    }
    expect(rowsOf(context.set('n', 'for ever', { expiresAtMs: null }).rows, 'due')).toEqual([]);
  });

  test('move when something is due sooner', () => {
    const context = PlannedContext.of({ n: '' }, { expiresAtMs: laterMs });
    const { rows } = context.set('n', 'a', { expiresAtMs: laterMs - 1 });
    expect(rowsOf(rows, 'due')).toEqual([
      { table: 'due', key: [dueKinds.context, laterMs, id] },
      { table: 'due', key: [dueKinds.context, laterMs - 1, id], value: '' },
    ]);
    expect(rowsOf(context.touch(laterMs - 2).rows, 'due')).toHaveLength(2);
  });

  test('are those of a tombstone alone when the context is removed, and of none that it was', () => {
    const context = PlannedContext.of({ n: '' }, { expiresAtMs: laterMs });
    context.remove();
    expect(Object.keys(context.due)).toEqual([String(dueKinds.tombstone)]);
    expect(context.logged).toEqual([]);
    expect([...context.tables.keys()].filter((key) => /^(contexts|checkpoints) /.test(key))).toEqual([]);
  });
});

describe('whatever is written, trimmed and expired', () => {
  const command = fc.oneof(
    fc.record({
      kind: fc.constant('set' as const),
      length: fc.nat({ max: 6_000 }),
      keep: fc.nat({ max: 40 }),
      times: fc.integer({ min: 1, max: 60 }),
    }),
    fc.record({ kind: fc.constant('trim' as const), back: fc.nat({ max: 20 }) }),
    fc.record({ kind: fc.constant('expire' as const), inMs: fc.option(fc.nat({ max: 1_000 })) }),
  );

  test('the tables lead to the state, hold no hole, and say when something is due, never too late', () =>
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 30 }), (commands) => {
        const context = contextOf(10_000);
        for (const given of commands) {
          const expiresAtMs = context.row.head.expiresAtMs;
          if (given.kind === 'trim') context.trim(context.row.head.version - given.back + 1);
          else if (given.kind === 'expire') context.touch(given.inMs === null ? null : startMs + given.inMs);
          else
            for (let n = 0; n < given.times; n++)
              context.set('n', `${n}`.padEnd(given.length), { keep: given.keep, expiresAtMs });
          const { head, keptFrom, loggedFrom } = context.row;
          expect(context.logged).toEqual(
            Array.from({ length: head.version - loggedFrom + 1 }, (_, at) => loggedFrom + at),
          );
          expect(keptFrom).toBeGreaterThanOrEqual(loggedFrom);
          expect(baseVersion(context.row)).toBeGreaterThanOrEqual(loggedFrom - 1);
          expect(equal(context.rebuilt, context.state)).toBe(true);
          expect(context.due[dueKinds.context] ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(
            head.expiresAtMs ?? Number.POSITIVE_INFINITY,
          );
        }
      }),
      { numRuns: 100 },
    ));
});
