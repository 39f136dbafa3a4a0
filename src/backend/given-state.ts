/**
 * What readers of a heavy state are given, while its store goes on changing its own in place.
 *
 * A store that gives its own state away freezes it, and has to copy what the next write touches: of an object with 20,000
 * keys that is 5 ms for a write of one field. So a heavy state is given away once. From then on the store follows what it
 * gave by the deltas since, and what a later reader is to see is made of the two when he looks at it:
 *
 *     store's own   ───── changed in place by every write ─────►
 *     given         base ── deltas since ──► made for a reader who looks, and the base of the next
 *
 * So a write costs what it changes, whoever reads; who looks at a state that has changed since somebody looked pays for
 * the objects on the way to the changes; and who does not look pays nothing.
 */
import { applyAll } from '../delta/apply.ts';
import { deepFreeze, type JsonObject } from '../delta/json.ts';
import type { View } from './backend.ts';
import type { DeltaRecord, Head } from './known.ts';

/** A state, or what makes it. */
export type Offer = JsonObject | (() => JsonObject);

/** What a store holds of a state: its own, and what readers were given of that. */
export interface HeldState {
  readonly state: JsonObject;
  given?: GivenState | undefined;
}

/** The state for a reader: the store's own, frozen, when that is light or nobody was given it before. */
export function offerOf(held: HeldState, stateBytes: number): Offer {
  if (stateBytes < minHeavyBytes) return deepFreeze(held.state);
  held.given ??= new GivenState(deepFreeze(held.state), stateBytes);
  return held.given.ready ?? held.given.take();
}

/** What a reader is told, the state made when he looks at it. */
export function viewWith(offer: Offer, head: Head, deltas: readonly DeltaRecord[] | undefined): View {
  if (typeof offer !== 'function') return { kind: 'context', head, deltas, state: offer };
  return {
    kind: 'context',
    head,
    deltas,
    get state() {
      return offer();
    },
  };
}

/** A lighter state is copied by the write after a reader in less time than following it takes. In bytes. */
const minHeavyBytes = 65_536;

/** So many deltas are followed, and as heavy as the state; who reads then is given the store's own once more. */
const maxDeltas = 4_096;

/** What is looked at of a delta. */
type Followed = Pick<DeltaRecord, 'changes' | 'weight'>;

/** What was given away last of one state, and what became of it. */
export class GivenState {
  readonly #maxWeight: number;
  #base: JsonObject;
  /** Since the base. Only ever appended to: those who have not looked yet hold it. */
  #deltas: Followed[] = [];
  #weight = 0;
  #latest: (() => JsonObject) | undefined;

  /**
   * @param state frozen.
   * @param stateBytes what it weighs.
   */
  constructor(state: JsonObject, stateBytes: number) {
    this.#base = state;
    this.#maxWeight = stateBytes;
  }

  /** The state as it is now, if it need not be made. */
  get ready(): JsonObject | undefined {
    return this.#deltas.length === 0 ? this.#base : undefined;
  }

  /** The store's own has moved on. False: too far to be followed. */
  follow({ changes, weight }: Followed): boolean {
    this.#deltas.push({ changes, weight });
    this.#weight += weight;
    this.#latest = undefined;
    return this.#deltas.length <= maxDeltas && this.#weight <= this.#maxWeight;
  }

  /** Makes the state as it is now, frozen, whenever that is called: once for all who asked between two writes. */
  take(): () => JsonObject {
    this.#latest ??= this.#maker(this.#base, this.#deltas, this.#deltas.length);
    return this.#latest;
  }

  #maker(base: JsonObject, deltas: readonly Followed[], count: number): () => JsonObject {
    let made: JsonObject | undefined;
    return () => {
      if (made !== undefined) return made;
      const since = deltas.slice(0, count).map(({ changes }) => changes);
      made = applyAll(base, since);
      // Unless somebody who asked later has looked before: then there is a later base.
      if (deltas === this.#deltas) {
        this.#base = made;
        this.#deltas = deltas.slice(count);
        this.#weight = this.#deltas.reduce((sum, { weight }) => sum + weight, 0);
        this.#latest = undefined;
      }
      return made;
    };
  }
}
