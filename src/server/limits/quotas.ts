/** What one viewer, or one connection, may have and do at a time, over every transport. */
import type { ExecutionArgs, GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Clock } from '../../clock.ts';
import type { ChordService } from '../../service/service.ts';
import type { Subscribed } from '../fanout/subscribe.ts';
import { limitError } from './limits.ts';
import { writesOf } from './measure.ts';
import { type RateLimiter, SharedRate, TokenBuckets } from './rate.ts';
import { type Asker, CountedResults, type SubscriptionLimits, SubscriptionPlaces } from './subscription-places.ts';
import { Tally } from './tally.ts';

/** Null: as many as one likes. */
export interface QuotaLimits extends SubscriptionLimits {
  readonly maxConnectionsPerViewer: number | null;
  readonly requestsPerSecond: number | null;
  readonly writesPerSecond: number | null;
}

/** Keeps count for one process, and of rates for all, where the store can. */
export class Quotas {
  readonly #limits: QuotaLimits;
  readonly #subscriptions: SubscriptionPlaces;
  readonly #connections: Tally<string>;
  readonly #requests: RateLimiter | undefined;
  readonly #writes: RateLimiter | undefined;

  /** @param takeRate of the store; absent: this process counts for itself. */
  constructor(limits: QuotaLimits, clock: Clock, takeRate?: ChordService['takeRate']) {
    const limiterOf = (name: 'requests' | 'writes', perSecond: number | null): RateLimiter | undefined => {
      if (perSecond === null) return undefined;
      if (takeRate === undefined) return new TokenBuckets(perSecond, clock);
      const ask: RateLimiter['take'] = async (key, count = 1) => takeRate(`${name}:${key}`, { perSecond, count });
      return new SharedRate(ask, perSecond, clock);
    };
    this.#limits = limits;
    this.#subscriptions = new SubscriptionPlaces(limits);
    this.#connections = new Tally(limits.maxConnectionsPerViewer);
    this.#requests = limiterOf('requests', limits.requestsPerSecond);
    this.#writes = limiterOf('writes', limits.writesPerSecond);
  }

  /** A WebSocket of a viewer. False: it has as many as it may; else to be told when it is closed. */
  connect(viewerId: string): boolean {
    return this.#connections.take(viewerId);
  }

  /** One that was let in is closed. */
  disconnect(viewerId: string): void {
    this.#connections.release(viewerId);
  }

  /** Counts a request. Answers the refusal when they come too fast; undefined: nobody counts. */
  request(viewerId: string): Promise<GraphQLError | undefined> | undefined {
    return this.#requests?.take(viewerId).then((retryAfterMs) => this.#tooFast('requestsPerSecond', retryAfterMs));
  }

  /** @param viewerIdOf whose an HTTP request is; the lane and a WebSocket call `request` themselves. */
  plugin(viewerIdOf: (request: Request) => string): Plugin {
    return {
      onParams: async ({ request }) => {
        if (this.#requests === undefined) return;
        const refusal = await this.request(viewerIdOf(request));
        if (refusal !== undefined) throw refusal;
      },
    };
  }

  /** Begins a subscription that holds a place while it is read, and masks what its results throw. */
  async subscribe(args: ExecutionArgs, begin: () => Subscribed | Promise<Subscribed>): Promise<Subscribed> {
    const asker = askerOf(args);
    const refusal = this.#subscriptions.refusal(asker);
    if (refusal !== undefined) return { errors: [refusal] };
    const results = await begin();
    return Symbol.asyncIterator in results ? new CountedResults(results, this.#subscriptions, asker) : results;
  }

  /** Counts the writes of an operation. Answers the refusal when they come too fast; undefined: there is none to count. */
  write(args: ExecutionArgs): Promise<GraphQLError | undefined> | undefined {
    const writes = this.#writes === undefined ? 0 : writesOf(args.document, args.operationName);
    if (writes === 0) return undefined;
    return this.#writes
      ?.take(askerOf(args).session.viewer.id, writes)
      .then((retryAfterMs) => this.#tooFast('writesPerSecond', retryAfterMs));
  }

  /** @param retryAfterMs as a limiter answers; undefined: it is not too fast. */
  #tooFast(
    option: 'requestsPerSecond' | 'writesPerSecond',
    retryAfterMs: number | undefined,
  ): GraphQLError | undefined {
    if (retryAfterMs === undefined) return undefined;
    const max = this.#limits[option] ?? 0;
    return limitError(option, max, {
      actual: max + 1,
      retryAfterMs,
      message: `More than ${max} a second (${option}). Try again in ${retryAfterMs} ms.`,
      http: { status: 429, headers: { 'Retry-After': String(Math.ceil(retryAfterMs / 1000)) } },
    });
  }
}

function askerOf({ contextValue }: ExecutionArgs): Asker {
  // What the transports make of it.
  return contextValue as Asker;
}
