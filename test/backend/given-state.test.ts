import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { View } from '../../src/backend/backend.ts';
import { GivenState } from '../../src/backend/given-state.ts';
import type { MemoryBackend } from '../../src/backend/memory.ts';
import { advance } from '../../src/delta/apply.ts';
import { diff } from '../../src/delta/diff.ts';
import { deepFreeze, type JsonObject } from '../../src/delta/json.ts';
import { canonical } from '../delta/oracles.ts';
import { transitions } from '../support/arbitraries.ts';
import { openChord } from '../support/chord.ts';

const isFrozen = (value: unknown): boolean =>
  typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen));

const changesAt = (a: number) => deepFreeze(diff({ a }, { a: a + 1 }));
const stateOf = (view: View) => (view.kind === 'context' ? view.state : undefined);
const ownOf = (backend: MemoryBackend) => {
  const known = backend.peek('c');
  return known?.kind === 'context' ? known.state : undefined;
};

describe('a state that was given away', () => {
  test('is what it was for each who took it, whenever and in whatever order they look', () =>
    fc.assert(
      fc.property(transitions, fc.array(fc.nat(), { minLength: 12, maxLength: 12 }), (states, ranks) => {
        const [first, ...others] = states;
        // The store's own, changed in place, as a store does it.
        let own: JsonObject = deepFreeze(first);
        const given = new GivenState(own, Number.POSITIVE_INFINITY);
        const taken = [{ look: given.take(), text: canonical(first) }];
        for (const [index, next] of others.entries()) {
          const changes = deepFreeze(diff(own, next));
          own = advance(own, changes);
          expect(given.follow({ changes, weight: 1 })).toBe(true);
          const look = given.take();
          expect(given.take()).toBe(look);
          taken.push({ look, text: canonical(next) });
          // Some look at once, some when others have looked at what came after, the others last of all.
          const rank = ranks[index] ?? 0;
          for (const one of [taken.at(-1), taken[rank % taken.length]].slice(rank % 3)) {
            expect(canonical(one?.look() ?? {})).toBe(one?.text);
          }
        }
        for (const rank of ranks) {
          const one = taken[rank % taken.length];
          expect(canonical(one?.look() ?? {})).toBe(one?.text);
          expect(isFrozen(one?.look())).toBe(true);
          expect(one?.look()).toBe(one?.look());
        }
        for (const { look, text } of taken) expect(canonical(look())).toBe(text);
        expect(canonical(own)).toBe(canonical(states.at(-1) ?? {}));
      }),
    ));

  test('need not be made again until it changes', () => {
    const given = new GivenState(deepFreeze({ a: 1 }), 1_000);
    expect(given.ready).toEqual({ a: 1 });
    given.follow({ changes: deepFreeze(diff({ a: 1 }, { a: 2 })), weight: 1 });
    expect(given.ready).toBeUndefined();
    const made = given.take()();
    expect(made).toEqual({ a: 2 });
    expect(given.ready).toBe(made);
  });

  test('is followed for so long and no longer', () => {
    const given = new GivenState(deepFreeze({ a: 0 }), Number.POSITIVE_INFINITY);
    let followed = 0;
    while (given.follow({ changes: changesAt(followed), weight: 1 })) followed++;
    expect(followed).toBe(4_096);
    expect(given.take()()).toEqual({ a: followed + 1 });
  });

  test('is followed by what weighs no more than itself, since somebody looked last', () => {
    const given = new GivenState(deepFreeze({ a: 0 }), 100);
    expect(given.follow({ changes: changesAt(0), weight: 60 })).toBe(true);
    const look = given.take();
    expect(given.follow({ changes: changesAt(1), weight: 40 })).toBe(true);
    expect(look()).toEqual({ a: 1 });
    expect(given.follow({ changes: changesAt(2), weight: 60 })).toBe(true);
    expect(given.follow({ changes: changesAt(3), weight: 1 })).toBe(false);
  });
});

describe('a heavy state in memory', () => {
  const heavy = Object.fromEntries(Array.from({ length: 4_000 }, (_, index) => [`key${index}`, 'x'.repeat(20)]));

  test('is copied by the first write after a reader, and by no other, however many read', async () => {
    const { chord, backend } = openChord();
    await chord.setContext('c', heavy);
    expect(stateOf(await backend.read('c'))).toBe(ownOf(backend));
    await chord.updateContext('c', { key7: 'first' });
    const own = ownOf(backend);
    for (let n = 0; n < 5; n++) {
      const before = await chord.getContext('c');
      await chord.updateContext('c', { key7: `value ${n}` });
      expect(ownOf(backend)).toBe(own);
      expect(before?.state['key7']).toBe(n === 0 ? 'first' : `value ${n - 1}`);
      expect((await chord.getContext('c'))?.state).toEqual({ ...heavy, key7: `value ${n}` });
    }
  });

  test('is one object for all who look before it changes, and frozen', async () => {
    const { chord } = openChord();
    await chord.setContext('c', heavy);
    await chord.getContext('c');
    await chord.updateContext('c', { key7: 'y', more: { a: [1] } });
    const [one, other] = [await chord.getContext('c'), await chord.getContext('c')];
    expect(one?.state).toBe(other?.state);
    expect((await chord.getContext('c'))?.state).toBe(one?.state);
    expect(isFrozen(one)).toBe(true);
    expect(JSON.parse(JSON.stringify(one))).toMatchObject({ version: 2, state: { key7: 'y', more: { a: [1] } } });
  });

  test('is the own of its life, also after another began', async () => {
    const { chord } = openChord();
    await chord.setContext('c', heavy);
    await chord.getContext('c');
    await chord.updateContext('c', { key7: 'y' });
    const before = await chord.getContext('c');
    await chord.deleteContext('c');
    await chord.setContext('c', { ...heavy, key7: 'z' });
    await chord.getContext('c');
    await chord.updateContext('c', { key8: 'z' });
    expect((await chord.getContext('c'))?.state).toEqual({ ...heavy, key7: 'z', key8: 'z' });
    expect(before?.state).toEqual({ ...heavy, key7: 'y' });
  });
});
