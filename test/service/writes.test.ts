import { describe, expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backend/memory.ts';
import type { JsonObject, JsonValue } from '../../src/delta/json.ts';
import { BadUserInputError, type ChordError, InvalidStateError, LimitExceededError } from '../../src/errors.ts';
import { parseState } from '../../src/service/input-state.ts';
import { canonical } from '../delta/oracles.ts';
import { clientAt, nextEvent, openChord, openOn, positionOf, rejectionOf } from '../support/chord.ts';
import { ManualClock, settle } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';

/** What a caller without types may hand in. */
const untyped = (value: unknown) => value as JsonObject;

/** Keys that a literal cannot have are written in JSON. */
const json = (text: string) => JSON.parse(text) as JsonObject;

/** A promise to wait for, and what ends the wait. */
function holding(): { readonly held: Promise<void>; readonly release: () => void } {
  const released = new AbortController();
  const held = new Promise<void>((resolve) => {
    released.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  return { held, release: () => released.abort() };
}

describe('preconditions', () => {
  test('expectedVersion 0 creates, and refuses once there is a context', async () => {
    const { chord } = openChord();
    const created = await chord.setContext('c', { a: 1 }, { expectedVersion: 0 });
    expect(created).toMatchObject({ version: 1, changed: true, duplicate: false });
    expect(await rejectionOf(chord.setContext('c', { a: 2 }, { expectedVersion: 0 }))).toMatchObject({
      code: 'VERSION_CONFLICT',
      contextId: 'c',
      currentVersion: 1,
      currentEpoch: created.epoch,
    });
  });

  test('expectedVersion 0 holds on a tombstone', async () => {
    const { chord } = openChord();
    const first = await chord.setContext('c', {});
    await chord.deleteContext('c');
    const second = await chord.setContext('c', {}, { expectedVersion: 0 });
    expect(second.version).toBe(2);
    expect(second.epoch).not.toBe(first.epoch);
  });

  test.each([{ expectedVersion: 1 }, { expectedEpoch: 'e' }, { expectedEpoch: 'e', expectedVersion: 0 }])(
    'set that expects %j conflicts with "none" before the first life and after it',
    async (options) => {
      const { chord } = openChord();
      const none = { code: 'VERSION_CONFLICT', currentVersion: 0, currentEpoch: null };
      expect(await rejectionOf(chord.setContext('c', {}, options))).toMatchObject(none);
      await chord.setContext('c', {});
      await chord.deleteContext('c');
      expect(await rejectionOf(chord.setContext('c', {}, options))).toMatchObject(none);
    },
  );

  test.each([{}, { expectedVersion: 0 }, { expectedVersion: 1 }, { expectedEpoch: 'e' }])(
    'update and delete of an absent context that expect %j do not find it',
    async (options) => {
      const { chord } = openChord();
      const notFound = { code: 'CONTEXT_NOT_FOUND', contextId: 'c' };
      for (const life of ['never there', 'deleted']) {
        const refusals = [
          await rejectionOf(chord.updateContext('c', { a: 1 }, options)),
          await rejectionOf(chord.deleteContext('c', options)),
        ];
        expect({ life, refusals }).toMatchObject({ life, refusals: [notFound, notFound] });
        await chord.setContext('c', {});
        await chord.deleteContext('c');
      }
    },
  );

  test('expectedEpoch alone accepts any version of that life, and no other life', async () => {
    const { chord } = openChord();
    const { epoch } = await chord.setContext('c', {});
    await chord.updateContext('c', { a: 1 });
    expect((await chord.updateContext('c', { a: 2 }, { expectedEpoch: epoch })).version).toBe(3);
    await chord.deleteContext('c', { expectedEpoch: epoch });
    const next = await chord.setContext('c', {});
    for (const write of [
      chord.updateContext('c', {}, { expectedEpoch: epoch }),
      chord.setContext('c', {}, { expectedEpoch: epoch }),
      chord.deleteContext('c', { expectedEpoch: epoch }),
    ]) {
      expect(await rejectionOf(write)).toMatchObject({ currentVersion: 4, currentEpoch: next.epoch });
    }
  });
});

describe('a write that changes nothing', () => {
  test('answers the same shape, keeps version and time, renews the expiry, and is not announced', async () => {
    const { chord, clock } = openChord();
    const first = await chord.setContext('c', { a: { b: 1, c: 2 } }, { ttlMs: 1_000 });
    const created = await chord.getContext('c');
    const events = chord.follow('c', clientAt(first));
    expect(await nextEvent(events)).toMatchObject({ kind: 'noChange', version: 1 });
    const pending = events.next();
    await clock.advance(500);
    for (const write of [
      () => chord.setContext('c', { a: { c: 2, b: 1 } }),
      () => chord.updateContext('c', { a: { b: 1 } }),
      () => chord.updateContext('c', {}, { remove: [['x'], ['a', 'b', 'c']] }),
    ]) {
      const result = await write();
      expect(result).toMatchObject({ ...positionOf(first), changed: false, duplicate: false, delta: null });
      expect(Object.keys(result).toSorted()).toEqual(Object.keys(first).toSorted());
    }
    expect(await chord.getContext('c')).toEqual({ ...created, expiresAtMs: clock.now() + 1_000 });
    await settle();
    await chord.updateContext('c', { a: { b: 2 } });
    expect((await pending).value).toMatchObject({ kind: 'delta', fromVersion: 1, version: 2 });
    await events.return?.();
  });
});

describe('time to live', () => {
  test('sticks until another write gives one, and null is for ever', async () => {
    const { chord, clock } = openChord();
    const expiry = async () => (await chord.getContext('c'))?.expiresAtMs;
    await chord.setContext('c', {});
    expect(await expiry()).toBeNull();
    await chord.updateContext('c', { a: 1 }, { ttlMs: 100 });
    await clock.advance(50);
    await chord.updateContext('c', { a: 2 });
    expect(await expiry()).toBe(clock.now() + 100);
    await chord.updateContext('c', { a: 3 }, { ttlMs: null });
    expect(await expiry()).toBeNull();
    await chord.updateContext('c', { a: 4 });
    expect(await expiry()).toBeNull();
  });

  test('is the configured one for contexts that were never given any, with auto delete only', async () => {
    const on = openChord({ contextAutoDelete: true, contextTtlMs: 100 });
    const off = openChord({ contextAutoDelete: false, contextTtlMs: 100 });
    for (const { chord } of [on, off]) {
      await chord.setContext('plain', {});
      await chord.setContext('for ever', {}, { ttlMs: null });
      await chord.setContext('own', {}, { ttlMs: 7 });
      await chord.updateContext('own', { a: 1 });
    }
    const expiries = async ({ chord, clock }: typeof on) =>
      Promise.all(
        ['plain', 'for ever', 'own'].map(async (id) => {
          const at = (await chord.getContext(id))?.expiresAtMs ?? null;
          return at === null ? null : at - clock.now();
        }),
      );
    expect(await expiries(on)).toEqual([100, null, 7]);
    expect(await expiries(off)).toEqual([null, null, 7]);
  });

  test('ends with the life: a context created again has what its own writes gave it', async () => {
    const { chord } = openChord();
    await chord.setContext('c', {}, { ttlMs: 100 });
    await chord.deleteContext('c');
    await chord.setContext('c', {});
    expect((await chord.getContext('c'))?.expiresAtMs).toBeNull();
  });
});

test('insertedAt never goes back within a life, also when the clock does', async () => {
  const { chord, clock } = openChord();
  const start = clock.now();
  await chord.setContext('c', {});
  clock.set(start - 10_000);
  const { delta } = await chord.updateContext('c', { a: 1 });
  expect(delta?.insertedAtMs).toBe(start);
  expect(await chord.getContext('c')).toMatchObject({ createdAtMs: start, insertedAtMs: start });
  clock.set(start + 5);
  await chord.updateContext('c', { a: 2 });
  expect(await chord.getContext('c')).toMatchObject({ createdAtMs: start, insertedAtMs: start + 5 });
});

describe('limits', () => {
  test('the weight of a state is refused only when a write grows it', async () => {
    const { chord } = openChord({ maxStateBytes: 40 });
    await chord.setContext('c', { a: 'x'.repeat(30) });
    expect(await rejectionOf(chord.updateContext('c', { b: 1 }))).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      limit: 'maxStateBytes',
      max: 40,
      actual: 45,
    });
    expect((await chord.updateContext('c', { a: 'y'.repeat(30) })).version).toBe(2);
    expect(await rejectionOf(chord.setContext('d', { a: 'x'.repeat(32) }))).toMatchObject({ max: 40, actual: 41 });
    expect(await chord.getContext('d')).toBeNull();
  });

  test('a state nests as deep as the limit, arrays included, and no deeper', async () => {
    const { chord } = openChord({ maxStateDepth: 3 });
    await chord.setContext('c', { a: { b: {} }, c: [[]] });
    for (const state of [{ a: { b: { c: {} } } }, { a: [{ b: [] }] }, { a: [[[]]] }]) {
      const tooDeep = { code: 'LIMIT_EXCEEDED', limit: 'maxStateDepth', max: 3, actual: 4 };
      expect(await rejectionOf(chord.setContext('c', state))).toMatchObject(tooDeep);
      expect(await rejectionOf(chord.updateContext('c', state))).toMatchObject(tooDeep);
    }
  });

  test('forbidden keys are refused at any depth, and none is forbidden by default', async () => {
    const { chord } = openChord({ forbiddenKeys: ['__proto__'] });
    const state = json('{"a":[{"__proto__":1}]}');
    const refusal = await rejectionOf(chord.setContext('c', state));
    expect(refusal).toMatchObject({ code: 'INVALID_STATE', path: ['a', '0', '__proto__'] });
    const open = openChord();
    await open.chord.setContext('c', state);
    expect(JSON.stringify((await open.chord.getContext('c'))?.state)).toBe('{"a":[{"__proto__":1}]}');
  });

  test('a write beyond the queue is refused by name, and the others are stored', async () => {
    const { chord } = openChord({ maxQueuedWrites: 3 });
    const writes = Array.from({ length: 6 }, (_, index) => chord.setContext('c', { index }));
    const outcomes = await Promise.allSettled(writes);
    expect(outcomes.map(({ status }) => status)).toEqual([
      ...Array<string>(4).fill('fulfilled'),
      'rejected',
      'rejected',
    ]);
    expect(outcomes[5]).toMatchObject({
      reason: { code: 'LIMIT_EXCEEDED', limit: 'maxQueuedWrites', max: 3, actual: 4 },
    });
    expect(outcomes[5]).toMatchObject({ reason: expect.any(LimitExceededError) });
    expect(await chord.getContext('c')).toMatchObject({ version: 4, state: { index: 3 } });
    expect(chord.stats().queuedWrites).toBe(0);
  });

  test('writes whose refusal is being confirmed count as queued, and are bounded with the others', async () => {
    const backend = new FaultyBackend(new MemoryBackend());
    const chord = openOn(backend, new ManualClock(), { maxQueuedWrites: 3 });
    const { held, release: confirm } = holding();
    backend.gate = (point) => (point === 'readOutcome' ? held : Promise.resolve());
    const outcomes: Promise<unknown>[] = [];
    for (let index = 0; index < 5; index++) {
      outcomes.push(rejectionOf(chord.updateContext('absent', { index })));
      await settle();
    }
    expect(chord.stats().queuedWrites).toBe(3);
    confirm();
    const codes = (await Promise.all(outcomes)).map((error) => (error as ChordError).code);
    expect(codes.toSorted()).toEqual([
      ...Array<string>(3).fill('CONTEXT_NOT_FOUND'),
      ...Array<string>(2).fill('LIMIT_EXCEEDED'),
    ]);
    expect(chord.stats().queuedWrites).toBe(0);
  });

  test('all writes of a commit that is under way are counted', async () => {
    const backend = new FaultyBackend(new MemoryBackend());
    const chord = openOn(backend, new ManualClock());
    const { held, release: store } = holding();
    backend.gate = (point) => (point === 'commit' ? held : Promise.resolve());
    const writes = Array.from({ length: 5 }, (_, index) => chord.setContext('c', { index }));
    await settle();
    expect(chord.stats().queuedWrites).toBe(5);
    store();
    await Promise.all(writes);
    expect(chord.stats().queuedWrites).toBe(0);
  });
});

test('an option that there is none of is refused, so that no condition is lost by a slip', async () => {
  const { chord } = openChord();
  const slip = { expectedVersio: 3 } as object;
  const bad = { code: 'BAD_USER_INPUT', argument: 'expectedVersio' };
  expect(await rejectionOf(chord.setContext('c', {}, slip))).toMatchObject(bad);
  expect(await rejectionOf(chord.updateContext('c', {}, slip))).toMatchObject(bad);
  expect(await rejectionOf(chord.deleteContext('c', slip))).toMatchObject(bad);
  expect(await chord.getContext('c')).toBeNull();
});

describe('what is no state', () => {
  const cyclic: { self?: unknown; list: unknown[] } = { list: [1] };
  cyclic.self = cyclic;
  const cyclicList: unknown[] = [];
  cyclicList.push({ again: cyclicList });
  const holed = Object.assign([], { 0: 0, 2: 2 });
  const getter = Object.defineProperty({}, 'k', { enumerable: true, get: () => 1 });
  const getterInList = Object.defineProperty([0, 0], 1, { enumerable: true, get: () => 1 });
  class Point {
    readonly x = 1;
  }

  test.each<readonly [string, unknown, readonly string[]]>([
    ['Infinity', { a: { b: Number.POSITIVE_INFINITY } }, ['a', 'b']],
    ['-Infinity', { a: [Number.NEGATIVE_INFINITY] }, ['a', '0']],
    ['NaN', { a: [0, { '': Number.NaN }] }, ['a', '1', '']],
    ['undefined', { a: undefined }, ['a']],
    ['undefined in a list', { a: [undefined] }, ['a', '0']],
    ['a bigint', { a: 1n }, ['a']],
    ['a function', { a: () => 1 }, ['a']],
    ['a symbol', { a: Symbol('s') }, ['a']],
    ['a cycle', cyclic, ['self']],
    ['a cycle through a list', { a: cyclicList }, ['a', '0', 'again']],
    ['a hole', { a: holed }, ['a', '1']],
    ['an accessor', { a: getter }, ['a', 'k']],
    ['an accessor in a list', { a: getterInList }, ['a', '1']],
    ['a Date', { a: new Date(0) }, ['a']],
    ['a Map', { a: new Map() }, ['a']],
    ['a Set', { a: [new Set()] }, ['a', '0']],
    ['a boxed number', { a: Object(1) }, ['a']],
    ['bytes', { a: new Uint8Array(1) }, ['a']],
    ['an instance of a class', { a: new Point() }, ['a']],
    ['an object with another prototype', { a: Object.create({ b: 1 }) }, ['a']],
    ['a list as a state', [1], []],
    ['null as a state', null, []],
    ['a string as a state', 'state', []],
    ['nothing', undefined, []],
  ])('%s is refused with its path, and nothing is stored', async (_, value, path) => {
    const { chord } = openChord();
    const refusals = [
      await rejectionOf(chord.setContext('new', untyped(value))),
      await rejectionOf(chord.updateContext('new', untyped(value))),
    ];
    for (const refusal of refusals) {
      expect(refusal).toBeInstanceOf(InvalidStateError);
      expect(refusal).toMatchObject({ code: 'INVALID_STATE', path });
    }
    expect(await chord.getContext('new')).toBeNull();
  });

  test('one object may be in a state twice when it does not contain itself', async () => {
    const { chord } = openChord();
    const shared = { x: [1] };
    await chord.setContext('c', { a: shared, b: [shared, shared] });
    expect((await chord.getContext('c'))?.state).toEqual({ a: { x: [1] }, b: [{ x: [1] }, { x: [1] }] });
  });

  test('an empty path to remove is refused by its place', async () => {
    const { chord } = openChord();
    await chord.setContext('c', { a: 1 });
    const refusal = await rejectionOf(chord.updateContext('c', {}, { remove: [['a'], []] }));
    expect(refusal).toMatchObject({ code: 'INVALID_STATE', path: ['1'] });
    expect((await chord.getContext('c'))?.version).toBe(1);
  });

  const holedPath = Object.assign([], { 1: 'b' });
  const holedPaths = Object.assign([], { 1: ['b'] });
  test.each<readonly [string, unknown]>([
    ['a string', 'a'],
    ['a path that is a string', ['a']],
    ['a key that is a number', [['a', 1]]],
    ['a hole among the paths', holedPaths],
    ['a hole in a path', [holedPath]],
  ])('%s is nothing to remove', async (_, remove) => {
    const { chord } = openChord();
    await chord.setContext('c', { a: 1 });
    const refusal = await rejectionOf(chord.updateContext('c', {}, { remove: remove as string[][] }));
    expect(refusal).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'remove' });
  });
});

