import type { Backend } from '../../src/backend/backend.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import type { Clock } from '../../src/clock.ts';
import { flatFormatter } from '../../src/delta/format.ts';
import type { ContextEvent, Position } from '../../src/model.ts';
import { silentLogger } from '../../src/observability/logger.ts';
import { ChordService, type ServiceOptions } from '../../src/service/service.ts';
import { ManualClock, settle } from './clock.ts';

/** What a deployment gets that configures nothing. */
export const serviceDefaults = {
  deltaThreshold: 100,
  contextAutoDelete: false,
  contextTtlMs: null,
  maxStateBytes: 1024 * 1024,
  maxStateDepth: 64,
  forbiddenKeys: [],
  maxMergeDeltas: 10_000,
  maxQueuedWrites: 10_000,
  idempotencyWindowMs: 300_000,
  recheckMs: 30_000,
  deltaFormatter: flatFormatter,
  logger: silentLogger,
  deltaTtlMs: 86_400_000,
  tombstoneTtlMs: 172_800_000,
  cleanupIntervalMs: 3_600_000,
  cleanupLimit: null,
  externalTimeoutMs: 30_000,
  exportBeforeExpire: false,
  exportRetryMs: 60_000,
  restoreOnMiss: false,
} as const satisfies Omit<ServiceOptions, 'backend' | 'clock'>;

/** A service on a memory store and a clock that stands still. */
export function openChord(options: Partial<Omit<ServiceOptions, 'backend' | 'clock'>> = {}) {
  const backend = new MemoryBackend();
  const clock = new ManualClock();
  return { chord: openOn(backend, clock, options), backend, clock };
}

/** A service on a store of the test's. */
export function openOn(
  backend: Backend,
  clock: Clock,
  options: Partial<Omit<ServiceOptions, 'backend' | 'clock'>> = {},
): ChordService {
  return new ChordService({ ...serviceDefaults, ...options, backend, clock });
}

/** What a promise was rejected with; fails when it was not. */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    (value) => ({ isRejected: false, value }),
    (error: unknown) => ({ isRejected: true, value: error }),
  );
  if (!outcome.isRejected) throw new Error(`not rejected, but answered ${JSON.stringify(outcome.value)}`);
  return outcome.value;
}

/** The position in something that has one. */
export function positionOf({ epoch, version }: Position): Position {
  return { epoch, version };
}

/** The position as a client sends it. */
export function clientAt({ epoch, version }: Position): {
  readonly epoch: string;
  readonly version: number;
} {
  return { epoch, version };
}

/** What a subscription can be asked for. */
export type Events = AsyncIterableIterator<ContextEvent, undefined, unknown>;

/** The next event; fails when the subscription has ended, or has nothing to say now. */
export async function nextEvent(events: Events): Promise<ContextEvent> {
  const turn = await turnNow(events.next());
  if (turn.done === true) throw new Error('the subscription has ended');
  return turn.value;
}

/** The value of a promise that settles by itself now, without the clock; fails when it does not. */
export async function turnNow<T>(promise: Promise<T>): Promise<T> {
  const nothing = Symbol('nothing');
  const turn = await Promise.race([promise, settle().then(() => nothing)]);
  if (turn === nothing) throw new Error('nothing came');
  return turn as T;
}

/** Whether a promise settles by itself now. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  const note = () => {
    pending = false;
  };
  promise.then(note, note);
  await settle();
  return pending;
}
