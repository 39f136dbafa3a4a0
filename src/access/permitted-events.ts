import type { ContextEvent } from '../model.ts';
import type { PolledEvents } from '../service/chord.ts';
import { DelegatedEvents } from '../service/delegated-events.ts';
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
export class PermittedEvents extends DelegatedEvents {
  readonly #options: PermittedEventsOptions;
  readonly #ended: AbortController;
  #permit: Permit | undefined;

  /** @throws what `follow` and `assertMayFollow` of the session throw. */
  constructor(options: PermittedEventsOptions) {
    options.session.assertMayFollow(options.id);
    const ended = new AbortController();
    super(options.follow(ended.signal));
    this.#options = options;
    this.#ended = ended;
  }

  /** @throws UnauthenticatedError or ForbiddenError once it is no longer permitted, and what the subscription throws. */
  override async next(): Promise<Turn> {
    try {
      const { session, id } = this.#options;
      const { signal } = this.#ended;
      if (!signal.aborted) this.#permit ??= session.permit(id, () => this.#ended.abort());
      const turn = await super.next();
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
  override poll(): ContextEvent | 'none' | 'ask' {
    const { session } = this.#options;
    const isKnown = this.#permit !== undefined && this.#permit.reason === undefined && !this.#ended.signal.aborted;
    return isKnown && session.isFresh ? super.poll() : 'ask';
  }

  override return(): Promise<Turn> {
    this.#over();
    return super.return();
  }

  #over(): Turn {
    this.#ended.abort();
    this.#permit?.release();
    return { done: true, value: undefined };
  }
}
