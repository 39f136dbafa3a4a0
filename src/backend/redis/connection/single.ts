/** One server, or the one that Sentinels say is the master. */
import { Redis } from 'ioredis';
import { retryDelayMs } from './backoff.ts';
import { endOf } from './end.ts';
import { Link } from './link.ts';
import { codeOf } from './outcomes.ts';
import { commonOptions, type Route, type RouteEvents } from './route.ts';
import { SentinelWatch } from './sentinels.ts';
import { describeTarget, type RedisTarget } from './target.ts';

/**
 * How long the replies of a master that is left are waited for: one that says itself that it is a replica answers; one
 * that Sentinels have replaced may hang.
 */
const farewellMs = { byItself: 1_000, bySentinels: 200 };

/** The route to a server or a Sentinel set: one connection, made again for as long as it is not closed. */
export class SingleRoute implements Route {
  readonly connection: Redis;
  readonly #link: Link;
  readonly #name: string;
  readonly #events: RouteEvents;
  readonly #sentinels: SentinelWatch | undefined;
  /** What was said of the server; undefined: nothing, or that all is well. */
  #said: string | undefined;
  #endings = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(
    target: Exclude<RedisTarget, { readonly kind: 'cluster' }>,
    { timeoutMs, events }: { readonly timeoutMs: number; readonly events: RouteEvents },
  ) {
    this.#name = describeTarget(target);
    this.#events = events;
    const options = {
      ...commonOptions(target, timeoutMs),
      db: target.db ?? 0,
      lazyConnect: true,
    } as const;
    this.connection = new Redis(
      target.kind === 'standalone'
        ? { ...options, host: target.host, port: target.port }
        : {
            ...options,
            sentinels: target.sentinels.map(({ host, port }) => ({ host, port })),
            name: target.name,
            role: 'master',
            sentinelUsername: target.sentinelUsername,
            sentinelPassword: target.sentinelPassword,
            sentinelCommandTimeout: Math.min(timeoutMs, 1_000),
            // Then the connection ends, and begins again below.
            sentinelRetryStrategy: () => null,
            ...(target.tls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
          },
    );
    this.#link = new Link(this.connection, {
      server: this.#name,
      isCluster: false,
      isTls: target.tls,
      timeoutMs,
      onChange: () => this.#change(),
      onConnection: events.onConnection,
    });
    this.connection.on('end', () => this.#begin());
    if (target.kind === 'sentinel') {
      this.#sentinels = new SentinelWatch(target, () => this.#link.leave(farewellMs.bySentinels));
    }
    this.#connect();
  }

  find(): Link | undefined {
    return this.#link.canSend ? this.#link : undefined;
  }

  masters(): readonly string[] {
    return [this.#name];
  }

  trouble(): { readonly text: string; readonly isMistake: boolean } {
    const { state } = this.#link;
    switch (state.kind) {
      case 'up':
        return { text: `Redis at ${this.#name} does not answer`, isMistake: false };
      case 'down':
        return {
          text: `Redis at ${this.#name} is away: ${state.reason ?? 'there is no connection yet'}`,
          isMistake: false,
        };
      case 'mistake':
        return { text: `Redis at ${this.#name} ${state.problem}`, isMistake: true };
    }
  }

  /** There is only one: nobody to ask. */
  look(): void {}

  /** The server is a replica now: its address, or the Sentinels, lead to another one. */
  heed(reply: Error): boolean {
    if (codeOf(reply) === 'READONLY') this.#link.leave(farewellMs.byItself);
    return false;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#sentinels?.close();
    await endOf(this.connection);
  }

  #connect(): void {
    // Also what fails is told by events.
    this.connection.connect().catch(() => undefined);
  }

  /** ioredis has given up, as it does when a connection is ended while it is being made. We never do. */
  #begin(): void {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), retryDelayMs(++this.#endings));
  }

  #change(): void {
    const { state } = this.#link;
    if (state.kind === 'up') {
      this.#endings = 0;
      if (this.#said !== undefined)
        this.#events.onLog({ level: 'info', text: `Redis at ${this.#name} is there again` });
      this.#said = undefined;
    } else if (state.kind === 'mistake' || state.isLeft !== true) {
      const { text } = this.trouble();
      // The reason of being away changes from one attempt to the next.
      if (this.#said === undefined || (state.kind === 'mistake' && this.#said !== text)) {
        this.#events.onLog({ level: 'warn', text });
        this.#said = text;
      }
    }
    this.#events.onChange();
  }
}
