/**
 * Contexts on their way to the team's own storage and back.
 *
 *   export:        store ─► record ─► exporter
 *   restore:       provider ─► parse ─► one ordinary write
 *   read-through:  a read finds a gap ─► provider, once for all that ask ─► a write that fills that gap ─► read again
 */
import {
  BackendUnavailableError,
  ContextNotFoundError,
  ExternalStorageError,
  NotConfiguredError,
  VersionConflictError,
} from '../errors.ts';
import { type ExportedContext, type Exporter, exportFormat, type Provider } from '../external/external.ts';
import type { ContextRecord, Position } from '../model.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { ExportResult, RestoreOptions, RestoreResult } from './chord.ts';
import type { Gap, WriteRequest } from './decide.ts';
import { type Callee, ExternalCalls, type ExternalCallsOptions } from './external-calls.ts';
import { assertKnownOptions, maxTtlMs, parseEpoch, parseId, parseLabel, parseVersion } from './input.ts';
import { parseState, type StateLimits } from './input-state.ts';
import { meterExternal, meterWrite } from './metering.ts';
import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

/** What transfers work with. */
export interface TransferOptions extends ExternalCallsOptions {
  readonly exporter?: Exporter | undefined;
  readonly provider?: Provider | undefined;
  readonly reader: Reader;
  readonly writer: Writer;
  readonly limits: StateLimits;
  readonly newWriteId: () => string;
  /** Absent: nothing is counted. */
  readonly metrics?: Metrics | undefined;
}

type RestoreAction = Extract<WriteRequest['action'], { readonly verb: 'restore' }>;

/** Exports and restores contexts, and fills the gaps that reads find. */
export class Transfers {
  readonly #options: TransferOptions;
  readonly #calls: ExternalCalls;
  /** Gaps that are being filled, by the id and what was found there. */
  readonly #filling = new Map<string, Promise<void>>();

  constructor(options: TransferOptions) {
    this.#options = options;
    this.#calls = new ExternalCalls(options);
  }

  /** @throws what `Chord.exportContext` does. */
  async exportContext(id: string): Promise<ExportResult> {
    const exporter = this.#exporter();
    const contextId = parseId('id', id);
    const position = await this.#export(exporter, contextId);
    if (position === undefined) throw new ContextNotFoundError(contextId);
    return { contextId, ...position, exporter: exporter.name };
  }

  /**
   * Hands out a context that is about to expire, and answers where it stood; undefined: there is none.
   *
   * @throws ExternalStorageError, which is logged already, also when the signal gave the call up.
   */
  async exportForExpiry(id: string, signal: AbortSignal): Promise<Position | undefined> {
    return this.#export(this.#exporter(), id, signal);
  }

  /** @throws what `Chord.restoreContext` does. */
  async restoreContext(id: string, options: RestoreOptions): Promise<RestoreResult> {
    const { reader, writer } = this.#options;
    const provider = this.#provider();
    const request = this.#parseRequest(id, options);
    const action = await this.#fetchMetered(provider, request.id);
    if (action === undefined) throw new ContextNotFoundError(request.id);
    return writer.submit({ ...request, action }, (contextId, { epoch, version, changed, delta }) => ({
      contextId,
      epoch,
      version,
      changed,
      delta,
      context: () => reader.get(contextId),
    }));
  }

  /**
   * Resolves when a gap that a read found is filled, by this or by somebody else meanwhile, or the provider has nothing
   * either; then the store is to be read again. All that found the same gap share one call, and nothing is remembered
   * after it.
   *
   * @throws BackendUnavailableError: it is not known that there is nothing, and so must not be said.
   */
  fillGap(id: string, gap: Gap): Promise<void> {
    const key = gap.kind === 'absent' ? id : `${id}\0${gap.epoch}\0${gap.version}`;
    const shared = this.#filling.get(key);
    if (shared !== undefined) return shared;
    const filling = this.#fill(id, gap).finally(() => this.#filling.delete(key));
    this.#filling.set(key, filling);
    return filling;
  }

  /** Gives up every call that is under way. */
  close(): void {
    this.#calls.close();
  }

