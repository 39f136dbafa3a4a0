/**
 * What one viewer, or one connection, may have and do at a time, over every transport.
 *
 * A subscription is counted from its first pull to its end, not from the moment that it is accepted: one whose client
 * is gone by then is never pulled, and nobody would say that it ended. So it is looked at twice.
 */
import type { ExecutionArgs, ExecutionResult, GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Clock } from '../../clock.ts';
import type { RequestScope } from '../../graphql/request.ts';
import type { ChordService } from '../../service/service.ts';
import type { Subscribed } from '../fanout/subscribe.ts';
import { maskError, rewrite } from '../mask-error.ts';
import { limitError } from './limits.ts';
import { writesOf } from './measure.ts';
import { type RateLimiter, SharedRate, TokenBuckets } from './rate.ts';
import { Tally } from './tally.ts';

/** Null: as many as one likes. */
export interface QuotaLimits {
  readonly maxSubscriptionsPerConnection: number;
  readonly maxSubscriptionsPerViewer: number | null;
  readonly maxConnectionsPerViewer: number | null;
  readonly requestsPerSecond: number | null;
  readonly writesPerSecond: number | null;
}

/** What operations run with: who asks, and on which WebSocket. */
interface Asker extends Pick<RequestScope, 'session'> {
  readonly connection?: object | undefined;
}

/** Keeps count for one process, and of rates for all, where the store can. */
export class Quotas {
  readonly #limits: QuotaLimits;
  readonly #ofConnections: Tally<object>;
  readonly #ofViewers: Tally<string>;
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
    this.#ofConnections = new Tally(limits.maxSubscriptionsPerConnection);
    this.#ofViewers = new Tally(limits.maxSubscriptionsPerViewer);
    this.#connections = new Tally(limits.maxConnectionsPerViewer);
    this.#requests = limiterOf('requests', limits.requestsPerSecond);
    this.#writes = limiterOf('writes', limits.writesPerSecond);
  }

  /** A WebSocket of a viewer. Undefined: it has as many as it may; else what to call when it is closed. */
  connect(viewerId: string): (() => void) | undefined {
    return this.#connections.take(viewerId);
  }

  /** Counts a request. Answers the refusal when they come too fast; undefined: nobody counts. */
  request(viewerId: string): Promise<GraphQLError | undefined> | undefined {
    return this.#requests
      ?.take(viewerId)
      .then((retryAfterMs) =>
        retryAfterMs === undefined ? undefined : this.#tooFast('requestsPerSecond', retryAfterMs),
      );
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
    const refusal = this.#refuseSubscription(asker);
    if (refusal !== undefined) return { errors: [refusal] };
    const results = await begin();
    return Symbol.asyncIterator in results ? new CountedResults(results, () => this.#take(asker)) : results;
  }

  /** Counts the writes of an operation. Answers the refusal when they come too fast; undefined: there is none to count. */
  write(args: ExecutionArgs): Promise<GraphQLError | undefined> | undefined {
    const writes = this.#writes === undefined ? 0 : writesOf(args.document, args.operationName);
    if (writes === 0) return undefined;
    return this.#writes
      ?.take(askerOf(args).session.viewer.id, writes)
      .then((retryAfterMs) =>
        retryAfterMs === undefined ? undefined : this.#tooFast('writesPerSecond', retryAfterMs),
      );
  }

  #tooFast(option: 'requestsPerSecond' | 'writesPerSecond', retryAfterMs: number): GraphQLError {
    const max = this.#limits[option] ?? 0;
    return limitError(option, max, {
      actual: max + 1,
      retryAfterMs,
      message: `More than ${max} a second (${option}). Try again in ${retryAfterMs} ms.`,
      http: { status: 429, headers: { 'Retry-After': String(Math.ceil(retryAfterMs / 1000)) } },
    });
  }

  #refuseSubscription({ connection, session }: Asker): GraphQLError | undefined {
    const { maxSubscriptionsPerConnection: ofConnection, maxSubscriptionsPerViewer: ofViewer } = this.#limits;
    if (connection !== undefined && this.#ofConnections.isFull(connection)) {
      return limitError('maxSubscriptionsPerConnection', ofConnection, ofConnection + 1);
    }
    if (ofViewer !== null && this.#ofViewers.isFull(session.viewer.id)) {
      return limitError('maxSubscriptionsPerViewer', ofViewer, {
        actual: ofViewer + 1,
        http: { status: 429 },
      });
    }
    return undefined;
  }

  /** What to call when it ends, or why it may not begin. */
  #take(asker: Asker): (() => void) | GraphQLError {
    const refusal = this.#refuseSubscription(asker);
    if (refusal !== undefined) return refusal;
    const { connection, session } = asker;
    const ofConnection = connection === undefined ? undefined : this.#ofConnections.take(connection);
    const ofViewer = this.#ofViewers.take(session.viewer.id);
    return () => {
      ofConnection?.();
      ofViewer?.();
    };
  }
}

/** The results of a subscription that holds a place from its first pull to its end. What it throws is masked. */
class CountedResults implements AsyncIterableIterator<ExecutionResult, undefined, unknown> {
  readonly #results: AsyncIterator<ExecutionResult, unknown>;
  readonly #take: () => (() => void) | GraphQLError;
  #release: (() => void) | undefined;
  #isOver = false;

  constructor(results: AsyncIterable<ExecutionResult>, take: () => (() => void) | GraphQLError) {
    this.#results = results[Symbol.asyncIterator]();
    this.#take = take;
  }

  async next(): Promise<IteratorResult<ExecutionResult, undefined>> {
    if (this.#isOver) return { done: true, value: undefined };
    if (this.#release === undefined) {
      const place = this.#take();
      if (typeof place !== 'function') {
        await this.return();
        // The answer has begun: no status any more.
        const { http: _http, ...extensions } = place.extensions;
        return { done: false, value: { errors: [rewrite(place, place.message, extensions)] } };
      }
      this.#release = place;
    }
    try {
      const next = await this.#results.next();
      if (next.done !== true) return { done: false, value: next.value };
    } catch (error) {
      this.#end();
      throw maskError(error);
    }
    this.#end();
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<ExecutionResult, undefined>> {
    this.#end();
    await this.#results.return?.();
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<IteratorResult<ExecutionResult, undefined>> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #end(): void {
    this.#isOver = true;
    this.#release?.();
  }
}

function askerOf({ contextValue }: ExecutionArgs): Asker {
  // What the transports make of it.
  return contextValue as Asker;
}
