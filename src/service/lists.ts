/** Pages of contexts and of deltas: administrative reads, bounded in what one of them looks at. */
import { setImmediate } from 'node:timers/promises';
import type { Backend } from '../backend/backend.ts';
import type { DeltaRecord, Head } from '../backend/known.ts';
import type { Delta } from '../delta/delta.ts';
import type { ContextRecord, Page } from '../model.ts';
import { chunkSize, IdSource, type Visible } from './id-source.ts';
import { parseId, parseIdPart, parseVersion } from './input.ts';
import {
  isWithin,
  type ListContextsOptions,
  type ListDeltasOptions,
  type Moments,
  type ParsedPage,
  parseIds,
  parseInserted,
  parsePage,
} from './list-input.ts';
import { contextOf, toDelta } from './sync.ts';

/** One page of contexts. */
export interface ContextPage extends Page<ContextRecord> {
  /** Where the page stopped looking: pass it as `after` to go on. Null: nothing was looked at. */
  readonly endCursor: string | null;
  /** How many there are in all; null when that would need a look at every context. Computed when called. */
  totalCount(): Promise<number | null>;
}

/** One page of deltas. */
export interface DeltaPage extends Page<Delta> {
  /** How many of the context match; null without `contextId`. Computed when called. */
  totalCount(): Promise<number | null>;
}

/** After the deltas of so many contexts others have their turn. */
const turnSize = 25;
/** A page looks at so many contexts at most, and may then be short. */
const maxScanned = 10_000;

interface CollectOptions extends Pick<ParsedPage, 'limit' | 'offset'> {
  /** Whether few of the ids may pass. */
  readonly isNarrow: boolean;
  readonly after: string | null | undefined;
}

interface Found<T> {
  readonly id: string;
  readonly item: T;
}

/** Which deltas of a context are wanted. */
interface DeltaRange {
  readonly afterVersion: number;
  readonly inserted: Moments | undefined;
}

/** Versions from first to last; empty when last is before first. */
interface Stretch {
  readonly first: number;
  readonly last: number;
}

type Matches<T> = (candidate: T) => boolean;

