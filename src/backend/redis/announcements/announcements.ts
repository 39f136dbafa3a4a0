/**
 * Who listens to which context, over Redis: all watches of a process share a connection to each server that tells of
 * one of them.
 *
 * A channel is subscribed to by the first watch and left by the last. Its partition (the hash tag in its name) decides
 * which server tells of it; when that changes, the subscriptions of the partition follow. However a subscription was
 * lost, once it is confirmed anew its listeners are told `interrupted`, and nobody else.
 */
import { Command } from 'ioredis';
import { BackendUnavailableError, RedisStoreError } from '../../../errors.ts';
import type { Announcement, Watch } from '../../backend.ts';
import { Watchers } from '../../watchers.ts';
import type { RedisClient } from '../connection/client.ts';
import type { Log } from '../connection/log.ts';
import { replyText, wordsOf } from '../connection/outcomes.ts';
import { Channel, type Partition } from './channel.ts';
import { createServers, type Servers } from './servers.ts';
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
  readonly #onLog: Log | undefined;
  readonly #servers: Servers;
  readonly #watchers = new Watchers();
  readonly #channels = new Map<string, Channel>();
  readonly #partitions = new Map<string, Partition>();
  readonly #subscribers = new Map<string, Subscriber>();
  #isClosed = false;

  /** @param client whose connection knows where the servers are. */
  constructor(client: Pick<RedisClient, 'connection' | 'options' | 'ping'>, options: AnnouncementsOptions) {
    this.#options = options;
    this.#onLog = client.options.onLog;
    this.#servers = createServers(client, {
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
    this.#servers.close();
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
    const server = this.#servers.serverOf(partition.slot);
    if (server === undefined) return;
    const subscriber = this.#subscribers.get(server) ?? this.#subscriberAt(server);
    if (subscriber === partition.subscriber) return;
    partition.subscriber?.leave(partition);
    partition.subscriber = subscriber;
    subscriber.serve(partition);
  }

  #subscriberAt(server: string): Subscriber {
    const subscriber = new Subscriber({
      timeoutMs: this.#options.timeoutMs,
      connect: () => this.#servers.connectionTo(server),
      isRight: (connection) => this.#servers.isAt(server, connection),
      onMessage: (name, message) => this.#hear(name, message),
      onConfirmed: (channel) => {
        if (channel.confirm()) this.#watchers.announce(channel.id, { kind: 'interrupted' });
      },
      onRefused: (channels, reply) => {
        const cause = new RedisStoreError(`Redis at ${server} refuses a subscription: ${replyText(reply)}.`);
        const message = `Redis refused a subscription: ${wordsOf(reply)}.`;
        const error = new BackendUnavailableError(message, 'NOT_STORED', { cause });
        for (const channel of channels) channel.refuse(error);
      },
      onAway: () => this.#servers.lookAgain(),
      onIdle: () => {
        this.#subscribers.delete(server);
        subscriber.close();
      },
      onProblem: (problem) => {
        const whose = `Announcements of Redis at ${server}`;
        if (problem === undefined) this.#onLog?.({ level: 'info', text: `${whose} are no longer missed` });
        else this.#onLog?.({ level: 'warn', text: `${whose} are missed: ${problem}` });
      },
    });
    this.#subscribers.set(server, subscriber);
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
