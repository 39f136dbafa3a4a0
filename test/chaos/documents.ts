/**
 * What the state of a context was at each position: the writes carried out once more, one after the other, by a plain
 * model. Where nobody knows which write it was, the first state that anybody saw counts, and all must agree on it.
 */
import { at, type Position } from '../../examples/replay/follower.ts';
import { equal, type JsonObject } from '../../src/delta/json.ts';
import { act } from './actions.ts';
import type { Ledger } from './ledger.ts';
import type { Life } from './lives.ts';

/** The states of one context, by position. */
export class Documents {
  readonly #ledger: Ledger;
  readonly #states = new Map<string, Map<number, JsonObject>>();
  /** States that somebody saw, where the writes that led there are not all known. */
  readonly #seen = new Map<string, Map<number, JsonObject>>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
    this.#readSeen();
    for (const life of ledger.lives) this.#carryOut(life);
  }

  /** Undefined: nobody can know. */
  at({ epoch, version }: Position): JsonObject | undefined {
    return this.#states.get(epoch)?.get(version);
  }

  /** Says what is wrong with a state that somebody saw. */
  check(position: Position, state: JsonObject, who: string): void {
    const expected = this.at(position);
    if (expected === undefined) this.#note(this.#states, position, state);
    else if (!equal(expected, state)) {
      this.#ledger.report('state', `${who} has a wrong state at ${at(position)}: ${difference(expected, state)}`);
    }
  }

  /**
   * What the context was before a position: the states of it that a write can have started from, the likeliest first;
   * undefined: nobody knows. Several, when a store that lost its tail may have gone on from more than one.
   */
  before(life: Life, version: number): readonly (JsonObject | undefined)[] {
    if (version > life.first) return [this.at({ epoch: life.epoch, version: version - 1 })];
    const former = this.#ledger.forks(life).map((position) => this.at(position));
    // Somebody may have begun the life unseen, and this is not its first version.
    return life.began === undefined ? [undefined, ...former] : former;
  }

  #carryOut(life: Life): void {
    const { epoch } = life;
    for (let version = life.first; version <= life.last; version++) {
      const position = { epoch, version };
      const write = this.#ledger.place(position)?.write;
      const seen = this.#seen.get(epoch)?.get(version);
      if (write === undefined) {
        if (seen !== undefined) this.#note(this.#states, position, seen);
        continue;
      }
      const possible = write.action.verb === 'set' ? [undefined] : this.before(life, version);
      const states = possible.map((before) => act(write.action, before));
      const isSeen = (each: JsonObject | undefined) => seen !== undefined && each !== undefined && equal(each, seen);
      const state = states.find(isSeen) ?? states[0] ?? seen;
      if (state !== undefined) this.#note(this.#states, position, state);
    }
  }

  #readSeen(): void {
    const { readers, finals } = this.#ledger.history;
    for (const { connections } of readers) {
      for (const { events } of connections) {
        for (const { event } of events) {
          // The server's `JSONObject` is a JSON object; the generated type only knows that it is an object.
          if (event.__typename === 'FullContext') this.#note(this.#seen, event, event.context.state as JsonObject);
        }
      }
    }
    for (const { context } of finals) if (context !== undefined) this.#note(this.#seen, context, context.state);
  }

  #note(where: Map<string, Map<number, JsonObject>>, { epoch, version }: Position, state: JsonObject): void {
    const states = where.get(epoch) ?? new Map<number, JsonObject>();
    where.set(epoch, states);
    if (!states.has(version)) states.set(version, state);
  }
}

/** Where two states differ first, for people. */
function difference(expected: JsonObject, state: JsonObject): string {
  const keys = [...new Set([...Object.keys(expected), ...Object.keys(state)])];
  const key = keys.find((each) => !equal(expected[each] ?? null, state[each] ?? null));
  if (key === undefined) return 'a key is null and should not be there';
  return `${key} is ${excerpt(state[key])}, not ${excerpt(expected[key])}`;
}

function excerpt(value: unknown): string {
  return (JSON.stringify(value) ?? 'missing').slice(0, 120);
}
