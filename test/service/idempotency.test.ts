import { describe, expect, test } from 'vitest';
import { BackendUnavailableError } from '../../src/errors.ts';
import { openChord, positionOf, rejectionOf } from '../support/chord.ts';

const once = { idempotencyKey: 'k' };

describe('the same key with the same request', () => {
  test('does nothing again, and answers the first position with the context as it is now', async () => {
    const { chord } = openChord();
    const first = await chord.setContext('c', { a: 1 }, once);
    await chord.updateContext('c', { b: 2 });
    const again = await chord.setContext('c', { a: 1 }, once);
    expect(again).toMatchObject({ ...positionOf(first), changed: true, duplicate: true, delta: first.delta });
    expect(await again.context()).toMatchObject({ version: 2, state: { a: 1, b: 2 } });
    expect((await chord.getContext('c'))?.version).toBe(2);
  });

  test('is recognised whatever the order of its keys, and whether a number was -0', async () => {
    const { chord } = openChord();
    await chord.setContext('c', { a: { x: 0, y: 1 }, b: 2 }, once);
    expect((await chord.setContext('c', { b: 2, a: { y: 1, x: -0 } }, once)).duplicate).toBe(true);
  });

  test('answers null for the delta once that is no longer retained', async () => {
    const { chord } = openChord({ deltaThreshold: 1 });
    const first = await chord.setContext('c', { a: 1 }, once);
    await chord.updateContext('c', { a: 2 });
    await chord.updateContext('c', { a: 3 });
    const again = await chord.setContext('c', { a: 1 }, once);
    expect(again).toMatchObject({ ...positionOf(first), changed: true, duplicate: true, delta: null });
  });

  test('of a write that changed nothing says so again', async () => {
    const { chord } = openChord();
    await chord.setContext('c', { a: 1 });
    const first = await chord.updateContext('c', { a: 1 }, once);
    await chord.updateContext('c', { a: 2 });
    const again = await chord.updateContext('c', { a: 1 }, once);
    expect(again).toMatchObject({ ...positionOf(first), changed: false, duplicate: true, delta: null });
    expect((await chord.getContext('c'))?.state).toEqual({ a: 2 });
  });

  test('outlives the deletion of the context, in either direction', async () => {
    const { chord } = openChord();
    const first = await chord.setContext('c', { a: 1 }, once);
    const gone = await chord.deleteContext('c', { idempotencyKey: 'd' });
    const again = await chord.setContext('c', { a: 1 }, once);
    expect(again).toMatchObject({ ...positionOf(first), duplicate: true, delta: null });
    expect(await again.context()).toBeNull();
    expect(await chord.deleteContext('c', { idempotencyKey: 'd' })).toEqual({ ...gone, duplicate: true });
    await chord.setContext('c', { life: 2 });
    expect(await chord.deleteContext('c', { idempotencyKey: 'd' })).toEqual({ ...gone, duplicate: true });
    expect((await chord.getContext('c'))?.state).toEqual({ life: 2 });
  });

  test('makes a retried create a duplicate, not a conflict', async () => {
    const { chord } = openChord();
    const create = () => chord.setContext('c', { a: 1 }, { ...once, expectedVersion: 0 });
    const first = await create();
    expect(await create()).toMatchObject({ ...positionOf(first), duplicate: true });
    await chord.deleteContext('c');
    expect(await create()).toMatchObject({ ...positionOf(first), duplicate: true });
  });

  test('at the same moment is stored once', async () => {
    const { chord } = openChord();
    await chord.setContext('c', { n: 0 });
    const results = await Promise.all(
      Array.from({ length: 20 }, () => chord.updateContext('c', { n: 1 }, { ...once, expectedVersion: 1 })),
    );
    expect(results.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect(new Set(results.map(({ version }) => version))).toEqual(new Set([2]));
    expect((await chord.getContext('c'))?.version).toBe(2);
  });

  test('among writes that wait together is stored once, and others with it are judged by that', async () => {
    const { chord } = openChord();
    await chord.setContext('c', { n: 0 });
    // Under way while the others come, so that those may go as one batch.
    const opening = chord.updateContext('c', { n: 1 });
    const results = Promise.all(Array.from({ length: 5 }, () => chord.updateContext('c', { n: 2 }, once)));
    const conflict = rejectionOf(chord.updateContext('c', { n: 3 }, once));
    await opening;
    expect((await results).map(({ version, changed, duplicate }) => [version, changed, duplicate])).toEqual([
      [3, true, false],
      ...Array.from({ length: 4 }, () => [3, true, true]),
    ]);
    expect(await conflict).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' });
    expect((await chord.getContext('c'))?.state).toEqual({ n: 2 });
  });
});

describe('the same key with another request', () => {
  test.each([
    { state: { a: 2 }, options: {} },
    { state: { a: 1 }, options: { expectedVersion: 1 } },
    { state: { a: 1 }, options: { ttlMs: null } },
    { state: { a: 1 }, options: { origin: 'o' } },
  ])('such as $state with $options is a conflict, and does nothing', async ({ state, options }) => {
    const { chord } = openChord();
    await chord.setContext('c', { a: 1 }, once);
    const refusal = await rejectionOf(chord.setContext('c', state, { ...once, ...options }));
    expect(refusal).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', idempotencyKey: 'k' });
    expect((await chord.getContext('c'))?.version).toBe(1);
  });

  test('tells verbs apart', async () => {
    const { chord } = openChord();
    await chord.setContext('c', { a: 1 }, once);
    for (const write of [chord.updateContext('c', { a: 1 }, once), chord.deleteContext('c', once)]) {
      expect(await rejectionOf(write)).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' });
    }
  });

  test('at the same moment is a conflict too', async () => {
    const { chord } = openChord();
    const [first, second] = await Promise.allSettled([
      chord.setContext('c', { a: 1 }, once),
      chord.setContext('c', { a: 2 }, once),
    ]);
    expect(first.status).toBe('fulfilled');
    expect(second).toMatchObject({ reason: { code: 'IDEMPOTENCY_CONFLICT' } });
  });

  test('is told before existence and expectations', async () => {
    const { chord } = openChord();
    await chord.setContext('c', { a: 1 }, once);
    await chord.deleteContext('c');
    const refusal = await rejectionOf(chord.updateContext('c', { a: 1 }, { ...once, expectedVersion: 9 }));
    expect(refusal).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' });
  });
});

test('a key belongs to one context', async () => {
  const { chord } = openChord();
  await chord.setContext('c', { a: 1 }, once);
  expect((await chord.setContext('d', { a: 2 }, once)).duplicate).toBe(false);
});

test('a record runs out when the injected clock says so, not before', async () => {
  const { chord, clock } = openChord({ idempotencyWindowMs: 1_000 });
  await chord.setContext('c', { a: 1 }, once);
  await clock.advance(999);
  expect((await chord.setContext('c', { a: 1 }, once)).duplicate).toBe(true);
  await clock.advance(1);
  expect(await chord.setContext('c', { a: 2 }, once)).toMatchObject({ version: 2, duplicate: false });
});

test('a refused write is not recorded', async () => {
  const { chord } = openChord({ maxStateBytes: 20 });
  await rejectionOf(chord.updateContext('c', { a: 1 }, once));
  await rejectionOf(chord.setContext('c', { a: 1 }, { ...once, expectedVersion: 3 }));
  await rejectionOf(chord.setContext('c', { a: 'x'.repeat(30) }, once));
  expect(await chord.setContext('c', { a: 2 }, once)).toMatchObject({ version: 1, duplicate: false });
});

test('a batch in which some were done before stores the others', async () => {
  const { chord } = openChord();
  await chord.setContext('c', { n: 0 });
  await chord.updateContext('c', { a: 1 }, { idempotencyKey: 'a' });
  await chord.updateContext('c', { b: 1 }, { idempotencyKey: 'b' });
  const results = await Promise.all([
    chord.updateContext('c', { x: 1 }),
    chord.updateContext('c', { y: 1 }),
    chord.updateContext('c', { a: 1 }, { idempotencyKey: 'a' }),
    chord.updateContext('c', { z: 1 }),
    chord.updateContext('c', { b: 1 }, { idempotencyKey: 'b' }),
  ]);
  expect(results.map(({ version, duplicate }) => [version, duplicate])).toEqual([
    [4, false],
    [5, false],
    [2, true],
    [6, false],
    [3, true],
  ]);
});

describe('a duplicate whose delta cannot be read', () => {
  test('since the service is closed at once, is told without it', async () => {
    const { chord } = openChord();
    const first = await chord.setContext('c', { a: 1 }, once);
    const again = chord.setContext('c', { a: 1 }, once);
    await chord.close();
    expect(await again).toMatchObject({ ...positionOf(first), changed: true, duplicate: true, delta: null });
  });

  test('does not fail the writes that it was to be stored with', async () => {
    const { chord, backend } = openChord();
    const first = await chord.setContext('c', { a: 1 }, once);
    backend.deltas = away;
    const results = await Promise.all([
      chord.updateContext('c', { b: 1 }),
      chord.setContext('c', { a: 1 }, once),
      chord.updateContext('c', { d: 1 }),
    ]);
    expect(results).toMatchObject([
      { version: 2, duplicate: false },
      { ...positionOf(first), duplicate: true, delta: null },
      { version: 3, duplicate: false },
    ]);
  });

  test('is told without it, too, when it was refused at first', async () => {
    const { chord, backend } = openChord();
    const create = () => chord.setContext('c', { a: 1 }, { ...once, expectedVersion: 0 });
    const first = await create();
    backend.deltas = away;
    expect(await create()).toMatchObject({ ...positionOf(first), duplicate: true, delta: null });
  });
});

function away(): Promise<never> {
  return Promise.reject(new BackendUnavailableError('The store is away.', 'NOT_STORED'));
}
