import type { Clock } from '../clock.ts';
import { type ChordError, ForbiddenError, UnauthenticatedError } from '../errors.ts';
import { type IdSet, type Verb, withoutIds } from './grants.ts';
import { revoked, runOut } from './refusals.ts';
import type { Revocations } from './revocations.ts';
import type { Viewer } from './viewer.ts';

/** How long a viewer stays. */
export interface SessionOptions {
  readonly clock: Clock;
  readonly revocations: Revocations;
  /** A viewer as whoever let it in says now; undefined: its credentials are good for nothing any more. */
  readonly currentViewer: (viewer: Viewer) => Viewer | undefined;
  /** Those with something that stays open. A session puts itself in, and takes itself out. */
  readonly open: Set<Session>;
  /** How long after the credentials ran out, in ms: time to bring new ones. */
  readonly graceMs: number;
  /** Told once, when the credentials have run out or were revoked. */
  readonly onEnd?: ((reason: ChordError) => void) | undefined;
}

/** The right to go on reading a context: of one subscription. */
export interface Permit {
  /** Why it was withdrawn; undefined: it was not. */
  readonly reason: ChordError | undefined;
  /** To be called when the subscription ends. Idempotent. */
  release(): void;
}

/** A viewer while it is here: on one WebSocket, or for one request. */
export class Session {
  readonly #options: SessionOptions;
  readonly #permits = new Set<OpenPermit>();
  #viewer: Viewer;
  #timer: AbortController | undefined;
  /** Whether it ends by itself also while nothing is subscribed to. */
  #isWatched = false;
  #ended: ChordError | undefined;
  #isClosed = false;
  readonly #onEnd = new Set<(reason: ChordError) => void>();

  constructor(viewer: Viewer, options: SessionOptions) {
    this.#viewer = viewer;
    this.#options = options;
    if (options.onEnd !== undefined) this.#onEnd.add(options.onEnd);
  }

  /** Calls once when the credentials have run out or were revoked. Answers how to forget that. */
  listen(onEnd: (reason: ChordError) => void): () => void {
    this.#onEnd.add(onEnd);
    return () => this.#onEnd.delete(onEnd);
  }

  get viewer(): Viewer {
    return this.#viewer;
  }

  /** From now on it ends by itself, some time after its credentials, also while nothing is subscribed to. */
  endInTime(): void {
    this.#isWatched = true;
    this.#arm();
  }