describe('values', () => {
  test('-0 is stored as 0, at any depth, and setting it over 0 changes nothing', async () => {
    const { chord } = openChord();
    await chord.setContext('c', { a: -0, b: [-0, { c: -0 }] });
    const record = await chord.getContext('c');
    expect(Object.is(record?.state['a'], 0)).toBe(true);
    expect(record?.state).toStrictEqual({ a: 0, b: [0, { c: 0 }] });
    expect((await chord.updateContext('c', { a: -0 })).changed).toBe(false);
    expect((await chord.updateContext('c', { d: -0 })).delta?.changes).toStrictEqual([
      { action: 'ADDED', path: ['d'], value: 0 },
    ]);
  });

  test('no key is special, and lone surrogates are allowed inside states', async () => {
    const { chord } = openChord();
    const text =
      '{"__proto__":{"polluted":1},"constructor":{"prototype":1},"":0,"0":1,"a.b":2,"a/b":3,"\\ud800":"\\udc00"}';
    await chord.setContext('c', json('{"__proto__":1}'));
    await chord.updateContext('c', json(text), { remove: [['toString']] });
    expect(canonical((await chord.getContext('c'))?.state)).toBe(canonical(json(text)));
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
    const { delta } = await chord.updateContext('c', {}, { remove: [['__proto__', 'polluted'], ['constructor']] });
    expect(delta?.changes.map(({ action, path }) => [action, path])).toEqual([
      ['REMOVED', ['__proto__', 'polluted']],
      ['REMOVED', ['constructor']],
    ]);
  });

  test('a state of 20,000 keys takes writes without being copied into their results', async () => {
    const { chord } = openChord();
    await chord.setContext('c', Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`k${index}`, index])));
    for (let index = 0; index < 200; index++) {
      const { delta } = await chord.updateContext('c', { [`k${index}`]: -1 });
      expect(delta?.changes).toEqual([{ action: 'MODIFIED', path: [`k${index}`], oldValue: index, value: -1 }]);
    }
    const record = await chord.getContext('c');
    expect(record?.version).toBe(201);
    expect(Object.values(record?.state ?? {}).filter((value) => value === -1)).toHaveLength(200);
  });
});

