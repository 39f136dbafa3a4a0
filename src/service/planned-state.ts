import type { Step } from '../backend/commit.ts';
import type { Known } from '../backend/known.ts';
import { Trial } from '../delta/trial.ts';

/**
 * What a context would be after the writes planned so far.
 *
 * The state that it starts from is on loan (`Backend.peek`): it is changed in place, and put back by `restore`.
 */
export class PlannedState {
  readonly #trial: Trial;
  #known: Known;

  constructor(known: Known) {
    this.#known = known;
    this.#trial = new Trial(known.kind === 'context' ? known.state : undefined);
  }

  get known(): Known {
    return this.#known;
  }

  advance(step: Step, writeId: string): void {
    const known = this.#known;
    switch (step.kind) {
      case 'create':
        this.#trial.clear();
        this.#known = { kind: 'context', head: step.head, state: this.#trial.advance(step.delta.changes) };
        break;
      case 'change':
        this.#known = { kind: 'context', head: step.head, state: this.#trial.advance(step.delta.changes) };
        break;
      case 'touch':
        if (known.kind === 'context') this.#known = { ...known, head: step.head };
        break;
      case 'remove': {
        if (known.kind !== 'context') break;
        const { epoch, version } = known.head;
        this.#known = { kind: 'tombstone', epoch, version, cause: step.cause, atMs: step.atMs, writeId };
        this.#trial.clear();
        break;
      }
    }
  }

  /** Gives the loan back as it was. */
  restore(): void {
    this.#trial.restore();
  }
}
