import type { ListOptions } from './backend.ts';
import { BTree } from './btree.ts';
import { compareUtf8 } from './order.ts';

/** Ids in UTF-8 byte order. */
export class IdIndex {
  readonly #ids = new BTree<string, undefined>(undefined, compareUtf8);

  get size(): number {
    return this.#ids.size;
  }

  add(id: string): void {
    this.#ids.set(id, undefined);
  }

  delete(id: string): void {
    this.#ids.delete(id);
  }

  list({ offset = 0, limit, ...range }: ListOptions): string[] {
    const ids: string[] = [];
    let skip = offset;
    for (const id of this.#walk(range)) {
      if (ids.length >= limit) break;
      if (skip > 0) skip--;
      else ids.push(id);
    }
    return ids;
  }

  count(idPrefix: string): number {
    if (idPrefix === '') return this.size;
    let count = 0;
    for (const _ of this.#walk({ idPrefix })) count++;
    return count;
  }

  *#walk({
    idPrefix = '',
    after,
    descending,
  }: Pick<ListOptions, 'idPrefix' | 'after' | 'descending'>): Iterable<string> {
    if (descending === true) {
      const from = after ?? (idPrefix === '' ? undefined : idPrefix + lastSuffix);
      for (const [id] of this.#ids.entriesReversed(from)) {
        if (id === after) continue;
        if (id.startsWith(idPrefix)) yield id;
        else if (compareUtf8(id, idPrefix) < 0) return;
      }
    } else {
      const from = after !== undefined && compareUtf8(after, idPrefix) > 0 ? after : idPrefix;
      for (const id of this.#ids.keys(from)) {
        if (id === after) continue;
        if (!id.startsWith(idPrefix)) return;
        yield id;
      }
    }
  }
}

/** Beyond every id with the prefix: no id is longer than 512 bytes. */
const lastSuffix = '\u{10ffff}'.repeat(129);
