import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { apply } from '../../src/delta/apply.ts';
import type { Delta } from '../../src/delta/delta.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import { MergedDeltas } from '../../src/service/merged-deltas.ts';
import { canonical } from '../delta/oracles.ts';
import { transitions } from '../support/arbitraries.ts';
import { clientAt, openChord } from '../support/chord.ts';

const delta = (fromVersion: number, version: number, more: Partial<Delta> = {}): Delta => ({
  kind: 'delta',
  contextId: 'c',
  epoch: 'e',
  fromVersion,
  version,
  changes: [],
  insertedAtMs: 1,
  origin: null,
  ...more,
});

describe('merged deltas', () => {
  test('are handed to the next who asks for the range, and to nobody once the context has moved on', async () => {
    const { chord } = openChord();
    const start = await chord.setContext('c', { a: 0, text: 'x'.repeat(200) });
    await chord.updateContext('c', { a: 1 });
    await chord.updateContext('c', { b: 2 });
    const first = await chord.syncContext('c', clientAt(start));
    expect(first).toMatchObject({ kind: 'delta', fromVersion: 1, version: 3 });
    expect(await chord.syncContext('c', clientAt(start))).toBe(first);
    await chord.updateContext('c', { a: 0 });
    expect(await chord.syncContext('c', clientAt(start))).toMatchObject({
      fromVersion: 1,
      version: 4,
      changes: [{ action: 'ADDED', path: ['b'], value: 2 }],
    });
  });

  test('are of no use to another epoch, nor below the floor', async () => {
    const { chord } = openChord({ deltaThreshold: 2 });
    const start = await chord.setContext('c', { a: 0, text: 'x'.repeat(200) });
    await chord.updateContext('c', { a: 1 });
    await chord.updateContext('c', { a: 2 });
    expect(await chord.syncContext('c', clientAt(start))).toMatchObject({ kind: 'delta' });
    await chord.updateContext('c', { a: 3 });
    expect(await chord.syncContext('c', clientAt(start))).toMatchObject({ kind: 'full', reason: 'TOO_OLD' });
    await chord.deleteContext('c');
    expect(await chord.syncContext('c', clientAt(start))).toMatchObject({ kind: 'gone' });
    await chord.setContext('c', { a: 0 });
    expect(await chord.syncContext('c', clientAt(start))).toMatchObject({ kind: 'full', reason: 'EPOCH_CHANGED' });
  });

  test('lead from every version to what is, whoever asked before', () =>
    fc.assert(
      fc.asyncProperty(transitions, fc.array(fc.nat({ max: 10 }), { maxLength: 6 }), async (states, asked) => {
        const { chord } = openChord();
        const history: { readonly version: number; readonly epoch: string; readonly state: JsonObject }[] = [];
        for (const state of states) {
          const { version, epoch } = await chord.setContext('c', state);
          history.push({ version, epoch, state });
          for (const pick of asked) {
            const from = history[pick % history.length];
            if (from === undefined) continue;
            const event = await chord.syncContext('c', { version: from.version, epoch: from.epoch });
            const now =
              event?.kind === 'full'
                ? event.context.state
                : apply(from.state, event?.kind === 'delta' ? event.changes : []);
            expect(canonical(now)).toBe(canonical(state));
          }
        }
      }),
    ));

  test('are forgotten when their context has too many ranges or they weigh too much', () => {
    const merged = new MergedDeltas();
    for (let from = 1; from <= 65; from++) merged.keep('c', { delta: delta(from, 100), weight: 10 });
    expect(merged.get('c', 1, { epoch: 'e', version: 100 })).toBeUndefined();
    expect(merged.get('c', 65, { epoch: 'e', version: 100 })?.delta.fromVersion).toBe(65);
    expect(merged.get('c', 65, { epoch: 'e', version: 101 })).toBeUndefined();
    expect(merged.get('c', 65, { epoch: 'other', version: 100 })).toBeUndefined();
    for (const id of ['d', 'e', 'f']) merged.keep(id, { delta: delta(1, 3), weight: 3_000_000 });
    expect(merged.get('d', 1, { epoch: 'e', version: 3 })).toBeUndefined();
    expect(merged.get('f', 1, { epoch: 'e', version: 3 })).toBeDefined();
    merged.keep('g', { delta: delta(1, 3), weight: 30_000_000 });
    expect(merged.get('g', 1, { epoch: 'e', version: 3 })).toBeUndefined();
    expect(merged.get('f', 1, { epoch: 'e', version: 3 })).toBeDefined();
  });
});
