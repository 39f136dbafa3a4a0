/**
 * Access that was withdrawn, the same for all processes: a list in the store, which each process looks at several times
 * a second.
 *
 * Looking rather than being told: what must not be missed is then known by when it was asked last, whatever became of
 * announcements. A process that could not ask for a second (the store is away, or the process hung) knows that it may
 * have missed something, and hands out nothing before it has asked again (`untilFresh`).
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { BackendUnavailableError, BadUserInputError, LimitExceededError } from '../errors.ts';
import type { Logger } from '../observability/logger.ts';
import { parseId } from '../service/input.ts';
import type { Notes } from '../service/service.ts';
import { isViewerId, maxViewerIdLength } from './api-key-file.ts';
import { parseRevocations, type Revocation, RevocationList } from './revocation-list.ts';

/** Whose access to withdraw, and to what; one of the two at least. Null counts as absent. */
export interface RevokeOptions {
  readonly viewerId?: string | null | undefined;
  readonly contextId?: string | null | undefined;
  /** When the credentials that it concerns have run out. Absent: it is remembered until it is ended. */
  readonly expiresAtMs?: number | null | undefined;
}

/** What revocations are made with. */
export interface RevocationsOptions {
  readonly notes: Notes;
  readonly clock: Clock;
  readonly logger: Logger;
}

const noteName = 'revocations';
const lookEveryMs = 250;
/** What was asked longer ago is not known. */
const maxAgeMs = 1_000;
/** The list is read and written as a whole. */
const maxRevocations = 10_000;
/** So often another process may be quicker. */
const maxAttempts = 8;

/** Who waits until it is known what was revoked by then: for a look that begins after this one. */
interface Waiter {
  readonly afterLook: number;
  readonly end: () => void;
}

/** Keeps up with the list, and changes it. */
export class Revocations {
  readonly #options: RevocationsOptions;
  readonly #closed = new AbortController();
  readonly #listeners = new Set<() => void>();
  /** Each holds one event of a subscription. */
  readonly #waiters = new Set<Waiter>();
  #list = new RevocationList([]);
  /** Of the list; undefined: nothing was ever revoked. */
  #revision: string | undefined;
  /** When the store was asked last, of the times that it answered. */
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;
  /** How many looks have begun. */
  #looks = 0;
  #problem: string | undefined;

  constructor(options: RevocationsOptions) {
    this.#options = options;
  }

  /** Looks from now on. */
  start(): void {
    // Never rejects.
    void this.#watch();
  }

  close(): void {
    this.#closed.abort();
    for (const { end } of this.#waiters) end();
  }

  /** As far as it is known. */
  get list(): RevocationList {
    return this.#list;
  }

  /** Calls whenever the list has changed. Answers how to end that. */
  listen(onChange: () => void): () => void {
    this.#listeners.add(onChange);
    return () => this.#listeners.delete(onChange);
  }

  /** Whether what is known is not older than a second. */
  get isFresh(): boolean {
    return this.#isKnownAt(this.#options.clock.now());
  }

  /**
   * Undefined: what is known is not older than a second. Else it is asked for, and rejects with
   * BackendUnavailableError while that cannot be known.
   */
  ensureFresh(): Promise<void> | undefined {
    const nowMs = this.#options.clock.now();
    return this.#isKnownAt(nowMs) ? undefined : this.#refresh(nowMs);
  }

  /** Resolves when what is known is new enough to go on, however long that takes; at once when the signal aborts. */
  async untilFresh(signal: AbortSignal): Promise<void> {
    const afterLook = this.#looks;
    if (signal.aborted || this.#closed.signal.aborted) return;
    const refresh = this.ensureFresh();
    if (refresh === undefined) return;
    // When it fails, the next look tells.
    refresh.catch(() => undefined);
    await new Promise<void>((resolve) => {
      const waiter: Waiter = {
        afterLook,
        end: () => {
          this.#waiters.delete(waiter);
          signal.removeEventListener('abort', waiter.end);
          resolve();
        },
      };
      this.#waiters.add(waiter);
      signal.addEventListener('abort', waiter.end, { once: true });
    });
  }

  /** Those that count now, as the store has them. @throws BackendUnavailableError */
  async read(): Promise<readonly Revocation[]> {
    await this.#look();
    return this.#list.all;
  }

  /**
   * Withdraws access. Resolves when it is stored: every process knows within a second.
   *
   * @throws BadUserInputError, LimitExceededError, BackendUnavailableError
   */
  async revoke(options: RevokeOptions): Promise<Revocation> {
    const nowMs = this.#options.clock.now();
    let revocation: Revocation = { ...parseOptions(options, nowMs), id: randomUUID(), revokedAtMs: nowMs };
    await this.#change((all) => {
      const isReplaced = (former: Revocation) => replaces(revocation, former);
      // Who made the former one may have a clock that is ahead.
      const revokedAtMs = Math.max(nowMs, ...all.filter(isReplaced).map((former) => former.revokedAtMs));
      revocation = { ...revocation, revokedAtMs };
      return [...all.filter((former) => !isReplaced(former)), revocation];
    });
    return revocation;
  }

