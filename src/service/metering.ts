import {
  BackendUnavailableError,
  BadUserInputError,
  ContextNotFoundError,
  ExternalStorageError,
  IdempotencyConflictError,
  InvalidStateError,
  LimitExceededError,
  NotConfiguredError,
  VersionConflictError,
} from '../errors.ts';
import type { ContextEvent } from '../model.ts';
import type { Labels, Metrics, WriteOutcome, WriteVerb } from '../observability/metrics.ts';
import type { Span, Tracing } from '../observability/tracing.ts';
import type { CleanupReport } from './chord.ts';

/** What a write says of itself; a delete says nothing of `changed`, a restore nothing of `duplicate`. */
interface Answer {
  readonly changed?: boolean;
  readonly duplicate?: boolean;
}

/** Counts what becomes of a write, which must reject rather than throw. Without metrics it is the write itself. */
export function meterWrite<T extends Answer | undefined>(
  metrics: Metrics | undefined,
  verb: WriteVerb,
  write: () => Promise<T>,
): Promise<T> {
  return metrics === undefined ? write() : meter(metrics, verb, write);
}

/**
 * A call of the store for writes, whoever's turn it is made in: a part of the traces of all of them. Without traces it is
 * the call itself.
 */
export function callFor<T>(
  writes: readonly { readonly span?: Span | undefined }[],
  tracing: Tracing | undefined,
  call: () => Promise<T>,
): Promise<T> {
  if (tracing === undefined) return call();
  const spans = writes.map(({ span }) => span);
  return tracing.join(spans, call);
}

/** How an answer to a position is counted. */
export function answerLabels(source: Labels<'answers'>['source'], event: ContextEvent | undefined): Labels<'answers'> {
  return { source, kind: event?.kind ?? 'none', reason: event?.kind === 'full' ? event.reason : '' };
}

/** Counts a pass of cleanup that came to its end. */
export function countCleanup(metrics: Metrics | undefined, report: CleanupReport): void {
  metrics?.count('cleanupRuns', { outcome: 'done' });
  metrics?.count('cleanupRemoved', { kind: 'context' }, report.contextsExpired);
  metrics?.count('cleanupRemoved', { kind: 'delta' }, report.deltasTrimmed);
  metrics?.count('cleanupRemoved', { kind: 'tombstone' }, report.tombstonesPurged);
}

/**
 * Measures a call of the exporter or the provider, which must reject rather than throw.
 *
 * @param caller has given it up when it is aborted.
 */
export async function meterExternal<T>(
  metrics: Metrics | undefined,
  role: Labels<'externalSeconds'>['role'],
  call: () => Promise<T>,
  caller?: AbortSignal,
): Promise<T> {
  const beganMs = performance.now();
  let outcome: Labels<'externalSeconds'>['outcome'] = 'failed';
  try {
    const answer = await call();
    // Of the exporter nobody expects more than that it ends.
    outcome = role === 'provider' && answer === undefined ? 'none' : 'done';
    return answer;
  } catch (error) {
    if (caller?.aborted === true || error instanceof BackendUnavailableError) outcome = 'stopped';
    throw error;
  } finally {
    metrics?.observe('externalSeconds', { role, outcome }, (performance.now() - beganMs) / 1000);
  }
}

async function meter<T extends Answer | undefined>(
  metrics: Metrics,
  verb: WriteVerb,
  write: () => Promise<T>,
): Promise<T> {
  const beganMs = performance.now();
  let outcome: WriteOutcome = 'failed';
  try {
    const answer = await write();
    outcome = outcomeOf(answer);
    return answer;
  } catch (error) {
    outcome = outcomeOfFailure(error);
    throw error;
  } finally {
    metrics.count('writes', { verb, outcome });
    metrics.observe('writeSeconds', { verb }, (performance.now() - beganMs) / 1000);
  }
}

function outcomeOf(answer: Answer | undefined): WriteOutcome {
  if (answer?.duplicate === true) return 'duplicate';
  return answer?.changed === false ? 'unchanged' : 'done';
}

function outcomeOfFailure(error: unknown): WriteOutcome {
  if (error instanceof BackendUnavailableError) return error.outcome === 'UNKNOWN' ? 'unknown' : 'notStored';
  if (error instanceof VersionConflictError) return 'conflict';
  if (error instanceof IdempotencyConflictError) return 'keyReused';
  if (error instanceof ContextNotFoundError) return 'notFound';
  if (error instanceof InvalidStateError || error instanceof BadUserInputError) return 'invalid';
  if (error instanceof LimitExceededError) return 'limit';
  if (error instanceof ExternalStorageError || error instanceof NotConfiguredError) return 'external';
  return 'failed';
}