describe('ids, keys, labels and numbers', () => {
  const wide = 'é';
  test.each(['', 'a\0b', '\ud800', 'x\udfff', 'x'.repeat(513), wide.repeat(257), 7, null, undefined])(
    'the id %j is refused by every verb',
    async (id) => {
      const { chord } = openChord();
      const bad = id as string;
      const refusals = await Promise.all([
        rejectionOf(chord.setContext(bad, {})),
        rejectionOf(chord.updateContext(bad, {})),
        rejectionOf(chord.deleteContext(bad)),
        rejectionOf(chord.getContext(bad)),
        rejectionOf(chord.syncContext(bad)),
      ]);
      for (const refusal of refusals) expect(refusal).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'id' });
      expect(() => chord.follow(bad)).toThrow(BadUserInputError);
    },
  );

  test.each(['x'.repeat(512), wide.repeat(256), '🙂'.repeat(128), ' ', '__proto__', 'a/b\n'])(
    'the id %j is one',
    async (id) => {
      const { chord } = openChord();
      await chord.setContext(id, { a: 1 });
      expect(await chord.getContext(id)).toMatchObject({ id, state: { a: 1 } });
    },
  );

  test.each(['idempotencyKey', 'origin'] as const)('%s is 1 to 255 well-formed bytes', async (argument) => {
    const { chord } = openChord();
    for (const label of ['', 'a\0', '\udc00', 'x'.repeat(256), wide.repeat(128), 1]) {
      const refusal = await rejectionOf(chord.setContext('c', {}, { [argument]: label }));
      expect(refusal).toMatchObject({ code: 'BAD_USER_INPUT', argument });
    }
    for (const label of ['x'.repeat(255), `${wide.repeat(127)}x`, '🙂', null, undefined]) {
      await chord.setContext('c', {}, { [argument]: label });
    }
  });

  test.each<readonly [string, readonly unknown[]]>([
    ['ttlMs', [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1', 1n]],
    ['expectedVersion', [-1, 0.5, Number.NaN, 2 ** 53, '1']],
    ['expectedEpoch', [1, {}]],
  ])('a bad %s is refused by name', async (argument, values) => {
    const { chord } = openChord();
    for (const value of values) {
      const refusal = await rejectionOf(chord.setContext('c', {}, { [argument]: value }));
      expect({ value, refusal }).toMatchObject({ value, refusal: { code: 'BAD_USER_INPUT', argument } });
    }
    expect(await chord.getContext('c')).toBeNull();
  });
});

