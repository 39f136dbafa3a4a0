/** Keys of every kind, and tokens that are signed with them. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type JWTPayload, SignJWT } from 'jose';

/** A key pair, and the algorithms that it fits. */
export interface Pair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly algorithms: readonly string[];
}

/** One for each kind of key, by a name for it. */
export const pairs: Readonly<Record<'rsa' | 'p256' | 'p384' | 'p521' | 'ed25519', Pair>> = {
  rsa: {
    ...generateKeyPairSync('rsa', { modulusLength: 2_048 }),
    algorithms: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  },
  p256: { ...generateKeyPairSync('ec', { namedCurve: 'P-256' }), algorithms: ['ES256'] },
  p384: { ...generateKeyPairSync('ec', { namedCurve: 'P-384' }), algorithms: ['ES384'] },
  p521: { ...generateKeyPairSync('ec', { namedCurve: 'P-521' }), algorithms: ['ES512'] },
  ed25519: { ...generateKeyPairSync('ed25519'), algorithms: ['EdDSA', 'Ed25519'] },
};

/** The text of a public key's file. */
export function pemOf(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString();
}

/** A token of ada's until 2031, if the claims do not say otherwise. */
export function sign(
  key: KeyObject | Uint8Array,
  claims: Readonly<Record<string, unknown>>,
  header: { readonly alg: string; readonly kid?: string },
): Promise<string> {
  // Tests sign also what no claims should be.
  const payload = { sub: 'ada', exp: Date.UTC(2031, 0, 1) / 1_000, ...claims } as JWTPayload;
  return new SignJWT(payload).setProtectedHeader(header).sign(key);
}
