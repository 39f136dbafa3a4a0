/**
 * The subscriptions at one server, over one connection that is made anew for ever while somebody wants something of it.
 *
 * Redis answers commands in the order in which they were sent, so nothing here waits for its turn: who watches again
 * right after the last watch was closed sends SUBSCRIBE behind UNSUBSCRIBE. Each SUBSCRIBE is an attempt; a channel
 * counts as subscribed when the attempt that it names is confirmed, and a lost connection or a move make it forget that.
 *
 * When a slot moves, the server ends its subscriptions and says so. If that crosses an UNSUBSCRIBE of ours, ioredis takes
 * it for the answer, and the answer (MOVED, the slot is not there any more) for that of the next command, and so on: we
 * would believe in confirmations that never came. Such a connection is noticed by an answer that does not fit, and
 * given up; all that it was subscribed to counts as interrupted.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { retryDelayMs } from '../connection/backoff.ts';
import { parseInfo } from '../connection/info.ts';
import { replyText } from '../connection/outcomes.ts';
import type { Attempt, Channel, Partition } from './channel.ts';
import { startHeartbeat } from './heartbeat.ts';

/** What a subscriber is told, and what it tells. */
export interface SubscriberOptions {
  /** A new connection, not yet begun. */
  readonly connect: () => Redis;
  /** Whether the connection, now that it is made, leads to the right server. */
  readonly isRight: (connection: Redis) => boolean;
  /** How long connecting may take, and about how long a server may be silent when it is asked something. */
  readonly timeoutMs: number;
  readonly onMessage: (channel: string, message: string) => void;
  readonly onConfirmed: (channel: Channel) => void;
  /** Subscribing to the channels would fail again. */
  readonly onRefused: (channels: readonly Channel[], reply: Error) => void;
  /** The server is away or does not want some of the channels: they may have moved. */
  readonly onAway: () => void;
  /** Nothing is wanted of the server, for a while or now that it is away. */
  readonly onIdle: () => void;
  /** Why announcements are missed for longer than the timeout. Undefined: they are no longer. */
  readonly onProblem: (problem: string | undefined) => void;
}

/** So many channels are subscribed to by one command: some 25 kB. */
const chunkSize = 500;

/** After a subscription was refused: for a reason that passes, or until somebody changes the rights of the user. */
const retryMs = { passing: 100, lasting: 2_000 };

/** Twice the time that a server may be silent: 10 s by default. */
const idleBeats = 6;

/** Talks to one server. */
export class Subscriber {
  readonly #options: SubscriberOptions;
  readonly #partitions = new Set<Partition>();
  readonly #closing = new AbortController();
  /** While it can be used. */
  #redis: Redis | undefined;
  /** Whether the server has sharded pub/sub: what is published there is then published so. */
  #isSharded = false;
  #retry: NodeJS.Timeout | undefined;
  #check: NodeJS.Immediate | undefined;
  #problem: { readonly text: string; readonly sinceMs: number; isTold: boolean } | undefined;

  constructor(options: SubscriberOptions) {
    this.#options = options;
    void this.#run();
  }

  /** Why announcements are missed; undefined: nothing is known to be wrong. */
  get problem(): string | undefined {
    return this.#problem?.text;
  }

  /** Subscribes to all channels of the partition, now and whenever there is a connection. */
  serve(partition: Partition): void {
    this.#partitions.add(partition);
    void this.#subscribeTo(partition);
  }

  /** To one channel more of a partition that it serves. */
  subscribe(channel: Channel): void {
    void this.#subscribe(channel.partition, [channel]);
  }

  unsubscribe(channels: readonly Channel[]): void {
    for (const channel of channels) channel.attempt = undefined;
    const redis = this.#redis;
    if (redis === undefined) return;
    for (const names of chunks(channels.map(({ name }) => name))) {
      const reply = this.#isSharded ? redis.sunsubscribe(...names) : redis.unsubscribe(...names);
      // Where it fails there is no subscription any more.
      reply.catch(() => undefined);
    }
  }

