import type { Announcement } from '../../src/backend/backend.ts';
import type { Base, CommitOptions, CommitResult, Write } from '../../src/backend/commit.ts';
import type { Changes } from '../../src/delta/delta.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import type { Position } from '../../src/model.ts';
import { soon } from '../support/wait.ts';
import { clientApply } from './oracle.ts';

interface Written {
  /** The state that the changes lead on from; undefined: nothing. */
  readonly from: Position | undefined;
  readonly changes: Changes;
  /** Counted from 0. */
  readonly server: number;
  readonly hasBegunEpoch: boolean;
}

/** A commit as it was asked for. */
export interface SentCommit {
  readonly base: Base;
  readonly writes: readonly Write[];
  readonly options: CommitOptions;
}

/**
 * What became of a context in all processes: every state that it ever had, and who has to hear of it.
 *
 * Processes race, and which commit was accepted is known when it is answered, maybe after somebody heard of it. So
 * states and the order of positions can be asked for only when no commit is under way, see `decided`.
 */
export class Chronicle {
  readonly #written = new Map<string, Written>();
  readonly #states = new Map<string, JsonObject>();
  /** What had a successor. */
  readonly #succeeded = new Set<string>();
  /** How many tombstones were forgotten before an epoch began. While none is, versions only rise. */
  readonly #ages = new Map<string, number>();
  #age = 0;
  #server = 0;
  /** Everything that has to be announced. */
  readonly #happened = new Set<string>();
  readonly #listeners = new Set<Listener>();
  /** What somebody heard of and no answer has proven yet. */
  readonly #rumours = new Set<string>();
  readonly #problems: string[] = [];
  readonly #unchecked: Position[] = [];
  readonly #commits = new Set<Promise<unknown>>();
  #calls = 0;
  readonly #waiting: (() => void)[] = [];

  /** Whether something was asked of a store that is not answered, or a watch did not hear of a commit yet. */
  get isBusy(): boolean {
    return this.#calls > 0 || [...this.#listeners].some((listener) => listener.isMissing);
  }

  /** How many watches are open. */
  get watches(): number {
    return this.#listeners.size;
  }

