/** What tokens are checked with: a secret, a public key, or the keys behind a URL. */
import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { JWTVerifyGetKey } from 'jose';
import { createRemoteKeys, type RemoteKeysOptions } from './jwks.ts';
import { isLoopback } from './loopback.ts';

/** The options of src/config/table.ts that say what tokens are checked with. Exactly one of the first three is set. */
export interface JwtKeyConfig {
  readonly jwtSecret: string | null;
  readonly jwtPublicKeyFile: string | null;
  readonly jwksUrl: string | null;
  readonly jwtAlgorithms: 'auto' | readonly string[];
}

/** A key, or who finds one, and the algorithms (RFC 7518, 3.1) that tokens may name. */
export interface JwtKeys {
  readonly key: KeyObject | JWTVerifyGetKey;
  readonly algorithms: readonly string[];
}

/** Not `none`: a token that nobody signed is worth nothing. */
const secretAlgorithms = [256, 384, 512].map((bits) => ({ name: `HS${bits}`, bytes: bits / 8 }));
const rsaAlgorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const edwardsAlgorithms = ['EdDSA', 'Ed25519'];
const curveAlgorithms: Readonly<Record<string, readonly string[]>> = {
  prime256v1: ['ES256'],
  secp384r1: ['ES384'],
  secp521r1: ['ES512'],
};
const publicAlgorithms = [...rsaAlgorithms, ...Object.values(curveAlgorithms).flat(), ...edwardsAlgorithms];

/** RFC 7518, 3.3, in bits. */
const minRsaBits = 2_048;

/**
 * What to check tokens with. A key fits some algorithms, and no other may be used with it: a public key that serves as
 * a secret would let everybody sign.
 *
 * @throws TypeError that begins with the name of the option that cannot be used. It shows no secret.
 */
export function createJwtKeys(config: JwtKeyConfig, options: RemoteKeysOptions): JwtKeys {
  const { key, fitting, what } = findKey(config, options);
  if (config.jwtAlgorithms === 'auto') return { key, algorithms: fitting };
  if (config.jwtAlgorithms.length === 0 || !config.jwtAlgorithms.every((name) => fitting.includes(name))) {
    throw new TypeError(`jwtAlgorithms: expected auto or some of ${fitting.join(', ')}, which are those for ${what}.`);
  }
  return { key, algorithms: config.jwtAlgorithms };
}

interface Found {
  readonly key: JwtKeys['key'];
  readonly fitting: readonly string[];
  readonly what: string;
}

function findKey({ jwtSecret, jwtPublicKeyFile, jwksUrl }: JwtKeyConfig, options: RemoteKeysOptions): Found {
  if (jwtSecret !== null) return fromSecret(jwtSecret);
  if (jwtPublicKeyFile !== null) return fromFile(jwtPublicKeyFile);
  return { key: createRemoteKeys(parseUrl(jwksUrl), options), fitting: publicAlgorithms, what: 'public keys' };
}

/** A secret is at least as long as the digest (RFC 7518, 3.2): a shorter one could be guessed from one token. */
function fromSecret(secret: string): Found {
  const given = Buffer.from(secret);
  const fitting = secretAlgorithms.filter(({ bytes }) => given.length >= bytes).map(({ name }) => name);
  if (fitting.length === 0) throw new TypeError('jwtSecret: expected at least 32 bytes, made at random.');
  return { key: createSecretKey(given), fitting, what: 'a secret of this length' };
}

function fromFile(path: string): Found {
  const key = readPublicKey(path);
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = key;
  const what = `the key in ${path}`;
  if (type === 'ed25519') return { key, fitting: edwardsAlgorithms, what };
  if (type === 'rsa' && (details.modulusLength ?? 0) >= minRsaBits) return { key, fitting: rsaAlgorithms, what };
  const fitting = type === 'ec' ? curveAlgorithms[details.namedCurve ?? ''] : undefined;
  if (fitting !== undefined) return { key, fitting, what };
  throw new TypeError(
    `jwtPublicKeyFile: ${path}: expected a key of RSA with ${minRsaBits} bits or more, of P-256, P-384, P-521, or Ed25519.`,
  );
}

/** Not what Node would make one of as well: a private key has no business on a server that only checks. */
function readPublicKey(path: string): KeyObject {
  let problem = 'expected a public key as PEM (-----BEGIN PUBLIC KEY-----).';
  try {
    const pem = readFileSync(path, 'utf8');
    if (/^\s*-----BEGIN PUBLIC KEY-----/.test(pem)) return createPublicKey(pem);
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) problem = error.message;
  }
  throw new TypeError(`jwtPublicKeyFile: ${path}: ${problem}`);
}

/** Whoever can change what the URL answers can sign: only TLS, or the same machine. */
function parseUrl(text: string | null): URL {
  const url = text !== null && URL.canParse(text) ? new URL(text) : undefined;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname));
  if (url === undefined || !isSafe || url.username !== '' || url.password !== '') {
    throw new TypeError('jwksUrl: expected a URL of https without credentials (of http only on a loopback address).');
  }
  return url;
}
