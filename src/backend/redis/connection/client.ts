/**
 * Sends commands to Redis, each within a time and with a known outcome.
 *
 * A call waits for a connection, is written to it, and ends with the reply, or when its time is over. Whether it was
 * written decides what a missing reply means: what was not written has done nothing, a write that was may have been
 * executed (`UNKNOWN`), and is never sent again. Reads, and what the server says that it did not execute, are sent again
 * until the time is over: ever more seldom, and at once when a connection has changed.
 */
import { type Cluster, type Redis, ReplyError } from 'ioredis';
import { BackendUnavailableError, RedisStoreError } from '../../../errors.ts';
import { type Script, scripts } from '../scripts.ts';
import { longestPauseMs, retryDelayMs } from './backoff.ts';
import { type Argument, Call, type Request } from './call.ts';
import { ClusterRoute } from './cluster.ts';
import { type Info, parseInfo } from './info.ts';
import type { Log } from './log.ts';
import { codeOf, isReply, replyText, verdictOf, wordsOf } from './outcomes.ts';
import { Refusals } from './refusals.ts';
import type { Route, RouteEvents } from './route.ts';
import { SingleRoute } from './single.ts';
import type { RedisTarget } from './target.ts';

/** Where to connect, and how long anything may take. */
export interface RedisClientOptions {
  readonly target: RedisTarget;
  /** Of one call, waiting for a connection included. */
  readonly timeoutMs: number;
  /** Told what operators should know, in one line each. */
  readonly onLog?: Log | undefined;
  readonly onConnection?: RouteEvents['onConnection'];
}

/** A command and its arguments. */
export type CommandLine = readonly [name: string, ...args: Argument[]];

/** Most calls that may be under way. More are refused: they would only fill the memory while Redis is away. */
const maxCalls = 100_000;

/** How often it is looked whether it is time to try again what was not executed. */
const tickMs = 50;

/** What was refused is not sent again later than so long before its time is over: the answer might come too late. */
const lastChanceMs = 200;

/** How long close waits for replies. */
const graceMs = 1_000;

/** Connects to a target, and stays connected until it is closed. */
export class RedisClient {
  /** For subscriptions; commands go by `call` and `run`. */
  readonly connection: Redis | Cluster;
  readonly options: RedisClientOptions;
  readonly #route: Route;
  readonly #refusals: Refusals;
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
    const { target, timeoutMs, onLog, onConnection } = options;
    const log: Log = (line) => {
      if (this.#closing === undefined) onLog?.(line);
    };
    this.#refusals = new Refusals(log);
    const events: RouteEvents = { onChange: () => this.#sendWaiting(), onLog: log, onConnection };
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
   * Resolves when a master answers. PING does not prove that: replicas answer it, and a master whose disk is full does
   * not.
   *
   * @throws BackendUnavailableError, as all of these, whose cause is a RedisStoreError when somebody has to change
   * something first.
   */
  async ping(): Promise<void> {
    await this.#call(identify);
  }

  /** INFO of every master. @throws BackendUnavailableError */
  async infos(): Promise<readonly Info[]> {
    const replies = await this.#everywhere({ name: 'INFO', args: [], isWrite: false });
    return replies.map((reply) => parseInfo(String(reply)));
  }

  /** A setting as each master has it, in the order of `infos`. @throws BackendUnavailableError */
  async settings(name: string): Promise<readonly unknown[]> {
    return this.#everywhere({ name: 'CONFIG', args: ['GET', name], isWrite: false, isQuiet: true });
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

  async #everywhere(request: Request): Promise<readonly unknown[]> {
    // Whoever is reached knows the others.
    if (this.#route.masters().length === 0) await this.#call(identify);
    return Promise.all(this.#route.masters().map((address) => this.#call({ ...request, address })));
  }

  #call(request: Request): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { timeoutMs } = this.options;
      const call = new Call(request, { resolve, reject }, performance.now() + timeoutMs);
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
      return this.#route.trouble(call).isMistake ? this.#failUnsent(call) : this.#wait(call);
    }
    // Not before: who waits keeps the turn.
    this.#waiting.delete(call);
    call.command = undefined;
    call.server = link.server;
    link.send(command);
    call.mayBeExecuted = command.isWritten;
    command.promise.then(
      (reply: unknown) => {
        if (call.isSettled) return;
        this.#refusals.succeeded(call);
        this.#settle(call).handlers.resolve(reply);
      },
      (error: Error) => this.#answer(call, error, command.isWritten),
    );
  }

  /** What comes after an attempt that did not succeed. */
  #answer(call: Call, error: Error, isWritten: boolean): void {
    if (call.isSettled) return;
    const verdict = isReply(error) ? verdictOf(error) : isWritten && call.request.isWrite ? 'unproven' : 'again';
    if (isReply(error)) {
      call.refusal = error;
      this.#refusals.refused(call, error);
    }
    call.mayBeExecuted = verdict === 'unproven';
    switch (verdict) {
      case 'script':
        return call.spellOut() ? this.#send(call) : this.#refuse(call, error);
      case 'again': {
        // While a slot moves, servers may disagree: the second time it is not followed at once.
        const isRedirected = this.#route.heed(error) && !call.wasRedirected;
        if (!isRedirected) return this.#wait(call);
        call.wasRedirected = true;
        return this.#send(call);
      }
      case 'refused':
        return this.#refuse(call, error);
      case 'unproven': {
        const message = isReply(error)
          ? `Redis failed in the middle of the call: ${wordsOf(error)}.`
          : 'The connection to Redis was lost before the answer.';
        return this.#fail(call, message, causeOf(call, error));
      }
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
    if (call.refusal !== undefined && !call.mayBeExecuted) return this.#refuse(call, call.refusal);
    if (!call.mayBeExecuted) return this.#failUnsent(call);
    const text = `did not answer within ${timeoutMs} ms.`;
    return this.#fail(call, `Redis ${text}`, new Error(`Redis at ${call.server} ${text}`));
  }

  #wait(call: Call): void {
    if (this.#closing !== undefined) return this.#fail(call, 'The store is closed.');
    // A server that was sent the text knows the script by now.
    call.isSpelledOut = false;
    call.waitsUntilMs = performance.now() + retryDelayMs(++call.waits, longestPauseMs(this.options.timeoutMs));
    this.#waiting.add(call);
    this.#retry ??= setInterval(() => {
      this.#route.look();
      this.#sendWaiting(performance.now());
    }, tickMs);
    this.#route.look();
  }

