import { randomBytes } from 'node:crypto';
import { BackendUnavailableError, RedisStoreError } from '../../errors.ts';
import type { RedisClient } from './connection/client.ts';
import { warnOfSettings } from './connection/settings.ts';
import { Keys, partitionCount, partitions } from './keys.ts';
import { textOf } from './replies.ts';
import { scripts } from './scripts.ts';

/** Format 1: what keys.ts, codec.ts and the scripts say. */
const format = `chord 1 partitions ${partitionCount}`;

/** So many may follow each other while one list is read. */
const maxMasters = 3;

/** Partitions that lie on all masters of a Cluster, most likely. */
const sample = partitions.filter((partition) => partition % 16 === 0);

/** How a store is opened. */
export interface RedisStoreOptions {
  readonly client: RedisClient;
  /** What all its keys begin with. */
  readonly prefix: string;
  /** Resolves when a channel could be subscribed to. @throws BackendUnavailableError */
  readonly listen: (channel: string) => Promise<void>;
}

/** What is known of the servers once they were reached: that they hold a store of ours, and who they are. */
export class RedisStore {
  readonly client: RedisClient;
  readonly keys: Keys;
  /** This process, among the writers of all. */
  readonly writer = randomBytes(6).toString('base64url');
  readonly #listen: RedisStoreOptions['listen'];
  #isReady = false;
  #opening: Promise<void> | undefined;
  /** Of the first partition's server, in full. */
  #identity: string | undefined;

  constructor({ client, prefix, listen }: RedisStoreOptions) {
    this.client = client;
    this.keys = new Keys(prefix, client.options.target.db);
    this.#listen = listen;
  }

  /**
   * Of the first partition's server, as this process saw it last; '' before it was reached. For people and tests: which
   * server wrote a context last is proven by the scripts.
   */
  get serverId(): string {
    return this.#identity?.slice(0, 8) ?? '';
  }

  /**
   * Resolves when the servers were reached and hold a store that this program understands, or none yet. Undefined: they
   * were reached before. Asked again after a failure, it tries again.
   *
   * @throws BackendUnavailableError; its cause is a RedisStoreError when somebody has to change something first.
   */
  ready(): Promise<void> | undefined {
    if (this.#isReady) return undefined;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /**
   * What plain commands read, if no replica can have answered them: it may lack what was acknowledged. Scripts look for
   * themselves, and replicas of a Cluster send everybody to their master.
   *
   * An identity ends with the office of a master. So when it is the same before and after, one master was there all the
   * while.
   *
   * @param read is repeated when another server has taken over meanwhile.
   * @throws BackendUnavailableError
   */
  async byMaster<T>(read: () => Promise<T>): Promise<T> {
    if (this.client.connection.isCluster) return read();
    for (let attempt = 0; attempt < maxMasters; attempt++) {
      const before = this.#identity;
      const result = await read();
      const after = await this.#identify();
      if (after === before) return result;
    }
    throw new BackendUnavailableError('The master of Redis changes again and again.', 'NOT_STORED');
  }

  /**
   * Resolves when contexts can be read. Of a Cluster one part is enough: a process that has it is better asked than none.
   *
   * @throws BackendUnavailableError
   */
  async ping(): Promise<void> {
    const { client, keys } = this;
    const asked = client.connection.isCluster ? sample : sample.slice(0, 1);
    const answers = asked.map((partition) => client.run(scripts.identity, keys.probe(partition), []));
    try {
      await Promise.any(answers);
    } catch (error) {
      throw error instanceof AggregateError ? error.errors[0] : error;
    }
  }

  async #identify(): Promise<string | undefined> {
    const { client, keys } = this;
    this.#identity = textOf(await client.run(scripts.identity, keys.probe(0), []));
    return this.#identity;
  }

  async #open(): Promise<void> {
    const { client, keys } = this;
    // Whether it may be done, not whether it can be done now: a watch waits for that by itself.
    const listening = this.#listen(keys.probe(0)[1]).then(
      () => undefined,
      (error: unknown) => error,
    );
    const asked = [this.#identify(), client.run(scripts.probe, keys.probe(0), []), this.#format()] as const;
    const [, refusal, found] = await Promise.all(asked);
    const missing = textOf(refusal);
    if (missing !== undefined) {
      throw mistake(`Redis does not let this user do all that Chord needs under this redisPrefix: ${missing}.`);
    }
    if (found !== format) {
      throw mistake(
        `What Redis holds under this redisPrefix is "${found}", and this version of Chord knows "${format}". Use another prefix, or the version that wrote it.`,
      );
    }
    const refused = await listening;
    if (refused instanceof BackendUnavailableError && refused.cause instanceof RedisStoreError) throw refused;
    this.#isReady = true;
    const { onLog } = this.client.options;
    // Never rejects.
    if (onLog !== undefined) void warnOfSettings(this.client, onLog);
  }

  async #format(): Promise<string | undefined> {
    const key = this.keys.format;
    const found = textOf(await this.client.call(['GET', key]));
    if (found !== undefined) return found;
    // May be repeated, as the probe.
    await this.client.call(['SET', key, format, 'NX']);
    return textOf(await this.client.call(['GET', key]));
  }
}

/** What stays so until somebody changes something. */
function mistake(text: string): BackendUnavailableError {
  const cause = new RedisStoreError(text);
  return new BackendUnavailableError('Redis cannot be used as it is set up.', 'NOT_STORED', { cause });
}
