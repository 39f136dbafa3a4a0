/**
 * The service: every verb of Chord, on any backend. `createChord` returns it, and the GraphQL layer calls nothing else.
 *
 * Arguments are checked here, once; what is behind trusts its types.
 */
import { createHash } from 'node:crypto';
import { configure } from 'safe-stable-stringify';
import type { Backend } from '../backend/backend.ts';
import type { Clock } from '../clock.ts';
import type { Delta } from '../delta/delta.ts';
import type { DeltaFormatter } from '../delta/format.ts';
import type { JsonObject, JsonValue } from '../delta/json.ts';
import type { ClientPosition, ContextEvent, ContextRecord, Position } from '../model.ts';
import type { WriteRequest } from './decide.ts';
import { Feed } from './feed.ts';
import { createWriteIds, newEpoch } from './ids.ts';
import {
  parseEpoch,
  parseId,
  parseLabel,
  parsePaths,
  parseState,
  parseTtlMs,
  parseVersion,
  type StateLimits,
} from './input.ts';
import { type ContextPage, type DeltaPage, type ListContextsOptions, type ListDeltasOptions, Lister } from './lists.ts';
import { Reader } from './reader.ts';
import type { Since } from './sync.ts';
import { Writer, type Written } from './writer.ts';

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
}

export interface WriteOptions {
  /** Refuse unless the context is at this version; 0: unless there is none. */
  readonly expectedVersion?: number | null | undefined;
  /** Refuse unless the context is in this life, at any version. */
  readonly expectedEpoch?: string | null | undefined;
  /** At most 255 bytes. The same key with the same request does nothing again and answers the first outcome. */
  readonly idempotencyKey?: string | null | undefined;
  /** A label of the writer, on the delta: how a client recognises its own echo. At most 255 bytes. */
  readonly origin?: string | null | undefined;
}

export interface SetOptions extends WriteOptions {
  /** Time to live after each write, in ms; null: for ever; absent: as before. */
  readonly ttlMs?: number | null | undefined;
}

export interface UpdateOptions extends SetOptions {
  /** Paths to remove after the merge, each a list of keys. A path that leads to nothing is ignored. */
  readonly remove?: readonly (readonly string[])[] | null | undefined;
}

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

export interface FollowOptions {
  /** Ends the subscription. */
  readonly signal?: AbortSignal | undefined;
}

/** What is going on in this process. */
export interface ServiceStats {
  readonly followers: number;
  readonly watchedContexts: number;
  readonly queuedWrites: number;
}

export class ChordService {
  readonly #options: ServiceOptions;
  readonly #limits: StateLimits;
  readonly #newWriteId = createWriteIds();
  readonly #writer: Writer;
  readonly #reader: Reader;
  readonly #feed: Feed;
  readonly #lister: Lister;

  constructor(options: ServiceOptions) {
    const { backend, maxStateDepth, forbiddenKeys, contextAutoDelete, contextTtlMs } = options;
    this.#options = options;
    this.#limits = { maxStateDepth, forbiddenKeys: new Set(forbiddenKeys) };
    this.#writer = new Writer({ ...options, newEpoch, defaultTtlMs: contextAutoDelete ? contextTtlMs : null });
    this.#reader = new Reader(backend, options);
    this.#feed = new Feed({ ...options, reader: this.#reader });
    this.#lister = new Lister(backend);
  }

