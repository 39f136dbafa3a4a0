/**
 * What a client hears when it is not let in. Why its credentials do not hold is for the log: to the client every wrong,
 * unknown or malformed one is the same.
 */
import { BackendUnavailableError, UnauthenticatedError } from '../errors.ts';

/** There are no credentials. */
export function missing(): UnauthenticatedError {
  return new UnauthenticatedError('Credentials are required.');
}

/** They do not hold. */
export function invalid(): UnauthenticatedError {
  return new UnauthenticatedError('The credentials are not valid.');
}

/** They held once: a client that has newer ones brings these. */
export function runOut(): UnauthenticatedError {
  return new UnauthenticatedError('The credentials have run out.');
}

/** They held once, and somebody has put an end to that. */
export function revoked(): UnauthenticatedError {
  return new UnauthenticatedError('The credentials were revoked.');
}

/** Whoever knows does not answer. The same credentials may be good in a moment, so they must not be called wrong. */
export function unknowable(cause?: unknown): BackendUnavailableError {
  return new BackendUnavailableError('The credentials cannot be checked now.', 'NOT_STORED', { cause });
}
