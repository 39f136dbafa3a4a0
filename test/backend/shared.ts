import type { Announcement, Watch } from '../../src/backend/backend.ts';
import type { Base, CommitOptions, CommitResult, Write } from '../../src/backend/commit.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { BackendUnavailableError } from '../../src/errors.ts';
import { Delegating } from './delegating.ts';

/**
 * A store that outlives its backends, as a database does: several may be open on it, and its identity may change.
 * It shows that the groups of the suite which memory cannot run can be passed.
 */
export class SharedBackend extends Delegating {
  static open(): SharedBackend {
    return new SharedBackend(new MemoryBackend(), 'first');
  }

  readonly #serverId: string;
  readonly #watches = new Set<Watch>();
  #closed = false;

  private constructor(store: MemoryBackend, serverId: string) {
    super(guarded(store, () => this.#closed));
    this.#serverId = serverId;
    this.#store = store;
  }

  readonly #store: MemoryBackend;

  another(): SharedBackend {
    return new SharedBackend(this.#store, this.#serverId);
  }

  elsewhere(): SharedBackend {
    return new SharedBackend(this.#store, `${this.#serverId}'`);
  }

  override get serverId(): string {
    return this.#serverId;
  }

  override async commit(
    id: string,
    base: Base,
    writes: readonly Write[],
    options: CommitOptions,
  ): Promise<CommitResult> {
    const known = this.peek(id);
    const isElsewhere = known?.kind === 'context' && known.head.serverId !== this.#serverId;
    const first = writes[0]?.step.kind === 'touch' ? writes.findIndex(({ step }) => step.kind !== 'touch') : 0;
    if (!isElsewhere || writes[first]?.step.kind !== 'change') return super.commit(id, base, writes, options);
    const result = await super.commit(id, base, beginEpoch(writes, options.freshEpoch), options);
    return result.kind === 'committed' ? { ...result, epochBegan: true } : result;
  }

  override async watch(id: string, listener: (announcement: Announcement) => void): Promise<Watch> {
    const watch = await super.watch(id, listener);
    this.#watches.add(watch);
    return watch;
  }

  override async close(): Promise<void> {
    this.#closed = true;
    for (const watch of this.#watches) watch.close();
  }
}

/** The writes as the store records them: the changes before the next removal belong to the new epoch. */
function beginEpoch(writes: readonly Write[], epoch: string): readonly Write[] {
  const removal = writes.findIndex(({ step }) => step.kind === 'remove');
  let firstVersion: number | undefined;
  return writes.map((write, index) => {
    const { step } = write;
    if (step.kind !== 'change' || (removal !== -1 && index > removal)) return write;
    const isFirst = firstVersion === undefined;
    firstVersion ??= step.head.version;
    const floor = Math.max(firstVersion, step.head.floor);
    return {
      ...write,
      step: {
        ...step,
        head: Object.freeze({ ...step.head, epoch, firstVersion, floor }),
        delta: Object.freeze({ ...step.delta, epoch, fromVersion: isFirst ? 0 : step.delta.fromVersion }),
        trimTo: isFirst ? firstVersion - 1 : step.trimTo,
      },
    };
  });
}

/** The store, as long as its user has not closed it. */
function guarded(store: MemoryBackend, isClosed: () => boolean): MemoryBackend {
  return new Proxy(store, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        if (!isClosed()) return Reflect.apply(member, target, args);
        if (property === 'peek') return undefined;
        return Promise.reject(new BackendUnavailableError('The store is closed.', 'NOT_STORED'));
      };
    },
  });
}