  /**
   * New credentials of the same viewer, in time. Subscriptions that they do not permit end.
   *
   * @throws UnauthenticatedError when they are somebody else's, were revoked, or come too late.
   */
  refresh(viewer: Viewer): void {
    if (this.#ended !== undefined) throw this.#ended;
    if (viewer.id !== this.#viewer.id) throw new UnauthenticatedError('The credentials are of another viewer.');
    const refusal = this.#revoked.refusalOf(viewer);
    if (refusal !== undefined) throw refusal;
    this.#viewer = viewer;
    this.#disarm();
    if (this.#isWatched || this.#permits.size > 0) this.#arm();
    this.#withdraw();
  }

  /**
   * Ends what is no longer permitted.
   *
   * @param viewer as whoever let it in says now; undefined: its credentials are good for nothing any more.
   */
  recheck(viewer: Viewer | undefined): void {
    if (this.#ended !== undefined || this.#isClosed) return;
    const refusal = viewer === undefined ? revoked() : this.#revoked.refusalOf(viewer);
    if (refusal !== undefined) this.#end(refusal);
    else if (viewer !== undefined && viewer !== this.#viewer) this.refresh(viewer);
    else this.#withdraw();
  }

  /**
   * @throws UnauthenticatedError when the credentials have run out (what is open may go on for a while, nothing begins),
   * or were revoked.
   */
  assertCurrent(): void {
    if (this.#ended !== undefined) throw this.#ended;
    // What they permit may have changed since it was let in, while its request was on the way.
    const viewer = this.#options.currentViewer(this.#viewer);
    if (viewer === undefined) throw revoked();
    this.#viewer = viewer;
    const { expiresAtMs } = viewer;
    if (expiresAtMs !== null && this.#options.clock.now() >= expiresAtMs) throw runOut();
    const refusal = this.#revoked.refusalOf(this.#viewer);
    if (refusal !== undefined) throw refusal;
  }

  /** Undefined: nothing can have been revoked without its being known here. Else it is asked for. */
  ensureFresh(): Promise<void> | undefined {
    return this.#options.revocations.ensureFresh();
  }

  /** Whether nothing can have been revoked without its being known here. */
  get isFresh(): boolean {
    return this.#options.revocations.isFresh;
  }

  /** The same for who can wait until it is known. */
  untilFresh(signal: AbortSignal): Promise<void> {
    return this.#options.revocations.untilFresh(signal);
  }

  may(verb: Verb, id: string): boolean {
    return this.#viewer.ids(verb).has(id) && this.#revoked.refusalOn(this.#viewer, id) === undefined;
  }

  mayRead(id: string): boolean {
    return this.may('read', id);
  }

  /** The ids that all of these verbs are allowed on. */
  ids(...wanted: readonly Verb[]): IdSet {
    return withoutIds(this.#viewer.ids(...wanted), this.#revoked.hiddenFrom(this.#viewer));
  }

  /** @throws ForbiddenError, and UnauthenticatedError when the credentials have run out or were revoked. */
  assertMayFollow(id: string): void {
    this.assertCurrent();
    if (!this.mayRead(id)) throw new ForbiddenError();
  }

  /**
   * To be released.
   *
   * @param onWithdrawn called once, when it ends before that.
   * @throws what `assertMayFollow` throws.
   */
  permit(id: string, onWithdrawn: () => void): Permit {
    this.assertMayFollow(id);
    const release = () => {
      this.#permits.delete(permit);
      if (this.#permits.size === 0 && !this.#isWatched) this.#disarm();
    };
    const permit = new OpenPermit(id, { release, onWithdrawn });
    this.#permits.add(permit);
    this.#arm();
    return permit;
  }

  /** Whoever it was has gone. */
  close(): void {
    this.#isClosed = true;
    this.#disarm();
    for (const permit of this.#permits) permit.release();
  }

  get #revoked() {
    return this.#options.revocations.list;
  }

  #withdraw(): void {
    for (const permit of this.#permits) if (!this.mayRead(permit.id)) permit.withdraw(new ForbiddenError());
  }

  #arm(): void {
    if (this.#isClosed || this.#ended !== undefined) return;
    this.#options.open.add(this);
    if (this.#timer !== undefined || this.#viewer.expiresAtMs === null) return;
    this.#timer = new AbortController();
    // Never rejects.
    void this.#endLater(this.#timer.signal);
  }

  #disarm(): void {
    this.#options.open.delete(this);
    this.#timer?.abort();
    this.#timer = undefined;
  }

  async #endLater(signal: AbortSignal): Promise<void> {
    const { clock, graceMs } = this.#options;
    const endMs = (this.#viewer.expiresAtMs ?? Number.POSITIVE_INFINITY) + graceMs;
    for (let leftMs = endMs - clock.now(); leftMs > 0; leftMs = endMs - clock.now()) {
      await clock.sleep(leftMs, signal);
      if (signal.aborted) return;
    }
    this.#end(runOut());
  }

  #end(reason: ChordError): void {
    this.#ended = reason;
    this.#disarm();
    for (const permit of this.#permits) permit.withdraw(reason);
    for (const listener of this.#onEnd) listener(reason);
  }
}

class OpenPermit implements Permit {
  readonly id: string;
  readonly release: () => void;
  readonly #onWithdrawn: () => void;
  reason: ChordError | undefined;

  constructor(
    id: string,
    { release, onWithdrawn }: { readonly release: () => void; readonly onWithdrawn: () => void },
  ) {
    this.id = id;
    this.release = release;
    this.#onWithdrawn = onWithdrawn;
  }

  withdraw(reason: ChordError): void {
    this.reason ??= reason;
    this.release();
    this.#onWithdrawn();
  }
}
