import type { Backend } from './backend/backend.ts';
import { MemoryBackend } from './backend/memory.ts';
import { type Clock, systemClock } from './clock.ts';
import { completeOptions } from './config/complete.ts';
import { ConfigError } from './config/config-error.ts';
import type { OptionName, OptionValues } from './config/table.ts';
import { show, suggestion } from './config/words.ts';
import { type DeltaFormatter, flatFormatter } from './delta/format.ts';
import type { Exporter, Provider } from './external/external.ts';
import { type Logger, silentLogger } from './observability/logger.ts';
import type { Chord } from './service/chord.ts';
import { ChordService, type ServiceOptions } from './service/service.ts';

/** What `createChord` can be told. Times are in ms, sizes in bytes of weight (docs/protocol.md). */
export interface ChordOptions {
  /** Where contexts are kept; by default in memory. `close` closes it. */
  readonly backend?: Backend | undefined;
  /** Where the time comes from; by default the system clock. */
  readonly clock?: Clock | undefined;
  /** Makes `formatted` of a delta in the GraphQL API; by default a flat list. Must be pure. */
  readonly deltaFormatter?: DeltaFormatter | undefined;
  /** Where log lines go; by default nowhere. */
  readonly logger?: Logger | undefined;
  /** Takes contexts into your storage. Default none. */
  readonly exporter?: Exporter | undefined;
  /** Brings contexts back from your storage. Default none. */
  readonly provider?: Provider | undefined;
  /** Deltas kept per context, the oldest are trimmed; null keeps all. Default 100. */
  readonly deltaThreshold?: number | null | undefined;
  /** Whether contexts that were never given a `ttlMs` get `contextTtlMs` as theirs. Default false. */
  readonly contextAutoDelete?: boolean | undefined;
  /** Time to live of such contexts, in ms. Default null: none. */
  readonly contextTtlMs?: number | null | undefined;
  /** How old deltas may become before cleanup trims them, in ms; null keeps them. Default 24 h. */
  readonly deltaTtlMs?: number | null | undefined;
  /** How long it is remembered that a context is gone, in ms; null for ever. Default 48 h. */
  readonly tombstoneTtlMs?: number | null | undefined;
  /** How often cleanup runs at least once it is started, in ms. Default 1 h. */
  readonly cleanupIntervalMs?: number | undefined;
  /** How many items a run of cleanup takes on in one batch; null lets it choose. Default null. */
  readonly cleanupLimit?: number | null | undefined;
  /** Whether a context that expires is exported first, and kept until that succeeds. Default false. */
  readonly exportBeforeExpire?: boolean | undefined;
  /** How long the next attempt waits after such an export failed, in ms; doubled each time. Default 1 min. */
  readonly exportRetryMs?: number | undefined;
  /** Whether reading or following what is not there asks the provider. Default false. */
  readonly restoreOnMiss?: boolean | undefined;
  /** How long one export or one fetch may take, in ms. Default 30 s. */
  readonly externalTimeoutMs?: number | undefined;
  /** Largest weight of a state, in bytes. Default 1 MiB. */
  readonly maxStateBytes?: number | undefined;
  /** Deepest nesting of a state; objects and arrays count, the state itself is 1. Default 64. */
  readonly maxStateDepth?: number | undefined;
  /** Keys that no state may hold. Default none. */
  readonly forbiddenKeys?: readonly string[] | undefined;
  /** Most deltas merged to answer one sync. Default 10,000. */
  readonly maxMergeDeltas?: number | undefined;
  /** How long an idempotency key is remembered, in ms. Default 5 min. */
  readonly idempotencyWindowMs?: number | undefined;
  /** Most writes that may wait for one context. Default 10,000. */
  readonly maxQueuedWrites?: number | undefined;
  /** How often a quiet context that is followed is compared with the store, in ms. Default 30 s. */
  readonly recheckMs?: number | undefined;
}

/** The options of the table that are the service's; the others are those of the server around it. */
const serviceOptionNames = [
  'deltaThreshold',
  'contextAutoDelete',
  'contextTtlMs',
  'deltaTtlMs',
  'tombstoneTtlMs',
  'cleanupIntervalMs',
  'cleanupLimit',
  'exportBeforeExpire',
  'exportRetryMs',
  'restoreOnMiss',
  'externalTimeoutMs',
  'maxStateBytes',
  'maxStateDepth',
  'forbiddenKeys',
  'maxMergeDeltas',
  'idempotencyWindowMs',
  'maxQueuedWrites',
  'recheckMs',
] as const satisfies readonly (OptionName & keyof ServiceOptions)[];

/** The part of a whole configuration that `createChord` takes. */
export function chordOptionsOf(values: OptionValues): ChordOptions {
  return Object.fromEntries(serviceOptionNames.map((name) => [name, values[name]]));
}

/**
 * Chord as a library: every verb, on a backend of your choice (in memory by default).
 *
 * @throws ConfigError for a value that an option does not accept, or an option that there is none of.
 */
export function createChord(options: ChordOptions = {}): Chord {
  return createService(options);
}

/** The same, with what the server needs besides. `open` makes the backend when none is given, last of all. */
export function createService(
  options: ChordOptions,
  open: () => Backend = () => new MemoryBackend(),
  { metrics, tracing }: Pick<ServiceOptions, 'metrics' | 'tracing'> = {},
): ChordService {
  const { backend, clock, deltaFormatter, logger, exporter, provider, ...values } = options;
  for (const name of Object.keys(values)) {
    if (serviceOptionNames.some((known) => known === name)) continue;
    throw new ConfigError(`There is no option ${name} of createChord.${suggestion(name, serviceOptionNames, '')}`);
  }
  return new ChordService({
    // The table knows which options need an exporter or a provider.
    ...completeOptions({ ...values, exporter, provider }),
    clock: assertPart('clock', clock, 'object') ?? systemClock,
    deltaFormatter: assertPart('deltaFormatter', deltaFormatter, 'function') ?? flatFormatter,
    logger: assertPart('logger', logger, 'object') ?? silentLogger,
    metrics,
    tracing,
    exporter: assertPart('exporter', exporter, 'object'),
    provider: assertPart('provider', provider, 'object'),
    // What is refused above leaves no store open.
    backend: assertPart('backend', backend, 'object') ?? open(),
  });
}

/** Undefined counts as absent. */
function assertPart<T>(name: string, part: T | undefined, type: 'object' | 'function'): T | undefined {
  if (part === undefined || (typeof part === type && part !== null)) return part;
  throw new ConfigError(`${name} is ${show(part)}; expected ${type === 'object' ? 'an object' : 'a function'}.`);
}
