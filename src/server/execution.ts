/**
 * The rules around an operation, the same whichever way it came: yoga, the lane, a WebSocket. The executor inside differs:
 * yoga has graphql-js, the others compile what comes often (compiled.ts). Errors are not masked yet.
 */
import { type ExecutionArgs, type ExecutionResult, execute } from 'graphql';
import type { Tracing } from '../observability/tracing.ts';
import type { Subscribed, Subscriber } from './fanout/subscribe.ts';
import { inTime, type QueryLimits, type RefusedResult, refuseCost } from './limits/limits.ts';
import type { Quotas } from './limits/quotas.ts';
import { traceOperation } from './reporting/traced-operations.ts';

/** Executes a query or a mutation of a valid document, within its limits. */
export type Execute = (args: ExecutionArgs) => ExecutionResult | Promise<ExecutionResult>;

/** Begins a subscription of a valid document, within its limits. What its results throw is masked. */
export type Subscribe = (args: ExecutionArgs) => Promise<Subscribed>;

/** What bounds an operation, and who is told of it. */
export interface ExecutionRules {
  readonly limits: QueryLimits;
  readonly quotas: Quotas;
  /** Absent: nothing is traced. */
  readonly tracing?: Tracing | undefined;
}

/**
 * Puts the rules around an executor, by default the reference. Not around yoga's own: that takes a value with a key `then`
 * for a promise, also a state.
 */
export function createExecute(rules: ExecutionRules, executor = execute): Execute {
  const { limits, quotas } = rules;
  const run = bounded(rules, executor);
  return (args) => {
    const refusal = refuseCost(args, limits.maxQueryCost);
    if (refusal !== undefined) return refusal;
    const counted = quotas.write(args);
    if (counted === undefined) return run(args);
    return counted.then((tooFast) => (tooFast === undefined ? run(args) : { errors: [tooFast] }));
  };
}

/** Puts the rules around what begins subscriptions. */
export function createSubscribe(rules: ExecutionRules, subscriber: Subscriber): Subscribe {
  const { limits, quotas } = rules;
  const run = bounded<Subscribed>(rules, subscriber);
  return async (args) => refuseCost(args, limits.maxQueryCost) ?? quotas.subscribe(args, () => run(args));
}

/** Answers in time, as a piece of the trace. */
function bounded<T>(
  { limits, tracing }: ExecutionRules,
  run: (args: ExecutionArgs) => T | Promise<T>,
): (args: ExecutionArgs) => T | RefusedResult | Promise<T | RefusedResult> {
  const timed = (args: ExecutionArgs) => inTime(() => run(args), args, limits.queryTimeoutMs);
  return tracing === undefined ? timed : (args) => traceOperation(tracing, args, async () => timed(args));
}
