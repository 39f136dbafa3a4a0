import type { ContextEvent } from '../model.ts';
import type { PolledEvents } from '../service/chord.ts';
import type { Permit, Session } from './session.ts';

type Turn = IteratorResult<ContextEvent, undefined>;

/** Of which context, for whom. */
export interface PermittedEventsOptions {
  readonly session: Session;
  readonly id: string;
  /** The events, until the signal aborts. */
  readonly follow: (signal: AbortSignal) => PolledEvents;
}

/**
 * A subscription while it is permitted: what waits unsent when that ends is not handed out, and neither is what was
 * written while nobody could know whether it had ended.
 *
 * It holds its permit from the first pull on: one whose client is gone by then is never pulled, and never ended.
 */
export class PermittedEvents implements PolledEvents {
  readonly #options: PermittedEventsOptions;
  readonly #ended = new AbortController();
  readonly #events: PolledEvents;
  #permit: Permit | undefined;

  /** @throws what `follow` and `assertMayFollow` of the session throw. */
  constructor(options: PermittedEventsOptions) {
    this.#options = options;
    options.session.assertMayFollow(options.id);
    this.#events = options.follow(this.#ended.signal);
  }

  /** @throws UnauthenticatedError or ForbiddenError once it is no longer permitted, and what the subscription throws. */
  async next(): Promise<Turn> {
    try {
      const { session, id } = this.#options;
      const { signal } = this.#ended;
      if (!signal.aborted) this.#permit ??= session.permit(id, () => this.#ended.abort());
      const turn = await this.#events.next();
      if (turn.done !== true) await session.untilFresh(signal);
      if (this.#permit?.reason !== undefined) throw this.#permit.reason;
      if (turn.done === true || signal.aborted) return this.#over();
      return turn;
    } catch (error) {
      this.#over();
      throw error;
    }
  }

  /** Only what is known to be permitted now, and began to be before. */
  poll(): ContextEvent | 'none' | 'ask' {
    const { session } = this.#options;
    const isKnown = this.#permit !== undefined && this.#permit.reason === undefined && !this.#ended.signal.aborted;
    return isKnown && session.isFresh ? this.#events.poll() : 'ask';
  }

  listen(onReady: () => void): void {
    this.#events.listen(onReady);
  }

  async return(): Promise<Turn> {
    const over = this.#over();
    await this.#events.return?.();
    return over;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #over(): Turn {
    this.#ended.abort();
    this.#permit?.release();
    return { done: true, value: undefined };
  }
}
