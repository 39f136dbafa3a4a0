import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Head, Known, KnownContext, Tombstone } from '../../src/backend/known.ts';
import { apply } from '../../src/delta/apply.ts';
import { deepFreeze, type JsonObject } from '../../src/delta/json.ts';
import { weight } from '../../src/delta/weight.ts';
import { ContextNotFoundError, LimitExceededError, VersionConflictError } from '../../src/errors.ts';
import { type Decision, decide, type WriteRequest, type WriteRules } from '../../src/service/decide.ts';
import { canonical } from '../delta/oracles.ts';
import { jsonState, updates } from '../support/arbitraries.ts';

const rules: WriteRules = {
  nowMs: 5_000,
  serverId: 'store',
  newEpoch: () => 'fresh',
  deltaThreshold: 100,
  maxStateBytes: 1_000,
  defaultTtlMs: null,
};

const absent: Known = { kind: 'absent' };
const tombstone: Tombstone = {
  kind: 'tombstone',
  epoch: 'dead',
  version: 7,
  cause: 'DELETED',
  atMs: 1,
  writeId: 'w',
};

function live(state: JsonObject = { a: 1 }, head: Partial<Head> = {}): KnownContext {
  return {
    kind: 'context',
    state: deepFreeze(state),
    head: {
      epoch: 'live',
      version: 3,
      firstVersion: 1,
      floor: 1,
      serverId: 'store',
      stateBytes: weight(state),
      createdAtMs: 1_000,
      insertedAtMs: 2_000,
      touches: 0,
      expiresAtMs: null,
      ...head,
    },
  };
}

const set = (state: JsonObject): WriteRequest['action'] => ({ verb: 'set', state });
const update = (changes: JsonObject, remove: readonly (readonly string[])[] = []): WriteRequest['action'] => ({
  verb: 'update',
  changes,
  remove,
});
const remove: WriteRequest['action'] = { verb: 'delete' };

type RestOfRequest = Partial<Omit<WriteRequest, 'action'>>;

function ask(action: WriteRequest['action'], rest: RestOfRequest = {}): WriteRequest {
  return { id: 'c', writeId: 'w1', action, ...rest };
}

function accepted(decision: Decision): Extract<Decision, { kind: 'write' }> {
  if (decision.kind === 'refuse') throw decision.error;
  return decision;
}

function refused(decision: Decision): unknown {
  if (decision.kind === 'write') throw new Error(`accepted: ${decision.step.kind}`);
  return decision.error;
}

/** The head that a write leaves. */
function headOf(decision: Decision): Head {
  const { step } = accepted(decision);
  if (step.kind === 'remove') throw new Error('removed');
  return step.head;
}

function stateAfter(before: JsonObject, decision: Decision): JsonObject {
  return apply(before, accepted(decision).delta?.changes ?? []);
}

/** What a refusal says, in one line. */
function said(decision: Decision): string {
  const error = refused(decision);
  if (error instanceof ContextNotFoundError) return 'not found';
  if (error instanceof VersionConflictError) return `conflict at ${error.currentEpoch} ${error.currentVersion}`;
  if (error instanceof LimitExceededError) return `${error.limit} ${error.max} ${error.actual}`;
  throw error;
}

describe('preconditions', () => {
  const expectations: readonly RestOfRequest[] = [
    {},
    { expectedVersion: 0 },
    { expectedVersion: 3 },
    { expectedVersion: 2 },
    { expectedEpoch: 'live' },
    { expectedEpoch: 'dead' },
    { expectedEpoch: 'live', expectedVersion: 3 },
    { expectedEpoch: 'live', expectedVersion: 4 },
    { expectedEpoch: 'dead', expectedVersion: 7 },
    { expectedEpoch: 'live', expectedVersion: 0 },
  ];
  const nothing = { verb: 'a context that is not there', known: [absent, tombstone] };

  test.each(expectations)('update and delete do not find %j where nothing lives', (asked) => {
    for (const known of nothing.known) {
      for (const action of [update({ b: 1 }), remove]) {
        expect(said(decide(known, ask(action, asked), rules))).toBe('not found');
      }
    }
  });

  test.each(expectations)('set where nothing lives accepts %j only if it expects nothing', (asked) => {
    for (const known of nothing.known) {
      const decision = decide(known, ask(set({}), asked), rules);
      const expectsNothing = asked.expectedEpoch === undefined && (asked.expectedVersion ?? 0) === 0;
      expect(decision.kind === 'write' ? 'created' : said(decision)).toBe(
        expectsNothing ? 'created' : 'conflict at null 0',
      );
    }
  });

  test.each(expectations)('every verb holds a live context against %j', (asked) => {
    for (const action of [set({ b: 1 }), update({ b: 1 }), remove]) {
      const decision = decide(live(), ask(action, asked), rules);
      const isRight = (asked.expectedVersion ?? 3) === 3 && (asked.expectedEpoch ?? 'live') === 'live';
      expect(decision.kind === 'write' ? 'accepted' : said(decision)).toBe(isRight ? 'accepted' : 'conflict at live 3');
    }
  });

  test('a wrong expectation is told before a state that is too large', () => {
    const large = set({ a: 'x'.repeat(2_000) });
    expect(said(decide(live(), ask(large, { expectedVersion: 9 }), rules))).toBe('conflict at live 3');
    expect(said(decide(absent, ask(large, { expectedVersion: 9 }), rules))).toBe('conflict at null 0');
  });

  test('a wrong expectation refuses also a write that would change nothing', () => {
    expect(said(decide(live(), ask(set({ a: 1 }), { expectedVersion: 2 }), rules))).toBe('conflict at live 3');
  });
});

