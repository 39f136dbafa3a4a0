import type { Verbs } from '../../access/guard.ts';
import type { ContextEvent } from '../../model.ts';
import { type Attributes, inSpan, type Span, type Tracing } from '../../observability/tracing.ts';
import type { PolledEvents } from '../../service/chord.ts';
import { DelegatedEvents } from '../../service/delegated-events.ts';
import { toSpanError } from './request-record.ts';

/**
 * The same verbs, each a piece of the trace of who calls it. Its pieces are the calls of the store.
 *
 * Neither which context nor whose: ids may say who somebody is, and whoever reads traces need not know.
 */
export function traceVerbs(verbs: Verbs, tracing: Tracing): Verbs {
  const traced = <T>(name: keyof Verbs, call: () => Promise<T>, describe?: (result: T) => Attributes) =>
    inSpan(tracing, call, { start: { name }, describe, explain: toSpanError });
  return {
    setContext: (...args) => traced('setContext', () => verbs.setContext(...args), toOutcome),
    updateContext: (...args) => traced('updateContext', () => verbs.updateContext(...args), toOutcome),
    deleteContext: (...args) => traced('deleteContext', () => verbs.deleteContext(...args), toOutcome),
    restoreContext: (...args) => traced('restoreContext', () => verbs.restoreContext(...args), toOutcome),
    exportContext: (...args) => traced('exportContext', () => verbs.exportContext(...args)),
    getContext: (...args) => traced('getContext', () => verbs.getContext(...args)),
    syncContext: (...args) => traced('syncContext', () => verbs.syncContext(...args), toKind),
    listContexts: (...args) => traced('listContexts', () => verbs.listContexts(...args)),
    listDeltas: (...args) => traced('listDeltas', () => verbs.listDeltas(...args)),
    runCleanup: (...args) => traced('runCleanup', () => verbs.runCleanup(...args)),
    startCleanup: (...args) => traced('startCleanup', () => verbs.startCleanup(...args)),
    stopCleanup: (...args) => traced('stopCleanup', () => verbs.stopCleanup(...args)),
    updateCleanup: (...args) => traced('updateCleanup', () => verbs.updateCleanup(...args)),
    follow: (...args) => {
      const events = verbs.follow(...args);
      const whole = tracing.current();
      return whole === undefined ? events : new TracedBeginning(events, tracing, whole);
    },
    // They ask no store.
    cleanupStatus: () => verbs.cleanupStatus(),
    formatDelta: (delta) => verbs.formatDelta(delta),
  };
}

/** As `chord_writes_total` has it. */
function toOutcome({ changed, duplicate }: { readonly changed?: boolean; readonly duplicate?: boolean }): Attributes {
  if (duplicate === true) return { 'chord.outcome': 'duplicate' };
  return { 'chord.outcome': changed === false ? 'unchanged' : 'done' };
}

function toKind(event: ContextEvent | null): Attributes {
  return { 'chord.event.kind': event?.kind ?? 'none' };
}

/**
 * Events of which the first is a piece of the trace: how long it took, and what was asked of the store for it. Later
 * ones are nobody's request, and are measured instead (`chord_delivery_lag_seconds`).
 */
class TracedBeginning extends DelegatedEvents {
  readonly #tracing: Tracing;
  /** The operation, which is over by then: it was accepted. */
  #whole: Span | undefined;

  constructor(events: PolledEvents, tracing: Tracing, whole: Span) {
    super(events);
    this.#tracing = tracing;
    this.#whole = whole;
  }

  override next(): Promise<IteratorResult<ContextEvent, undefined>> {
    const whole = this.#whole;
    if (whole === undefined) return super.next();
    this.#whole = undefined;
    return inSpan(this.#tracing, () => super.next(), {
      start: { name: 'follow' },
      describe: ({ value }) => toKind(value ?? null),
      explain: toSpanError,
      whole,
    });
  }

  override poll(): ContextEvent | 'none' | 'ask' {
    return this.#whole === undefined ? super.poll() : 'ask';
  }
}
