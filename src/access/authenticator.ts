/** Who asks: by the function of the configuration file, by API keys and tokens, or, where nothing is set, anybody. */
import type { Clock } from '../clock.ts';
import type { Logger } from '../observability/logger.ts';
import { ApiKeys, apiKeyPrefix } from './api-keys.ts';
import {
  type Authenticate,
  type Authenticator,
  bearerToken,
  type Credentials,
  fixedCredentials,
  openToAll,
} from './credentials.ts';
import { createJwtVerifier, type JwtConfig } from './jwt.ts';
import { isLoopback } from './loopback.ts';
import { askOwn, type OwnAuthenticate } from './own.ts';
import { invalid, missing, runOut } from './refusals.ts';

/** The options of src/config/table.ts that say who is let in. */
export interface AccessConfig extends JwtConfig {
  readonly host: string;
  readonly allowAnonymous: boolean;
  readonly apiKeysFile: string | null;
}

/** What an authenticator is built with. */
export interface AuthenticatorParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Asked instead of keys and tokens. */
  readonly authenticate?: OwnAuthenticate | undefined;
}

const keyOptions = ['jwtSecret', 'jwtPublicKeyFile', 'jwksUrl'] as const;

/**
 * Whoever authenticates, as the configuration says.
 *
 * @throws TypeError that begins with the name of the option that cannot be used. It shows no secret.
 */
export function createAuthenticator(config: AccessConfig, parts: AuthenticatorParts): Authenticator {
  const { clock, logger, authenticate: own } = parts;
  assertOneKey(config);
  if (own !== undefined) {
    return {
      ...fixedCredentials,
      authenticate: inTime(askOwn(own, parts), clock),
      isOpen: false,
      close: () => undefined,
    };
  }
  const verifyToken = hasTokens(config) ? createJwtVerifier(config, parts) : undefined;
  if (config.jwksUrl !== null && config.jwtAudience.length === 0) {
    logger.warn('jwtAudience is not set: tokens that the same keys sign for other services are accepted, too');
  }
  const keys = config.apiKeysFile === null ? undefined : new ApiKeys(config.apiKeysFile, { clock, logger });
  if (verifyToken === undefined && keys === undefined) return open(config, logger);
  const authenticate: Authenticate = async (credentials) => {
    const token = bearerToken(credentials);
    if (token === undefined) throw hasAuthorization(credentials) ? invalid() : missing();
    const isKey = keys !== undefined && token.startsWith(apiKeyPrefix);
    const viewer = isKey ? keys.find(token) : await verifyToken?.(token);
    if (viewer === undefined) throw invalid();
    return viewer;
  };
  return {
    authenticate: inTime(authenticate, clock),
    isOpen: false,
    currentViewer: (viewer) => (keys === undefined ? viewer : keys.currentViewer(viewer)),
    listen: (onChange) => keys?.listen(onChange),
    close: () => keys?.close(),
  };
}

/** Whoever sends no credentials may do everything, so nobody else must be able to send anything. */
function open({ host, allowAnonymous }: AccessConfig, logger: Logger): Authenticator {
  if (isLoopback(host)) return openToAll;
  if (!allowAnonymous) {
    throw new TypeError(
      `host is ${host}, which others can reach, and nobody is asked who they are. Set apiKeysFile (CHORD_API_KEYS_FILE), a key of tokens (CHORD_JWKS_URL, CHORD_JWT_PUBLIC_KEY_FILE or CHORD_JWT_SECRET), or authenticate in the configuration file; or CHORD_ALLOW_ANONYMOUS=true when only those reach it who may do everything.`,
    );
  }
  logger.warn('EVERYBODY who reaches this address may read, write and delete everything (allowAnonymous)', { host });
  return openToAll;
}

/** Whatever they are: credentials that have run out let nobody in. */
function inTime(authenticate: Authenticate, clock: Clock): Authenticate {
  return async (credentials) => {
    const viewer = await authenticate(credentials);
    if (viewer.expiresAtMs !== null && viewer.expiresAtMs <= clock.now()) throw runOut();
    return viewer;
  };
}

function hasTokens(config: AccessConfig): boolean {
  return keyOptions.some((name) => config[name] !== null);
}

/** An option without effect is a mistake, and here one that could let somebody in. */
function assertOneKey(config: AccessConfig): void {
  const [first, second] = keyOptions.filter((name) => config[name] !== null);
  if (second !== undefined) throw new TypeError(`${second} and ${first} are both set; expected one of them.`);
  if (first !== undefined) return;
  const lost =
    (config.jwtIssuer !== null && 'jwtIssuer') ||
    (config.jwtAudience.length > 0 && 'jwtAudience') ||
    (config.jwtAlgorithms !== 'auto' && 'jwtAlgorithms');
  if (lost) throw new TypeError(`${lost} is set, and no key of tokens; expected one of ${keyOptions.join(', ')}.`);
}

/** Something was brought, though no bearer token. */
function hasAuthorization({ header, connectionParams }: Credentials): boolean {
  return (
    header('authorization') !== undefined ||
    Object.keys(connectionParams ?? {}).some((name) => name.toLowerCase() === 'authorization')
  );
}
