import type { Backend, ReadOptions, View } from '../backend/backend.ts';
import { BackendUnavailableError } from '../errors.ts';
import type { ContextEvent, ContextRecord } from '../model.ts';
import { type Gap, isGap } from './decide.ts';
import { MergedDeltas } from './merged-deltas.ts';
import { contextOf, decideSync, type Since, type SyncRules } from './sync.ts';

/** What a reader works with. */
export interface ReaderOptions extends Pick<SyncRules, 'maxMergeDeltas'> {
  /** Resolves when what was missing is restored, or is nowhere. Undefined: what the store says is all. */
  readonly fillGap?: ((id: string, gap: Gap) => Promise<void>) | undefined;
}

/** Reads one context, whole or by what a client lacks. Every answer is decided on one view of the store. */
export class Reader {
  readonly #backend: Backend;
  readonly #options: ReaderOptions;
  readonly #merged = new MergedDeltas();

  constructor(backend: Backend, options: ReaderOptions) {
    this.#backend = backend;
    this.#options = options;
  }

  /** What the store has. */
  async get(id: string): Promise<ContextRecord | null> {
    return contextOf(id, await this.#backend.read(id)) ?? null;
  }

  /** The same, with the time to live that a write gave, if one did. */
  async getWithTtl(id: string): Promise<{ readonly context: ContextRecord; readonly ttlMs?: number | null } | null> {
    const view = await this.#backend.read(id);
    const context = contextOf(id, view);
    if (context === undefined || view.kind !== 'context') return null;
    const { ttlMs } = view.head;
    return ttlMs === undefined ? { context } : { context, ttlMs };
  }

  /** The same as `get`, after a gap was filled. */
  async getOrRestore(id: string): Promise<ContextRecord | null> {
    return contextOf(id, await this.#readFilled(id)) ?? null;
  }

  /**
   * Undefined: there is neither a context nor a tombstone.
   *
   * @param isLive a follower's later answer: its gaps are news, and not filled.
   */
  async sync(id: string, since: Since | undefined, isLive = false): Promise<ContextEvent | undefined> {
    const { maxMergeDeltas } = this.#options;
    const rules: SyncRules = { maxMergeDeltas, isLive, merged: this.#merged };
    for (const withState of [false, true]) {
      const options: ReadOptions = { since, maxDeltas: maxMergeDeltas, withState };
      const view = isLive ? await this.#backend.read(id, options) : await this.#readFilled(id, options);
      const decision = decideSync(id, since, view, rules);
      if (decision.kind === 'answer') return decision.event;
      if (decision.kind === 'absent') return undefined;
    }
    throw new BackendUnavailableError('The store answered a read without the state.', 'NOT_STORED');
  }

  /** A view of the store; where it has a gap that may be filled, a later one. */
  async #readFilled(id: string, options?: ReadOptions): Promise<View> {
    const view = await this.#backend.read(id, options);
    const { fillGap } = this.#options;
    if (fillGap === undefined || !isGap(view)) return view;
    await fillGap(id, view);
    return this.#backend.read(id, options);
  }
}
