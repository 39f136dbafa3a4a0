import { type ExecutionArgs, type ExecutionResult, execute } from 'graphql';
import type { ContextEvent } from '../../model.ts';
import type { PolledEvents, PollListener } from '../../service/chord.ts';
import type { Advancing, Turns } from '../turns.ts';
import type { Group, Groups, SharedResult } from './groups.ts';

/** Where results go that were written for many: past the executor, to the transport of one subscription. */
export interface ResultSink {
  /** @param sender called when the transport can take the next one; never when it is gone. */
  send(result: SharedResult, event: ContextEvent, sender: ResultSender): void;
}

/** What has a sink send. */
export interface ResultSender {
  onSent(): void;
}

/** What all subscriptions of a server have in common. */
export interface Sharing {
  readonly groups: Groups;
  readonly turns: Turns;
}

/** What one subscription is made of. */
export interface SharedParts {
  readonly events: PolledEvents;
  readonly sink: ResultSink;
  readonly args: ExecutionArgs;
  /** Of these arguments (share-key.ts). */
  readonly key: string;
}

type Turn = IteratorResult<ExecutionResult, undefined>;

interface Puller {
  readonly resolve: (turn: Turn) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The results of one subscription whose events are told to many: what can be shared goes to the sink, and only the rest,
 * how it ends and what has to be its own, comes out of the iterator.
 *
 * Its life is that of any results: it begins with the first `next()` and ends with `return()`. It pulls: the next event is
 * asked for when the sink has taken the last one, so that a slow reader falls behind by itself, and is told later what
 * leads from where it is to now.
 */
export class SharedResults
  implements AsyncIterableIterator<ExecutionResult, undefined, unknown>, Advancing, ResultSender, PollListener
{
  readonly #sharing: Sharing;
  readonly #parts: SharedParts;
  /** `waiting`: for news. `busy`: an event is on its way, or was handed out. */
  #state: 'new' | 'waiting' | 'busy' | 'over' = 'new';
  #isInTurn = false;
  #group: Group | undefined;
  #puller: Puller | undefined;

  constructor(sharing: Sharing, parts: SharedParts) {
    this.#sharing = sharing;
    this.#parts = parts;
  }

  next(): Promise<Turn> {
    if (this.#state === 'over') return Promise.resolve(done);
    return new Promise<Turn>((resolve, reject) => {
      this.#puller = { resolve, reject };
      if (this.#state === 'new') this.#begin();
      this.#state = 'waiting';
      this.advance();
    });
  }

  advance(): void {
    this.#isInTurn = false;
    if (this.#state !== 'waiting') return;
    const event = this.#parts.events.poll();
    if (event === 'none') return;
    this.#state = 'busy';
    if (event === 'ask') void this.#ask();
    else this.#tell(event);
  }

  onReady(): void {
    if (this.#isInTurn || this.#state !== 'waiting') return;
    this.#isInTurn = true;
    this.#sharing.turns.add(this);
  }

  onSent(): void {
    if (this.#state !== 'busy') return;
    this.#state = 'waiting';
    this.advance();
  }

  async return(): Promise<Turn> {
    this.#end();
    await this.#parts.events.return?.();
    return done;
  }

  async throw(error: unknown): Promise<Turn> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #begin(): void {
    const { args, key, events } = this.#parts;
    this.#group = this.#sharing.groups.join(args, key);
    events.listen(this);
  }

  /** Never rejects. */
  async #ask(): Promise<void> {
    try {
      const turn = await this.#parts.events.next();
      if (this.#state === 'over') return;
      if (turn.done === true) this.#end();
      else this.#tell(turn.value);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Never throws. */
  #tell(event: ContextEvent): void {
    const { sink, args } = this.#parts;
    try {
      const result = this.#group?.resultOf(event);
      if (result !== undefined) return sink.send(result, event, this);
    } catch (error) {
      // Too long for a message, if nothing else.
      return this.#fail(error);
    }
    const puller = this.#puller;
    this.#puller = undefined;
    // As graphql-js does it for each event of a subscription.
    Promise.resolve(execute({ ...args, rootValue: event })).then(
      (value) => puller?.resolve({ done: false, value }),
      (error: unknown) => puller?.reject(error),
    );
  }

  #fail(error: unknown): void {
    const puller = this.#puller;
    this.#puller = undefined;
    this.#end();
    puller?.reject(error);
    // What fails while it ends has nobody left to tell.
    this.#parts.events.return?.().catch(() => undefined);
  }

  #end(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#group?.leave();
    this.#puller?.resolve(done);
    this.#puller = undefined;
  }
}

const done: Turn = Object.freeze({ done: true, value: undefined });
