import { setImmediate } from 'node:timers/promises';
import type { Backend } from '../backend/backend.ts';
import { LimitExceededError } from '../errors.ts';

/** The ids that somebody may see. */
export interface Visible {
  has(id: string): boolean;
  /** The same as ids and prefixes that do not overlap; null: only `has` tells. */
  readonly parts: { readonly ids: readonly string[]; readonly prefixes: readonly string[] } | null;
  /** Of the ids of `parts`, those that may not be seen all the same. Absent: none. */
  readonly except?: ReadonlySet<string> | undefined;
}

/** Which ids, and from where on. */
export interface IdRange {
  readonly idPrefix: string;
  /** Only those beyond it. */
  readonly after?: string | undefined;
  readonly descending: boolean;
  /** These, in the order of the list, instead of those of the store. */
  readonly ids?: readonly string[] | undefined;
  /** Absent: all. */
  readonly visible?: Visible | undefined;
}

/** How many ids are asked for at once. */
export const chunkSize = 250;
/** Of more exceptions nobody counts which are there. */
const maxExceptions = 1_000;
/** Among so many ids that may not be seen one that may has to be. */
const maxHidden = 10_000;

/**
 * Ids one after the other, as far as they may be seen. No id that may not be seen is looked up, named, or counted; where
 * only a function knows, it is asked of each.
 */
export class IdSource {
  readonly #backend: Backend;
  readonly #range: IdRange;
  /** Of the ids that were asked for, those to come. */
  readonly #asked: string[] | undefined;
  readonly #parts: readonly Part[];
  #part = 0;
  /** How many were looked at that may not be seen. */
  #hidden = 0;
  /** The last one that was looked at. */
  #at: string | undefined;

  constructor(backend: Backend, range: IdRange) {
    this.#backend = backend;
    this.#range = range;
    this.#asked = range.ids === undefined ? undefined : visibleOf(range.ids, range).filter((id) => isBeyond(id, range));
    this.#parts = partsOf(range);
    this.#at = range.after;
  }

  /**
   * Up to so many more; fewer: that was the end.
   *
   * @throws LimitExceededError when too many may not be seen.
   */
  async next(size: number): Promise<readonly string[]> {
    const { visible } = this.#range;
    if (this.#asked !== undefined) return this.#asked.splice(0, size);
    const found: string[] = [];
    while (found.length < size) {
      const listed = await this.#list(size - found.length);
      const seen = visible === undefined ? listed : listed.filter((id) => visible.has(id));
      found.push(...seen);
      if (listed.length < size - found.length + seen.length) break;
      this.#hidden += listed.length - seen.length;
      if (this.#hidden > maxHidden) throw new LimitExceededError('hiddenIds', maxHidden, maxHidden + 1);
      // A store that answers at once would leave nobody else a turn.
      if (found.length < size) await setImmediate();
    }
    return found;
  }

  /** How many there are from the beginning; null: only a look at each would tell. */
  async count(): Promise<number | null> {
    const { ids, visible, idPrefix } = this.#range;
    if (ids !== undefined) return this.#alive(visibleOf(ids, this.#range));
    if (visible === undefined) return (await this.#backend.count({ idPrefix })) ?? null;
    if (visible.parts === null) return null;
    if (visible.except !== undefined && visible.except.size > maxExceptions) return null;
    let sum = await this.#alive(visible.parts.ids.filter((id) => id.startsWith(idPrefix)));
    for (const prefix of prefixesInside(visible.parts.prefixes, idPrefix)) {
      const count = await this.#backend.count({ idPrefix: prefix });
      if (count === undefined) return null;
      sum += count;
    }
    return sum - (await this.#alive(exceptionsOf(visible).filter((id) => id.startsWith(idPrefix))));
  }

  /** Part by part, which do not overlap and are in the order of the list. */
  async #list(size: number): Promise<readonly string[]> {
    const found: string[] = [];
    for (let part = this.#parts[this.#part]; part !== undefined; part = this.#parts[++this.#part]) {
      const limit = size - found.length;
      const listed = await this.#inPart(part, limit);
      found.push(...listed);
      this.#at = listed.at(-1) ?? this.#at;
      if (listed.length === limit) break;
    }
    return found;
  }

  async #inPart({ text, isId }: Part, limit: number): Promise<readonly string[]> {
    const { descending } = this.#range;
    const after = this.#at;
    if (!isId) return this.#backend.list({ idPrefix: text, after, limit, descending });
    return isBeyond(text, { after, descending }) && (await this.#alive([text])) === 1 ? [text] : [];
  }

  async #alive(ids: readonly string[]): Promise<number> {
    const heads = await this.#backend.heads(ids);
    return heads.filter((head) => head !== undefined).length;
  }
}

/** In the order of UTF-8 bytes, as lists are. */
export function compareIds(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function visibleOf(ids: readonly string[], { visible }: IdRange): readonly string[] {
  return visible === undefined ? ids : ids.filter((id) => visible.has(id));
}

/** Those that are in the parts, or would be if they were there. */
function exceptionsOf({ parts, except }: Visible): readonly string[] {
  const isInside = (id: string) => parts?.ids.includes(id) || parts?.prefixes.some((prefix) => id.startsWith(prefix));
  return [...(except ?? [])].filter(isInside);
}

function isBeyond(id: string, { after, descending }: Pick<IdRange, 'after' | 'descending'>): boolean {
  if (after === undefined) return true;
  return descending ? compareIds(id, after) < 0 : compareIds(id, after) > 0;
}

/** What is listed at once: all ids that begin so, or one id. */
interface Part {
  readonly text: string;
  readonly isId: boolean;
}

/** None of which holds what another does. */
function partsOf({ idPrefix, visible, descending }: IdRange): readonly Part[] {
  if (visible === undefined || visible.parts === null) return [{ text: idPrefix, isId: false }];
  const prefixes = prefixesInside(visible.parts.prefixes, idPrefix).map((text) => ({ text, isId: false }));
  const ids = visible.parts.ids.filter((id) => id.startsWith(idPrefix)).map((text) => ({ text, isId: true }));
  const parts = [...prefixes, ...ids].toSorted((a, b) => compareIds(a.text, b.text));
  return descending ? parts.reverse() : parts;
}

/** What two sets of ids have in common, each of which is given by what its ids begin with. */
function prefixesInside(prefixes: readonly string[], idPrefix: string): readonly string[] {
  return prefixes.flatMap((prefix) =>
    prefix.startsWith(idPrefix) ? [prefix] : idPrefix.startsWith(prefix) ? [idPrefix] : [],
  );
}
