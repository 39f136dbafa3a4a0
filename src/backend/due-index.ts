import type { Due, DueOptions } from './backend.ts';
import { BTree } from './btree.ts';
import { compareDue } from './order.ts';

/** Which id is due when, ordered by (due time, id). */
export class DueIndex {
  readonly #byId = new Map<string, number>();
  readonly #ordered = new BTree<Due, undefined>(undefined, compareDue);

  /** Makes the id due at `dueMs`; undefined or null: never. */
  set(id: string, dueMs: number | null | undefined): void {
    const before = this.#byId.get(id);
    if (before === dueMs) return;
    if (before !== undefined) {
      this.#ordered.delete({ id, dueMs: before });
      this.#byId.delete(id);
    }
    if (dueMs === undefined || dueMs === null) return;
    this.#byId.set(id, dueMs);
    this.#ordered.set({ id, dueMs }, undefined);
  }

  /** Like `set`, but an entry that is already earlier stays: it corrects itself when it is acted on. */
  setNoLater(id: string, dueMs: number | null | undefined): void {
    const before = this.#byId.get(id);
    if (before === undefined || dueMs === undefined || dueMs === null || dueMs < before) this.set(id, dueMs);
  }

  get earliest(): number | undefined {
    return this.#ordered.minKey()?.dueMs;
  }

  upTo(beforeMs: number, { limit, offset = 0, after, descending = false }: DueOptions): Due[] {
    const found: Due[] = [];
    let skip = offset;
    for (const entry of descending ? this.#descending(beforeMs, after) : this.#ascending(after)) {
      if (entry.dueMs > beforeMs || found.length >= limit) break;
      if (skip > 0) skip--;
      else found.push(entry);
    }
    return found;
  }

  *#ascending(after: Due | undefined): Iterable<Due> {
    for (const entry of this.#ordered.keys(after)) {
      if (after === undefined || compareDue(entry, after) > 0) yield entry;
    }
  }

  *#descending(beforeMs: number, after: Due | undefined): Iterable<Due> {
    const last = { id: lastId, dueMs: beforeMs };
    const from = after !== undefined && compareDue(after, last) < 0 ? after : last;
    for (const [entry] of this.#ordered.entriesReversed(from)) {
      if (compareDue(entry, from) < 0) yield entry;
    }
  }
}

/** Beyond every valid id: no id is longer than 512 bytes. */
const lastId = '\u{10ffff}'.repeat(129);
