/** Retention as anybody would write it down, beside the real one: maps that are gone through as a whole. */
import * as fc from 'fast-check';
import { expect } from 'vitest';
import { ContextNotFoundError } from '../../src/errors.ts';
import type { Chord } from '../../src/service/chord.ts';
import { openOn, positionOf, rejectionOf } from '../support/chord.ts';
import { ManualClock } from '../support/clock.ts';
import { CleanupStore } from './cleanup-store.ts';

const id = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const ttlMs = fc.option(fc.option(fc.integer({ min: 1, max: 300 }), { nil: null }), { nil: undefined });

/** Something that happens to the contexts, or to the time. */
export const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('set' as const), id, n: fc.nat({ max: 2 }), ttlMs }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), id }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 120 }) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('cleanup' as const),
      limit: fc.option(fc.integer({ min: 1, max: 4 })),
      offset: fc.constantFrom(null, 0, 0, 1, 2),
      order: fc.constantFrom(null, 'ASC' as const, 'DESC' as const),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type Cleanup = Extract<Step, { readonly kind: 'cleanup' }>;

interface ModelContext {
  n: number;
  version: number;
  ttlMs: number | null | undefined;
  expiresAtMs: number;
  /** When each retained delta was written, by its version. */
  readonly deltas: Map<number, number>;
}

const deltaTtlMs = 200;
const tombstoneTtlMs = 400;

/** Plays the steps on both; after each, all that can be seen of one is what the other says. */
export async function playCleanup(steps: readonly Step[]): Promise<void> {
  const clock = new ManualClock();
  const chord = openOn(new CleanupStore(), clock, { deltaTtlMs, tombstoneTtlMs });
  const model = new RetentionModel();
  for (const next of steps) {
    switch (next.kind) {
      case 'set':
        await chord.setContext(next.id, { n: next.n }, { ttlMs: next.ttlMs });
        model.set(next.id, next.n, { ttlMs: next.ttlMs, nowMs: clock.now() });
        break;
      case 'delete':
        if (model.delete(next.id, clock.now())) await chord.deleteContext(next.id);
        else expect(await rejectionOf(chord.deleteContext(next.id))).toBeInstanceOf(ContextNotFoundError);
        break;
      case 'wait':
        clock.set(clock.now() + next.ms);
        break;
      case 'cleanup':
        await cleanUp(chord, model, next, clock.now());
    }
    for (const each of ['a', 'b', 'c', 'd', 'e']) await compare(chord, model, each);
  }
}

/** A pass with a limit may look at early entries first: what it removes was due, and passes come to an end with all. */
async function cleanUp(chord: Chord, model: RetentionModel, { limit, offset, order }: Cleanup, nowMs: number) {
  const options = { limit, offset, order };
  const due = model.dueIds(nowMs);
  const report = await chord.runCleanup(options);
  const isWhole = options.limit === null && (options.offset ?? 0) === 0;
  if (isWhole) expect(report).toEqual(model.cleanUp(nowMs));
  else {
    expect(report.contextsExpired).toBeLessThanOrEqual(Math.min(due.length, options.limit ?? due.length));
    for (let passes = 0; ; passes++) {
      const { remaining } = await chord.runCleanup({ ...options, offset: 0 });
      if (!remaining) break;
      expect(passes).toBeLessThan(20);
    }
    model.cleanUp(nowMs);
  }
}

async function compare(chord: Chord, model: RetentionModel, each: string): Promise<void> {
  const known = model.live.get(each);
  const context = await chord.getContext(each);
  if (known === undefined) {
    expect(context).toBeNull();
    const event = await chord.syncContext(each);
    const tombstone = model.tombstones.get(each);
    if (tombstone === undefined) expect(event).toBeNull();
    else expect(event).toMatchObject({ kind: 'gone', ...tombstone });
    return;
  }
  const expiresAtMs = known.expiresAtMs === Number.POSITIVE_INFINITY ? null : known.expiresAtMs;
  expect(context).toMatchObject({ state: { n: known.n }, version: known.version, expiresAtMs });
  const { nodes } = await chord.listDeltas({ contextId: each });
  expect(nodes.map(({ version }) => version)).toEqual([...known.deltas.keys()]);
  if (context !== null) {
    expect(await chord.syncContext(each, positionOf(context))).toMatchObject({ kind: 'noChange' });
  }
}

class RetentionModel {
  readonly live = new Map<string, ModelContext>();
  readonly tombstones = new Map<string, { cause: 'DELETED' | 'EXPIRED'; atMs: number; version: number }>();

  set(each: string, n: number, given: { ttlMs: number | null | undefined; nowMs: number }): void {
    const { nowMs } = given;
    let context = this.live.get(each);
    if (context === undefined) {
      const version = this.tombstones.get(each)?.version ?? 0;
      context = { n: -1, version, ttlMs: undefined, expiresAtMs: 0, deltas: new Map() };
      this.live.set(each, context);
      this.tombstones.delete(each);
    }
    context.ttlMs = given.ttlMs === undefined ? context.ttlMs : given.ttlMs;
    context.expiresAtMs = nowMs + (context.ttlMs ?? Number.POSITIVE_INFINITY);
    if (context.n === n) return;
    context.n = n;
    context.version++;
    context.deltas.set(context.version, nowMs);
  }

  delete(each: string, nowMs: number): boolean {
    const context = this.live.get(each);
    if (context === undefined) return false;
    this.live.delete(each);
    this.tombstones.set(each, { cause: 'DELETED', atMs: nowMs, version: context.version });
    return true;
  }

  dueIds(nowMs: number): readonly string[] {
    return [...this.live].filter(([, { expiresAtMs }]) => expiresAtMs <= nowMs).map(([each]) => each);
  }

  cleanUp(nowMs: number) {
    const due = this.dueIds(nowMs);
    for (const each of due) {
      const version = this.live.get(each)?.version ?? 0;
      this.live.delete(each);
      this.tombstones.set(each, { cause: 'EXPIRED', atMs: nowMs, version });
    }
    let deltasTrimmed = 0;
    for (const { deltas } of this.live.values()) {
      for (const [version, atMs] of deltas) {
        if (atMs <= nowMs - deltaTtlMs && deltas.delete(version)) deltasTrimmed++;
      }
    }
    let tombstonesPurged = 0;
    for (const [each, { atMs }] of this.tombstones) {
      if (atMs <= nowMs - tombstoneTtlMs && this.tombstones.delete(each)) tombstonesPurged++;
    }
    return {
      contextsExpired: due.length,
      deltasTrimmed,
      tombstonesPurged,
      exportsFailed: 0,
      remaining: false,
      durationMs: 0,
    };
  }
}