  /** Resolves when something more was answered or heard. */
  async news(): Promise<void> {
    const news = new Promise<void>((resolve) => this.#waiting.push(resolve));
    const missing = () => [...this.#listeners].flatMap((listener) => [...listener.missing]).join(', ');
    await soon('an answer of the store, or an announcement', news).catch((error: unknown) => {
      throw new Error(`${this.#calls} calls are not answered, not announced: ${missing()}`, { cause: error });
    });
  }

  /** Resolves when no commit is under way. */
  async decided(): Promise<void> {
    while (this.#commits.size > 0) await Promise.allSettled(this.#commits);
  }

  /** Notes that something is asked of a store. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#calls++;
    try {
      return await work();
    } finally {
      this.#calls--;
      this.#tell();
    }
  }

  /** The same for a commit, and what it did. */
  async commit(asked: SentCommit, send: () => Promise<CommitResult>): Promise<CommitResult> {
    const expectations = [...this.#listeners].map((listener) => listener.expectation());
    const committing = this.during(async () => {
      const result = await send();
      if (result.kind === 'committed') {
        for (const announced of this.#note(asked, result.epochBegan)) {
          this.#happened.add(announced);
          for (const expect of expectations) expect(announced);
        }
      }
      return result;
    });
    this.#commits.add(committing);
    try {
      return await committing;
    } finally {
      this.#commits.delete(committing);
    }
  }

  /** A watch was confirmed: it has to hear of every commit that is asked for from now on. */
  listen(): Listener {
    const listener = new Listener();
    this.#listeners.add(listener);
    return listener;
  }

  hear(listener: Listener, announcement: Announcement): void {
    const heard = keyOfAnnouncement(announcement);
    listener.hear(heard);
    if (heard !== undefined) this.#rumours.add(heard);
    this.#tell();
  }

  leave(listener: Listener): void {
    this.#listeners.delete(listener);
    this.#tell();
  }

  /** A tombstone was forgotten: versions may begin anew. */
  purged(): void {
    this.#age++;
  }

  /** Another server took over. */
  promoted(): void {
    this.#server++;
  }

  stateAt(position: Position): JsonObject {
    const key = keyOf(position);
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    const { from, changes } = this.#writtenAt(position);
    const state = clientApply(from === undefined ? {} : this.stateAt(from), changes);
    this.#states.set(key, state);
    return state;
  }

  /** What the write that led to a position found. */
  stateBefore(position: Position): JsonObject {
    const from = this.#written.get(keyOf(position))?.from;
    return from === undefined ? {} : this.stateAt(from);
  }

  /** The order in which positions came to be. */
  rank({ epoch, version }: Position): number {
    return (this.#ages.get(epoch) ?? -1) * 1_000_000 + version;
  }

  /** Fails when the commits that were accepted cannot all be, or something was announced that never happened. */
  check(): void {
    const [problem] = this.#problems;
    if (problem !== undefined) throw new Error(problem);
    if (this.#commits.size > 0) return;
    for (const rumour of this.#rumours) {
      if (!this.#happened.has(rumour)) throw new Error(`announced, and never stored: ${rumour}`);
    }
    this.#rumours.clear();
    for (const position of this.#unchecked.splice(0)) this.#checkWritten(position);
  }

  /** What was written by one server is followed by a new epoch on another. */
  #checkWritten(position: Position): void {
    const { from, server, hasBegunEpoch } = this.#writtenAt(position);
    const isElsewhere = from !== undefined && this.#writtenAt(from).server !== server;
    if (hasBegunEpoch !== isElsewhere) throw new Error(`${keyOf(position)} began an epoch: ${hasBegunEpoch}`);
    // Now, so that nobody can change what the state is made of.
    this.stateAt(position);
  }

  #writtenAt(position: Position): Written {
    const written = this.#written.get(keyOf(position));
    if (written === undefined) throw new Error(`there never was ${keyOf(position)}`);
    return written;
  }

  /** Answers what has to be announced. */
  #note({ base, writes, options }: SentCommit, epochBegan: boolean): readonly string[] {
    const announced: string[] = [];
    let before = base.kind === 'absent' ? `absent ${this.#age}` : `${base.kind} ${keyOf(base)}`;
    let at: Position | undefined = base.kind === 'context' ? base : undefined;
    let isBeginning = epochBegan;
    let fresh: string | undefined;
    for (const { step } of writes) {
      if (step.kind === 'touch') continue;
      if (this.#succeeded.has(before)) this.#problems.push(`two commits on ${before} were accepted`);
      this.#succeeded.add(before);
      if (step.kind === 'remove') {
        if (at === undefined) throw new TypeError('nothing to remove');
        announced.push(`removed ${keyOf(at)}`);
        before = `tombstone ${keyOf(at)}`;
        at = undefined;
        fresh = undefined;
        isBeginning = false;
        continue;
      }
      const hasBegunEpoch = isBeginning && step.kind === 'change';
      if (hasBegunEpoch) fresh = options.freshEpoch;
      isBeginning = false;
      const position = { epoch: fresh ?? step.head.epoch, version: step.head.version };
      if (!this.#ages.has(position.epoch)) this.#ages.set(position.epoch, this.#age);
      this.#written.set(keyOf(position), {
        from: at,
        changes: step.delta.changes,
        server: this.#server,
        hasBegunEpoch,
      });
      this.#unchecked.push(position);
      announced.push(keyOf(position));
      before = `context ${keyOf(position)}`;
      at = position;
    }
    return announced;
  }

  #tell(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** One watch: what it heard, and what it has to hear. */
export class Listener {
  readonly #heard = new Set<string>();
  readonly missing = new Set<string>();
  #interruptions = 0;

  get isMissing(): boolean {
    return this.missing.size > 0;
  }

  /** Undefined: what was announced until now may have been lost. */
  hear(key: string | undefined): void {
    if (key === undefined) {
      this.#interruptions++;
      this.missing.clear();
      return;
    }
    this.#heard.add(key);
    this.missing.delete(key);
  }

  /** Of what is asked of a store now, to be told when it is done. */
  expectation(): (key: string) => void {
    const interruptions = this.#interruptions;
    return (key) => {
      if (interruptions === this.#interruptions && !this.#heard.has(key)) this.missing.add(key);
    };
  }
}

/** A removal is told apart from the write that it followed. */
function keyOfAnnouncement(announcement: Announcement): string | undefined {
  switch (announcement.kind) {
    case 'changed':
      return keyOf(announcement.delta);
    case 'moved':
      return keyOf(announcement.position);
    case 'removed':
      return `removed ${keyOf(announcement.position)}`;
    case 'interrupted':
      return undefined;
  }
}

function keyOf({ epoch, version }: Position): string {
  return `${epoch} ${version}`;
}