  leave(partition: Partition): void {
    this.#partitions.delete(partition);
    this.unsubscribe([...partition.channels]);
    if (this.#partitions.size === 0) this.#note(undefined);
  }

  close(): void {
    this.#closing.abort();
    clearTimeout(this.#retry);
    clearImmediate(this.#check);
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; failures += 1) {
      const redis = this.#options.connect();
      const abort = (): void => discard(redis);
      signal.addEventListener('abort', abort, { once: true });
      if (await this.#live(redis)) failures = 0;
      signal.removeEventListener('abort', abort);
      if (signal.aborted) return;
      if (this.#partitions.size === 0) this.#options.onIdle();
      else this.#options.onAway();
      await sleep(retryDelayMs(failures + 1), undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** One connection, from its beginning to its end. Answers whether it could be used. */
  async #live(redis: Redis): Promise<boolean> {
    let reason = 'the connection was lost';
    redis.on('error', (error) => {
      reason = error.message;
      // An answer too many.
      if (reason.startsWith('Command queue state error')) discard(redis);
    });
    const end = new Promise((resolve) => {
      redis.once('end', resolve);
    });
    const timer = setTimeout(() => {
      reason = 'there was no answer';
      discard(redis);
    }, this.#options.timeoutMs);
    try {
      await redis.connect();
      if (!this.#options.isRight(redis)) throw new Error('the Sentinels name another master than before');
      const info = parseInfo(await redis.info());
      // Who hears of a subscription looks at the store.
      if (info.get('loading') === '1') throw new Error('it is loading its data');
      this.#isSharded = Number.parseInt(info.get('redis_version') ?? '', 10) >= 7;
    } catch (error) {
      if (error instanceof Error && redis.status === 'ready') reason = error.message;
      discard(redis);
      this.#note(reason);
      return false;
    } finally {
      clearTimeout(timer);
    }
    await this.#use(redis, end);
    this.#note(reason);
    return true;
  }

  async #use(redis: Redis, end: Promise<unknown>): Promise<void> {
    redis.on(this.#isSharded ? 'smessage' : 'message', this.#options.onMessage);
    redis.on('moved', () => this.#checkSoon(redis));
    let idle = 0;
    const stopHeartbeat = startHeartbeat(redis, {
      timeoutMs: this.#options.timeoutMs,
      onBeat: () => {
        idle = this.#partitions.size === 0 ? idle + 1 : 0;
        if (idle >= idleBeats) this.#options.onIdle();
      },
      onDead: () => discard(redis),
    });
    this.#redis = redis;
    void this.#subscribeToAll(redis);
    await end;
    stopHeartbeat();
    this.#redis = undefined;
    for (const { channels } of this.#partitions) for (const channel of channels) channel.attempt = undefined;
  }

  /** Why announcements are missed, told once when it lasts; undefined: they are not, told when that was told. */
  #note(text: string | undefined): void {
    if (this.#closing.signal.aborted) return;
    const nowMs = performance.now();
    const { sinceMs = nowMs, isTold = false } = this.#problem ?? {};
    this.#problem = text === undefined ? undefined : { text, sinceMs, isTold };
    const lasts = nowMs - sinceMs >= this.#options.timeoutMs && this.#partitions.size > 0;
    if (this.#problem === undefined ? !isTold : isTold || !lasts) return;
    if (this.#problem !== undefined) this.#problem.isTold = true;
    this.#options.onProblem(text);
  }

  /** One partition after the other, so that whoever looks at the store thereupon does not do so all at once. */
  async #subscribeToAll(redis: Redis): Promise<void> {
    for (const partition of this.#partitions) {
      if (this.#redis !== redis) return;
      await this.#subscribeTo(partition);
    }
  }

  async #subscribeTo(partition: Partition): Promise<void> {
    const missing = [...partition.channels].filter(({ attempt }) => attempt === undefined);
    await Promise.all(chunks(missing).map((chunk) => this.#subscribe(partition, chunk)));
  }

  async #subscribe({ slot }: Partition, channels: readonly Channel[]): Promise<void> {
    const redis = this.#redis;
    if (redis === undefined) return;
    const attempt: Attempt = { isConfirmed: false };
    for (const channel of channels) channel.attempt = attempt;
    const names = channels.map(({ name }) => name);
    try {
      await (this.#isSharded ? redis.ssubscribe(...names) : redis.subscribe(...names));
    } catch (error) {
      const failed = channels.filter((channel) => channel.attempt === attempt);
      for (const channel of failed) channel.attempt = undefined;
      const reply = error instanceof Error ? error : new Error(String(error));
      // Of another slot: it is the answer to another command.
      if (reply.message.startsWith('MOVED ') && !reply.message.startsWith(`MOVED ${slot} `)) discard(redis);
      else this.#fail(failed, reply);
      return;
    }
    attempt.isConfirmed = true;
    this.#note(undefined);
    for (const channel of channels) if (channel.attempt === attempt) this.#options.onConfirmed(channel);
  }

  #fail(channels: readonly Channel[], reply: Error): void {
    const reason = replyText(reply);
    this.#note(reason);
    const isLasting = /^(NOPERM|ERR) /.test(reason);
    if (isLasting) this.#options.onRefused(channels, reply);
    if (reason.startsWith('MOVED ')) this.#options.onAway();
    this.#retryIn(isLasting ? retryMs.lasting : retryMs.passing);
  }

  #retryIn(ms: number): void {
    if (this.#closing.signal.aborted) return;
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      if (this.#redis !== undefined) void this.#subscribeToAll(this.#redis);
    }, ms).unref();
  }

  /** The server has ended subscriptions, as it does when their slot moves, or refused some with MOVED. */
  #checkSoon(redis: Redis): void {
    // It says so channel by channel.
    this.#check ??= setImmediate(() => {
      this.#check = undefined;
      if (this.#redis === redis) this.#forgetEnded(redis);
    });
  }

  /** ioredis does not say which subscriptions have ended, but keeps the set of those that have not. */
  #forgetEnded(redis: Redis): void {
    const subscriptions = redis.condition?.subscriber;
    const kept = new Set(subscriptions ? subscriptions.channels('ssubscribe') : []);
    let hasEnded = false;
    for (const { channels } of this.#partitions) {
      for (const channel of channels) {
        if (!channel.isConfirmed || kept.has(channel.name)) continue;
        channel.attempt = undefined;
        hasEnded = true;
      }
    }
    if (!hasEnded) return;
    this.#options.onAway();
    this.#retryIn(retryMs.passing);
  }
}

/** Ends a connection at once, whatever it is doing. */
function discard(redis: Redis): void {
  // There is none before it has begun, whatever its type says.
  const stream = redis.stream as Redis['stream'] | undefined;
  if (redis.status === 'end' || stream?.destroyed === true) return;
  redis.disconnect();
  stream?.destroy();
}

function chunks<T>(items: readonly T[]): readonly (readonly T[])[] {
  const result: T[][] = [];
  for (let start = 0; start < items.length; start += chunkSize) result.push(items.slice(start, start + chunkSize));
  return result;
}
