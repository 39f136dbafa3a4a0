/**
 * The service: every verb of Chord, on any backend. `createChord` returns it, and the GraphQL layer calls nothing else.
 *
 * Arguments are checked here, once; what is behind trusts its types.
 */
import type { Backend } from '../backend/backend.ts';
import { type Clock, checkedClock } from '../clock.ts';
import type { Delta } from '../delta/delta.ts';
import type { DeltaFormatter } from '../delta/format.ts';
import type { JsonObject, JsonValue } from '../delta/json.ts';
import type { Exporter, Provider } from '../external/external.ts';
import type { ClientPosition, ContextEvent, ContextRecord } from '../model.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Tracing } from '../observability/tracing.ts';
import type { Written } from './batch.ts';
import type {
  Chord,
  ChordStats,
  CleanupOptions,
  CleanupReport,
  CleanupStatus,
  DeleteResult,
  ExportResult,
  FollowOptions,
  PolledEvents,
  RestoreOptions,
  RestoreResult,
  ScheduleOptions,
  SetOptions,
  UpdateOptions,
  WriteOptions,
  WriteResult,
} from './chord.ts';
import { Cleaner } from './cleaner.ts';
import { parseCleanup, parseSchedule } from './cleanup-input.ts';
import { Feed, type FeedSubscription } from './feed.ts';
import type { Visible } from './id-source.ts';
import { createWriteIds, newEpoch } from './ids.ts';
import { parseId, parsePaths, parseSince } from './input.ts';
import { parseState, type StateLimits } from './input-state.ts';
import type { ListContextsOptions, ListDeltasOptions } from './list-input.ts';
import { type ContextPage, type DeltaPage, Lister } from './lists.ts';
import { answerLabels, meterWrite } from './metering.ts';
import { Reader } from './reader.ts';
import { Scheduler } from './scheduler.ts';
import { Transfers } from './transfer.ts';
import { type OwnAction, parseWrite } from './write-input.ts';
import { Writer } from './writer.ts';

/** Everything that the service can be told. Times in ms, sizes in bytes. */
export interface ServiceOptions {
  readonly backend: Backend;
  readonly clock: Clock;
  /** How many deltas are kept per context; null: no limit by count. */
  readonly deltaThreshold: number | null;
  /** Whether contexts that were never given a `ttlMs` expire `contextTtlMs` after their last write. */
  readonly contextAutoDelete: boolean;
  readonly contextTtlMs: number | null;
  /** Largest weight of a state. */
  readonly maxStateBytes: number;
  readonly maxStateDepth: number;
  readonly forbiddenKeys: readonly string[];
  readonly maxMergeDeltas: number;
  readonly maxQueuedWrites: number;
  readonly idempotencyWindowMs: number;
  readonly recheckMs: number;
  readonly deltaFormatter: DeltaFormatter;
  readonly logger: Logger;
  /** Absent: nothing is counted. */
  readonly metrics?: Metrics | undefined;
  /** Absent: nothing is traced. */
  readonly tracing?: Tracing | undefined;
  /** Deltas are dropped once they are this old; null: never for their age. */
  readonly deltaTtlMs: number | null;
  /** Tombstones are forgotten once they are this old; null: never. */
  readonly tombstoneTtlMs: number | null;
  /** The scheduler's interval when it is started without one; 0 counts as an hour. */
  readonly cleanupIntervalMs: number;
  /** The scheduler's batch when it is started without one; null: its own choice. */
  readonly cleanupLimit: number | null;
  readonly exporter?: Exporter | undefined;
  readonly provider?: Provider | undefined;
  /** How long one call of the exporter or provider may take. */
  readonly externalTimeoutMs: number;
  /** Whether a context that expires is exported first, and kept until that succeeds. */
  readonly exportBeforeExpire: boolean;
  /** After a failed export, how long the next attempt waits at first. */
  readonly exportRetryMs: number;
  /** Whether reading what is not there asks the provider. */
  readonly restoreOnMiss: boolean;
}

