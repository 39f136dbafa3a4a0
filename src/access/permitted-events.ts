import type { ContextEvent } from '../model.ts';
import type { ContextEvents } from '../service/chord.ts';
import type { Permit } from './session.ts';

type Turn = IteratorResult<ContextEvent, undefined>;

/** A subscription while it is permitted: what waits unsent when that ends is not handed out. */
export class PermittedEvents implements ContextEvents {
  readonly #events: ContextEvents;
  readonly #permit: Permit;

  constructor(events: ContextEvents, permit: Permit) {
    this.#events = events;
    this.#permit = permit;
  }

  /** @throws UnauthenticatedError or ForbiddenError once it is no longer permitted, and what the subscription throws. */
  async next(): Promise<Turn> {
    try {
      const turn = await this.#events.next();
      if (this.#permit.reason !== undefined) throw this.#permit.reason;
      if (turn.done === true) this.#permit.release();
      return turn;
    } catch (error) {
      this.#permit.release();
      throw error;
    }
  }

  async return(): Promise<Turn> {
    this.#permit.release();
    await this.#events.return?.();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}
