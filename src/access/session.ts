import type { Clock } from '../clock.ts';
import { type ChordError, ForbiddenError, UnauthenticatedError } from '../errors.ts';
import type { Viewer } from './viewer.ts';

/** How long a viewer stays. */
export interface SessionOptions {
  readonly clock: Clock;
  /** How long after the credentials ran out, in ms: time to bring new ones. */
  readonly graceMs: number;
  /** Told once, when the credentials have run out. */
  readonly onEnd?: ((reason: ChordError) => void) | undefined;
}

/** The right to go on reading a context: of one subscription. */
export interface Permit {
  /** Aborts when it is withdrawn. */
  readonly signal: AbortSignal;
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

  constructor(viewer: Viewer, options: SessionOptions) {
    this.#viewer = viewer;
    this.#options = options;
  }

  get viewer(): Viewer {
    return this.#viewer;
  }

  /** From now on it ends by itself, some time after its credentials, also while nothing is subscribed to. */
  watch(): void {
    this.#isWatched = true;
    this.#arm();
  }

  #arm(): void {
    if (this.#isClosed || this.#timer !== undefined || this.#ended !== undefined || this.#viewer.expiresAtMs === null)
      return;
    this.#timer = new AbortController();
    // Never rejects.
    void this.#endInTime(this.#timer.signal);
  }

  /**
   * New credentials of the same viewer, in time. Subscriptions that they do not permit end.
   *
   * @throws UnauthenticatedError when they are somebody else's, or come too late.
   */
  refresh(viewer: Viewer): void {
    if (this.#ended !== undefined) throw this.#ended;
    if (viewer.id !== this.#viewer.id) throw new UnauthenticatedError('The credentials are of another viewer.');
    this.#viewer = viewer;
    this.#disarm();
    if (this.#isWatched || this.#permits.size > 0) this.#arm();
    for (const permit of this.#permits) if (!this.mayRead(permit.id)) permit.withdraw(new ForbiddenError());
  }

  /** @throws UnauthenticatedError when the credentials have run out: what is open may go on for a while, nothing begins. */
  assertCurrent(): void {
    const { expiresAtMs } = this.#viewer;
    if (expiresAtMs === null || this.#options.clock.now() < expiresAtMs) return;
    throw new UnauthenticatedError('The credentials have run out.');
  }

  mayRead(id: string): boolean {
    return this.#viewer.ids('read').has(id);
  }

  /** @throws ForbiddenError, and UnauthenticatedError when the credentials have run out. */
  permit(id: string): Permit {
    this.assertCurrent();
    if (!this.mayRead(id)) throw new ForbiddenError();
    const permit = new OpenPermit(id, () => {
      this.#permits.delete(permit);
      if (this.#permits.size === 0 && !this.#isWatched) this.#disarm();
    });
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

  #disarm(): void {
    this.#timer?.abort();
    this.#timer = undefined;
  }

  async #endInTime(signal: AbortSignal): Promise<void> {
    const { clock, graceMs } = this.#options;
    const endMs = (this.#viewer.expiresAtMs ?? Number.POSITIVE_INFINITY) + graceMs;
    for (let leftMs = endMs - clock.now(); leftMs > 0; leftMs = endMs - clock.now()) {
      await clock.sleep(leftMs, signal);
      if (signal.aborted) return;
    }
    this.#ended = new UnauthenticatedError('The credentials have run out.');
    for (const permit of this.#permits) permit.withdraw(this.#ended);
    this.#options.onEnd?.(this.#ended);
  }
}

class OpenPermit implements Permit {
  readonly id: string;
  readonly #withdrawn = new AbortController();
  readonly #onRelease: () => void;
  reason: ChordError | undefined;

  constructor(id: string, onRelease: () => void) {
    this.id = id;
    this.#onRelease = onRelease;
  }

  get signal(): AbortSignal {
    return this.#withdrawn.signal;
  }

  withdraw(reason: ChordError): void {
    this.reason ??= reason;
    this.#withdrawn.abort();
    this.release();
  }

  release(): void {
    this.#onRelease();
  }
}
