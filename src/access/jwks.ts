/** The public keys of whoever issues tokens, from a URL (RFC 7517). */
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  type FetchImplementation,
  type JWTVerifyGetKey,
} from 'jose';
import type { Clock } from '../clock.ts';
import type { Logger } from '../observability/logger.ts';
import { unknowable } from './refusals.ts';

/** How keys are fetched. Times in ms. */
export interface RemoteKeysOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How old keys may become before they are fetched again. Default 10 min. */
  readonly maxAgeMs?: number;
  /** How long after a fetch a key that is not among them causes none. Default 30 s. */
  readonly cooldownMs?: number;
}

const timeoutMs = 5_000;
/** How long after a fetch that failed there is none: who is down is not helped by a request for each of ours. */
const pauseMs = 10_000;
/** How long keys are good while they cannot be fetched. */
const lastResortMs = 3_600_000;
const maxBytes = 1_048_576;

/**
 * Finds the key of a token. Keys are fetched when one is needed, and again when they are old or lack the one that is
 * asked for, which is how a new key comes into use without a restart.
 *
 * @throws BackendUnavailableError when keys cannot be fetched, and what jose throws for a token without a key.
 */
export function createRemoteKeys(url: URL, options: RemoteKeysOptions): JWTVerifyGetKey {
  const { clock, logger, maxAgeMs = 600_000, cooldownMs = 30_000 } = options;
  let failure: { readonly atMs: number; readonly error: unknown } | undefined;
  let goodAtMs = Number.NEGATIVE_INFINITY;
  const remote = createRemoteJWKSet(url, {
    timeoutDuration: timeoutMs,
    cooldownDuration: cooldownMs,
    cacheMaxAge: maxAgeMs,
    [customFetch]: (href, init) => {
      if (failure !== undefined && isWithin(pauseMs, failure.atMs, clock)) throw failure.error;
      return fetchBounded(href, init);
    },
  });
  let lastResort: JWTVerifyGetKey | undefined;
  return async (header, token) => {
    try {
      const key = await remote(header, token);
      goodAtMs = clock.now();
      lastResort = undefined;
      return key;
    } catch (error) {
      if (isOfToken(error)) throw error;
      // Once for all who waited for the same fetch, and not for those who come in the pause.
      if (failure === undefined || !isWithin(pauseMs, failure.atMs, clock)) {
        failure = { atMs: clock.now(), error };
        logger.warn('the keys that tokens are signed with cannot be fetched', { jwks: url.origin, error });
      }
      const known = remote.jwks();
      if (known === undefined || !isWithin(lastResortMs, goodAtMs, clock)) throw unknowable(error);
      lastResort ??= createLocalJWKSet(known);
      return await findIn(lastResort, header, token);
    }
  };
}

/** The key of a token may be newer than the keys that are known. */
async function findIn(keys: JWTVerifyGetKey, ...[header, token]: Parameters<JWTVerifyGetKey>) {
  try {
    return await keys(header, token);
  } catch (error) {
    throw error instanceof errors.JWKSNoMatchingKey ? unknowable(error) : error;
  }
}

function isOfToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}

/** A clock that was set back must not make it longer. */
function isWithin(ms: number, sinceMs: number, clock: Clock): boolean {
  return Math.abs(clock.now() - sinceMs) < ms;
}

/** The signal, which jose aborts in time, covers the body, too. */
const fetchBounded: FetchImplementation = async (url, init) => {
  const response = await fetch(url, init);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw new Error(`the keys are more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status: response.status });
};
