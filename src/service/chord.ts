/** Chord as its users see it: the verbs, what they take and what they answer. The GraphQL API has the same ones. */
import type { Delta } from '../delta/delta.ts';
import type { JsonObject } from '../delta/json.ts';
import type { ClientPosition, ContextEvent, ContextRecord, Position, SortDirection } from '../model.ts';
import type { ListContextsOptions, ListDeltasOptions } from './list-input.ts';
import type { ContextPage, DeltaPage } from './lists.ts';

/** What every write takes beside what it changes. Null counts as absent. */
export interface WriteOptions {
  /** Refuse unless the context is at this version; 0: unless there is none. */
  readonly expectedVersion?: number | null | undefined;
  /** Refuse unless the context is in this epoch, at any version. */
  readonly expectedEpoch?: string | null | undefined;
  /** 1 to 255 bytes. Within `idempotencyWindowMs` the same key and request answer the first outcome, and do no more. */
  readonly idempotencyKey?: string | null | undefined;
  /** A label of the writer, on the delta: how a client recognises its own echo. 1 to 255 bytes. */
  readonly origin?: string | null | undefined;
}

/** How to set. */
export interface SetOptions extends WriteOptions {
  /** Time to live after each write, 1 ms to 1,000 years; null: for ever; absent: as before. */
  readonly ttlMs?: number | null | undefined;
}

/** How to update. */
export interface UpdateOptions extends SetOptions {
  /** Paths to remove after the merge, each a list of keys. A path that leads to nothing is ignored. */
  readonly remove?: readonly (readonly string[])[] | null | undefined;
}

/** What a delete did; `epoch` and `version` are the context's last ones. */
export interface DeleteResult extends Position {
  readonly contextId: string;
  /** The idempotency key had done this before. */
  readonly duplicate: boolean;
}

/** What a write did; `epoch` and `version` say where it put the context. */
export interface WriteResult extends DeleteResult {
  /** False: the context was as wanted already. Its version is kept, its expiry renewed. */
  readonly changed: boolean;
  /** Null: nothing changed, or a duplicate whose delta is no longer retained. */
  readonly delta: Delta | null;
  /** Reads the context as it is now; null: gone meanwhile. */
  context(): Promise<ContextRecord | null>;
}

/** How to restore. Null counts as absent. */
export type RestoreOptions = Omit<WriteOptions, 'idempotencyKey'>;

/** What a restore did. */
export type RestoreResult = Omit<WriteResult, 'duplicate'>;

/** What was exported: where the context stood. */
export interface ExportResult extends Position {
  readonly contextId: string;
  /** The exporter's name. */
  readonly exporter: string;
}

/** What one pass of cleanup takes on. Null counts as absent. */
export interface CleanupOptions {
  /** At most so many contexts, as many contexts' deltas, and as many tombstones; absent: all that is due. */
  readonly limit?: number | null | undefined;
  /** So many of each are left alone, and stay due. Default 0. */
  readonly offset?: number | null | undefined;
  /** By (due time, id). Default ASC: what is overdue longest comes first. */
  readonly order?: SortDirection | null | undefined;
}

/** What one pass of cleanup did. */
export interface CleanupReport {
  readonly contextsExpired: number;
  readonly deltasTrimmed: number;
  readonly tombstonesPurged: number;
  /** Contexts that are kept because their export failed (`exportBeforeExpire`). They are due again after a back-off. */
  readonly exportsFailed: number;
  /** Whether something that was due when the pass began still is. */
  readonly remaining: boolean;
  readonly durationMs: number;
}

/** How the scheduler runs. Null counts as absent: as before. */
export interface ScheduleOptions {
  /** 1 ms to 1,000 years. */
  readonly intervalMs?: number | null | undefined;
  /** How many of a kind one batch takes on; a run takes batches until nothing is left that was due at its start. */
  readonly limit?: number | null | undefined;
}

/** The scheduler of this process. */
export interface CleanupStatus {
  /** Whether it is started. */
  readonly running: boolean;
  readonly intervalMs: number;
  /** Null: batches of a size of its own choosing. */
  readonly limit: number | null;
  /** When a pass, scheduled or not, ended last in this process; null: none did. */
  readonly lastRunAtMs: number | null;
  /** When the next one is planned; null: it is stopped. Something that becomes due before brings it forward. */
  readonly nextRunAtMs: number | null;
  /** Null: no pass ended yet. */
  readonly lastReport: CleanupReport | null;
  /** Passes that failed since this process began. The next one runs all the same. */
  readonly failedRuns: number;
  /** Contexts that this process keeps only because their last export failed. */
  readonly failingExports: number;
}

/** How to follow. */
export interface FollowOptions {
  /** Ends the subscription. */
  readonly signal?: AbortSignal | undefined;
}

/** What is going on in this process. */
export interface ChordStats {
  /** Subscriptions that are attached. */
  readonly followers: number;
  /** Contexts that are watched for them. */
  readonly watchedContexts: number;
  /** Writes that wait, are under way, or have their refusal confirmed. */
  readonly queuedWrites: number;
  /** Contexts that are kept only because their last export failed. */
  readonly failingExports: number;
  /** Passes of cleanup, asked for or of the scheduler, that failed since the process began. */
  readonly failedRuns: number;
}

