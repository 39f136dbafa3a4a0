import { advance } from './apply.ts';
import { invert } from './compose.ts';
import type { Changes } from './delta.ts';
import type { JsonObject } from './json.ts';

/**
 * A state moved forward in place, which costs what the changes change, and put back where it was by their inverses.
 *
 * Put back, it is the same object and the same JSON; only the order of keys may differ.
 */
export class Trial {
  readonly #start: JsonObject | undefined;
  readonly #undo: Changes[] = [];
  #isAtStart = true;
  #state: JsonObject | undefined;

  constructor(state: JsonObject | undefined) {
    this.#start = state;
    this.#state = state;
  }

  /** Undefined: there is none. */
  get state(): JsonObject | undefined {
    return this.#state;
  }

  /** @throws DeltaMismatchError when the changes do not start from the state, which is then unchanged. */
  advance(changes: Changes): JsonObject {
    const state = advance(this.#state ?? {}, changes);
    if (this.#isAtStart) this.#undo.push(changes);
    this.#state = state;
    return state;
  }

  /** Goes on with nothing, or from nothing: what is done from here on does not concern the first state. */
  clear(): void {
    this.#isAtStart = false;
    this.#state = undefined;
  }

  restore(): void {
    // A frozen state was copied by the first change, and is as it was.
    if (this.#start === undefined || !Object.isExtensible(this.#start)) return;
    let state = this.#start;
    for (const changes of this.#undo.toReversed()) state = advance(state, invert(changes));
    this.#undo.length = 0;
  }
}
