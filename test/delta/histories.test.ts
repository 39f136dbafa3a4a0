import { describe, expect, test } from 'vitest';
import { advance, apply } from '../../src/delta/apply.ts';
import { compose, invert } from '../../src/delta/compose.ts';
import { diff } from '../../src/delta/diff.ts';
import { toJsonPatch, toMergePatch } from '../../src/delta/format.ts';
import { equal, type JsonObject } from '../../src/delta/json.ts';
import { growth, weight } from '../../src/delta/weight.ts';
import { histories } from '../fixtures/histories.ts';
import { loadHistories } from '../support/histories.ts';
import { canonical, canonicalChanges, evaluateMergePatch, evaluatePatch } from './oracles.ts';
import { deltasOf } from './sequences.ts';

/** A message instead of a boolean, so that a failure names the step and not two documents of 200 kB. */
function differing(
  steps: readonly { readonly from: number; readonly made: unknown; readonly wanted: unknown }[],
): string[] {
  const wrong = steps.filter(({ made, wanted }) => !equal(made as JsonObject, wanted as JsonObject));
  return wrong.map(({ from }) => `revision ${from}`);
}

describe.each(loadHistories())('the history $name', ({ revisions }) => {
  const deltas = deltasOf(revisions);
  const at = (index: number): JsonObject => revisions[index] ?? {};

  test('is rebuilt from its first revision and its deltas, also in place', () => {
    let copied = at(0);
    let advanced = at(0);
    const steps = deltas.flatMap((changes, from) => {
      copied = apply(copied, changes);
      advanced = advance(advanced, changes);
      return [copied, advanced].map((made) => ({ from, made: structuredClone(made), wanted: at(from + 1) }));
    });
    expect(differing(steps)).toEqual([]);
  });

  test('goes back step by step with the inverse deltas', () => {
    const steps = deltas.map((changes, from) => ({
      from,
      made: apply(at(from + 1), invert(changes)),
      wanted: at(from),
    }));
    expect(differing(steps)).toEqual([]);
  });

  test.each([2, 10])('composed over %i steps anywhere is the difference of the two ends', (length) => {
    for (let from = 0; from + length <= deltas.length; from++) {
      const net = compose(deltas.slice(from, from + length));
      expect(canonicalChanges(net)).toEqual(canonicalChanges(diff(at(from), at(from + length))));
    }
  });

  test('composed over all steps is the difference of the two ends, and applies', () => {
    const net = compose(deltas);
    expect(canonicalChanges(net)).toEqual(canonicalChanges(diff(at(0), at(deltas.length))));
    expect(equal(apply(at(0), net), at(deltas.length))).toBe(true);
  });

  test('and its way back compose to nothing', () => {
    expect(compose([...deltas, ...deltas.toReversed().map(invert)])).toEqual([]);
  });

  test('is followed by JSON patches', () => {
    const steps = deltas.map((changes, from) => {
      return { from, made: evaluatePatch(at(from), toJsonPatch(changes)), wanted: at(from + 1) };
    });
    expect(differing(steps)).toEqual([]);
  });

  test('is followed by merge patches wherever there is one', () => {
    const steps = deltas.flatMap((changes, from) => {
      const patch = toMergePatch(changes);
      return patch === null ? [] : [{ from, made: evaluateMergePatch(at(from), patch), wanted: at(from + 1) }];
    });
    expect(steps.length).toBeGreaterThan(0);
    expect(differing(steps)).toEqual([]);
  });

  test('has a weight that follows from its deltas', () => {
    const kept = deltas.reduce((sum, changes) => sum + growth(changes), weight(at(0)));
    expect(kept).toBe(weight(at(deltas.length)));
  });
});

describe('our own histories', () => {
  test.each(histories)('$name has revisions that each differ from the one before', ({ revisions }) => {
    expect(revisions.length).toBeGreaterThan(100);
    expect(deltasOf(revisions).filter((changes) => changes.length === 0)).toEqual([]);
  });

  test('are those of a call, a meeting of fifty and an order', () => {
    expect(histories.map(({ name }) => name)).toEqual(['phone-call', 'meeting', 'order']);
    const most = histories.map(({ revisions }) => {
      return Math.max(...revisions.map(({ participants }) => Object.keys(participants ?? {}).length));
    });
    expect(most).toEqual([0, 50, 0]);
  });

  test('have values that change between null, scalars, arrays and objects', () => {
    const kinds = new Set<string>();
    for (const { revisions } of histories) {
      for (const change of deltasOf(revisions).flat()) {
        if (change.action === 'MODIFIED') kinds.add(`${kindOf(change.oldValue)} to ${kindOf(change.value)}`);
      }
    }
    const transitions = ['null to object', 'object to null', 'scalar to object', 'object to scalar', 'array to array'];
    expect([...kinds]).toEqual(expect.arrayContaining(transitions));
  });
});

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'object' ? 'object' : 'scalar';
}

test('canonical text is the same for the same document with its keys in another order', () => {
  expect(canonical({ b: 1, a: [{ d: 1, c: 2 }] })).toBe(canonical({ a: [{ c: 2, d: 1 }], b: 1 }));
});
