import type { Base, CommitOptions, CommitResult, Known, ReadOptions, View, Write } from '../../src/backend/backend.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import type { Position } from '../../src/model.ts';
import { canonical, clone } from '../delta/oracles.ts';
import { clientApply } from './oracle.ts';

/** Keeps every state that a context ever had, and every view that was ever given. */
export class RecordingStore extends MemoryBackend {
  readonly #states = new Map<string, JsonObject>();
  readonly #epochs: string[] = [];
  readonly views: { readonly since: ReadOptions['since']; readonly view: View }[] = [];

  override commit(at: string, base: Base, writes: readonly Write[], options: CommitOptions): Promise<CommitResult> {
    const before = this.peek(at);
    const isTrue = canonical(baseIn(before)) === canonical({ ...base });
    let state = before?.kind === 'context' ? clone(before.state) : {};
    const committing = super.commit(at, base, writes, options);
    if (!isTrue) return committing;
    for (const { step } of writes) {
      if (step.kind === 'remove' || step.kind === 'touch') continue;
      if (step.kind === 'create') this.#epochs.push(step.head.epoch);
      state = clientApply(step.kind === 'create' ? {} : state, step.delta.changes);
      this.#states.set(keyOf(step.head), state);
    }
    const after = this.peek(at);
    if (after?.kind === 'context') same(after.state, state, 'the store itself');
    return committing;
  }

  override async read(at: string, options: ReadOptions = {}): Promise<View> {
    const view = await super.read(at, options);
    this.views.push({ since: options.since, view });
    return view;
  }

  stateAt(position: Position): JsonObject {
    return this.#states.get(keyOf(position)) ?? fail(`there never was ${show(position)}`);
  }

  /** The order in which positions came to be. */
  rank({ epoch, version }: Position): number {
    return this.#epochs.indexOf(epoch) * 1_000_000 + version;
  }
}

export const nowhere: Position = { epoch: '-', version: 0 };

/** What a plan on this is based on. */
function baseIn(known: Known | undefined): JsonObject {
  if (known === undefined || known.kind === 'absent') return { kind: 'absent' };
  if (known.kind === 'tombstone') return { kind: known.kind, ...placeOf(known) };
  return { kind: known.kind, ...placeOf(known), touches: known.head.touches };
}

/** Of anything that has a position, or holds a head that has. */
export function placeOf(there: Position | { readonly head: Position } | { readonly kind: 'absent' } | undefined): {
  readonly epoch: string;
  readonly version: number;
} {
  if (there === undefined || !('head' in there || 'epoch' in there)) return nowhere;
  const { epoch, version } = 'head' in there ? there.head : there;
  return { epoch, version };
}

function keyOf({ epoch, version }: Position): string {
  return `${epoch} ${version}`;
}

export function same(actual: JsonObject, expected: JsonObject, what: string): void {
  const [is, should] = [canonical(actual), canonical(expected)];
  if (is !== should) throw new Error(`${what} is ${is}, not ${should}`);
}

export function show(value: unknown): string {
  return JSON.stringify(value) ?? 'nothing';
}

export function fail(message: string): never {
  throw new Error(message);
}
