/**
 * Every error that Chord throws on purpose, one class per reason that a caller could act on.
 *
 * `code` is stable, the message may change. docs/protocol.md lists the codes; a test compares both.
 */
export abstract class ChordError extends Error {
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The context is not there (never was, was deleted, or has expired), and the verb needs one. */
export class ContextNotFoundError extends ChordError {
  readonly code = 'CONTEXT_NOT_FOUND';
  readonly contextId: string;

  constructor(contextId: string) {
    super('There is no context with this id.');
    this.contextId = contextId;
  }
}

/** `expectedVersion` or `expectedEpoch` is not where the context stands. Nothing was stored. */
export class VersionConflictError extends ChordError {
  readonly code = 'VERSION_CONFLICT';
  readonly contextId: string;
  /** Where the context stands; 0 when it is absent, null when the viewer may not read it. */
  readonly currentVersion: number | null;
  /** Null when the context is absent, or the viewer may not read it. */
  readonly currentEpoch: string | null;

  /** @param current null: the viewer may not read it. */
  constructor(contextId: string, current: { readonly version: number; readonly epoch: string | null } | null) {
    super(conflictText(current));
    this.contextId = contextId;
    this.currentVersion = current?.version ?? null;
    this.currentEpoch = current?.epoch ?? null;
  }
}

function conflictText(current: { readonly version: number; readonly epoch: string | null } | null): string {
  if (current === null) return 'The write expected another position.';
  if (current.epoch === null) return 'The write expected a context, and there is none.';
  return `The write expected another position; the context is at version ${current.version}.`;
}

/** The idempotency key was used for another request on this context. Nothing was stored. */
export class IdempotencyConflictError extends ChordError {
  readonly code = 'IDEMPOTENCY_CONFLICT';
  readonly idempotencyKey: string;

  constructor(idempotencyKey: string) {
    super('This idempotency key was already used for a different request.');
    this.idempotencyKey = idempotencyKey;
  }
}

/** The value is not one that JSON can carry, holds a forbidden key, or a path to remove is empty. */
export class InvalidStateError extends ChordError {
  readonly code = 'INVALID_STATE';
  /** Keys and array indexes from the root of the argument to the offending value. */
  readonly path: readonly string[];

  constructor(problem: string, path: readonly string[]) {
    super(path.length === 0 ? problem : `${problem} (at ${JSON.stringify(path)})`);
    this.path = path;
  }
}

/** Something is larger than a configured maximum. Nothing was stored. */
export class LimitExceededError extends ChordError {
  readonly code = 'LIMIT_EXCEEDED';
  /** The name of the configuration option, or of a fixed bound. */
  readonly limit: string;
  readonly max: number;
  readonly actual: number;

  constructor(limit: string, max: number, actual: number) {
    super(`${limit} is ${max}; this would be ${actual}.`);
    this.limit = limit;
    this.max = max;
    this.actual = actual;
  }
}

/** An argument is outside what the verb accepts. */
export class BadUserInputError extends ChordError {
  readonly code = 'BAD_USER_INPUT';
  readonly argument: string;

  constructor(argument: string, expected: string) {
    super(`${argument}: expected ${expected}.`);
    this.argument = argument;
  }
}

/**
 * The store did not answer, or is closed.
 *
 * `NOT_STORED`: nothing happened, try again. `UNKNOWN`: the write may or may not have been stored; a retry with the
 * same idempotency key settles it.
 */
export class BackendUnavailableError extends ChordError {
  readonly code = 'BACKEND_UNAVAILABLE';
  readonly outcome: 'NOT_STORED' | 'UNKNOWN';

  constructor(message: string, outcome: 'NOT_STORED' | 'UNKNOWN', options?: ErrorOptions) {
    super(message, options);
    this.outcome = outcome;
  }
}

/** The verb needs what no option sets: an exporter, a provider, or a way to say who asks. */
export class NotConfiguredError extends ChordError {
  readonly code = 'NOT_CONFIGURED';
  /** The name of an option that would. */
  readonly option: string;

  constructor(option: string) {
    super(`The option ${option} is not set.`);
    this.option = option;
  }
}

/** The exporter or the provider failed, did not answer in time, or answered what is no context. Nothing was stored. */
export class ExternalStorageError extends ChordError {
  readonly code = 'EXTERNAL_STORAGE';
}

/**
 * The data directory cannot be used: damaged, of another program, of a newer version, or in use by another process.
 * The message names the path and what to do; nothing that is stored in it was changed.
 */
export class DataDirectoryError extends ChordError {
  readonly code = 'DATA_DIRECTORY';
  readonly path: string;

  constructor(path: string, problem: string, options?: ErrorOptions) {
    super(`The data directory ${path} ${problem}`, options);
    this.path = path;
  }
}

/**
 * Redis cannot be used before somebody changes something: the URL, a password or a right, or the server. The message
 * says what, and holds no password.
 */
export class RedisStoreError extends ChordError {
  readonly code = 'REDIS_STORE';
}

/** Nobody knows who asks: the credentials are missing, wrong, or have run out. */
export class UnauthenticatedError extends ChordError {
  readonly code = 'UNAUTHENTICATED';
}

/** The viewer may not do this. Says nothing of whether the context is there. */
export class ForbiddenError extends ChordError {
  readonly code = 'FORBIDDEN';

  constructor() {
    super('This is not permitted.');
  }
}
