import type { ReadOptions, View } from '../backend.ts';
import type { Outcome } from '../commit.ts';
import { viewWith } from '../given-state.ts';
import type { DeltaRecord, Known } from '../known.ts';
import { outcomeFrom, type StoredView } from './codec.ts';
import type { Contexts } from './contexts.ts';
import { listOf, textOf } from './replies.ts';
import { scripts } from './scripts.ts';
import type { RedisStore } from './store.ts';
import { storedFrom } from './views.ts';

/** A key whose outcome is asked for, and when it must still count. */
export interface KeyAt {
  readonly key: string;
  readonly nowMs: number;
}

/** One view, and what a key did. */
export interface Read {
  readonly view: View;
  readonly outcome: Outcome | undefined;
}

/** The reads of one process: each asks the store, which sends what this process has not seen. */
export class Reads {
  readonly #store: RedisStore;
  readonly #contexts: Contexts;

  constructor(store: RedisStore, contexts: Contexts) {
    this.#store = store;
    this.#contexts = contexts;
  }

  /** As `Backend.read` says. */
  async read(id: string, options: ReadOptions, key?: KeyAt): Promise<Read> {
    // What the answer was to lead on from may have been dropped from memory meanwhile: then all of it is asked for.
    return (await this.#ask(id, options, { key, useSeen: true })) ?? (await this.#askForAll(id, options, key));
  }

  /** The head and the state, or what is left of them. */
  async known(id: string, key?: KeyAt): Promise<{ readonly known: Known; readonly outcome: Outcome | undefined }> {
    const { view, outcome } = await this.read(id, {}, key);
    if (view.kind !== 'context') return { known: view, outcome };
    if (view.state === undefined) throw new TypeError('The read script answered no state.');
    return { known: { kind: 'context', head: view.head, state: view.state }, outcome };
  }

  async #askForAll(id: string, options: ReadOptions, key: KeyAt | undefined): Promise<Read> {
    const read = await this.#ask(id, options, { key, useSeen: false });
    if (read === undefined) throw new TypeError('The read script answered no state.');
    return read;
  }

  /** Undefined: the state cannot be made of the answer. */
  async #ask(
    id: string,
    options: ReadOptions,
    { key, useSeen }: { readonly key: KeyAt | undefined; readonly useSeen: boolean },
  ): Promise<Read | undefined> {
    const { client, keys } = this.#store;
    const seen = useSeen ? this.#contexts.get(id) : undefined;
    const have = seen?.kind === 'context' ? `${seen.head.epoch} ${seen.head.version}` : '- -';
    const args = [have, sinceText(options), options.withState === true ? '1' : '0'];
    const keyArgs = key === undefined ? [] : [String(key.nowMs), key.key];
    const reply = listOf(await client.run(scripts.read, keys.context(id), [...args, ...keyArgs]));
    const stored = storedFrom(reply[0]);
    const outcomeText = textOf(reply[1]);
    const outcome = outcomeText === undefined ? undefined : outcomeFrom(outcomeText);
    if (stored.kind !== 'context') {
      this.#contexts.set(id, stored);
      return { view: stored, outcome };
    }
    const deltas = askedFor(stored);
    if (stored.source === 'none') return { view: { kind: 'context', head: stored.head, deltas }, outcome };
    const offer = this.#contexts.stateOf(id, stored, seen);
    return offer && { view: viewWith(offer, stored.head, deltas), outcome };
  }
}

/** The deltas that a view was asked for: those before them only lead to the state. */
export function askedFor({ from, records }: StoredView): readonly DeltaRecord[] | undefined {
  return from === undefined ? undefined : records.filter(({ version }) => version > from);
}

/** The second argument of read.lua. */
function sinceText({ since, maxDeltas }: ReadOptions): string {
  if (since === undefined) return '* - -';
  const { epoch, version } = since;
  const most = maxDeltas === undefined || !Number.isSafeInteger(maxDeltas) ? '-' : maxDeltas;
  if (epoch === undefined) return `* ${version} ${most}`;
  // Clients send what they like; what no epoch looks like is no epoch.
  return `${/^[\w-]+$/.test(epoch) ? epoch : '-'} ${version} ${most}`;
}
