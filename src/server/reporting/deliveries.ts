/**
 * Counts what subscribers are sent, and how long after its commit.
 *
 * A WebSocket asks for the next event once its socket has taken the last one, an event stream once its response has (see
 * websocket.ts and sse.ts): so the asking tells that the last one was written. That is the same unless the reader stalls,
 * when an event stream is one event early. What the socket took may still be on its way to the client.
 */
import type { Clock } from '../../clock.ts';
import type { ContextEvent } from '../../model.ts';
import type { Labels, Metrics } from '../../observability/metrics.ts';
import type { PolledEvents } from '../../service/chord.ts';
import { DelegatedEvents } from '../../service/delegated-events.ts';

/** How events reach a subscriber. */
export type EventTransport = Labels<'deliveries'>['transport'];

/** What a transport puts around the events of a subscription. */
export type FollowHook = (events: PolledEvents) => PolledEvents;

/** All subscriptions of one server. */
export class Deliveries {
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  readonly #open: Record<EventTransport, number> = { websocket: 0, sse: 0 };

  constructor(metrics: Metrics, clock: Clock) {
    this.#metrics = metrics;
    this.#clock = clock;
  }

  /** How many subscriptions are open. */
  get open(): Readonly<Record<EventTransport, number>> {
    return this.#open;
  }

  over(transport: EventTransport): FollowHook {
    return (events) =>
      new CountedEvents(events, {
        onBegin: () => this.#open[transport]++,
        onDelivered: (event, isFirst) => this.#deliver(transport, event, isFirst),
        onEnd: () => this.#open[transport]--,
      });
  }

  #deliver(transport: EventTransport, event: ContextEvent, isFirst: boolean): void {
    this.#metrics.count('deliveries', { transport, kind: event.kind });
    const committedAtMs = isFirst ? undefined : commitOf(event);
    if (committedAtMs === undefined) return;
    // Another process has written it, and its clock may be ahead of ours.
    const lagMs = Math.max(0, this.#clock.now() - committedAtMs);
    this.#metrics.observe('deliveryLag', { transport }, lagMs / 1000);
  }
}

interface SubscriptionLife {
  readonly onBegin: () => void;
  readonly onDelivered: (event: ContextEvent, isFirst: boolean) => void;
  readonly onEnd: () => void;
}

/** The events as they are. A subscription begins when it is asked for the first, and ends once. */
class CountedEvents extends DelegatedEvents {
  readonly #life: SubscriptionLife;
  #state: 'new' | 'open' | 'ended' = 'new';
  /** Handed to the transport, which has not asked again yet. */
  #sent: ContextEvent | undefined;
  #isFirst = true;

  constructor(events: PolledEvents, life: SubscriptionLife) {
    super(events);
    this.#life = life;
  }

  override async next(): Promise<IteratorResult<ContextEvent, undefined>> {
    this.#begin();
    this.#noteDelivered();
    try {
      const turn = await super.next();
      if (turn.done === true) this.#end();
      else this.#sent = turn.value;
      return turn;
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  override poll(): ContextEvent | 'none' | 'ask' {
    this.#noteDelivered();
    const event = super.poll();
    if (typeof event === 'object') this.#sent = event;
    return event;
  }

  override return(): Promise<IteratorResult<ContextEvent, undefined>> {
    this.#end();
    return super.return();
  }

  #begin(): void {
    if (this.#state !== 'new') return;
    this.#state = 'open';
    this.#life.onBegin();
  }

  #noteDelivered(): void {
    const sent = this.#sent;
    if (sent === undefined || this.#state !== 'open') return;
    this.#sent = undefined;
    this.#life.onDelivered(sent, this.#isFirst);
    this.#isFirst = false;
  }

  /** One that nobody read was never open. */
  #end(): void {
    if (this.#state === 'open') this.#life.onEnd();
    this.#state = 'ended';
  }
}

/** When what the event tells of was written, by the clock of the writer; undefined: it tells of nothing. */
function commitOf(event: ContextEvent): number | undefined {
  switch (event.kind) {
    case 'full':
      return event.context.insertedAtMs;
    case 'delta':
      return event.insertedAtMs;
    case 'gone':
      return event.atMs;
    case 'noChange':
    case 'noContext':
      return undefined;
  }
}
