/**
 * How many subscriptions one viewer, and one WebSocket, have at a time.
 *
 * A subscription is counted from its first pull to its end, not from the moment that it is accepted: one whose client
 * is gone by then is never pulled, and nobody would say that it ended. So it is looked at twice.
 */
import type { ExecutionResult, GraphQLError } from 'graphql';
import type { RequestScope } from '../../graphql/request.ts';
import { maskError, rewrite } from '../mask-error.ts';
import { limitError } from './limits.ts';
import { Tally } from './tally.ts';

/** What operations run with: who asks, and on which WebSocket. */
export interface Asker extends Pick<RequestScope, 'session'> {
  readonly connection?: object | undefined;
}

/** The limits; null: as many as one likes. */
export interface SubscriptionLimits {
  readonly maxSubscriptionsPerConnection: number;
  readonly maxSubscriptionsPerViewer: number | null;
}

/** The places that are taken. */
export class SubscriptionPlaces {
  readonly #limits: SubscriptionLimits;
  readonly #ofConnections: Tally<object>;
  readonly #ofViewers: Tally<string>;

  constructor(limits: SubscriptionLimits) {
    this.#limits = limits;
    this.#ofConnections = new Tally(limits.maxSubscriptionsPerConnection);
    this.#ofViewers = new Tally(limits.maxSubscriptionsPerViewer);
  }

  /** Why there is no place; undefined: there is one. */
  refusal({ connection, session }: Asker): GraphQLError | undefined {
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

  /** Takes a place, to be released once. Or answers why there is none. */
  take(asker: Asker): GraphQLError | undefined {
    const refusal = this.refusal(asker);
    if (refusal !== undefined) return refusal;
    if (asker.connection !== undefined) this.#ofConnections.take(asker.connection);
    this.#ofViewers.take(asker.session.viewer.id);
    return undefined;
  }

  release({ connection, session }: Asker): void {
    if (connection !== undefined) this.#ofConnections.release(connection);
    // A session stays with its viewer, whatever its credentials are.
    this.#ofViewers.release(session.viewer.id);
  }
}

type Turn = IteratorResult<ExecutionResult, undefined>;

/** The results of a subscription that holds a place from its first pull to its end. What it throws is masked. */
export class CountedResults implements AsyncIterableIterator<ExecutionResult, undefined, unknown> {
  readonly #results: AsyncIterator<ExecutionResult, unknown>;
  readonly #places: SubscriptionPlaces;
  readonly #asker: Asker;
  #state: 'new' | 'placed' | 'over' = 'new';

  constructor(results: AsyncIterable<ExecutionResult>, places: SubscriptionPlaces, asker: Asker) {
    this.#results = results[Symbol.asyncIterator]();
    this.#places = places;
    this.#asker = asker;
  }

  // Not async: of ten thousand that wait each would keep a frame.
  next(): Promise<Turn> {
    if (this.#state === 'over') return Promise.resolve(done);
    if (this.#state === 'new') {
      const refusal = this.#places.take(this.#asker);
      if (refusal !== undefined) return this.#refuse(refusal);
      this.#state = 'placed';
    }
    return this.#results.next().then(
      (turn) => (turn.done === true ? this.#end() : turn),
      (error: unknown) => {
        this.#end();
        throw maskError(error);
      },
    );
  }

  async return(): Promise<Turn> {
    this.#end();
    await this.#results.return?.();
    return done;
  }

  async throw(error: unknown): Promise<Turn> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #refuse(refusal: GraphQLError): Promise<Turn> {
    await this.return();
    // The answer has begun: no status any more.
    const { http: _http, ...extensions } = refusal.extensions;
    return { done: false, value: { errors: [rewrite(refusal, refusal.message, extensions)] } };
  }

  #end(): Turn {
    if (this.#state === 'placed') this.#places.release(this.#asker);
    this.#state = 'over';
    return done;
  }
}

const done: Turn = Object.freeze({ done: true, value: undefined });