describe('origin', () => {
  test('is on the delta that the writer, a list and a subscriber get, and null when there is none', async () => {
    const { chord } = openChord();
    const created = await chord.setContext('c', {}, { origin: 'tab 1' });
    expect(created.delta?.origin).toBe('tab 1');
    const events = chord.follow('c', clientAt(created));
    await nextEvent(events);
    await chord.updateContext('c', { a: 1 }, { origin: 'tab 2' });
    expect(await nextEvent(events)).toMatchObject({ kind: 'delta', origin: 'tab 2' });
    await chord.updateContext('c', { a: 2 });
    expect(await nextEvent(events)).toMatchObject({ kind: 'delta', origin: null });
    const { nodes } = await chord.listDeltas({ contextId: 'c' });
    expect(nodes.map(({ origin }) => origin)).toEqual(['tab 1', 'tab 2', null]);
    await events.return?.();
  });
});

describe('many at once', () => {
  test('200 parallel updates of 200 fields are 200 versions, each delta following the one before', async () => {
    const { chord } = openChord({ deltaThreshold: null });
    await chord.setContext('c', {});
    const fields = Array.from({ length: 200 }, (_, index) => index);
    const results = await Promise.all(fields.map((field) => chord.updateContext('c', { [`f${field}`]: field })));
    const record = await chord.getContext('c');
    expect(record?.version).toBe(201);
    expect(record?.state).toEqual(Object.fromEntries(fields.map((field) => [`f${field}`, field])));
    expect(results.map(({ version }) => version).toSorted((a, b) => a - b)).toEqual(fields.map((field) => field + 2));
    const { nodes } = await chord.listDeltas({ contextId: 'c', limit: 250 });
    expect(nodes.map(({ fromVersion, version }) => [fromVersion, version])).toEqual(
      Array.from({ length: 201 }, (_, index) => [index, index + 1]),
    );
    for (const [field, { delta }] of results.entries()) {
      expect(delta?.changes).toEqual([{ action: 'ADDED', path: [`f${field}`], value: field }]);
    }
  });

  test('set, delete and set in one turn are two lives, and versions go on after the tombstone', async () => {
    const { chord } = openChord();
    const [first, gone, second, changed] = await Promise.all([
      chord.setContext('c', { life: 1 }),
      chord.deleteContext('c'),
      chord.setContext('c', { life: 2 }),
      chord.updateContext('c', { more: true }),
    ]);
    expect(positionOf(gone)).toEqual(positionOf(first));
    expect(second.epoch).not.toBe(first.epoch);
    expect([first.version, gone.version, second.version, changed.version]).toEqual([1, 1, 2, 3]);
    expect(second.delta).toMatchObject({ epoch: second.epoch, fromVersion: 0, version: 2 });
    expect(changed.delta).toMatchObject({ epoch: second.epoch, fromVersion: 2, version: 3 });
    expect(await chord.getContext('c')).toMatchObject({ ...positionOf(changed), state: { life: 2, more: true } });
  });

  test('of 50 that expect the same version exactly one wins, and the others learn where it put the context', async () => {
    const { chord } = openChord();
    const { epoch } = await chord.setContext('c', { n: -1 });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, (_, n) => chord.updateContext('c', { n }, { expectedVersion: 1 })),
    );
    const lost = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    expect(lost).toHaveLength(49);
    for (const error of lost) expect(error).toMatchObject({ currentVersion: 2, currentEpoch: epoch });
    expect((await chord.getContext('c'))?.version).toBe(2);
  });

  test('more writes at once than fit into one commit are all stored', async () => {
    const { chord } = openChord({ deltaThreshold: 10 });
    await chord.setContext('c', { n: 0 });
    await Promise.all(Array.from({ length: 1_000 }, (_, n) => chord.updateContext('c', { [`k${n % 7}`]: n })));
    expect(await chord.getContext('c')).toMatchObject({ version: 1_001, state: { k5: 999 } });
  });
});

