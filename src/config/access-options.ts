import { autoOrList, boolean, integer, list, option, orNone, text } from './kinds.ts';

/** The part of the table that says who is let in. */
export const accessOptions = {
  allowAnonymous: option(boolean(), {
    default: false,
    description:
      'Whether everybody may do everything also on an address that others can reach, when neither keys nor tokens nor authenticate are set.',
  }),
  apiKeysFile: option(orNone(text()), {
    default: null,
    description: 'The JSON file with the digests of API keys and what each may; read again when it changes.',
  }),
  jwtSecret: option(orNone(text()), {
    default: null,
    isSecret: true,
    description:
      'The secret that tokens (JWT) are signed with: 32 bytes at least for HS256, 48 for HS384, 64 for HS512.',
  }),
  jwtPublicKeyFile: option(orNone(text()), {
    default: null,
    description:
      'The file with the public key that tokens are checked with, as PEM: RSA, P-256, P-384, P-521, Ed25519.',
  }),
  jwksUrl: option(orNone(text()), {
    default: null,
    description:
      'Where the public keys of tokens are (JWKS), by https; fetched again when they are 10 minutes old or a new one is named.',
  }),
  jwtAlgorithms: option(autoOrList('algorithms'), {
    default: 'auto',
    description: 'The algorithms that tokens may be signed by; auto is all that fit the key.',
  }),
  jwtIssuer: option(orNone(text()), {
    default: null,
    description: 'The iss that tokens must have; none: any.',
  }),
  jwtAudience: option(list('audiences'), {
    default: [],
    description: 'One of these must be in the aud of tokens; none: any.',
  }),
  jwtClockToleranceMs: option(integer(0, 300_000), {
    default: 5_000,
    unit: 'ms',
    description: 'By how much the clock of who issues tokens may differ when exp and nbf are checked.',
  }),
  jwtRequireExpiry: option(boolean(), {
    default: true,
    description: 'Whether tokens without exp, which would never run out, are refused.',
  }),
  jwtViewerClaim: option(text(), {
    default: 'sub',
    description: 'The claim that says who the viewer is.',
  }),
  jwtGrantsClaim: option(text(), {
    default: 'chord',
    description: 'The claim that says what the viewer may (docs/access.md).',
  }),
};
