/**
 * Live events: who follows which context, and how each is told the one event that leads from where it is to now.
 *
 *   backend.watch ─► Channel (one per id) ─► marks its followers dirty, wakes those that wait
 *   transport pulls ─► Follower.next ─► the announced delta if it starts where the follower is, else Channel.answer
 *
 * A follower is its last sent position and a mark; nothing is queued, so a reader that stalls costs nothing and misses
 * nothing: when it pulls again it is answered by the table of docs/protocol.md. An announcement is only a hint. Late,
 * doubled, reordered or lost ones lead to a read of the store or to nothing, never to a wrong event.
 */
import { BackendUnavailableError } from '../errors.ts';
import { AbortGroups } from './abort-groups.ts';
import { Channel, type FeedOptions, type Subscriber } from './channel.ts';
import { Follower, type FollowerHost, type Following } from './follower.ts';
import type { Since } from './sync.ts';

/** Who follows what. */
export interface FeedSubscription {
  readonly contextId: string;
  readonly follower: Pick<Subscriber, 'by' | 'isBehind' | 'position'>;
}

/** All followers of one process. */
export class Feed implements FollowerHost {
  readonly #options: FeedOptions;
  readonly #channels = new Map<string, Channel>();
  readonly #signals = new AbortGroups();
  #recheck: AbortController | undefined;
  #closed = false;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /** How many followers are attached. */
  get followers(): number {
    let followers = 0;
    for (const channel of this.#channels.values()) followers += channel.followers.size;
    return followers;
  }

  /** How many of them wait for their transport to ask for what is new. */
  get behind(): number {
    let behind = 0;
    for (const { followers } of this.#channels.values()) {
      for (const follower of followers) if (follower.isBehind) behind++;
    }
    return behind;
  }

  /** Every follower and its context. Takes as long as there are followers. */
  *subscriptions(): Generator<FeedSubscription> {
    for (const { id, followers } of this.#channels.values()) {
      for (const follower of followers) yield { contextId: id, follower };
    }
  }

  /** How many contexts are watched for them. */
  get watched(): number {
    return this.#channels.size;
  }

  /** The first `next()` of the follower attaches it; `return()` and the signal detach it. */
  follow(id: string, since: Since | undefined, options: Pick<Following, 'signal' | 'by'>): Follower {
    return new Follower(this, { id, since, ...options });
  }

  attach(id: string, follower: Subscriber, signal: AbortSignal | undefined): Channel {
    if (this.#closed) throw new BackendUnavailableError('The server is shutting down.', 'NOT_STORED');
    let channel = this.#channels.get(id);
    if (channel === undefined) {
      channel = new Channel(id, this.#options);
      this.#channels.set(id, channel);
      this.#startRechecks();
    }
    channel.followers.add(follower);
    if (signal !== undefined) this.#signals.add(signal, follower);
    return channel;
  }

  detach(channel: Channel, follower: Subscriber, signal: AbortSignal | undefined): void {
    if (signal !== undefined) this.#signals.delete(signal, follower);
    channel.followers.delete(follower);
    if (channel.followers.size > 0) return;
    channel.close();
    if (this.#channels.get(channel.id) === channel) this.#channels.delete(channel.id);
    if (this.#channels.size === 0) this.#recheck?.abort();
  }

  /** Ends every follower. */
  close(): void {
    this.#closed = true;
    for (const channel of this.#channels.values()) {
      for (const follower of channel.followers) follower.end();
    }
  }

  #startRechecks(): void {
    if (this.#recheck !== undefined && !this.#recheck.signal.aborted) return;
    this.#recheck = new AbortController();
    void this.#runRechecks(this.#recheck.signal);
  }

  /** Never rejects: a store that is away is asked again at the next turn, and answers its followers itself. */
  async #runRechecks(signal: AbortSignal): Promise<void> {
    const { clock, recheckMs } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(recheckMs, signal);
      if (signal.aborted) return;
      const quiet = [...this.#channels.values()].filter((channel) => channel.takeQuiet());
      for (let from = 0; from < quiet.length; from += recheckBatch) {
        await this.#compare(quiet.slice(from, from + recheckBatch)).catch(() => undefined);
      }
    }
  }

  async #compare(channels: readonly Channel[]): Promise<void> {
    const heads = await this.#options.backend.heads(channels.map(({ id }) => id));
    for (const [index, channel] of channels.entries()) channel.compare(heads[index]);
  }
}

const recheckBatch = 250;
