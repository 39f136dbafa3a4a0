import type { Outcome } from './commit.ts';
import { DueIndex } from './due-index.ts';

interface Entry {
  readonly outcome: Outcome;
  readonly expiresAtMs: number;
}

/** Idempotency records by context id and key; what has run out is forgotten as new ones come in. */
export class OutcomeStore {
  readonly #byName = new Map<string, Entry>();
  /** By when they run out: clocks that disagree do not record them in that order. */
  readonly #due = new DueIndex();

  /** How many are kept. */
  get size(): number {
    return this.#byName.size;
  }

  get(id: string, key: string, nowMs: number): Outcome | undefined {
    const entry = this.#byName.get(nameOf(id, key));
    return entry !== undefined && entry.expiresAtMs > nowMs ? entry.outcome : undefined;
  }

  set(id: string, key: string, entry: Entry, nowMs: number): void {
    this.#forgetExpired(nowMs);
    const name = nameOf(id, key);
    this.#byName.set(name, entry);
    this.#due.set(name, entry.expiresAtMs);
  }

  #forgetExpired(nowMs: number): void {
    for (const { id: name } of this.#due.upTo(nowMs, { limit: Number.POSITIVE_INFINITY })) {
      this.#byName.delete(name);
      this.#due.set(name, undefined);
    }
  }
}

/** Of an id and a key, neither of which holds NUL. */
function nameOf(id: string, key: string): string {
  return `${id}\0${key}`;
}