/** Reads pages. */
export class Lister {
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** @param visible what may be in the list; absent: everything. */
  async contexts(options: ListContextsOptions, visible?: Visible): Promise<ContextPage> {
    const page = parsePage(options);
    const { descending } = page;
    const source = new IdSource(this.#backend, {
      idPrefix: parseIdPart('idPrefix', options.idPrefix) ?? '',
      after: parseIdPart('after', options.after),
      ids: parseIds(options, page),
      descending,
      visible,
    });
    const version = parseVersion('version', options.version);
    const inserted = parseInserted(options);
    const isNarrow = version !== undefined || inserted !== undefined;
    const matches: Matches<Head> = (head) =>
      (version === undefined || head.version === version) && (inserted === undefined || isWithin(inserted, head));
    const found = await this.#collect(source, { ...page, isNarrow, after: options.after }, (ids, wanted) =>
      this.#records(ids, matches, wanted),
    );
    return { ...found, totalCount: async () => (isNarrow ? null : source.count()) };
  }

  /** @param visible the contexts whose deltas may be in the list; absent: all. */
  async deltas(options: ListDeltasOptions, visible?: Visible): Promise<DeltaPage> {
    const page = parsePage(options);
    const range: DeltaRange = {
      afterVersion: parseVersion('afterVersion', options.afterVersion) ?? 0,
      inserted: parseInserted(options),
    };
    const id = options.contextId ?? undefined;
    const after = id === undefined ? parseIdPart('after', options.after) : undefined;
    const source = new IdSource(this.#backend, {
      idPrefix: '',
      after,
      ids: id === undefined ? undefined : [parseId('contextId', id)],
      descending: page.descending,
      visible,
    });
    const { nodes, hasNextPage } = await this.#collect(
      source,
      { ...page, isNarrow: true, after },
      async (ids, wanted) => {
        const found: Found<Delta>[] = [];
        for (const [index, contextId] of ids.entries()) {
          if (found.length >= wanted) break;
          if (index % turnSize === turnSize - 1) await setImmediate();
          const deltas = await this.#deltas(contextId, range, wanted - found.length, page.descending);
          found.push(...deltas.map((item) => ({ id: contextId, item })));
        }
        return found;
      },
    );
    return { nodes, hasNextPage, totalCount: async () => (id === undefined ? null : this.#countDeltas(id, range)) };
  }

  /** Walks the ids in order until the page is full, they are exhausted, or enough was looked at. */
  async #collect<T>(
    source: IdSource,
    { limit, offset, isNarrow, after }: CollectOptions,
    itemsOf: (ids: readonly string[], wanted: number) => Promise<readonly Found<T>[]>,
  ): Promise<Page<T> & { readonly endCursor: string | null }> {
    const wanted = offset + limit + 1;
    const found: Found<T>[] = [];
    let from = after ?? undefined;
    let isExhausted = false;
    for (let scanned = 0; found.length < wanted && scanned < maxScanned && !isExhausted; ) {
      const size = isNarrow ? chunkSize : Math.min(chunkSize, wanted - found.length);
      const ids = await source.next(size);
      found.push(...(await itemsOf(ids, wanted - found.length)));
      scanned += ids.length;
      from = ids.at(-1) ?? from;
      isExhausted = ids.length < size;
      // A store that answers at once would leave nobody else a turn.
      if (!isExhausted) await setImmediate();
    }
    const nodes = found.slice(offset, offset + limit);
    const isFull = found.length >= wanted;
    return {
      nodes: nodes.map(({ item }) => item),
      hasNextPage: isFull || !isExhausted,
      endCursor: (isFull ? nodes.at(-1)?.id : from) ?? null,
    };
  }

  /** The live contexts among the ids whose head matches, each with the state of that very head. */
  async #records(ids: readonly string[], matches: Matches<Head>, wanted: number): Promise<Found<ContextRecord>[]> {
    const heads = await this.#backend.heads(ids);
    const candidates = ids.filter((_, index) => {
      const head = heads[index];
      return head !== undefined && matches(head);
    });
    const found: Found<ContextRecord>[] = [];
    while (found.length < wanted && candidates.length > 0) {
      const next = candidates.splice(0, wanted - found.length);
      const records = await Promise.all(next.map((id) => this.#record(id, matches)));
      found.push(...records.flat());
    }
    return found;
  }

  /** The context, unless it has moved out of the list since its head was seen. */
  async #record(id: string, matches: Matches<Head>): Promise<Found<ContextRecord>[]> {
    const view = await this.#backend.read(id);
    const item = contextOf(id, view);
    return item !== undefined && view.kind === 'context' && matches(view.head) ? [{ id, item }] : [];
  }

  async #deltas(id: string, range: DeltaRange, wanted: number, descending: boolean): Promise<readonly Delta[]> {
    const { first, last } = await this.#versions(id, range);
    const count = Math.min(wanted, last - first + 1);
    if (count <= 0) return [];
    const afterVersion = descending ? last - count : first - 1;
    const records = await this.#backend.deltas(id, { afterVersion, limit: count });
    const deltas = records.map((record) => toDelta(id, record));
    return descending ? deltas.reverse() : deltas;
  }

  async #countDeltas(id: string, range: DeltaRange): Promise<number> {
    const { first, last } = await this.#versions(id, range);
    return Math.max(0, last - first + 1);
  }

  /**
   * The versions of a context that a range holds: one stretch, since versions are contiguous and within an epoch time
   * does not go back. So both ends are found by halving, and nothing is read that is not shown.
   */
  async #versions(id: string, { afterVersion, inserted }: DeltaRange): Promise<Stretch> {
    const [oldest] = await this.#backend.deltas(id, { afterVersion, limit: 1 });
    const [newest] = await this.#backend.deltas(id, { afterVersion, limit: 1, descending: true });
    if (oldest === undefined || newest === undefined) return { first: 1, last: 0 };
    const all = { first: oldest.version, last: newest.version };
    if (inserted === undefined) return all;
    const { beforeMs, afterMs } = inserted;
    return {
      first: await this.#firstVersion(id, all, ({ insertedAtMs }) => insertedAtMs > afterMs),
      last: (await this.#firstVersion(id, all, ({ insertedAtMs }) => insertedAtMs >= beforeMs)) - 1,
    };
  }

  /** The first version of the stretch from which on the records pass; one beyond it when none does. */
  async #firstVersion(id: string, { first, last }: Stretch, passes: Matches<DeltaRecord>): Promise<number> {
    let low = first;
    let high = last + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const [record] = await this.#backend.deltas(id, { afterVersion: middle - 1, limit: 1 });
      if (record === undefined || passes(record)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