/** A subscription: pull it, or use it in a `for await`. Leaving the loop, `return()` or disposing ends it. */
export type ContextEvents = AsyncIterableIterator<ContextEvent, undefined, unknown> & AsyncDisposable;

/**
 * Events that can be had without a promise, which is what most of the time goes into where one event is handed to
 * thousands.
 */
export interface PolledEvents extends ContextEvents {
  /**
   * The next event, if it is at hand. `none`: there is none, and the listener is called when there may be one. `ask`:
   * only `next()` can tell, also how it ended. Not to be called while a `next()` is under way.
   */
  poll(): ContextEvent | 'none' | 'ask';
  /** Tells this one from now on, and no other. */
  listen(listener: PollListener): void;
}

/** Who polls events. */
export interface PollListener {
  /** Called whenever it may be worth a poll, also in the midst of a write: it must return soon, and not throw. */
  onReady(): void;
}

/**
 * The verbs of Chord. Each of them may throw BadUserInputError for an argument that it does not accept, and
 * BackendUnavailableError when the store does not answer or is closed.
 */
export interface Chord extends AsyncDisposable {
  /**
   * Replaces the whole state, or brings the context into being.
   *
   * @throws VersionConflictError, IdempotencyConflictError, InvalidStateError, LimitExceededError.
   */
  setContext(id: string, state: JsonObject, options?: SetOptions): Promise<WriteResult>;

  /**
   * Merges `changes` into the state: objects merge key by key, everything else (arrays, scalars, null) replaces.
   *
   * @throws ContextNotFoundError and what `setContext` throws.
   */
  updateContext(id: string, changes: JsonObject, options?: UpdateOptions): Promise<WriteResult>;

  /** @throws ContextNotFoundError, VersionConflictError, IdempotencyConflictError, LimitExceededError. */
  deleteContext(id: string, options?: WriteOptions): Promise<DeleteResult>;

  /** The context as it is; null: there is none. */
  getContext(id: string): Promise<ContextRecord | null>;

  /**
   * What a client at this position lacks: nothing, one merged delta, the whole context with the reason, or that it is
   * gone. Null: there is neither a context nor a trace of one.
   */
  syncContext(id: string, position?: ClientPosition): Promise<ContextEvent | null>;

  /**
   * Stays up to date: first what `syncContext` answers, then every later change, without a gap or a duplicate. Pull
   * it as fast as you can take it; who is slow is told the one event that leads to now. Nothing is held before the
   * first `next()`; ending it or the signal frees everything.
   *
   * @throws BadUserInputError at once; BackendUnavailableError from the first `next()`, later the store is asked again.
   */
  follow(id: string, position?: ClientPosition, options?: FollowOptions): ContextEvents;

  /** A page of contexts, by id in UTF-8 byte order. */
  listContexts(options?: ListContextsOptions): Promise<ContextPage>;

  /** A page of retained deltas, by version; of all contexts in order of their ids when none is named. */
  listDeltas(options?: ListDeltasOptions): Promise<DeltaPage>;

  /**
   * Hands the context to the exporter. Nothing changes in the store.
   *
   * @throws ContextNotFoundError, NotConfiguredError, ExternalStorageError.
   */
  exportContext(id: string): Promise<ExportResult>;

  /**
   * Asks the provider for the context and writes what it says: over a live context as one more version, else as a new
   * epoch, whose version is the exported one or follows the tombstone's, whichever is later.
   *
   * @throws ContextNotFoundError when the provider has none, NotConfiguredError, ExternalStorageError,
   * VersionConflictError, InvalidStateError, LimitExceededError.
   */
  restoreContext(id: string, options?: RestoreOptions): Promise<RestoreResult>;

  /**
   * Removes what is due: expired contexts, old deltas, old tombstones. Waits for a pass that is under way here.
   *
   * @throws LimitExceededError when 100 passes wait already.
   */
  runCleanup(options?: CleanupOptions): Promise<CleanupReport>;

  /** Runs cleanup in this process from now on, first at once; when it runs already, like `updateCleanup`. */
  startCleanup(options?: ScheduleOptions): Promise<CleanupStatus>;

  /** Ends the scheduler of this process. Resolves when what its run had begun is over; exports are given up. */
  stopCleanup(): Promise<CleanupStatus>;

  /** Takes effect at once: the next run is planned anew. */
  updateCleanup(options: ScheduleOptions): Promise<CleanupStatus>;

  cleanupStatus(): CleanupStatus;

  /** Resolves when the store answers. */
  ping(): Promise<void>;

  stats(): ChordStats;

  /**
   * Ends the scheduler and every `follow`, then closes the store, also one that was passed in. Later calls are refused, and so are the
   * writes that wait (`NOT_STORED`); one that the closed store has not answered is given back as `UNKNOWN`.
   */
  close(): Promise<void>;
}
