import { GraphQLError } from 'graphql';
import { BackendUnavailableError, BadUserInputError, ChordError, LimitExceededError } from '../errors.ts';
import type { Logger } from '../observability/logger.ts';

/**
 * What a client may learn of an error that is no member of a result: our own errors by their code, GraphQL's as they
 * are, and of everything else only that it happened. That is logged, once, here.
 */
export function createErrorMask(logger: Logger): (error: unknown) => GraphQLError {
  return (error) => {
    const original = error instanceof GraphQLError ? (error.originalError ?? error) : error;
    if (original instanceof MaskedError) return original;
    const refusal = refusalOf(error, original);
    if (refusal !== undefined) {
      // Not its words: they may quote the request.
      logger.debug('request refused', { code: refusal.extensions['code'], path: refusal.path });
      return refusal;
    }
    logger.error('unexpected error', { error: original, path: error instanceof GraphQLError ? error.path : undefined });
    return rewrite(error, 'Unexpected error.', { code: 'INTERNAL_SERVER_ERROR' });
  };
}

/** Undefined: the error is nobody's intention. */
function refusalOf(error: unknown, original: unknown): GraphQLError | undefined {
  if (original instanceof ChordError) return rewrite(error, original.message, extensionsOf(original));
  if (!(original instanceof GraphQLError && error instanceof GraphQLError)) return undefined;
  return rewrite(error, error.message, knownExtensions(error));
}

/** Yoga, too, has codes for what it refuses; ours are a closed list. `http` is for yoga, which does not send it. */
function knownExtensions({ extensions, path }: GraphQLError): Record<string, unknown> {
  const { originalError, code, http, ...rest } = extensions;
  if (code === 'REQUEST_ENTITY_TOO_LARGE') return { ...rest, http, code: 'LIMIT_EXCEEDED', option: 'maxRequestBytes' };
  const known = { ...rest, code: documentCodes.has(code) ? code : 'BAD_USER_INPUT' };
  // What is no JSON is no GraphQL request, which is 400 for every client.
  if (originalError !== undefined) return { ...known, http: badRequest };
  // An error without a path refused the whole request; clients that only know application/json expect 200 then.
  return path === undefined ? { ...known, http: http ?? { ...badRequest, spec: true } } : known;
}

const badRequest = { status: 400 };

const documentCodes = new Set<unknown>(['GRAPHQL_PARSE_FAILED', 'GRAPHQL_VALIDATION_FAILED']);

function extensionsOf(error: ChordError): Record<string, unknown> {
  const { code } = error;
  if (error instanceof BadUserInputError) return { code, argument: error.argument };
  if (error instanceof LimitExceededError) return { code, option: error.limit, max: error.max, actual: error.actual };
  if (error instanceof BackendUnavailableError) return { code, outcome: error.outcome };
  return { code };
}

/** The same error, where it happened, in other words. */
export function rewrite(error: unknown, message: string, extensions: Record<string, unknown>): GraphQLError {
  if (!(error instanceof GraphQLError)) return new MaskedError(message, { extensions });
  const { nodes = null, source = null, positions = null, path = null } = error;
  return new MaskedError(message, { nodes, source, positions, path, extensions });
}

/** One that says what a client may know, however often it is looked at. */
class MaskedError extends GraphQLError {}
