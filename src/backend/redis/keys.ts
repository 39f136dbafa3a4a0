/**
 * Names of keys and channels.
 *
 * A context belongs to one of 256 partitions, and every key and channel of it carries the partition as its hash tag:
 * `chord:{17}:head:<id>`. So all that a script touches lies in one slot of a Cluster, the indexes included.
 *
 * Scripts are given the partition's prefix, `chord:{17}:`, and make the names of further keys from it. No key has that
 * name itself, and each script names a second one: while a slot moves, a Cluster refuses every command with several
 * keys of which one is missing (TRYAGAIN), at both ends. Otherwise a script could find a context half moved, and take
 * it for absent.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** Part of the format of a store: never to be changed. */
export const partitionCount = 256;

/** Every partition. */
export const partitions: readonly number[] = Array.from({ length: partitionCount }, (_, partition) => partition);

/** Indexes of a partition, each a sorted set: ids (by their bytes) and what is due (by time). */
export type IndexName = 'ids' | 'due:context' | 'due:deltas' | 'due:tombstone';

/** Makes the names of one store. */
export class Keys {
  readonly #prefix: string;
  readonly #partitions: readonly string[];

  /**
   * @param prefix what all names begin with.
   * @param database where they are. Channels know none: it is part of the names, unless it is the first one.
   * @throws TypeError for one with braces, which would hide the hash tag.
   */
  constructor(prefix: string, database = 0) {
    if (/[{}\s]/.test(prefix) || prefix === '' || Buffer.byteLength(prefix) > 64) {
      throw new TypeError(
        `redisPrefix is ${JSON.stringify(prefix)}; expected 1 to 64 bytes without spaces and braces.`,
      );
    }
    this.#prefix = database === 0 ? prefix : `${prefix}db${database}:`;
    this.#partitions = partitions.map((partition) => `${this.#prefix}{${partition}}:`);
  }

  /** Where the format of the store is written down. */
  get format(): string {
    return `${this.#prefix}{0}:format`;
  }

  /** For a script about no context: the prefix, and a name (of a key or a channel) that is used for nothing else. */
  probe(partition: number): readonly [prefix: string, probe: string] {
    const prefix = this.partition(partition);
    return [prefix, `${prefix}probe`];
  }

  /** What the names of a partition begin with. */
  partition(partition: number): string {
    return this.#partitions[partition] ?? '';
  }

  partitionOf(id: string): string {
    return this.partition(crc32(id) % partitionCount);
  }

  /** What a script about a context is given: the partition's prefix and the head. */
  context(id: string): readonly [prefix: string, head: string] {
    const prefix = this.partitionOf(id);
    return [prefix, `${prefix}head:${id}`];
  }

  head(id: string): string {
    return `${this.partitionOf(id)}head:${id}`;
  }

  index(partition: number, name: IndexName): string {
    return `${this.partition(partition)}${name}`;
  }

  /** What a script about a lease is given. */
  lease(name: string): readonly [prefix: string, lease: string] {
    const prefix = this.partitionOf(name);
    return [prefix, `${prefix}lease:${name}`];
  }

  /** What a script about a note is given. */
  note(name: string): readonly [prefix: string, note: string] {
    const prefix = this.partitionOf(name);
    return [prefix, `${prefix}note:${name}`];
  }

  /** What the script that counts is given. A hash, since who asks chooses the key: it has a length, and tells nothing. */
  rate(key: string): readonly [prefix: string, rate: string] {
    const prefix = this.partitionOf(key);
    return [prefix, `${prefix}rate:${createHash('sha256').update(key).digest('base64url')}`];
  }

  /** Where the announcements of a context are published. */
  channel(id: string): string {
    return `${this.partitionOf(id)}watch:${id}`;
  }
}