  /** @param nowMs only those whose pause is over. Default: all, since something has changed. */
  #sendWaiting(nowMs = Number.POSITIVE_INFINITY): void {
    const calls = [...this.#waiting].filter(({ waitsUntilMs }) => waitsUntilMs <= nowMs);
    const { timeoutMs } = this.options;
    const lastMs = performance.now() + Math.min(lastChanceMs, timeoutMs / 8);
    for (const call of calls) {
      if (call.refusal !== undefined && call.deadlineMs < lastMs) this.#giveUp(call);
      else this.#send(call);
    }
    if (this.#waiting.size > 0) return;
    clearInterval(this.#retry);
    this.#retry = undefined;
  }

  #refuse(call: Call, reply: Error): void {
    this.#fail(call, `Redis refused the call: ${wordsOf(reply)}.`, causeOf(call, reply));
  }

  #failUnsent(call: Call): void {
    const { text, isMistake } = this.#route.trouble(call);
    if (isMistake) this.#fail(call, 'Redis cannot be used as it is set up.', new RedisStoreError(`${text}.`));
    else this.#fail(call, 'Redis is away.', new Error(`${text}.`));
  }

  #fail(call: Call, message: string, cause?: Error): void {
    const outcome = call.mayBeExecuted && call.request.isWrite ? 'UNKNOWN' : 'NOT_STORED';
    this.#settle(call).handlers.reject(new BackendUnavailableError(message, outcome, { cause }));
  }

  #settle(call: Call): Call {
    call.isSettled = true;
    this.#waiting.delete(call);
    if (this.#calls.delete(call) && this.#calls.size === 0) this.#onIdle?.();
    return call;
  }
}

/** What any server can be asked, and only a master answers. */
const identify: Request = { name: 'EVAL', args: [0], script: scripts.identity, isWrite: false };

/** For operators. Not the error itself: it holds the arguments of the command, contents of contexts. */
function causeOf({ server }: Call, error: Error): Error {
  if (!isReply(error)) return new Error(`The connection to Redis at ${server} was lost before the answer.`);
  const text = `Redis at ${server}: ${replyText(error)}.`;
  return /^NO(PERM|AUTH)$/.test(codeOf(error)) ? new RedisStoreError(text) : new ReplyError(text);
}
