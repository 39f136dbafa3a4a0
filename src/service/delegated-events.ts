import type { ContextEvent } from '../model.ts';
import type { PolledEvents, PollListener } from './chord.ts';

/** The events of another, as they are. A layer around a subscription overrides what it changes. */
export abstract class DelegatedEvents implements PolledEvents {
  readonly #events: PolledEvents;

  constructor(events: PolledEvents) {
    this.#events = events;
  }

  next(): Promise<IteratorResult<ContextEvent, undefined>> {
    return this.#events.next();
  }

  poll(): ContextEvent | 'none' | 'ask' {
    return this.#events.poll();
  }

  listen(listener: PollListener): void {
    this.#events.listen(listener);
  }

  async return(): Promise<IteratorResult<ContextEvent, undefined>> {
    await this.#events.return?.();
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<IteratorResult<ContextEvent, undefined>> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}