  #exporter(): Exporter {
    const { exporter } = this.#options;
    if (exporter === undefined) throw new NotConfiguredError('exporter');
    return exporter;
  }

  #provider(): Provider {
    const { provider } = this.#options;
    if (provider === undefined) throw new NotConfiguredError('provider');
    return provider;
  }

  async #export(exporter: Exporter, id: string, signal?: AbortSignal): Promise<Position | undefined> {
    const found = await this.#options.reader.getWithTtl(id);
    if (found === null) return undefined;
    const { context, ttlMs } = found;
    const record = toExported(context, ttlMs);
    const to: Callee = { role: 'exporter', name: exporter.name, id };
    const hand = () => this.#calls.make(to, (call) => exporter.exportContext(record, call), signal);
    await meterExternal(this.#options.metrics, 'exporter', hand, signal);
    return { epoch: context.epoch, version: context.version };
  }

  #parseRequest(id: string, options: RestoreOptions): Omit<WriteRequest, 'action'> {
    assertKnownOptions(options, restoreOptionNames);
    return {
      id: parseId('id', id),
      writeId: this.#options.newWriteId(),
      expectedVersion: parseVersion('expectedVersion', options.expectedVersion),
      expectedEpoch: parseEpoch('expectedEpoch', options.expectedEpoch),
      origin: parseLabel('origin', options.origin),
    };
  }

  #fetchMetered(provider: Provider, id: string): Promise<RestoreAction | undefined> {
    return meterExternal(this.#options.metrics, 'provider', () => this.#fetch(provider, id));
  }

  /**
   * What to write; undefined: the provider has nothing.
   *
   * @throws ExternalStorageError for what is no context, InvalidStateError and LimitExceededError for its state.
   */
  async #fetch(provider: Provider, id: string): Promise<RestoreAction | undefined> {
    const from: Callee = { role: 'provider', name: provider.name, id };
    const answer = await this.#calls.make(from, async (call) => pick(await provider.fetchContext(id, call)));
    if (answer === null) return undefined;
    if (answer === undefined) throw this.#calls.failed(from, 'answered what is no context.');
    const { version, state, ttlMs } = answer;
    if (!isProvidedVersion(version)) {
      throw this.#calls.failed(from, 'answered a version that is no integer from 1 to 2^52.');
    }
    if (!isProvidedTtl(ttlMs)) throw this.#calls.failed(from, 'answered a ttlMs that is no time to live.');
    return { verb: 'restore', version, ttlMs, state: parseState(state, this.#options.limits) };
  }

  async #fill(id: string, gap: Gap): Promise<void> {
    const { writer, newWriteId, logger } = this.#options;
    try {
      const action = await this.#fetchMetered(this.#provider(), id);
      if (action === undefined) return;
      const request = { id, writeId: newWriteId(), action: { ...action, gap } };
      await meterWrite(this.#options.metrics, 'fill', () => writer.submit(request, (_id, written) => written));
    } catch (error) {
      // Something else is there by now, and counts.
      if (error instanceof VersionConflictError) return;
      // The calls log what the provider does, and a store that is away tells of itself.
      const isKnown = error instanceof ExternalStorageError || error instanceof BackendUnavailableError;
      if (!isKnown) logger.warn('restore on miss failed', { id, error });
      throw isNotStored(error) ? error : unknownWhether(error);
    }
  }
}

const restoreOptionNames = new Set(['expectedVersion', 'expectedEpoch', 'origin']);

/** The versions of an epoch that begins so late still have room. */
const maxProvidedVersion = 2 ** 52;

function isProvidedVersion(version: unknown): version is number {
  return typeof version === 'number' && Number.isSafeInteger(version) && version >= 1 && version <= maxProvidedVersion;
}

function isProvidedTtl(ttlMs: unknown): ttlMs is number | null | undefined {
  if (ttlMs === undefined || ttlMs === null) return true;
  return typeof ttlMs === 'number' && Number.isSafeInteger(ttlMs) && ttlMs >= 1 && ttlMs <= maxTtlMs;
}

/** What counts of what a provider answered, unchecked. */
interface Answer {
  readonly version: unknown;
  readonly state: unknown;
  readonly ttlMs: unknown;
}

/** Null: nothing is there; undefined: it is no object. */
function pick(answer: unknown): Answer | null | undefined {
  if (answer === null) return null;
  if (typeof answer !== 'object') return undefined;
  const of = (key: keyof Answer): unknown => Reflect.get(answer, key);
  return { version: of('version'), state: of('state'), ttlMs: of('ttlMs') };
}

function toExported(
  { id, epoch, version, state, insertedAtMs }: ContextRecord,
  ttlMs: number | null | undefined,
): ExportedContext {
  const insertedAt = new Date(insertedAtMs).toISOString();
  const record = { format: exportFormat, id, epoch, version, state, insertedAt } as const;
  return Object.freeze(ttlMs === undefined ? record : { ...record, ttlMs });
}

function isNotStored(error: unknown): boolean {
  return error instanceof BackendUnavailableError && error.outcome === 'NOT_STORED';
}

function unknownWhether(cause: unknown): BackendUnavailableError {
  return new BackendUnavailableError(
    'The store does not have the context, and nothing else could tell.',
    'NOT_STORED',
    {
      cause,
    },
  );
}