describe('nobody can change the store through a reference', () => {
  test('what is handed in is copied', async () => {
    const { chord } = openChord();
    const inner: { list: JsonValue[] } = { list: [1] };
    const state = { inner };
    const path = ['inner', 'gone'];
    const writing = chord.setContext('c', state);
    inner.list.push(2);
    await writing;
    const updating = chord.updateContext('c', { other: inner }, { remove: [path] });
    path[1] = 'list';
    inner.list.push(3);
    await updating;
    expect((await chord.getContext('c'))?.state).toEqual({ inner: { list: [1] }, other: { list: [1, 2] } });
  });

  test('what is handed out is frozen through and through', async () => {
    const { chord } = openChord();
    const { delta, context, epoch } = await chord.setContext('c', { a: { b: [{ c: 1 }] }, ballast: 'x'.repeat(300) });
    const { nodes } = await chord.listContexts();
    const { nodes: deltas } = await chord.listDeltas();
    const at = async (version: number) => chord.syncContext('c', { version, epoch });
    const handedOut = [
      delta,
      await context(),
      await chord.getContext('c'),
      nodes[0],
      deltas[0],
      await at(0),
      await at(1),
    ];
    await chord.updateContext('c', { d: { e: {} } });
    await chord.updateContext('c', { d: { e: { f: 1 } } });
    handedOut.push(await at(1), await at(2));
    const events = chord.follow('never');
    handedOut.push(await nextEvent(events));
    await chord.deleteContext('c');
    handedOut.push(await at(1));
    expect(handedOut.flatMap((value, index) => thawed(value, [String(index)]))).toEqual([]);
  });

  test('a state that somebody holds stays what it was, whatever is written later', async () => {
    const { chord } = openChord();
    await chord.setContext('c', { a: { b: { n: 0 } }, wide: { x: 0 } });
    const held: { readonly record: unknown; readonly text: string }[] = [];
    for (let n = 1; n <= 30; n++) {
      const record = await chord.getContext('c');
      const { delta } = await chord.updateContext('c', { a: { b: { n } }, wide: { [`k${n}`]: { n } } });
      await Promise.all([
        chord.updateContext('c', { wide: { [`k${n - 1}`]: { n: -n } } }),
        chord.updateContext('c', {}, { remove: [['wide', `k${n - 2}`]] }),
      ]);
      held.push({ record, text: JSON.stringify(record) }, { record: delta, text: JSON.stringify(delta) });
    }
    for (const { record, text } of held) expect(JSON.stringify(record)).toBe(text);
  });
});

