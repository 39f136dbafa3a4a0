/** Backends with one mistake each, of the kind that implementers make. The suite must find every one. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Announcement, Note, ReadOptions, View, Watch } from '../../src/backend/backend.ts';
import type { Base, CommitOptions, CommitResult, Outcome, Write } from '../../src/backend/commit.ts';
import type { Head, Known } from '../../src/backend/known.ts';
import { Delegating } from './delegating.ts';

type Listener = (announcement: Announcement) => void;

/** Stores the writes of a batch one after the other. */
export class CommitInTwoSteps extends Delegating {
  override async commit(
    id: string,
    base: Base,
    writes: readonly Write[],
    options: CommitOptions,
  ): Promise<CommitResult> {
    const [first, ...rest] = writes;
    if (first === undefined || rest.length === 0) return super.commit(id, base, writes, options);
    const result = await super.commit(id, base, [first], options);
    if (result.kind !== 'committed') return result;
    await turn();
    const { known } = await this.readOutcome(id, undefined, options.nowMs);
    const after: Base =
      known.kind === 'context'
        ? { ...positionOf(known), kind: 'context', touches: known.head.touches }
        : known.kind === 'tombstone'
          ? { ...positionOf(known), kind: 'tombstone' }
          : known;
    return this.commit(id, after, rest, options);
  }
}

/** Trims deltas by age, and leaves the floor where it was. */
export class FloorNotMoved extends Delegating {
  readonly #floors = new Map<string, number>();

  override async trimDeltas(id: string, beforeMs: number): Promise<number> {
    const [head] = await super.heads([id]);
    if (head !== undefined) this.#floors.set(id, this.#floors.get(id) ?? head.floor);
    return super.trimDeltas(id, beforeMs);
  }

  override async heads(ids: readonly string[]): Promise<readonly (Head | undefined)[]> {
    const heads = await super.heads(ids);
    return heads.map((head, index) => head && this.#withFloor(ids[index] ?? '', head));
  }

  override async read(id: string, options?: ReadOptions): Promise<View> {
    const view = await super.read(id, options);
    return view.kind === 'context' ? { ...view, head: this.#withFloor(id, view.head) } : view;
  }

  #withFloor(id: string, head: Head): Head {
    return Object.freeze({ ...head, floor: this.#floors.get(id) ?? head.floor });
  }
}

/** Removes a context and keeps no trace of it. */
export class TombstoneForgotten extends Delegating {
  override async commit(
    id: string,
    base: Base,
    writes: readonly Write[],
    options: CommitOptions,
  ): Promise<CommitResult> {
    const result = await super.commit(id, base, writes, options);
    await this.inner.purgeTombstone(id, Number.MAX_SAFE_INTEGER);
    return result;
  }
}

/** Tells its listeners first, and stores then. */
export class AnnouncedBeforeStored extends Delegating {
  readonly #listeners = new Map<string, Set<Listener>>();

  override async watch(id: string, listener: Listener): Promise<Watch> {
    const listeners = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, listeners.add(listener));
    // What is not a commit is announced by the other backend, as it should be.
    const watch = await super.watch(id, (announcement) => {
      if (announcement.kind === 'removed') listener(announcement);
    });
    return {
      close: () => {
        listeners.delete(listener);
        watch.close();
      },
    };
  }

  override async commit(
    id: string,
    base: Base,
    writes: readonly Write[],
    options: CommitOptions,
  ): Promise<CommitResult> {
    for (const { step } of writes) {
      for (const listener of this.#listeners.get(id) ?? []) {
        if (step.kind === 'create') listener({ kind: 'moved', position: positionOf(step) });
        if (step.kind === 'change') listener({ kind: 'changed', delta: step.delta });
      }
    }
    await turn();
    return super.commit(id, base, writes, options);
  }
}

/** Answers a watch before it listens. */
export class WatchResolvingEarly extends Delegating {
  override async watch(id: string, listener: Listener): Promise<Watch> {
    const watch = turn().then(() => super.watch(id, listener));
    watch.catch(() => undefined);
    return { close: () => void watch.then((open) => open.close()).catch(() => undefined) };
  }
}

/** Stores the write in one step, and what its idempotency key did in another. */
export class IdempotencyRecordedSeparately extends Delegating {
  readonly #outcomes = new Map<string, { readonly outcome: Outcome; readonly expiresAtMs: number }>();

  override async commit(
    id: string,
    base: Base,
    writes: readonly Write[],
    options: CommitOptions,
  ): Promise<CommitResult> {
    for (const [index, { idempotency }] of writes.entries()) {
      const outcome = idempotency && this.#outcome(id, idempotency.key, options.nowMs);
      if (outcome !== undefined) return { kind: 'duplicate', index, outcome };
    }
    const result = await super.commit(
      id,
      base,
      writes.map(({ writeId, step }) => ({ writeId, step })),
      options,
    );
    await turn();
    if (result.kind === 'committed') await this.#remember(id, writes);
    return result;
  }

  override async readOutcome(id: string, key: string | undefined, nowMs: number) {
    const { known } = await super.readOutcome(id, undefined, nowMs);
    return { known, outcome: key === undefined ? undefined : this.#outcome(id, key, nowMs) };
  }

  #outcome(id: string, key: string, nowMs: number): Outcome | undefined {
    const entry = this.#outcomes.get(JSON.stringify([id, key]));
    return entry !== undefined && entry.expiresAtMs > nowMs ? entry.outcome : undefined;
  }

  async #remember(id: string, writes: readonly Write[]): Promise<void> {
    let position = { epoch: '', version: 0 };
    for (const { step, idempotency } of writes) {
      if (step.kind !== 'remove') position = positionOf(step);
      else if (position.version === 0) {
        const { known } = await super.readOutcome(id, undefined, 0);
        if (known.kind !== 'absent') position = positionOf(known);
      }
      if (idempotency === undefined) continue;
      const { key, requestHash, changed, expiresAtMs } = idempotency;
      this.#outcomes.set(JSON.stringify([id, key]), { outcome: { ...position, requestHash, changed }, expiresAtMs });
    }
  }
}

/** Looks at the revision of a note in one step, and replaces it in another. */
export class NoteComparedFirst extends Delegating {
  override async writeNote(name: string, note: Note, expected: string | undefined): Promise<boolean> {
    const revision = await this.noteRevision(name);
    if (revision !== expected) return false;
    await turn();
    return super.writeNote(name, note, await this.noteRevision(name));
  }
}

function positionOf(where: Exclude<Known, { kind: 'absent' }> | { readonly head: Head }): {
  epoch: string;
  version: number;
} {
  const { epoch, version } = 'head' in where ? where.head : where;
  return { epoch, version };
}
