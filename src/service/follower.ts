import type { Head } from '../backend/known.ts';
import type { Delta } from '../delta/delta.ts';
import type { ContextEvent, Position } from '../model.ts';
import { type At, type Channel, noContext, type Subscriber } from './channel.ts';
import type { PolledEvents, PollListener } from './chord.ts';
import type { Since } from './sync.ts';

/** Whoever keeps the channels. */
export interface FollowerHost {
  attach(id: string, follower: Subscriber, signal: AbortSignal | undefined): Channel;
  detach(channel: Channel, follower: Subscriber, signal: AbortSignal | undefined): void;
}

/** Which context is followed, from where, and what ends it besides `return()`. */
export interface Following {
  readonly id: string;
  readonly since: Since | undefined;
  readonly signal: AbortSignal | undefined;
  /** Whoever follows, for lists of subscriptions. */
  readonly by: unknown;
}

type Turn = IteratorResult<ContextEvent, undefined>;

/**
 * One subscriber's way through a context: an iterator that is pulled by its transport.
 *
 * Not an async generator: the `return()` of one waits for its pending `next()`, so that a subscriber who leaves while
 * nothing happens would stay for ever. Here `return()` ends the pending `next()` first.
 */
export class Follower implements PolledEvents, Subscriber {
  readonly #host: FollowerHost;
  readonly #following: Following;
  #channel: Channel | undefined;
  /** What the subscriber was told last; undefined before the first event. */
  #at: At | undefined;
  /** `delta`: the announced one may lead on. `look`: only the store knows. */
  #mark: 'none' | 'delta' | 'look' = 'none';
  #wake: (() => void) | undefined;
  #listener: PollListener | undefined;
  #isOver = false;
  /** Ends a wait. Made for that alone: most followers never wait for anything but news. */
  #leaving: AbortController | undefined;
  #settle: ((turn: Turn) => void) | undefined;
  #lastTurn: Promise<unknown> = Promise.resolve();

  constructor(host: FollowerHost, following: Following) {
    this.#host = host;
    this.#following = following;
  }

  /**
   * The next event, as soon as there is one.
   *
   * @throws BackendUnavailableError when the store is away before the first event; later it is asked again.
   */
  next(): Promise<Turn> {
    const turn = this.#lastTurn.then(() => this.#take());
    // Without its event, which may hold a large state.
    this.#lastTurn = turn.then(nothing, nothing);
    return turn;
  }

  /** Ends the subscription and frees everything at once, also while a `next()` waits. */
  return(): Promise<Turn> {
    this.end();
    return Promise.resolve(done);
  }

  throw(error: unknown): Promise<Turn> {
    this.end();
    return Promise.reject(error);
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#leaving?.abort();
    if (this.#channel !== undefined) this.#host.detach(this.#channel, this, this.#following.signal);
    this.#settle?.(done);
    this.#wake?.();
    this.#listener?.onReady();
  }

  poll(): ContextEvent | 'none' | 'ask' {
    if (this.#isOver || this.#channel === undefined || this.#at === undefined || this.#mark === 'look') return 'ask';
    if (this.#mark === 'none') return 'none';
    const announced = this.#channel.announced(this.#at);
    if (announced === 'unknown') return 'ask';
    this.#mark = 'none';
    if (announced === 'passed') return 'none';
    this.#note(announced);
    return announced;
  }

  listen(listener: PollListener): void {
    this.#listener = listener;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
  }

  get by(): unknown {
    return this.#following.by;
  }

  get position(): Position | undefined {
    return this.#at;
  }

  get isBehind(): boolean {
    return this.#mark !== 'none';
  }

  mark(mark: 'delta' | 'look'): void {
    if (this.#mark !== 'look') this.#mark = mark;
    this.#wake?.();
    this.#listener?.onReady();
  }

  isElsewhere(head: Head | undefined): boolean {
    if (this.#at === undefined) return false;
    if (head === undefined || this.#at.kind !== 'context')
      return (head === undefined) === (this.#at.kind === 'context');
    return head.epoch !== this.#at.epoch || head.version !== this.#at.version;
  }

  #take(): Promise<Turn> {
    // Before it is attached it does not listen to its signal.
    if (this.#following.signal?.aborted === true) this.end();
    if (this.#isOver) return Promise.resolve(done);
    return new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#produce().then(
        (event) => {
          this.#settle = undefined;
          resolve(event === undefined ? done : { done: false, value: event });
        },
        (error: unknown) => {
          this.#settle = undefined;
          // Rejected first: whoever ends a subscription ends its pending next() too, and that would look like a normal end.
          reject(error);
          this.end();
        },
      );
    });
  }

  /** Undefined: the subscriber left. */
  async #produce(): Promise<ContextEvent | undefined> {
    const { id, since, signal } = this.#following;
    this.#channel ??= this.#host.attach(id, this, signal);
    const channel = this.#channel;
    if (this.#at === undefined) {
      const event = (await channel.first(since)) ?? noContext(id);
      return this.#tell(event);
    }
    while (!this.#isOver) {
      if (this.#mark === 'none') {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
        continue;
      }
      const event = await this.#answer(channel, this.#at);
      if (event !== undefined) return this.#tell(event);
    }
    return undefined;
  }

  /** The one event that leads from where the subscriber is to now; undefined: it is there. */
  async #answer(channel: Channel, at: At): Promise<ContextEvent | undefined> {
    const mark = this.#mark;
    this.#mark = 'none';
    const announced: Delta | 'passed' | 'unknown' = mark === 'delta' ? channel.announced(at) : 'unknown';
    if (announced === 'passed') return undefined;
    if (announced !== 'unknown') return announced;
    try {
      const event = await channel.answer(at);
      if (event !== undefined) channel.noteCaughtUp(at, event);
      return event;
    } catch {
      // The store is away. The subscription outlives that: look again in a while, and then with a read.
      this.#mark = 'look';
      this.#leaving ??= new AbortController();
      await channel.clock.sleep(retryMs, this.#leaving.signal);
      return undefined;
    }
  }

  #tell(event: ContextEvent): ContextEvent | undefined {
    if (this.#isOver) return undefined;
    this.#note(event);
    return event;
  }

  #note(event: ContextEvent): void {
    const { epoch, version } = event;
    if (event.kind === 'noContext') this.#at = { kind: 'none', epoch: '-', version: 0 };
    else this.#at = { kind: event.kind === 'gone' ? 'gone' : 'context', epoch, version };
  }
}

const done: Turn = Object.freeze({ done: true, value: undefined });

function nothing(): void {}

/** How long a follower waits before it asks a store again that did not answer. */
const retryMs = 500;
