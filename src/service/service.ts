/**
 * The service: every verb of Chord, on any backend. `createChord` returns it, and the GraphQL layer calls nothing else.
 *
 * Arguments are checked here, once; what is behind trusts its types.
 */
import { createHash } from 'node:crypto';
import { configure } from 'safe-stable-stringify';
import type { Backend } from '../backend/backend.ts';
import { type Clock, checkedClock } from '../clock.ts';
import type { Delta } from '../delta/delta.ts';
import type { DeltaFormatter } from '../delta/format.ts';
import type { JsonObject, JsonValue } from '../delta/json.ts';
import type { ClientPosition, ContextEvent, ContextRecord } from '../model.ts';
import type { Written } from './batch.ts';
import type {
  Chord,
  ChordStats,
  ContextEvents,
  DeleteResult,
  FollowOptions,
  SetOptions,
  UpdateOptions,
  WriteOptions,
  WriteResult,
} from './chord.ts';
import type { WriteRequest } from './decide.ts';
import { Feed } from './feed.ts';
import { createWriteIds, newEpoch } from './ids.ts';
import {
  assertKnownOptions,
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
}

/** The verbs on a backend, and what only the layers above need. */
export class ChordService implements Chord {
  readonly #options: ServiceOptions;
  readonly #limits: StateLimits;
  readonly #newWriteId = createWriteIds();
  readonly #writer: Writer;
  readonly #reader: Reader;
  readonly #feed: Feed;
  readonly #lister: Lister;

  constructor(options: ServiceOptions) {
    const { backend, maxStateDepth, forbiddenKeys, contextAutoDelete, contextTtlMs } = options;
    const clock = checkedClock(options.clock);
    this.#options = options;
    this.#limits = { maxStateDepth, forbiddenKeys: new Set(forbiddenKeys) };
    this.#writer = new Writer({ ...options, clock, newEpoch, defaultTtlMs: contextAutoDelete ? contextTtlMs : null });
    this.#reader = new Reader(backend, options);
    this.#feed = new Feed({ ...options, clock, reader: this.#reader });
    this.#lister = new Lister(backend);
  }

  async setContext(id: string, state: JsonObject, options?: SetOptions | null): Promise<WriteResult> {
    const parsed = parseState(state, this.#limits);
    return this.#write(id, { verb: 'set', state: parsed }, options);
  }

  async updateContext(id: string, changes: JsonObject, options?: UpdateOptions | null): Promise<WriteResult> {
    const parsed = parseState(changes, this.#limits);
    return this.#write(id, { verb: 'update', changes: parsed, remove: parsePaths(options?.remove) }, options);
  }

  async deleteContext(id: string, options?: WriteOptions | null): Promise<DeleteResult> {
    const { contextId, epoch, version, duplicate } = await this.#write(id, { verb: 'delete' }, options);
    return { contextId, epoch, version, duplicate };
  }

  async getContext(id: string): Promise<ContextRecord | null> {
    return this.#reader.get(parseId('id', id));
  }

  async syncContext(id: string, position?: ClientPosition | null): Promise<ContextEvent | null> {
    return (await this.#reader.sync(parseId('id', id), parseSince(position))) ?? null;
  }

  follow(id: string, position?: ClientPosition | null, options?: FollowOptions | null): ContextEvents {
    return this.#feed.follow(parseId('id', id), parseSince(position), options?.signal ?? undefined);
  }

  async listContexts(options?: ListContextsOptions | null): Promise<ContextPage> {
    return this.#lister.contexts(options ?? {});
  }

  async listDeltas(options?: ListDeltasOptions | null): Promise<DeltaPage> {
    return this.#lister.deltas(options ?? {});
  }

  /** The delta in the configured format. */
  formatDelta(delta: Delta): JsonValue {
    return this.#options.deltaFormatter(delta);
  }

  async ping(): Promise<void> {
    await this.#options.backend.ping();
  }

  stats(): ChordStats {
    return {
      followers: this.#feed.followers,
      watchedContexts: this.#feed.watched,
      queuedWrites: this.#writer.queued,
    };
  }

  async close(): Promise<void> {
    this.#feed.close();
    this.#writer.close();
    try {
      await this.#options.backend.close();
    } finally {
      await this.#writer.abandon();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #write(id: string, action: WriteRequest['action'], options?: SetOptions | null): Promise<WriteResult> {
    const request = this.#parseWrite(id, action, options ?? {});
    const written = await this.#writer.submit(request);
    return this.#toResult(request.id, written);
  }

  #parseWrite(id: string, action: WriteRequest['action'], options: SetOptions): WriteRequest {
    assertKnownOptions(options, optionNamesOf[action.verb]);
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

const conditionNames = ['expectedVersion', 'expectedEpoch', 'idempotencyKey', 'origin'];
const optionNamesOf: Readonly<Record<WriteRequest['action']['verb'], ReadonlySet<string>>> = {
  set: new Set([...conditionNames, 'ttlMs']),
  update: new Set([...conditionNames, 'ttlMs', 'remove']),
  delete: new Set(conditionNames),
};

function parseSince(position: ClientPosition | null | undefined): Since | undefined {
  // Named as in GraphQL, where a wrong one comes from most of all.
  const version = parseVersion('clientVersion', position?.version) ?? 0;
  const epoch = parseEpoch('clientEpoch', position?.epoch);
  return version === 0 ? undefined : { epoch, version };
}

const stringify = configure({ deterministic: true });

/** Of the verb and its arguments but the key, whatever the order of their keys. */
function hashRequest(request: object): string {
  return createHash('sha256')
    .update(stringify(request) ?? '')
    .digest('base64url');
}