  /** Forgets a revocation: what the credentials permit is permitted again. Answers it; null: there was none. */
  async end(id: string): Promise<Revocation | null> {
    let ended: Revocation | undefined;
    await this.#change((all) => {
      ended = all.find((revocation) => revocation.id === id);
      return ended === undefined ? undefined : all.filter((revocation) => revocation !== ended);
    });
    return ended ?? null;
  }

  async #watch(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#closed;
    while (!signal.aborted) {
      // Who has to know is told by `ensureFresh`, and the store itself says that it is away.
      await this.#look().catch(() => undefined);
      await clock.sleep(lookEveryMs, signal);
    }
  }

  /** A clock that was set back has not made it newer. */
  #isKnownAt(ms: number): boolean {
    return Math.abs(ms - this.#askedAtMs) <= maxAgeMs;
  }

  async #refresh(atMs: number): Promise<void> {
    // The first look may have begun long ago.
    for (let looks = 0; looks < 2 && !this.#isKnownAt(atMs); looks++) await this.#look();
  }

  /** One look at a time. */
  #look(): Promise<void> {
    this.#looking ??= this.#ask().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #ask(): Promise<void> {
    const { notes, clock } = this.#options;
    const nowMs = clock.now();
    const look = ++this.#looks;
    const revision = await notes.noteRevision(noteName);
    if (revision !== this.#revision) {
      const note = await notes.readNote(noteName);
      this.#take(this.#parse(note?.text), note?.revision);
    }
    this.#forget(nowMs);
    this.#askedAtMs = nowMs;
    for (const { afterLook, end } of this.#waiters) if (look > afterLook) end();
  }

  /** @param change undefined: nothing is to be changed. */
  async #change(change: (all: readonly Revocation[]) => readonly Revocation[] | undefined): Promise<void> {
    const { notes, clock } = this.#options;
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const note = await notes.readNote(noteName);
      const list = this.#parse(note?.text).at(clock.now());
      const next = change(list.all);
      if (next === undefined) return;
      if (next.length > maxRevocations) throw new LimitExceededError('revocations', maxRevocations, next.length);
      const revision = randomUUID();
      if (await notes.writeNote(noteName, { text: JSON.stringify(next), revision }, note?.revision)) {
        this.#take(new RevocationList(next), revision);
        return;
      }
    }
    throw new BackendUnavailableError('Others changed the revocations at the same time.', 'NOT_STORED');
  }

  /** What cannot be read must not count as an empty list. */
  #parse(text: string | undefined): RevocationList {
    if (text === undefined) return new RevocationList([]);
    try {
      return new RevocationList(parseRevocations(text));
    } catch (error) {
      const problem = error instanceof Error ? error.name : 'unknown';
      if (problem !== this.#problem) this.#options.logger.error('the stored revocations cannot be read', { problem });
      this.#problem = problem;
      throw new BackendUnavailableError('The revocations cannot be read.', 'NOT_STORED', { cause: error });
    }
  }

  #take(list: RevocationList, revision: string | undefined): void {
    this.#revision = revision;
    this.#list = list;
    this.#tell();
  }

  #forget(nowMs: number): void {
    const list = this.#list.at(nowMs);
    if (list === this.#list) return;
    this.#list = list;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function parseOptions({ viewerId, contextId, expiresAtMs }: RevokeOptions, nowMs: number) {
  if (viewerId == null && contextId == null) throw new BadUserInputError('viewerId', 'one, or a contextId, or both');
  if (viewerId != null && !isViewerId(viewerId)) {
    throw new BadUserInputError('viewerId', `1 to ${maxViewerIdLength} characters`);
  }
  if (expiresAtMs != null && !(expiresAtMs > nowMs)) throw new BadUserInputError('expiresAt', 'a moment to come');
  return {
    viewerId: viewerId ?? null,
    contextId: contextId == null ? null : parseId('contextId', contextId),
    expiresAtMs: expiresAtMs ?? null,
  };
}

/** Whether it says all that the former one says, for as long. */
function replaces({ viewerId, contextId, expiresAtMs }: Revocation, former: Revocation): boolean {
  const isNoLonger = expiresAtMs === null || (former.expiresAtMs !== null && former.expiresAtMs <= expiresAtMs);
  return former.viewerId === viewerId && former.contextId === contextId && isNoLonger;
}