  /**
   * Replaces the whole state, or brings the context into being.
   *
   * @throws VersionConflictError, IdempotencyConflictError, InvalidStateError, LimitExceededError, BadUserInputError,
   *   BackendUnavailableError.
   */
  async setContext(id: string, state: JsonObject, options: SetOptions = {}): Promise<WriteResult> {
    const parsed = parseState(state, this.#limits);
    return this.#write(id, { verb: 'set', state: parsed }, options);
  }

  /**
   * Merges `changes` into the state: objects merge key by key, everything else (arrays, scalars, null) replaces.
   *
   * @throws ContextNotFoundError and what `setContext` throws.
   */
  async updateContext(id: string, changes: JsonObject, options: UpdateOptions = {}): Promise<WriteResult> {
    const parsed = parseState(changes, this.#limits);
    return this.#write(id, { verb: 'update', changes: parsed, remove: parsePaths(options.remove) }, options);
  }

  /** @throws ContextNotFoundError, VersionConflictError, IdempotencyConflictError, BadUserInputError, BackendUnavailableError. */
  async deleteContext(id: string, options: WriteOptions = {}): Promise<DeleteResult> {
    const { contextId, epoch, version, duplicate } = await this.#write(id, { verb: 'delete' }, options);
    return { contextId, epoch, version, duplicate };
  }

  /** The context as it is; null: there is none. */
  async getContext(id: string): Promise<ContextRecord | null> {
    return this.#reader.get(parseId('id', id));
  }

  /**
   * What a client at this position lacks: nothing, one merged delta, the whole context with the reason, or that it is
   * gone. Null: there is neither a context nor a trace of one.
   */
  async syncContext(id: string, position: ClientPosition = {}): Promise<ContextEvent | null> {
    return (await this.#reader.sync(parseId('id', id), parseSince(position))) ?? null;
  }

  /**
   * Stays up to date: first what `syncContext` answers, then every later change, without a gap or a duplicate. Pull
   * it as fast as you can take it; who is slow is told the one event that leads to now. Nothing is held before the
   * first `next()`; `return()`, leaving a `for await`, or the signal frees everything.
   */
  follow(
    id: string,
    position: ClientPosition = {},
    { signal }: FollowOptions = {},
  ): AsyncIterableIterator<ContextEvent, undefined, unknown> {
    const follower = this.#feed.follow(parseId('id', id), parseSince(position));
    if (signal?.aborted === true) follower.end();
    // The signal may outlive its followers by far (that of a whole server): they take their listener with them.
    else signal?.addEventListener('abort', () => follower.end(), { once: true, signal: follower.left });
    return follower;
  }

  /** A page of contexts, by id in UTF-8 byte order. */
  async listContexts(options: ListContextsOptions = {}): Promise<ContextPage> {
    return this.#lister.contexts(options);
  }

  /** A page of retained deltas, by version; of all contexts in order of their ids when none is named. */
  async listDeltas(options: ListDeltasOptions = {}): Promise<DeltaPage> {
    return this.#lister.deltas(options);
  }

  /** The delta in the configured format. */
  formatDelta(delta: Delta): JsonValue {
    return this.#options.deltaFormatter(delta);
  }

  /** Resolves when the store answers. */
  async ping(): Promise<void> {
    await this.#options.backend.ping();
  }

  stats(): ServiceStats {
    return {
      followers: this.#feed.followers,
      watchedContexts: this.#feed.watched,
      queuedWrites: this.#writer.queued,
    };
  }

  /** Ends every `follow`, then closes the store. Later calls reject with BackendUnavailableError. */
  async close(): Promise<void> {
    this.#feed.close();
    await this.#options.backend.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #write(id: string, action: WriteRequest['action'], options: SetOptions): Promise<WriteResult> {
    const request = this.#parseWrite(id, action, options);
    const written = await this.#writer.submit(request);
    return this.#toResult(request.id, written);
  }

  #parseWrite(id: string, action: WriteRequest['action'], options: SetOptions): WriteRequest {
    const idempotencyKey = parseLabel('idempotencyKey', options.idempotencyKey);
    const expectedVersion = parseVersion('expectedVersion', options.expectedVersion);
    const expectedEpoch = parseEpoch('expectedEpoch', options.expectedEpoch);
    const ttlMs = parseTtlMs(options.ttlMs);
    const origin = parseLabel('origin', options.origin);
    return {
      id: parseId('id', id),
      writeId: this.#newWriteId(),
      action,
      expectedVersion,
      expectedEpoch,
      ttlMs,
      origin,
      idempotency:
        idempotencyKey === undefined
          ? undefined
          : {
              key: idempotencyKey,
              requestHash: hashRequest({ ...action, expectedVersion, expectedEpoch, ttlMs, origin }),
            },
    };
  }

  #toResult(contextId: string, written: Written): WriteResult {
    const { epoch, version, changed, duplicate, delta } = written;
    return { contextId, epoch, version, changed, duplicate, delta, context: () => this.#reader.get(contextId) };
  }
}

function parseSince({ clientVersion, clientEpoch }: ClientPosition): Since | undefined {
  const version = parseVersion('clientVersion', clientVersion) ?? 0;
  const epoch = parseEpoch('clientEpoch', clientEpoch);
  return version === 0 ? undefined : { epoch, version };
}

const stringify = configure({ deterministic: true });

/** Of the verb and its arguments but the key, whatever the order of their keys. */
function hashRequest(request: object): string {
  return createHash('sha256')
    .update(stringify(request) ?? '')
    .digest('base64url');
}

export type { ContextPage, DeltaPage } from './lists.ts';
