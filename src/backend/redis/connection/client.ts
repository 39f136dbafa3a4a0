/**
 * Sends commands to Redis, each within a time and with a known outcome.
 *
 * A call waits for a connection, is written to it, and ends with the reply, or when its time is over. Whether it was
 * written decides what a missing reply means: what was not written has done nothing, a write that was may have been
 * executed (`UNKNOWN`), and is never sent again. Reads, and what the server says that it did not execute, are sent again
 * until the time is over.
 */
import type { Cluster, Redis } from 'ioredis';
import { BackendUnavailableError, RedisStoreError } from '../../../errors.ts';
import type { Script } from '../scripts.ts';
import { type Argument, Call, type Order } from './call.ts';
import { ClusterRoute } from './cluster.ts';
import { parseInfo } from './link.ts';
import { isReply, replyText, verdictOf } from './outcomes.ts';
import type { Route, RouteEvents } from './route.ts';
import { SingleRoute } from './single.ts';
import type { RedisTarget } from './target.ts';

/** Where to connect, and how long anything may take. */
export interface RedisClientOptions {
  readonly target: RedisTarget;
  /** Of one call, waiting for a connection included. */
  readonly timeoutMs: number;
  /** Told what operators should know, in one line each. */
  readonly onWarning?: ((text: string) => void) | undefined;
}

/** A command and its arguments. */
export type CommandLine = readonly [name: string, ...args: Argument[]];

/** Most calls that may be under way. More are refused: they would only fill the memory while Redis is away. */
const maxCalls = 100_000;

/** How soon a call that was not executed is tried again. */
const retryMs = 50;

/** How long close waits for replies. */
const graceMs = 1_000;

/** Connects to a target, and stays connected until it is closed. */
export class RedisClient {
  /** For subscriptions; commands go by `call` and `run`. */
  readonly connection: Redis | Cluster;
  readonly options: RedisClientOptions;
  readonly #route: Route;
  /** All that are not settled, and so in the order in which their time is over. */
  readonly #calls = new Set<Call>();
  /** Those that could not be written, or were not executed. */
  readonly #waiting = new Set<Call>();
  #retry: NodeJS.Timeout | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #onIdle: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  /** Connects in the background. */
  constructor(options: RedisClientOptions) {
    this.options = options;
    const { target, timeoutMs, onWarning } = options;
    const events: RouteEvents = {
      onChange: () => this.#sendWaiting(),
      onWarning: (text) => {
        if (this.#closing === undefined) onWarning?.(text);
      },
    };
    this.#route =
      target.kind === 'cluster'
        ? new ClusterRoute(target, { timeoutMs, events })
        : new SingleRoute(target, { timeoutMs, events });
    this.connection = this.#route.connection;
  }

  /**
   * Sends a command. Replies are as they come over the network, texts as UTF-8.
   *
   * @param options.isWrite whether a lost reply leaves open what is stored. Default: no, and it is sent again.
   * @throws BackendUnavailableError
   */
  call([name, ...args]: CommandLine, { isWrite = false }: { readonly isWrite?: boolean } = {}): Promise<unknown> {
    return this.#call({ name, args, isWrite });
  }

  /**
   * Runs a script: by its hash, and by its text when the server does not know it.
   *
   * @throws BackendUnavailableError
   */
  run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    return this.#call({ name: 'EVAL', args: [keys.length, ...keys, ...args], script, isWrite: script.isWrite });
  }

  /**
   * Resolves when a server answers.
   *
   * @throws BackendUnavailableError, as all of these, whose cause is a RedisStoreError when somebody has to change
   * something first.
   */
  async ping(): Promise<void> {
    await this.call(['PING']);
  }

