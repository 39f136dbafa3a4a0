import { createHash, randomBytes } from 'node:crypto';
import { RedisStoreError } from '../../errors.ts';
import type { RedisClient } from './client.ts';
import { Keys, partitionCount } from './keys.ts';
import { textOf } from './replies.ts';

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
  #isSharded = true;

  constructor({ client, prefix }: RedisStoreOptions) {
    this.client = client;
    this.keys = new Keys(prefix);
  }

  /**
   * Of the servers together, as they were when this process reached them. For people and tests: which server wrote a
   * context last is proven by the scripts.
   */
  get serverId(): string {
    return this.#serverId;
  }

  /** Whether the servers know sharded pub/sub (Redis 7.0): a message then stays on the server of its slot. */
  get isSharded(): boolean {
    return this.#isSharded;
  }

  get publish(): 'SPUBLISH' | 'PUBLISH' {
    return this.#isSharded ? 'SPUBLISH' : 'PUBLISH';
  }

  /**
   * Resolves when the servers were reached and hold a store that this program understands, or none yet. Asked again
   * after a failure, it tries again.
   *
   * @throws BackendUnavailableError, RedisStoreError.
   */
  ready(): Promise<void> | undefined {
    if (this.#isReady) return undefined;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<void> {
    const infos = await this.client.infos();
    const found = await this.#format();
    if (found !== format) {
      throw new RedisStoreError(
        `What Redis holds under this redisPrefix is "${found}", and this version of Chord knows "${format}". Use another prefix, or the version that wrote it.`,
      );
    }
    const identities = infos.map((info) => info.get('master_replid') ?? '');
    this.#serverId = createHash('sha256').update(identities.toSorted().join(' ')).digest('base64url').slice(0, 8);
    this.#isSharded = infos.every((info) => Number.parseInt(info.get('redis_version') ?? '', 10) >= 7);
    this.#isReady = true;
  }

  async #format(): Promise<string | undefined> {
    const key = this.keys.format;
    const found = textOf(await this.client.call(['GET', key]));
    if (found !== undefined) return found;
    await this.client.call(['SET', key, format, 'NX'], { isWrite: true });
    return textOf(await this.client.call(['GET', key]));
  }
}
