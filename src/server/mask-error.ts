import { GraphQLError, type GraphQLErrorOptions } from 'graphql';
import { BackendUnavailableError, BadUserInputError, ChordError, LimitExceededError } from '../errors.ts';

/**
 * What a client may learn of an error that is no member of a result: our own errors by their code, GraphQL's as they
 * are, and of everything else only that it happened. Whoever sends it has it reported first (requests.ts).
 */
export function maskError(error: unknown): GraphQLError {
  const original = error instanceof GraphQLError ? (error.originalError ?? error) : error;
  if (original instanceof MaskedError) return original;
  const refusal = refusalOf(error, original);
  if (refusal !== undefined) return refusal;
  return masked(error, 'Unexpected error.', {
    extensions: { code: 'INTERNAL_SERVER_ERROR' },
    surprise: { cause: original },
  });
}

/** What a mask hides; undefined: nothing, the error is somebody's intention. */
export function surpriseIn(error: GraphQLError): Surprise | undefined {
  return error instanceof MaskedError ? error.surprise : undefined;
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
  return masked(error, message, { extensions });
}

function masked(
  error: unknown,
  message: string,
  { extensions, surprise }: { readonly extensions: Record<string, unknown>; readonly surprise?: Surprise },
): MaskedError {
  if (!(error instanceof GraphQLError)) return new MaskedError(message, { extensions }, surprise);
  const { nodes = null, source = null, positions = null, path = null } = error;
  return new MaskedError(message, { nodes, source, positions, path, extensions }, surprise);
}

/** What nobody expected, whatever it is: one may throw `undefined`. */
interface Surprise {
  readonly cause: unknown;
}

/** One that says what a client may know, however often it is looked at. */
class MaskedError extends GraphQLError {
  /** Not a property, which somebody might write into an answer. */
  readonly #surprise: Surprise | undefined;

  constructor(message: string, options: GraphQLErrorOptions, surprise?: Surprise) {
    super(message, options);
    this.#surprise = surprise;
  }

  get surprise(): Surprise | undefined {
    return this.#surprise;
  }
}
