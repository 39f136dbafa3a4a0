import type { Known, Step } from '../backend/backend.ts';
import { advance } from '../delta/apply.ts';
import { invert } from '../delta/compose.ts';
import type { Changes } from '../delta/delta.ts';
import type { JsonObject } from '../delta/json.ts';

/**
 * What a context would be after the writes planned so far.
 *
 * The state that it starts from is on loan (`Backend.peek`): it is changed in place, which costs what the writes
 * change, and put back by `restore`.
 */
export class PlannedState {
  readonly #undo: Changes[] = [];
  readonly #loan: JsonObject | undefined;
  #isLoan = true;
  #known: Known;

  constructor(known: Known) {
    this.#known = known;
    this.#loan = known.kind === 'context' ? known.state : undefined;
  }

  get known(): Known {
    return this.#known;
  }

  advance(step: Step, writeId: string): void {
    const known = this.#known;
    switch (step.kind) {
      case 'create':
        this.#known = { kind: 'context', head: step.head, state: advance({}, step.delta.changes) };
        break;
      case 'change':
        if (known.kind !== 'context') break;
        this.#known = { kind: 'context', head: step.head, state: advance(known.state, step.delta.changes) };
        if (this.#isLoan) this.#undo.push(step.delta.changes);
        break;
      case 'touch':
        if (known.kind === 'context') this.#known = { ...known, head: step.head };
        break;
      case 'remove': {
        if (known.kind !== 'context') break;
        const { epoch, version } = known.head;
        this.#known = { kind: 'tombstone', epoch, version, cause: step.cause, atMs: step.atMs, writeId };
        this.#isLoan = false;
        break;
      }
    }
  }

  /** Gives the loan back as it was. */
  restore(): void {
    // A frozen loan was copied by the first change, and is as it was.
    if (this.#loan === undefined || !Object.isExtensible(this.#loan)) return;
    let state = this.#loan;
    for (const changes of this.#undo.reverse()) state = advance(state, invert(changes));
  }
}
