/** Traces, put together: whether there are any, and what they say of the store. */
import type { Backend } from '../backend/backend.ts';
import { type CallOutcome, measureBackend } from '../backend/measured.ts';
import type { OptionValues } from '../config/table.ts';
import type { Logger } from '../observability/logger.ts';
import type { Labels } from '../observability/metrics.ts';
import { createOtlpTracing } from '../observability/otlp.ts';
import type { Tracing } from '../observability/tracing.ts';

/** What traces are made of. */
export interface TracerOptions extends Pick<OptionValues, 'otlpEndpoint' | 'traceSampleRatio'> {
  readonly backend: Labels<'info'>['backend'];
  readonly logger: Logger;
}

/** All that traces in one app. */
export interface Tracer {
  readonly tracing: Tracing;
  /** The same store, whose calls are pieces of the traces of who makes them. */
  trace(backend: Backend): Backend;
  /** Sends what is left, in bounded time. Never rejects. */
  close(): Promise<void>;
}

/** Undefined: there is nobody to send traces to, and nothing that makes them is loaded. */
export function createTracer(options: TracerOptions): Tracer | undefined {
  const { otlpEndpoint: endpoint, traceSampleRatio: sampleRatio, backend, logger } = options;
  if (endpoint === null) return undefined;
  const tracing = createOtlpTracing({ endpoint, sampleRatio, logger });
  return {
    tracing,
    trace: (store) => traceBackend(store, tracing, backend),
    close: () => tracing.close(),
  };
}

/** @see https://opentelemetry.io/docs/specs/semconv/database/database-spans/ (names and attributes of `db`) */
function traceBackend(store: Backend, tracing: Tracing, backend: TracerOptions['backend']): Backend {
  // The others are in the process: nobody else is asked.
  const kind = backend === 'redis' ? 'client' : 'internal';
  return measureBackend(store, {
    onCall: (method, size) => {
      const attributes = {
        'db.system.name': backend,
        'db.operation.name': method,
        'db.operation.batch.size': size > 1 ? size : undefined,
      };
      const span = tracing.begin({ name: `${method} ${backend}`, kind, attributes });
      return (outcome) => span?.end({ 'chord.outcome': outcome }, errorOf(outcome));
    },
  });
}

function errorOf(outcome: CallOutcome): { readonly type: string; readonly isFault: boolean } | undefined {
  switch (outcome) {
    case 'notStored':
    case 'unknown':
    case 'failed':
      return { type: outcome, isFault: true };
    case 'done':
    case 'behind':
    case 'duplicate':
      return undefined;
  }
}