/** The paths of what is not frozen. */
function thawed(value: unknown, path: readonly string[]): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const own = Object.isFrozen(value) ? [] : [path.join('.')];
  return [...own, ...Object.entries(value).flatMap(([key, child]) => thawed(child, [...path, key]))];
}

describe('the copy of what is handed in', () => {
  const limits = { maxStateDepth: 64, forbiddenKeys: new Set<string>() };

  test('is frozen at every depth, through arrays too', () => {
    const state = parseState({ a: [{ b: [1, { c: {} }] }], ['__proto__']: { d: [] } }, limits);
    const open: unknown[] = [state];
    for (const value of open) {
      expect(Object.isFrozen(value)).toBe(true);
      if (typeof value === 'object' && value !== null) open.push(...Object.values(value));
    }
    expect(open).toHaveLength(9);
  });

  test('holds a value as often as it was there, when it is not inside itself', () => {
    const shared = { n: [1] };
    expect(parseState({ a: shared, b: [shared, shared] }, limits)).toEqual({
      a: { n: [1] },
      b: [{ n: [1] }, { n: [1] }],
    });
  });

  test('names a place in arrays and objects by text alone', () => {
    const state = { ok: [1, 2], a: [[0], [1, { 'b.c': Number.NaN }]] };
    expect(() => parseState(state, limits)).toThrow(expect.objectContaining({ path: ['a', '1', '1', 'b.c'] }));
  });
});
