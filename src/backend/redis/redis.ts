/**
 * The shared store: any number of processes on one Redis, a Sentinel set or a Cluster.
 *
 * A write is one script on one partition (commit.lua), which proves the base, appends the delta to the log of the
 * context, and announces it. It costs what the delta costs: the state itself is sent only now and then (checkpoint.lua),
 * and made anew from there by whoever has it not (contexts.ts). Processes know nothing of each other; each plans on what
 * it saw last, and is told what it lacks when another was faster.
 */
import { BackendUnavailableError } from '../../errors.ts';
import type { Position } from '../../model.ts';
import type {
  Announcement,
  Backend,
  DeltaListOptions,
  Due,
  DueKind,
  DueOptions,
  Lease,
  ListOptions,
  Note,
  RateOptions,
  ReadOptions,
  View,
  Watch,
} from '../backend.ts';
import type { Base, CommitOptions, CommitResult, Outcome, Write } from '../commit.ts';
import type { DeltaRecord, Head, Known } from '../known.ts';
import { Announcements } from './announcements/announcements.ts';
import { announcementFrom, deltaFrom, type Entry, headFrom, isLive, positionFrom } from './codec.ts';
import { Commits } from './commits.ts';
import { RedisClient } from './connection/client.ts';
import type { ConnectionEvent } from './connection/link.ts';
import type { Log } from './connection/log.ts';
import { parseRedisUrls } from './connection/target.ts';
import { Contexts } from './contexts.ts';
import { countIds, dueEntries, listIds, nextDueMs } from './indexes.ts';
import { takeLease } from './lease.ts';
import { noteRevision, readNote, writeNote } from './notes.ts';
import { takeRate } from './rates.ts';
import { Reads } from './reads.ts';
import { listOf, textOf } from './replies.ts';
import { scripts } from './scripts.ts';
import { RedisStore } from './store.ts';

/** How to open a shared store. */
export interface RedisOptions {
  /** One for a single server, a Sentinel set or a Cluster by one name; several nodes for a Cluster. See target.ts. */
  readonly urls: readonly string[];
  /** What all keys and channels begin with; no braces. Default `chord:`. */
  readonly prefix?: string | undefined;
  /** How long a call may take, connecting included. Default 5 s. */
  readonly timeoutMs?: number | undefined;
  /** Weight of the states that are kept in memory to plan on. Default 64 MiB. */
  readonly cacheBytes?: number | undefined;
  /** Told of what operators should know, in one line each. */
  readonly onLog?: Log | undefined;
  /** Told what becomes of the connections for commands. */
  readonly onConnection?: ((event: ConnectionEvent) => void) | undefined;
}

/** At most so many deltas are dropped in one step: Redis does nothing else meanwhile. */
const trimmedAtOnce = 256;

/** Keeps contexts on Redis 6.2 or newer. */
export class RedisBackend implements Backend {
  readonly #client: RedisClient;
  readonly #store: RedisStore;
  readonly #contexts: Contexts;
  readonly #reads: Reads;
  readonly #commits: Commits;
  readonly #announcements: Announcements;
  #isClosed = false;

  /** Connects in the background; `ready` tells whether that went well. */
  static open(options: RedisOptions): RedisBackend {
    return new RedisBackend(options);
  }