  /** INFO of every master. @throws BackendUnavailableError */
  async infos(): Promise<readonly ReadonlyMap<string, string>[]> {
    return (await this.#everywhere(['INFO'])).map((reply) => parseInfo(String(reply)));
  }

  /** A setting as each master has it, in the order of `infos`. @throws BackendUnavailableError */
  async settings(pattern: string): Promise<readonly unknown[]> {
    return this.#everywhere(['CONFIG', 'GET', pattern]);
  }

  /** What is under way has a second to end. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#retry);
    for (const call of this.#waiting) this.#fail(call, 'The store is closed.');
    this.#waiting.clear();
    if (this.#calls.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        this.#onIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const call of this.#calls) this.#fail(call, 'The store was closed before Redis answered.');
    clearTimeout(this.#expiry);
    await this.#route.close();
  }

  async #everywhere([name, ...args]: CommandLine): Promise<readonly unknown[]> {
    await this.ping();
    const masters = this.#route.masters();
    return Promise.all(masters.map((address) => this.#call({ name, args, isWrite: false, address })));
  }

  #call(order: Order): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { timeoutMs } = this.options;
      const call = new Call(order, { resolve, reject }, performance.now() + timeoutMs);
      if (this.#closing !== undefined) return this.#fail(call, 'The store is closed.');
      if (this.#calls.size >= maxCalls) return this.#fail(call, 'Too many calls wait for Redis.');
      this.#calls.add(call);
      // One timer for all of them: one each was measured at 1 to 2 µs.
      this.#expiry ??= setTimeout(() => this.#expire(), timeoutMs);
      this.#send(call);
    });
  }

  #send(call: Call): void {
    if (call.isSettled) return;
    const command = call.command ?? call.toCommand();
    if (this.connection.isCluster) call.slot = command.getSlot();
    const link = this.#route.find(call);
    if (link === undefined) {
      call.command = command;
      const { text, isFinal } = this.#route.trouble(call);
      return isFinal ? this.#fail(call, `${text}.`, new RedisStoreError(`${text}.`)) : this.#wait(call);
    }
    call.command = undefined;
    link.send(command);
    call.isPending = command.isWritten;
    command.promise.then(
      (reply: unknown) => {
        if (!call.isSettled) this.#settle(call).settlers.resolve(reply);
      },
      (error: Error) => this.#answer(call, error, command.isWritten),
    );
  }

  /** What comes after an attempt that did not succeed. */
  #answer(call: Call, error: Error, isWritten: boolean): void {
    if (call.isSettled) return;
    const verdict = isReply(error) ? verdictOf(error) : isWritten && call.order.isWrite ? 'unproven' : 'again';
    if (isReply(error)) call.refusal = replyText(error);
    call.isPending = verdict === 'unproven';
    switch (verdict) {
      case 'script':
        return call.spellOut() ? this.#send(call) : this.#fail(call, `Redis refused: ${call.refusal}.`, error);
      case 'again': {
        // While a slot moves, servers may disagree: the second time it is not followed at once.
        const isFollowed = this.#route.heed(error) && !call.isFollowed;
        if (!isFollowed) return this.#wait(call);
        call.isFollowed = true;
        return this.#send(call);
      }
      case 'refused':
        return this.#fail(call, `Redis refused: ${call.refusal}.`, error);
      case 'unproven':
        return this.#fail(
          call,
          isReply(error) ? `Redis failed: ${call.refusal}.` : 'The connection to Redis was lost before the answer.',
          error,
        );
    }
  }

  /** Ends the calls whose time is over, and comes again when that of the next one is. */
  #expire(): void {
    this.#expiry = undefined;
    const nowMs = performance.now();
    for (const call of this.#calls) {
      if (call.deadlineMs > nowMs) {
        this.#expiry = setTimeout(() => this.#expire(), Math.ceil(call.deadlineMs - nowMs));
        return;
      }
      this.#giveUp(call);
    }
  }

  #giveUp(call: Call): void {
    const { timeoutMs } = this.options;
    if (call.isPending) return this.#fail(call, `Redis did not answer within ${timeoutMs} ms.`);
    if (call.refusal !== undefined) return this.#fail(call, `Redis refused for ${timeoutMs} ms: ${call.refusal}.`);
    return this.#fail(call, `${this.#route.trouble(call).text}.`);
  }

  #wait(call: Call): void {
    if (this.#closing !== undefined) return this.#fail(call, 'The store is closed.');
    this.#waiting.add(call);
    this.#retry ??= setInterval(() => this.#sendWaiting(), retryMs);
    this.#route.look();
  }

  #sendWaiting(): void {
    const calls = [...this.#waiting];
    this.#waiting.clear();
    for (const call of calls) this.#send(call);
    if (this.#waiting.size > 0) return;
    clearInterval(this.#retry);
    this.#retry = undefined;
  }

  #fail(call: Call, message: string, error?: Error): void {
    const outcome = call.isPending && call.order.isWrite ? 'UNKNOWN' : 'NOT_STORED';
    // An error of ioredis holds the arguments of the command: contents of contexts, which belong in no log.
    const cause = error === undefined || error instanceof RedisStoreError ? error : new Error(replyText(error));
    this.#settle(call).settlers.reject(new BackendUnavailableError(message, outcome, { cause }));
  }

  #settle(call: Call): Call {
    call.isSettled = true;
    this.#waiting.delete(call);
    if (this.#calls.delete(call) && this.#calls.size === 0) this.#onIdle?.();
    return call;
  }
}
