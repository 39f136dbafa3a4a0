import type { Announcement, Backend, DeltaListOptions, ReadOptions, View, Watch } from '../../src/backend/backend.ts';
import type { Base, CommitOptions, CommitResult, Outcome, Write } from '../../src/backend/commit.ts';
import type { DeltaRecord, Head, Known } from '../../src/backend/known.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import type { Position } from '../../src/model.ts';
import { Delegating } from '../backend/delegating.ts';
import { canonical } from '../delta/oracles.ts';
import type { Chronicle, Listener } from './chronicle.ts';

/** A backend of one process or of several: keeps every view that it gave, and has the rest written down. */
export class RecordingStore extends Delegating {
  readonly chronicle: Chronicle;
  readonly views: { readonly since: ReadOptions['since']; readonly view: View }[] = [];
  readonly #listeners = new Set<Listener>();

  constructor(inner: Backend, chronicle: Chronicle) {
    super(inner);
    this.chronicle = chronicle;
  }

  /** The same contexts, opened again. */
  async reopen(open: () => Backend): Promise<void> {
    await this.inner.close();
    for (const listener of this.#listeners) this.chronicle.leave(listener);
    this.#listeners.clear();
    this.inner = open();
  }

  override commit(at: string, base: Base, writes: readonly Write[], options: CommitOptions): Promise<CommitResult> {
    return this.chronicle.commit({ base, writes, options }, () => super.commit(at, base, writes, options));
  }

  override async watch(at: string, listener: (announcement: Announcement) => void): Promise<Watch> {
    let own: Listener | undefined;
    const early: Announcement[] = [];
    const watch = await this.chronicle.during(() =>
      super.watch(at, (announcement) => {
        if (own === undefined) early.push(announcement);
        else this.chronicle.hear(own, announcement);
        listener(announcement);
      }),
    );
    const opened = this.chronicle.listen();
    own = opened;
    for (const announcement of early) this.chronicle.hear(opened, announcement);
    this.#listeners.add(opened);
    return {
      close: () => {
        this.#listeners.delete(opened);
        this.chronicle.leave(opened);
        watch.close();
      },
    };
  }

  override async read(at: string, options: ReadOptions = {}): Promise<View> {
    const view = await this.chronicle.during(() => super.read(at, options));
    this.views.push({ since: options.since, view });
    return view;
  }

  override readOutcome(
    at: string,
    key: string | undefined,
    nowMs: number,
  ): Promise<{ known: Known; outcome?: Outcome | undefined }> {
    return this.chronicle.during(() => super.readOutcome(at, key, nowMs));
  }

  override heads(ids: readonly string[]): Promise<readonly (Head | undefined)[]> {
    return this.chronicle.during(() => super.heads(ids));
  }

  override deltas(at: string, options: DeltaListOptions): Promise<readonly DeltaRecord[]> {
    return this.chronicle.during(() => super.deltas(at, options));
  }

  override async purgeTombstone(at: string, beforeMs: number): Promise<boolean> {
    const isPurged = await super.purgeTombstone(at, beforeMs);
    if (isPurged) this.chronicle.purged();
    return isPurged;
  }

  /** Fails when what this process saw last never was. */
  checkPeek(at: string): void {
    const seen = this.inner.peek(at);
    if (seen?.kind === 'context') same(seen.state, this.chronicle.stateAt(seen.head), 'what a process saw last');
  }
}

/** The position of what is not there. */
export const nowhere: Position = { epoch: '-', version: 0 };

/** Of anything that has a position, or holds a head that has. */
export function placeOf(there: Position | { readonly head: Position } | { readonly kind: 'absent' } | undefined): {
  readonly epoch: string;
  readonly version: number;
} {
  if (there === undefined || !('head' in there || 'epoch' in there)) return nowhere;
  const { epoch, version } = 'head' in there ? there.head : there;
  return { epoch, version };
}

/** Fails when two states differ, naming what was looked at. */
export function same(actual: JsonObject, expected: JsonObject, what: string): void {
  const [is, should] = [canonical(actual), canonical(expected)];
  if (is !== should) throw new Error(`${what} is ${is}, not ${should}`);
}

/** A value as it may stand in a message. */
export function show(value: unknown): string {
  return JSON.stringify(value) ?? 'nothing';
}

/** Throws, where an expression is wanted. */
export function fail(message: string): never {
  throw new Error(message);
}