/** What transports say beside the options of the library. */
export interface OwnFollowOptions extends FollowOptions {
  /** Whoever follows, for lists of subscriptions. */
  readonly by?: unknown;
}

/** Small texts beside the contexts. */
export type Notes = Pick<Backend, 'noteRevision' | 'readNote' | 'writeNote'>;

/** The verbs on a backend, and what only the layers above need. */
export class ChordService implements Chord {
  readonly #options: ServiceOptions;
  readonly #limits: StateLimits;
  readonly #newWriteId = createWriteIds();
  readonly #writer: Writer;
  readonly #reader: Reader;
  readonly #feed: Feed;
  readonly #lister: Lister;
  readonly #transfers: Transfers;
  readonly #scheduler: Scheduler;

  constructor(options: ServiceOptions) {
    const { backend, maxStateDepth, forbiddenKeys, contextAutoDelete, contextTtlMs } = options;
    const clock = checkedClock(options.clock);
    this.#options = options;
    this.#limits = { maxStateDepth, forbiddenKeys: new Set(forbiddenKeys) };
    this.#writer = new Writer({
      ...options,
      clock,
      newEpoch,
      defaultTtlMs: contextAutoDelete ? contextTtlMs : null,
      onStored: (head, nowMs) => this.#scheduler.noteStored(head, nowMs),
    });
    this.#reader = new Reader(backend, {
      maxMergeDeltas: options.maxMergeDeltas,
      fillGap: options.restoreOnMiss ? (id, gap) => this.#transfers.fillGap(id, gap) : undefined,
    });
    this.#feed = new Feed({ ...options, clock, reader: this.#reader });
    this.#lister = new Lister(backend);
    this.#transfers = new Transfers({
      ...options,
      clock,
      reader: this.#reader,
      writer: this.#writer,
      limits: this.#limits,
      newWriteId: this.#newWriteId,
    });
    const exportForExpiry = (id: string, signal: AbortSignal) => this.#transfers.exportForExpiry(id, signal);
    const cleaner = new Cleaner({
      ...options,
      clock,
      exportForExpiry: options.exportBeforeExpire ? exportForExpiry : undefined,
    });
    this.#scheduler = new Scheduler({ ...options, clock, cleaner });
  }

  setContext(id: string, state: JsonObject, options?: SetOptions | null): Promise<WriteResult> {
    const toAction = (): OwnAction => {
      // What is there is frozen where it is the same, and so may be held on to.
      const known = this.#options.backend.peek(id);
      const like = known?.kind === 'context' ? known.state : undefined;
      return { verb: 'set', state: parseState(state, this.#limits, like) };
    };
    return this.#write(id, toAction, { verb: 'set', options });
  }

  updateContext(id: string, changes: JsonObject, options?: UpdateOptions | null): Promise<WriteResult> {
    const toAction = (): OwnAction => {
      const parsed = parseState(changes, this.#limits);
      return { verb: 'update', changes: parsed, remove: parsePaths(options?.remove) };
    };
    return this.#write(id, toAction, { verb: 'update', options });
  }

  async deleteContext(id: string, options?: WriteOptions | null): Promise<DeleteResult> {
    const written = await this.#write(id, () => ({ verb: 'delete' }), { verb: 'delete', options });
    const { contextId, epoch, version, duplicate } = written;
    return { contextId, epoch, version, duplicate };
  }

  async getContext(id: string): Promise<ContextRecord | null> {
    return this.#reader.getOrRestore(parseId('id', id));
  }

  async syncContext(id: string, position?: ClientPosition | null): Promise<ContextEvent | null> {
    const event = await this.#reader.sync(parseId('id', id), parseSince(position));
    this.#options.metrics?.count('answers', answerLabels('query', event));
    return event ?? null;
  }

  follow(id: string, position?: ClientPosition | null, options?: OwnFollowOptions | null): PolledEvents {
    const { signal, by } = options ?? {};
    return this.#feed.follow(parseId('id', id), parseSince(position), { signal: signal ?? undefined, by });
  }

  /** Every subscription of this process. */
  subscriptions(): Iterable<FeedSubscription> {
    return this.#feed.subscriptions();
  }

  async listContexts(options?: ListContextsOptions | null, visible?: Visible): Promise<ContextPage> {
    return this.#lister.contexts(options ?? {}, visible);
  }

  async listDeltas(options?: ListDeltasOptions | null, visible?: Visible): Promise<DeltaPage> {
    return this.#lister.deltas(options ?? {}, visible);
  }

  async exportContext(id: string): Promise<ExportResult> {
    return this.#transfers.exportContext(id);
  }

  async restoreContext(id: string, options?: RestoreOptions | null): Promise<RestoreResult> {
    return meterWrite(this.#options.metrics, 'restore', () => this.#transfers.restoreContext(id, options ?? {}));
  }

  async runCleanup(options?: CleanupOptions | null): Promise<CleanupReport> {
    return this.#scheduler.runOnce(parseCleanup(options ?? {}));
  }

  async startCleanup(options?: ScheduleOptions | null): Promise<CleanupStatus> {
    return this.#scheduler.start(parseSchedule(options ?? {}));
  }

  async stopCleanup(): Promise<CleanupStatus> {
    return this.#scheduler.stop();
  }

  async updateCleanup(options?: ScheduleOptions | null): Promise<CleanupStatus> {
    return this.#scheduler.update(parseSchedule(options ?? {}));
  }

  cleanupStatus(): CleanupStatus {
    return this.#scheduler.status;
  }

  /** How many followers' contexts have moved on since they were told. */
  get followersBehind(): number {
    return this.#feed.behind;
  }

  /** The delta in the configured format. */
  formatDelta(delta: Delta): JsonValue {
    return this.#options.deltaFormatter(delta);
  }

  /** The identity of the store. */
  get storeId(): string {
    return this.#options.backend.serverId;
  }

  /** What all processes agree on beside the contexts. */
  get notes(): Notes {
    return this.#options.backend;
  }

  /** Counts for all processes together; undefined: the store cannot. */
  get takeRate(): Backend['takeRate'] {
    return this.#options.backend.takeRate;
  }

  async ping(): Promise<void> {
    await this.#options.backend.ping();
  }

  stats(): ChordStats {
    const { failingExports, failedRuns } = this.#scheduler.status;
    return {
      followers: this.#feed.followers,
      watchedContexts: this.#feed.watched,
      queuedWrites: this.#writer.queued,
      failingExports,
      failedRuns,
    };
  }

  async close(): Promise<void> {
    const cleaned = this.#scheduler.close();
    this.#feed.close();
    this.#transfers.close();
    this.#writer.close();
    try {
      if (cleaned !== undefined) await cleaned;
      await this.#options.backend.close();
    } finally {
      await this.#writer.abandon();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Not async, and neither are its callers: each promise on the way of a write costs a twentieth of one in memory. */
  #write(
    id: string,
    toAction: () => OwnAction,
    { verb, options }: { readonly verb: OwnAction['verb']; readonly options: SetOptions | null | undefined },
  ): Promise<WriteResult> {
    const { metrics } = this.#options;
    const write = () => {
      try {
        const action = toAction();
        const request = parseWrite({ id, writeId: this.#newWriteId(), action }, options ?? noOptions);
        return this.#writer.submit(request, this.#toResult);
      } catch (error) {
        return Promise.reject(error);
      }
    };
    return metrics === undefined ? write() : meterWrite(metrics, verb, write);
  }

  readonly #toResult = (contextId: string, written: Written): WriteResult => {
    const { epoch, version, changed, duplicate, delta } = written;
    return { contextId, epoch, version, changed, duplicate, delta, context: () => this.#reader.get(contextId) };
  };
}

const noOptions: SetOptions = Object.freeze({});
