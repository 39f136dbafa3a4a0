import type {
  Announcement,
  Backend,
  Base,
  CommitOptions,
  CommitResult,
  Known,
  ReadOptions,
  View,
  Watch,
  Write,
} from '../../src/backend/backend.ts';
import { Turns } from '../../src/backend/turns.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import type { Position } from '../../src/model.ts';
import { Delegating } from '../backend/delegating.ts';
import { canonical, clone } from '../delta/oracles.ts';
import { clientApply } from './oracle.ts';

/** Keeps every state that a context ever had, and every view that was ever given. */
export class RecordingStore extends Delegating {
  readonly #states = new Map<string, JsonObject>();
  readonly #epochs: string[] = [];
  readonly #turns = new Turns();
  readonly views: { readonly since: ReadOptions['since']; readonly view: View }[] = [];
  /** How many watches are open. */
  watches = 0;
  readonly #working = new Set<Promise<unknown>>();

  /** Whether something has been asked that is not answered. */
  get isBusy(): boolean {
    return this.#working.size > 0;
  }

  /** Resolves when everything that was asked until now is answered. */
  async answered(): Promise<void> {
    await Promise.allSettled(this.#working);
  }

  /** The same contexts, opened again. */
  async reopen(open: () => Backend): Promise<void> {
    await this.inner.close();
    this.watches = 0;
    this.inner = open();
  }

  override commit(at: string, base: Base, writes: readonly Write[], options: CommitOptions): Promise<CommitResult> {
    const committing = this.#turns.take(at, () => this.#commit(at, base, { writes, options }));
    this.#working.add(committing);
    const leave = () => void this.#working.delete(committing);
    committing.then(leave, leave);
    return committing;
  }

  async #commit(
    at: string,
    base: Base,
    { writes, options }: { readonly writes: readonly Write[]; readonly options: CommitOptions },
  ): Promise<CommitResult> {
    const before = this.inner.peek(at) ?? (await this.inner.readOutcome(at, undefined, options.nowMs)).known;
    if (canonical(baseIn(before)) !== canonical({ ...base })) return this.inner.commit(at, base, writes, options);
    let state = before.kind === 'context' ? clone(before.state) : {};
    // Written down first: whoever hears of it may look before the store answers.
    for (const { step } of writes) {
      if (step.kind === 'remove' || step.kind === 'touch') continue;
      if (step.kind === 'create') this.#epochs.push(step.head.epoch);
      state = clientApply(step.kind === 'create' ? {} : state, step.delta.changes);
      this.#states.set(keyOf(step.head), state);
    }
    const result = await this.inner.commit(at, base, writes, options);
    const after = this.inner.peek(at);
    if (after?.kind === 'context') same(after.state, state, 'the store itself');
    return result;
  }

  override async watch(at: string, listener: (announcement: Announcement) => void): Promise<Watch> {
    const { inner } = this;
    const watch = await super.watch(at, listener);
    this.watches++;
    let isOpen = true;
    return {
      close: () => {
        if (isOpen && inner === this.inner) this.watches--;
        isOpen = false;
        watch.close();
      },
    };
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
function baseIn(known: Known): JsonObject {
  if (known.kind === 'absent') return { kind: 'absent' };
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