describe('creating', () => {
  test('begins at version 1 in the fresh epoch, with a delta from 0 that makes the state of {}', () => {
    const { step, position, delta, changed } = accepted(
      decide(absent, ask(set({ a: { b: 1 } }), { origin: 'o' }), rules),
    );
    expect(position).toEqual({ epoch: 'fresh', version: 1 });
    expect(changed).toBe(true);
    expect(step).toMatchObject({
      kind: 'create',
      head: {
        epoch: 'fresh',
        version: 1,
        firstVersion: 1,
        floor: 1,
        serverId: 'store',
        stateBytes: weight({ a: { b: 1 } }),
        createdAtMs: 5_000,
        insertedAtMs: 5_000,
        expiresAtMs: null,
      },
    });
    expect(delta).toMatchObject({ epoch: 'fresh', fromVersion: 0, version: 1, origin: 'o', writeId: 'w1' });
    expect(apply({}, delta?.changes ?? [])).toEqual({ a: { b: 1 } });
  });

  test('goes on after the version of a tombstone', () => {
    expect(headOf(decide(tombstone, ask(set({})), rules))).toMatchObject({ version: 8, firstVersion: 8, floor: 8 });
  });

  test.each([
    { known: absent, deltaThreshold: 1, trimTo: 0 },
    { known: absent, deltaThreshold: 0, trimTo: 1 },
    { known: tombstone, deltaThreshold: 2, trimTo: 6 },
    { known: absent, deltaThreshold: null, trimTo: 0 },
  ])('on $known.kind with a threshold of $deltaThreshold trims to $trimTo', ({ known, deltaThreshold, trimTo }) => {
    const { step } = accepted(decide(known, ask(set({ a: 1 })), { ...rules, deltaThreshold }));
    expect(step).toMatchObject({ kind: 'create', trimTo });
  });

  test('stores an empty state too', () => {
    const { step, changed, delta } = accepted(decide(absent, ask(set({})), rules));
    expect(step.kind).toBe('create');
    expect(changed).toBe(true);
    expect(delta?.changes).toEqual([]);
    expect(headOf(decide(absent, ask(set({})), rules)).stateBytes).toBe(2);
  });
});

describe('changing', () => {
  test('adds one version and keeps the life', () => {
    const decision = decide(live(), ask(update({ b: 2 })), rules);
    expect(headOf(decision)).toMatchObject({
      epoch: 'live',
      version: 4,
      firstVersion: 1,
      floor: 1,
      createdAtMs: 1_000,
    });
    expect(accepted(decision).delta).toMatchObject({ epoch: 'live', fromVersion: 3, version: 4, insertedAtMs: 5_000 });
  });

  test('never dates a version before the one that it follows', () => {
    const decision = decide(live({ a: 1 }, { insertedAtMs: 9_000 }), ask(update({ b: 2 })), rules);
    expect(headOf(decision).insertedAtMs).toBe(9_000);
    expect(accepted(decision).delta?.insertedAtMs).toBe(9_000);
  });

  test.each([
    [100, 1, 0],
    [3, 1, 1],
    [2, 2, 2],
    [1, 3, 3],
    [0, 4, 4],
    [null, 1, 0],
  ])('with a threshold of %s the floor after version 4 is %s', (deltaThreshold, floor, trimTo) => {
    const { step } = accepted(decide(live(), ask(update({ b: 2 })), { ...rules, deltaThreshold }));
    expect(step).toMatchObject({ kind: 'change', trimTo, head: { floor } });
  });

  test('never lowers the floor', () => {
    expect(headOf(decide(live({ a: 1 }, { floor: 3 }), ask(update({ b: 2 })), rules)).floor).toBe(3);
  });

  test('to the same state, whatever the order of its keys, is a touch that renews the expiry', () => {
    const known = live({ a: 1, b: { c: 2, d: 3 } }, { ttlMs: 100, expiresAtMs: 2_100, serverId: 'other' });
    const same = [
      set({ b: { d: 3, c: 2 }, a: 1 }),
      update({}),
      update({ b: { c: 2 } }),
      update({}, [['x'], ['a', 'y']]),
    ];
    for (const action of same) {
      const { step, position, delta, changed } = accepted(decide(known, ask(action), rules));
      expect(step).toEqual({ kind: 'touch', head: { ...known.head, touches: 1, expiresAtMs: 5_100 } });
      expect(position).toEqual({ epoch: 'live', version: 3 });
      expect({ delta, changed }).toEqual({ delta: undefined, changed: false });
    }
  });

  test('freezes the values that get into the delta', () => {
    const state = { a: { b: { c: 1 } } };
    const { delta } = accepted(decide({ ...live(), state }, ask(set({ a: 1 })), rules));
    expect(delta?.changes).toEqual([{ action: 'MODIFIED', path: ['a'], oldValue: { b: { c: 1 } }, value: 1 }]);
    expect(Object.isFrozen(state.a.b)).toBe(true);
    expect(Object.isFrozen(delta?.changes[0]?.path)).toBe(true);
  });
});

