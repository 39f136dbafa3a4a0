/** JSON Web Tokens (RFC 7519), as RFC 8725 wants them checked: who sent one, and what they may. */
import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import { lastMomentMs } from '../clock.ts';
import { isViewerId } from './api-key-file.ts';
import { parseGrants } from './grants.ts';
import type { RemoteKeysOptions } from './jwks.ts';
import { createJwtKeys, type JwtKeyConfig, type JwtKeys } from './jwt-keys.ts';
import { invalid, runOut } from './refusals.ts';
import { createViewer, type Viewer } from './viewer.ts';

/** The options of src/config/table.ts about tokens. */
export interface JwtConfig extends JwtKeyConfig {
  /** Null: anybody who has the key. */
  readonly jwtIssuer: string | null;
  /** One of them must be named. Empty: whatever is named. */
  readonly jwtAudience: readonly string[];
  readonly jwtClockToleranceMs: number;
  readonly jwtRequireExpiry: boolean;
  readonly jwtViewerClaim: string;
  readonly jwtGrantsClaim: string;
}

/** Longest token, in characters: a header is bounded by Node, `connectionParams` by `maxRequestBytes` alone. */
const maxTokenLength = 16_384;

/**
 * Tells whose a token is. Whom it does not know it throws UnauthenticatedError for, and BackendUnavailableError while a
 * key cannot be fetched.
 *
 * @throws TypeError that begins with the name of the option that cannot be used. It shows no secret.
 */
export function createJwtVerifier(config: JwtConfig, options: RemoteKeysOptions): (token: string) => Promise<Viewer> {
  const keys = createJwtKeys(config, options);
  const { clock, logger } = options;
  const tolerance = config.jwtClockToleranceMs / 1_000;
  const { jwtIssuer, jwtAudience, jwtRequireExpiry, jwtViewerClaim, jwtGrantsClaim } = config;
  const rules: JWTVerifyOptions = {
    algorithms: [...keys.algorithms],
    clockTolerance: tolerance,
    requiredClaims: jwtRequireExpiry ? ['exp'] : [],
    ...(jwtIssuer === null ? {} : { issuer: jwtIssuer }),
    ...(jwtAudience.length === 0 ? {} : { audience: [...jwtAudience] }),
  };
  let hasWarned = false;

  const viewerOf = (claims: JWTPayload): Viewer => {
    const id = claims[jwtViewerClaim];
    if (!isViewerId(id)) throw new RefusedToken('viewer claim');
    const given = claims[jwtGrantsClaim];
    const grants = given === undefined ? [] : parseGrants(given);
    if (grants === undefined) {
      // Whoever issues the tokens has to mend it; one line is enough to find out.
      logger[hasWarned ? 'debug' : 'warn']('a token has grants that are none, so it has none', { viewer: id });
      hasWarned = true;
    }
    const expiresAtMs =
      claims.exp === undefined ? null : Math.min(Math.floor((claims.exp + tolerance) * 1_000), lastMomentMs);
    // Whoever issues tokens may be behind our time, or ahead of it.
    const issuedAtMs = claims.iat === undefined ? null : Math.max(0, Math.floor((claims.iat - tolerance) * 1_000));
    return createViewer({ id, grants, expiresAtMs, issuedAtMs });
  };

  return async (token) => {
    try {
      if (token.length > maxTokenLength || !isCanonical(token)) throw new RefusedToken('form');
      return viewerOf(await verify(token, keys.key, { ...rules, currentDate: new Date(clock.now()) }));
    } catch (error) {
      const reason = reasonOf(error);
      if (reason === undefined) throw error;
      logger.debug('a token was refused', { reason });
      throw error instanceof errors.JWTExpired ? runOut() : invalid();
    }
  };
}

async function verify(token: string, key: JwtKeys['key'], rules: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, key, rules)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    // A set whose keys have no ids: any of them may be the one.
    for await (const candidate of error) {
      try {
        return (await jwtVerify(token, candidate, rules)).payload;
      } catch (failure) {
        if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/**
 * The last character of base64url has bits that mean nothing, which decoders let pass: without this a token could be
 * altered there, and be another text that is as good. The other parts are signed as they are written.
 */
function isCanonical(token: string): boolean {
  const signature = token.slice(token.lastIndexOf('.') + 1);
  return Buffer.from(signature, 'base64url').toString('base64url') === signature;
}

class RefusedToken extends Error {}

/** Why a token is refused, without anything that is in it. Undefined: the token is not to blame. */
function reasonOf(error: unknown): string | undefined {
  if (error instanceof RefusedToken) return error.message;
  if (error instanceof errors.JWTClaimValidationFailed) return `${error.code} ${error.claim}`;
  return error instanceof errors.JOSEError ? error.code : undefined;
}
