import type { Outcome } from './backend.ts';

interface Entry {
  readonly outcome: Outcome;
  readonly expiresAtMs: number;
}

/** Idempotency records by context id and key; what has run out is forgotten as new ones come in. */
export class OutcomeStore {
  readonly #byId = new Map<string, Map<string, Entry>>();
  /** In the order in which they were recorded, which with one window is the order in which they run out. */
  readonly #order: { readonly id: string; readonly key: string; readonly entry: Entry }[] = [];
  #first = 0;

  get(id: string, key: string, nowMs: number): Outcome | undefined {
    const entry = this.#byId.get(id)?.get(key);
    return entry !== undefined && entry.expiresAtMs > nowMs ? entry.outcome : undefined;
  }

  set(id: string, key: string, entry: Entry, nowMs: number): void {
    this.#forgetExpired(nowMs);
    const ofId = this.#byId.get(id) ?? new Map<string, Entry>();
    this.#byId.set(id, ofId);
    ofId.set(key, entry);
    this.#order.push({ id, key, entry });
  }

  #forgetExpired(nowMs: number): void {
    for (let oldest = this.#order[this.#first]; oldest !== undefined; oldest = this.#order[this.#first]) {
      if (oldest.entry.expiresAtMs > nowMs) break;
      const ofId = this.#byId.get(oldest.id);
      if (ofId?.get(oldest.key) === oldest.entry) ofId.delete(oldest.key);
      if (ofId?.size === 0) this.#byId.delete(oldest.id);
      this.#first++;
    }
    if (this.#first > 1024 && this.#first * 2 > this.#order.length) {
      this.#order.splice(0, this.#first);
      this.#first = 0;
    }
  }
}