describe('deleting', () => {
  test('counts no version', () => {
    const { step, position, delta } = accepted(decide(live(), ask(remove), rules));
    expect(step).toEqual({ kind: 'remove', cause: 'DELETED', atMs: 5_000 });
    expect(position).toEqual({ epoch: 'live', version: 3 });
    expect(delta).toBeUndefined();
  });
});

describe('time to live', () => {
  const later = { ...rules, defaultTtlMs: 60 };
  test.each([
    { given: undefined, kept: undefined, rules, ttlMs: undefined, expiresAtMs: null },
    { given: undefined, kept: undefined, rules: later, ttlMs: undefined, expiresAtMs: 5_060 },
    { given: undefined, kept: 10, rules: later, ttlMs: 10, expiresAtMs: 5_010 },
    { given: undefined, kept: null, rules: later, ttlMs: null, expiresAtMs: null },
    { given: 20, kept: 10, rules: later, ttlMs: 20, expiresAtMs: 5_020 },
    { given: 20, kept: undefined, rules, ttlMs: 20, expiresAtMs: 5_020 },
    { given: null, kept: 10, rules: later, ttlMs: null, expiresAtMs: null },
  ])('given $given after $kept is $ttlMs', ({ given, kept, rules: ours, ttlMs, expiresAtMs }) => {
    const known = live({ a: 1 }, { ttlMs: kept });
    for (const action of [update({ b: 1 }), update({})]) {
      const head = headOf(decide(known, ask(action, { ttlMs: given }), ours));
      expect({ ttlMs: head.ttlMs, expiresAtMs: head.expiresAtMs }).toEqual({ ttlMs, expiresAtMs });
    }
  });
});

describe('the limit of a state', () => {
  const full = { a: 'x'.repeat(90) };
  const small = { ...rules, maxStateBytes: weight(full) };

  test('is the weight of the state, to the byte', () => {
    expect(decide(absent, ask(set(full)), small).kind).toBe('write');
    const { a } = full;
    expect(said(decide(absent, ask(set({ a: `${a}x` })), small))).toBe(
      `maxStateBytes ${weight(full)} ${weight(full) + 1}`,
    );
    expect(said(decide(live({ a: '' }), ask(update({ a: `${a}x` })), small))).toBe(
      `maxStateBytes ${weight(full)} ${weight(full) + 1}`,
    );
  });

  test('never refuses a write that does not grow a state, however large that is', () => {
    const known = live({ a: 'x'.repeat(500), b: 1 });
    for (const action of [update({ b: 2 }), update({}, [['b']]), set({ a: 'y'.repeat(500) }), update({}), remove]) {
      expect(decide(known, ask(action), small).kind).toBe('write');
    }
    expect(said(decide(known, ask(update({ b: 10 })), small))).toContain('maxStateBytes');
  });
});

test('the weight that is kept is the weight of the state, after any write', () =>
  fc.assert(
    fc.property(jsonState, jsonState, updates, (before, after, { changes, remove: paths }) => {
      const unlimited = { ...rules, maxStateBytes: Number.MAX_SAFE_INTEGER };
      const created = accepted(decide(absent, ask(set(before)), unlimited));
      expect(headOf(created).stateBytes).toBe(weight(before));
      const wasSet = decide(live(before), ask(set(after)), unlimited);
      expect(canonical(stateAfter(before, wasSet))).toBe(canonical(after));
      expect(headOf(wasSet).stateBytes).toBe(weight(after));
      const wasMerged = decide(live(before), ask(update(changes, paths)), unlimited);
      expect(headOf(wasMerged).stateBytes).toBe(weight(stateAfter(before, wasMerged)));
    }),
  ));