  /** @throws TypeError for options that cannot be understood. */
  private constructor({
    urls,
    prefix = 'chord:',
    timeoutMs = 5_000,
    cacheBytes = 64 * 1024 * 1024,
    onLog,
    onConnection,
  }: RedisOptions) {
    if (!Array.isArray(urls)) throw new TypeError('RedisBackend.open needs `urls`, a list of texts.');
    this.#client = new RedisClient({ target: parseRedisUrls(urls), timeoutMs, onLog, onConnection });
    this.#store = new RedisStore({
      client: this.#client,
      prefix,
      listen: async (channel) => {
        const watch = await this.#announcements.watch('', channel, () => undefined);
        watch.close();
      },
    });
    this.#contexts = new Contexts(cacheBytes);
    this.#reads = new Reads(this.#store, this.#contexts);
    this.#commits = new Commits({ store: this.#store, contexts: this.#contexts, reads: this.#reads, timeoutMs });
    this.#announcements = new Announcements(this.#client, {
      parse: announcementFrom,
      timeoutMs,
    });
  }

  /** For people and tests: the beginning of the identity of the first partition's server; '' before it was reached. */
  get serverId(): string {
    return this.#store.serverId;
  }

  /**
   * Resolves when the servers were reached and are such that this program can use them.
   *
   * @throws BackendUnavailableError when they are not, with a RedisStoreError as its cause, or cannot be reached in time.
   */
  async ready(): Promise<void> {
    this.#assertOpen();
    await this.#store.ready();
  }

  peek(id: string): Known | undefined {
    return this.#isClosed ? undefined : this.#contexts.get(id);
  }

  async read(id: string, options: ReadOptions = {}): Promise<View> {
    await this.#open();
    return (await this.#reads.read(id, options)).view;
  }

  async readOutcome(id: string, key: string | undefined, nowMs: number): Promise<{ known: Known; outcome?: Outcome }> {
    await this.#open();
    const { known, outcome } = await this.#reads.known(id, key === undefined ? undefined : { key, nowMs });
    return outcome === undefined ? { known } : { known, outcome };
  }

  async commit(id: string, base: Base, writes: readonly Write[], options: CommitOptions): Promise<CommitResult> {
    const opening = this.#open();
    if (opening !== undefined) await opening;
    return this.#commits.commit(id, base, { writes, options });
  }

  async watch(id: string, listener: (announcement: Announcement) => void): Promise<Watch> {
    await this.#open();
    return this.#announcements.watch(id, this.#store.keys.channel(id), listener);
  }

  async due(kind: DueKind, beforeMs: number, options: DueOptions): Promise<readonly Due[]> {
    await this.#open();
    return this.#store.byMaster(() => dueEntries(this.#store, kind, { ...options, beforeMs }));
  }

  async nextDue(kind: DueKind): Promise<number | undefined> {
    await this.#open();
    return this.#store.byMaster(() => nextDueMs(this.#store, kind));
  }

  async expire(id: string, nowMs: number, at?: Position): Promise<Position | undefined> {
    await this.#open();
    const expected = at === undefined ? [] : [`${at.epoch} ${at.version}`];
    const args = [String(nowMs), ...expected];
    const reply = textOf(await this.#client.run(scripts.expire, this.#store.keys.context(id), args));
    if (reply === undefined) return undefined;
    this.#contexts.forget(id);
    return positionFrom(reply);
  }

  async postpone(id: string, expiresAtMs: number, dueMs: number): Promise<void> {
    await this.#open();
    await this.#client.run(scripts.postpone, this.#store.keys.context(id), [String(expiresAtMs), String(dueMs)]);
  }

  async trimDeltas(id: string, beforeMs: number): Promise<number> {
    await this.#open();
    const args = [String(beforeMs), String(trimmedAtOnce)];
    let count = 0;
    let trimmed: number;
    do {
      trimmed = Number(await this.#client.run(scripts.trim, this.#store.keys.context(id), args));
      count += trimmed;
    } while (trimmed === trimmedAtOnce);
    return count;
  }

  async purgeTombstone(id: string, beforeMs: number): Promise<boolean> {
    await this.#open();
    const isPurged =
      Number(await this.#client.run(scripts.purge, this.#store.keys.context(id), [String(beforeMs)])) === 1;
    if (isPurged) this.#contexts.forget(id);
    return isPurged;
  }

  async list(options: ListOptions): Promise<readonly string[]> {
    await this.#open();
    return this.#store.byMaster(() => listIds(this.#store, options));
  }

  async heads(ids: readonly string[]): Promise<readonly (Head | undefined)[]> {
    await this.#open();
    const { keys } = this.#store;
    const read = () => Promise.all(ids.map((id) => this.#client.call(['GET', keys.head(id)])));
    const texts = await this.#store.byMaster(read);
    return texts.map((reply) => {
      const text = textOf(reply);
      return text !== undefined && isLive(text) ? headFrom(text).head : undefined;
    });
  }

  async deltas(id: string, { afterVersion = 0, limit, descending }: DeltaListOptions): Promise<readonly DeltaRecord[]> {
    await this.#open();
    if (limit <= 0) return [];
    const args = [
      String(afterVersion),
      String(Math.min(limit, Number.MAX_SAFE_INTEGER)),
      descending === true ? '1' : '0',
    ];
    const reply = await this.#client.run(scripts.deltas, this.#store.keys.context(id), args);
    if (reply === null) return [];
    const [text, entries] = listOf(reply);
    const { head } = headFrom(textOf(text) ?? '');
    // Entries of a stream: Redis answers nothing else to XRANGE.
    return listOf(entries).map((entry) => deltaFrom(entry as Entry, head));
  }

  async count({ idPrefix = '' }: { readonly idPrefix?: string | undefined }): Promise<number> {
    await this.#open();
    return this.#store.byMaster(() => countIds(this.#store, idPrefix));
  }

  async lease(name: string, ttlMs: number, nowMs: number): Promise<Lease | undefined> {
    await this.#open();
    return takeLease(this.#store, name, { ttlMs, nowMs });
  }

  async noteRevision(name: string): Promise<string | undefined> {
    await this.#open();
    return noteRevision(this.#store, name);
  }

  async readNote(name: string): Promise<Note | undefined> {
    await this.#open();
    return readNote(this.#store, name);
  }

  async writeNote(name: string, note: Note, expected: string | undefined): Promise<boolean> {
    await this.#open();
    return writeNote(this.#store, name, { note, expected });
  }

  readonly takeRate = async (key: string, options: RateOptions): Promise<number | undefined> => {
    await this.#open();
    return takeRate(this.#store, key, options);
  };

  async ping(): Promise<void> {
    await this.#open();
    await this.#store.ping();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return this.#client.close();
    this.#isClosed = true;
    this.#announcements.close();
    this.#contexts.clear();
    await this.#client.close();
    await this.#commits.settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Undefined, so that nothing is waited for, once the servers were reached. */
  #open(): Promise<void> | undefined {
    this.#assertOpen();
    return this.#store.ready();
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new BackendUnavailableError('The store is closed.', 'NOT_STORED');
  }
}
