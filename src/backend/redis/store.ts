import { randomBytes } from 'node:crypto';
import { BackendUnavailableError, RedisStoreError } from '../../errors.ts';
import type { RedisClient } from './connection/client.ts';
import { warnOfSettings } from './connection/settings.ts';
import { Keys, partitionCount } from './keys.ts';
import { textOf } from './replies.ts';
import { scripts } from './scripts.ts';

/** Format 1: what keys.ts, codec.ts and the scripts say. */
const format = `chord 1 partitions ${partitionCount}`;

/** How a store is opened. */
export interface RedisStoreOptions {
  readonly client: RedisClient;
  /** What all its keys begin with. */
  readonly prefix: string;
}

/** What is known of the servers once they were reached: that they hold a store of ours, and who they are. */
export class RedisStore {
  readonly client: RedisClient;
  readonly keys: Keys;
  /** This process, among the writers of all. */
  readonly writer = randomBytes(6).toString('base64url');
  #isReady = false;
  #opening: Promise<void> | undefined;
  #serverId = '';

  constructor({ client, prefix }: RedisStoreOptions) {
    this.client = client;
    this.keys = new Keys(prefix);
  }

  /**
   * Of the server of the first partition, when this process reached it. For people and tests: which server wrote a
   * context last is proven by the scripts.
   */
  get serverId(): string {
    return this.#serverId;
  }

  /**
   * Resolves when the servers were reached and hold a store that this program understands, or none yet. Asked again
   * after a failure, it tries again.
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

  async #open(): Promise<void> {
    const { client, keys } = this;
    const identity = textOf(await client.run(scripts.identity, [keys.partition(0), keys.format], []));
    const found = await this.#format();
    if (found !== format) {
      const problem = `What Redis holds under this redisPrefix is "${found}", and this version of Chord knows "${format}". Use another prefix, or the version that wrote it.`;
      throw new BackendUnavailableError(problem, 'NOT_STORED', { cause: new RedisStoreError(problem) });
    }
    this.#serverId = identity?.slice(0, 8) ?? '';
    this.#isReady = true;
    const { onWarning } = this.client.options;
    // Never rejects.
    if (onWarning !== undefined) void warnOfSettings(this.client, onWarning);
  }

  async #format(): Promise<string | undefined> {
    const key = this.keys.format;
    const found = textOf(await this.client.call(['GET', key]));
    if (found !== undefined) return found;
    await this.client.call(['SET', key, format, 'NX'], { isWrite: true });
    return textOf(await this.client.call(['GET', key]));
  }
}
