/**
 * Who listens to which context, over Redis: all watches of a process share a connection to each server that tells of
 * one of them.
 *
 * A channel is subscribed to by the first watch and left by the last. Its partition (the hash tag in its name) decides
 * which server tells of it; when that changes, the subscriptions of the partition follow. However a subscription was
 * lost, once it is confirmed anew its listeners are told `interrupted`, and nobody else.
 */
import { Command } from 'ioredis';
import { BackendUnavailableError } from '../../../errors.ts';
import type { Announcement, Watch } from '../../backend.ts';
import { Watchers } from '../../watchers.ts';
import type { RedisClient } from '../connection/client.ts';
import { Channel, type Partition } from './channel.ts';
import { createPlaces, type Places } from './places.ts';
import { Subscriber } from './subscriber.ts';

/** How announcements are heard. */
export interface AnnouncementsOptions {
  /** How long a watch may take, and about how long a dead connection goes unnoticed. */
  readonly timeoutMs: number;
  /** What a message says; undefined: nothing of ours. */
  readonly parse: (message: string) => Announcement | undefined;
}

/** The watches of one process. */
export class Announcements {
  readonly #options: AnnouncementsOptions;
  readonly #onWarning: ((text: string) => void) | undefined;
  readonly #places: Places;
  readonly #watchers = new Watchers();
  readonly #channels = new Map<string, Channel>();
  readonly #partitions = new Map<string, Partition>();
  readonly #subscribers = new Map<string, Subscriber>();
  #isClosed = false;

  /** @param client whose connection knows where the servers are. */
  constructor(client: Pick<RedisClient, 'connection' | 'options'>, options: AnnouncementsOptions) {
    this.#options = options;
    this.#onWarning = client.options.onWarning;
    this.#places = createPlaces(client.connection, {
      timeoutMs: options.timeoutMs,
      onLook: () => this.#settleAll(),
    });
  }

  /**
   * Resolves when Redis has confirmed that it will tell of the channel. Each call is a listener of its own.
   *
   * @param channel where the context's announcements are published; it carries a hash tag.
   * @throws BackendUnavailableError with outcome NOT_STORED when that takes too long or is refused.
   */
  async watch(id: string, channel: string, listener: (announcement: Announcement) => void): Promise<Watch> {
    if (this.#isClosed) throw closed();
    const watched = this.#channels.get(channel) ?? this.#open(channel, id);
    // Before it is confirmed: what comes right behind the confirmation is heard.
    const watch = this.#listen(watched, listener);
    try {
      await watched.confirmed(this.#options.timeoutMs);
    } catch (error) {
      watch.close();
      throw error;
    }
    return watch;
  }

  /** Ends all watches and connections. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#places.close();
    this.#watchers.clear();
    for (const subscriber of this.#subscribers.values()) subscriber.close();
    for (const channel of this.#channels.values()) channel.refuse(closed());
    this.#subscribers.clear();
    this.#channels.clear();
    this.#partitions.clear();
  }

  #open(name: string, id: string): Channel {
    const tag = /\{.+?\}/.exec(name)?.[0] ?? '';
    let partition = this.#partitions.get(tag);
    if (partition === undefined) {
      const slot = new Command('ssubscribe', [tag]).getSlot();
      partition = { tag, slot, channels: new Set(), subscriber: undefined };
      this.#partitions.set(tag, partition);
      this.#settle(partition);
    }
    const channel = new Channel(name, id, partition);
    this.#channels.set(name, channel);
    partition.channels.add(channel);
    partition.subscriber?.subscribe(channel);
    return channel;
  }

  #listen(channel: Channel, listener: (announcement: Announcement) => void): Watch {
    const watch = this.#watchers.add(channel.id, listener);
    let isOpen = true;
    channel.watches += 1;
    return {
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        watch.close();
        channel.watches -= 1;
        if (channel.watches === 0 && !this.#isClosed) this.#leave(channel);
      },
    };
  }

  #leave(channel: Channel): void {
    const { partition } = channel;
    this.#channels.delete(channel.name);
    partition.channels.delete(channel);
    partition.subscriber?.unsubscribe([channel]);
    if (partition.channels.size > 0) return;
    this.#partitions.delete(partition.tag);
    partition.subscriber?.leave(partition);
  }

  #settleAll(): void {
    for (const partition of this.#partitions.values()) this.#settle(partition);
  }

  /** Has the partition served by the server that it is at. */
  #settle(partition: Partition): void {
    const place = this.#places.placeOf(partition.slot);
    if (place === undefined) return;
    const subscriber = this.#subscribers.get(place) ?? this.#subscriberAt(place);
    if (subscriber === partition.subscriber) return;
    partition.subscriber?.leave(partition);
    partition.subscriber = subscriber;
    subscriber.serve(partition);
  }

  #subscriberAt(place: string): Subscriber {
    const subscriber = new Subscriber({
      timeoutMs: this.#options.timeoutMs,
      connect: () => this.#places.connectionTo(place),
      isRight: (connection) => this.#places.isAt(place, connection),
      onMessage: (name, message) => this.#hear(name, message),
      onConfirmed: (channel) => {
        if (channel.confirm()) this.#watchers.announce(channel.id, { kind: 'interrupted' });
      },
      onRefused: (channels, reason) => {
        const error = new BackendUnavailableError(`Redis refused a subscription: ${reason}`, 'NOT_STORED');
        for (const channel of channels) channel.refuse(error);
      },
      onAway: () => this.#places.lookAgain(),
      onIdle: () => {
        this.#subscribers.delete(place);
        subscriber.close();
      },
      onProblem: (problem) => {
        const text = problem === undefined ? 'are no longer missed' : `are missed: ${problem}`;
        this.#onWarning?.(`Announcements of Redis at ${place} ${text}`);
      },
    });
    this.#subscribers.set(place, subscriber);
    return subscriber;
  }

  #hear(name: string, message: string): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    const announcement = this.#parse(message);
    if (announcement !== undefined) this.#watchers.announce(channel.id, announcement);
  }

  #parse(message: string): Announcement | undefined {
    try {
      return this.#options.parse(message);
    } catch {
      // Who published what we cannot read may have told of a commit.
      return { kind: 'interrupted' };
    }
  }
}

function closed(): BackendUnavailableError {
  return new BackendUnavailableError('The store is closed.', 'NOT_STORED');
}
