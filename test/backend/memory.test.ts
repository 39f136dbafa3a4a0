import { describe, expect, test } from 'vitest';
import type { Step } from '../../src/backend/commit.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { backendConformance } from '../../src/conformance/conformance.ts';
import { type Draft, draft } from '../../src/conformance/draft.ts';
import type { JsonObject } from '../../src/delta/json.ts';

// Declared by leaving them out: its data dies with it, and no other process sees it.
backendConformance('memory', () => new MemoryBackend(), { describe, test });

describe('only memory', () => {
  test('peek is the truth, at once', async () => {
    const backend = new MemoryBackend();
    const commit = draft(backend, 'id').set({ n: 1 }).commit();
    expect(peekState(backend)).toEqual({ n: 1 });
    await commit;
    await draft(backend, 'other').set({}).store();
    expect(backend.peek('none')).toEqual({ kind: 'absent' });
  });

  test('a wide state that nobody holds is changed in place, without a copy for any write', async () => {
    const backend = new MemoryBackend();
    const wide: Record<string, JsonObject> = {};
    for (let index = 0; index < 20_000; index++) wide[`key-${index}`] = { n: 0 };
    let current = await draft(backend, 'id').set(wide).store();
    const root = peekState(backend);
    for (let n = 1; n <= 3; n++) {
      current = await current.set({ ...wide, 'key-7': { n } }).store();
      expect(peekState(backend)).toBe(root);
    }
    expect(root?.['key-7']).toEqual({ n: 3 });
  });

  test('a state that was handed out is copied by the next write, and by that one only', async () => {
    const backend = new MemoryBackend();
    let current = await draft(backend, 'id')
      .set({ a: { n: 1 }, b: { n: 1 } })
      .store();
    const view = await backend.read('id');
    const held = view.kind === 'context' ? view.state : undefined;
    expect(peekState(backend)).toBe(held);
    current = await current.set({ a: { n: 2 }, b: { n: 1 } }).store();
    const own = peekState(backend);
    expect(own).not.toBe(held);
    expect(own?.['b'], 'What the write did not touch is shared').toBe(held?.['b']);
    await current.set({ a: { n: 3 }, b: { n: 1 } }).store();
    expect(peekState(backend)).toBe(own);
    expect(held).toEqual({ a: { n: 1 }, b: { n: 1 } });
  });

  const broken: Record<string, (plan: Draft) => Step[]> = {
    'a delta that does not fit': (plan) => [stepOf(plan.set({ n: 2, gone: 1 }).set({ n: 3 }), 1)],
    'a creation of what is there': (plan) => [stepOf(draft(plan.backend, 'id').set({ n: 9 }), 0)],
    'a change after a removal': (plan) => [stepOf(plan.remove(), 0), stepOf(plan.set({ n: 9 }), 0)],
    'a second removal': (plan) => [stepOf(plan.remove(), 0), stepOf(plan.remove(), 0)],
  };
  for (const isHeld of [false, true]) {
    for (const [what, steps] of Object.entries(broken)) {
      test(`a batch that ends in ${what} leaves a state that ${isHeld ? 'a reader' : 'nobody'} holds as it was`, async () => {
        const backend = new MemoryBackend();
        const before = await draft(backend, 'id')
          .set({ n: 1, deep: { a: [1], b: { c: 1 } } })
          .store();
        if (isHeld) await before.assertStands();
        const fitting = before.set({ n: 1, deep: { a: [2], d: {} } }).set({ deep: { a: [2], d: { e: 1 } }, x: null });
        const writes = steps(before).map((step, index) => ({ writeId: `broken-${index}`, step }));
        const batch = [...fitting.writes, ...writes];
        const options = { nowMs: 0, freshEpoch: 'unused', attempt: 0 };
        await expect(backend.commit('id', before.base, batch, options)).rejects.toThrow(/plan is wrong|do not fit/);
        await before.assertStands();
        expect(await backend.deltas('id', { limit: 9 })).toHaveLength(1);
        await (await before.set({ n: 2 }).store()).assertStands();
      });
    }
  }

  test('it says how many ids are watched', async () => {
    const backend = new MemoryBackend();
    const watches = [
      await backend.watch('a', () => {}),
      await backend.watch('a', () => {}),
      await backend.watch('b', () => {}),
    ];
    expect(backend.watchedIds).toBe(2);
    for (const watch of watches) watch.close();
    expect(backend.watchedIds).toBe(0);
  });
});

function peekState(backend: MemoryBackend): JsonObject | undefined {
  const known = backend.peek('id');
  return known?.kind === 'context' ? known.state : undefined;
}

function stepOf(plan: Draft, index: number): Step {
  const step = plan.writes[index]?.step;
  if (step === undefined) throw new TypeError('There is no such write.');
  return step;
}
