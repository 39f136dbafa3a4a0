/**
 * The rules around an operation that is answered once, the same whichever way it came: yoga, the lane, a WebSocket. The
 * executor inside differs: the lane's is compiled (compiled.ts), that of the others is graphql-js.
 */
import { type ExecutionArgs, type ExecutionResult, execute } from 'graphql';
import type { Tracing } from '../observability/tracing.ts';
import { inTime, type QueryLimits, refuseCost } from './limits/limits.ts';
import type { Quotas } from './limits/quotas.ts';
import { traceOperation } from './reporting/traced-operations.ts';

/** Executes a query or a mutation of a valid document, within its limits. Errors are not masked yet. */
export type Execute = (args: ExecutionArgs) => ExecutionResult | Promise<ExecutionResult>;

/** What bounds an operation, and who is told of it. */
export interface ExecutionRules {
  readonly limits: QueryLimits;
  readonly quotas: Quotas;
  /** Absent: nothing is traced. */
  readonly tracing?: Tracing | undefined;
  /** By default the reference executor. */
  readonly executor?: typeof execute | undefined;
}

/** Puts the rules around an executor. Not yoga's own: that takes a value with a key `then` for a promise, also a state. */
export function createExecute({ limits, quotas, tracing, executor = execute }: ExecutionRules): Execute {
  const timed: Execute = (args) => inTime(() => executor(args), args, limits.queryTimeoutMs);
  const run: Execute = tracing === undefined ? timed : (args) => traceOperation(tracing, args, async () => timed(args));
  return (args) => {
    const refusal = refuseCost(args, limits.maxQueryCost);
    if (refusal !== undefined) return refusal;
    const counted = quotas.write(args);
    if (counted === undefined) return run(args);
    return counted.then((tooFast) => (tooFast === undefined ? run(args) : { errors: [tooFast] }));
  };
}
