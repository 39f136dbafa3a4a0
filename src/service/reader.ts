import type { Backend } from '../backend/backend.ts';
import { BackendUnavailableError } from '../errors.ts';
import type { ContextEvent, ContextRecord } from '../model.ts';
import { decideSync, type Since, type SyncRules, toContextRecord } from './sync.ts';

/** Reads one context, whole or by what a client lacks. Every answer is decided on one view of the store. */
export class Reader {
  readonly #backend: Backend;
  readonly #maxMergeDeltas: number;

  constructor(backend: Backend, { maxMergeDeltas }: Pick<SyncRules, 'maxMergeDeltas'>) {
    this.#backend = backend;
    this.#maxMergeDeltas = maxMergeDeltas;
  }

  async get(id: string): Promise<ContextRecord | null> {
    const view = await this.#backend.read(id);
    return view.kind === 'context' && view.state !== undefined ? toContextRecord(id, view.head, view.state) : null;
  }

  /** Undefined: there is neither a context nor a tombstone. */
  async sync(id: string, since: Since | undefined, isLive = false): Promise<ContextEvent | undefined> {
    const rules: SyncRules = { maxMergeDeltas: this.#maxMergeDeltas, isLive };
    for (const withState of [false, true]) {
      const view = await this.#backend.read(id, { since, maxDeltas: this.#maxMergeDeltas, withState });
      const decision = decideSync(id, since, view, rules);
      if (decision.kind === 'answer') return decision.event;
      if (decision.kind === 'absent') return undefined;
    }
    throw new BackendUnavailableError('The store answered a read without the state.', 'NOT_STORED');
  }
}
