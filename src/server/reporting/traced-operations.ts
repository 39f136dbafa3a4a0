import { type ExecutionArgs, type GraphQLError, getOperationAST } from 'graphql';
import { inSpan, type SpanError, type SpanStart, type Tracing } from '../../observability/tracing.ts';
import { toSpanError } from './request-record.ts';

/** Makes an operation a piece of its request's trace. That of a subscription ends when it is accepted. */
export function traceOperation<T>(tracing: Tracing, args: ExecutionArgs, run: () => Promise<T>): Promise<T> {
  return inSpan(tracing, run, { start: startOf(args), explain: toSpanError, judge });
}

/**
 * Never the document nor its variables: they hold what is stored.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/graphql/graphql-spans/ (Development; named by the type alone, as it
 * asks for; not of the kind server, which is the request around it)
 */
function startOf({ document, operationName }: ExecutionArgs): SpanStart {
  const operation = getOperationAST(document, operationName);
  if (!operation) return { name: 'GraphQL Operation' };
  return {
    name: operation.operation,
    attributes: { 'graphql.operation.type': operation.operation, 'graphql.operation.name': operation.name?.value },
  };
}

/** The first error of an answer, if it has one. */
function judge(result: unknown): SpanError | undefined {
  if (typeof result !== 'object' || result === null || !('errors' in result)) return undefined;
  // As graphql-js answers it.
  const [error] = (result as { readonly errors?: readonly GraphQLError[] }).errors ?? [];
  return error === undefined ? undefined : toSpanError(error);
}
