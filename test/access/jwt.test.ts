import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { UnsecuredJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import type { AccessConfig } from '../../src/access/authenticator.ts';
import { ManualClock } from '../support/clock.ts';
import { access, bearer, refused, temporaryFile } from './stage.ts';
import { type Pair, pairs, pemOf, sign } from './tokens.ts';

const jwtSecret = 'a secret that only these tests have, and long enough for every one of the three';
const secret = Buffer.from(jwtSecret);
const byName = Object.entries(pairs);

/** Whom a token that is signed with the secret lets in. */
async function outcomeOf(claims: Record<string, unknown>, config: Partial<AccessConfig> = {}) {
  return access({ jwtSecret, ...config }).outcome(bearer(await sign(secret, claims, { alg: 'HS256' })));
}

function publicKeyFile({ publicKey }: Pair): string {
  const path = temporaryFile('key.pem');
  writeFileSync(path, pemOf(publicKey));
  return path;
}

describe('the signature', () => {
  test.each(['HS256', 'HS384', 'HS512'])('of a secret, %s', async (alg) => {
    const { outcome } = access({ jwtSecret });
    expect(await outcome(bearer(await sign(secret, {}, { alg })))).toBe('ada');
    expect(await outcome(bearer(await sign(Buffer.from(`${jwtSecret}!`), {}, { alg })))).toBe(refused.invalid);
  });

  test('by a digest that is longer than the secret does not hold', async () => {
    const short = jwtSecret.slice(0, 48);
    const { outcome } = access({ jwtSecret: short });
    const tokens = ['HS256', 'HS384', 'HS512'].map((alg) => sign(Buffer.from(short), {}, { alg }));
    const outcomes = await Promise.all(tokens.map(async (token) => outcome(bearer(await token))));
    expect(outcomes).toEqual(['ada', 'ada', refused.invalid]);
  });

  test.each(byName)('of a private key, %s', async (name, pair) => {
    const { outcome } = access({ jwtPublicKeyFile: publicKeyFile(pair) });
    for (const alg of pair.algorithms) {
      expect(await outcome(bearer(await sign(pair.privateKey, {}, { alg })))).toBe('ada');
    }
    for (const [other, { privateKey, algorithms }] of byName) {
      if (other === name) continue;
      for (const alg of algorithms) {
        expect(await outcome(bearer(await sign(privateKey, {}, { alg })))).toBe(refused.invalid);
      }
    }
  });

  test('of a public key that is taken for a secret does not hold', async () => {
    const pem = pemOf(pairs.rsa.publicKey);
    const { outcome } = access({ jwtPublicKeyFile: publicKeyFile(pairs.rsa) });
    expect(await outcome(bearer(await sign(Buffer.from(pem), {}, { alg: 'HS256' })))).toBe(refused.invalid);
  });

  test('that is missing does not hold', async () => {
    const unsigned = new UnsecuredJWT({ sub: 'ada', exp: 2e9 }).encode();
    const signed = await sign(secret, {}, { alg: 'HS256' });
    const { outcome } = access({ jwtSecret });
    for (const token of [unsigned, `${unsigned}x`, signed.slice(0, signed.lastIndexOf('.') + 1), 'a.b.c', '..', 'x']) {
      expect(await outcome(bearer(token))).toBe(refused.invalid);
    }
  });

  test('by an algorithm that is not on the list does not hold', async () => {
    const { outcome } = access({ jwtSecret, jwtAlgorithms: ['HS512'] });
    expect(await outcome(bearer(await sign(secret, {}, { alg: 'HS512' })))).toBe('ada');
    expect(await outcome(bearer(await sign(secret, {}, { alg: 'HS256' })))).toBe(refused.invalid);
  });

  test.each(byName)('does not hold for a token that was altered in one character, %s', async (_name, pair) => {
    const [alg = ''] = pair.algorithms;
    const token = await sign(pair.privateKey, {}, { alg });
    const { outcome } = access({ jwtPublicKeyFile: publicKeyFile(pair) });
    expect(await outcome(bearer(token))).toBe('ada');
    expect(await acceptedAlterations(outcome, token)).toEqual([]);
  });

  test('does not hold for a token that was altered in one character, with a secret', async () => {
    const token = await sign(secret, {}, { alg: 'HS256' });
    const { outcome } = access({ jwtSecret });
    expect(await outcome(bearer(token))).toBe('ada');
    expect(await acceptedAlterations(outcome, token)).toEqual([]);
  });
});

/** Every other last character, which may have bits without a meaning, and others at random places: those that pass. */
async function acceptedAlterations(
  outcome: ReturnType<typeof access>['outcome'],
  token: string,
): Promise<readonly string[]> {
  const letters = ['', '.', '=', '+', '/', ...Array.from({ length: 64 }, (_, bits) => lastLetter(bits))];
  const places = fc.sample(fc.nat(token.length - 1), 100);
  const altered = [
    ...letters.flatMap((letter) => [token.slice(0, -1) + letter, token + letter]),
    ...places.flatMap((at) =>
      fc.sample(fc.constantFrom(...letters), 3).map((letter) => token.slice(0, at) + letter + token.slice(at + 1)),
    ),
  ].filter((text) => text !== token);
  const outcomes = await Promise.all(altered.map(async (text) => ({ text, outcome: await outcome(bearer(text)) })));
  return outcomes.filter((each) => each.outcome !== refused.invalid).map(({ text }) => text);
}

/** The character of base64url that stands for these six bits. */
function lastLetter(bits: number): string {
  return Buffer.from([bits << 2])
    .toString('base64url')
    .charAt(0);
}

describe('the claims', () => {
  test('say who and what may be done', async () => {
    const { authenticate } = access({ jwtSecret, jwtViewerClaim: 'email', jwtGrantsClaim: 'https://chord/grants' });
    const claims = {
      email: 'ada@example.org',
      'https://chord/grants': [{ may: ['admin'] }, { may: ['read'], id: 'a' }],
    };
    const viewer = await authenticate(bearer(await sign(secret, claims, { alg: 'HS256' })));
    expect(viewer).toMatchObject({ id: 'ada@example.org', isAdmin: true });
    expect([viewer.ids('read').has('a'), viewer.ids('read').has('b')]).toEqual([true, false]);
  });

  test.each([undefined, 7, '', 'x'.repeat(257), ['ada']])('name no viewer: %j', async (sub) => {
    expect(await outcomeOf({ sub })).toBe(refused.invalid);
  });

  test('without grants, or with what are none, allow nothing; the log tells the latter once', async () => {
    const { authenticate, lines } = access({ jwtSecret });
    for (const chord of [undefined, 'admin', [{ may: ['fly'] }], { may: ['read'] }]) {
      const viewer = await authenticate(bearer(await sign(secret, { chord }, { alg: 'HS256' })));
      expect([viewer.isAdmin, viewer.ids('read').has('a')]).toEqual([false, false]);
    }
    expect(lines.filter(({ level }) => level !== 'debug')).toEqual([
      expect.objectContaining({ level: 'warn', viewer: 'ada' }),
    ]);
  });

  test.each<[Record<string, unknown>, Partial<AccessConfig>, string]>([
    [{ iss: 'us' }, { jwtIssuer: 'us' }, 'ada'],
    [{ iss: 'them' }, { jwtIssuer: 'us' }, refused.invalid],
    [{}, { jwtIssuer: 'us' }, refused.invalid],
    [{ iss: 'them', aud: 'them' }, {}, 'ada'],
    [{ aud: 'chord' }, { jwtAudience: ['chord', 'live'] }, 'ada'],
    [{ aud: ['mail', 'live'] }, { jwtAudience: ['chord', 'live'] }, 'ada'],
    [{ aud: ['mail'] }, { jwtAudience: ['chord'] }, refused.invalid],
    [{}, { jwtAudience: ['chord'] }, refused.invalid],
    [{ exp: undefined }, {}, refused.invalid],
    [{ exp: undefined }, { jwtRequireExpiry: false }, 'ada'],
    // What is not written as a number is no time.
    [{ exp: '2000000000' }, {}, refused.invalid],
    [{ nbf: 'now' }, {}, refused.invalid],
  ])('%j with %j: %s', async (claims, config, expected) => {
    expect(await outcomeOf(claims, config)).toBe(expected);
  });

  test('hold from nbf to exp, by the clock that was given, give or take the tolerance', async () => {
    const startMs = Date.UTC(2030, 0, 1);
    const clock = new ManualClock(startMs);
    const exact = access({ jwtSecret, jwtClockToleranceMs: 0 }, { clock });
    const tolerant = access({ jwtSecret, jwtClockToleranceMs: 1_500 }, { clock });
    const claims = { nbf: startMs / 1_000 + 10, exp: startMs / 1_000 + 20 };
    const credentials = bearer(await sign(secret, claims, { alg: 'HS256' }));
    const at = async (afterMs: number) => {
      clock.set(startMs + afterMs);
      return [await exact.outcome(credentials), await tolerant.outcome(credentials)];
    };
    expect(await at(7_999)).toEqual([refused.invalid, refused.invalid]);
    expect(await at(9_000)).toEqual([refused.invalid, 'ada']);
    expect(await at(10_000)).toEqual(['ada', 'ada']);
    expect(await at(19_999)).toEqual(['ada', 'ada']);
    expect(await at(20_000)).toEqual([refused.runOut, 'ada']);
    expect(await at(21_499)).toEqual([refused.runOut, 'ada']);
    expect(await at(21_500)).toEqual([refused.runOut, refused.runOut]);
    clock.set(startMs + 15_000);
    expect(await tolerant.authenticate(credentials)).toMatchObject({ expiresAtMs: startMs + 21_500 });
  });

  test('of an expired token that is not ours are not told to have run out', async () => {
    const expired = await sign(Buffer.alloc(32, 1), { exp: 1 }, { alg: 'HS256' });
    expect(await access({ jwtSecret }).outcome(bearer(expired))).toBe(refused.invalid);
    expect(await outcomeOf({ exp: 1 })).toBe(refused.runOut);
  });

  test('for ever are until the last moment that can be told', async () => {
    const token = await sign(secret, { exp: 1e300 }, { alg: 'HS256' });
    expect(await access({ jwtSecret }).authenticate(bearer(token))).toMatchObject({ expiresAtMs: 8.64e15 });
  });
});

test('a token that is longer than any header is refused unread', async () => {
  expect(await outcomeOf({ more: 'x'.repeat(12_000) })).toBe('ada');
  expect(await outcomeOf({ more: 'x'.repeat(13_000) })).toBe(refused.invalid);
});

test('the log says why a token was refused, at debug, and shows nothing of it', async () => {
  const { outcome, lines } = access({ jwtSecret, jwtIssuer: 'us' });
  const token = await sign(secret, { iss: 'hush', chord: 'hush' }, { alg: 'HS256' });
  expect(await outcome(bearer(token))).toBe(refused.invalid);
  expect(lines).toEqual([expect.objectContaining({ level: 'debug', reason: 'ERR_JWT_CLAIM_VALIDATION_FAILED iss' })]);
  expect(JSON.stringify(lines)).not.toMatch(new RegExp(`hush|ada|${token.slice(-20)}`));
});

describe('at the start', () => {
  test.each<[Partial<AccessConfig>, string]>([
    [{ jwtSecret: 'hush' }, 'jwtSecret: expected at least 32 bytes, made at random.'],
    [
      { jwtSecret, jwtAlgorithms: ['none'] },
      'jwtAlgorithms: expected auto or some of HS256, HS384, HS512, which are those for a secret of this length.',
    ],
    [
      { jwksUrl: 'https://example.org/jwks', jwtAlgorithms: ['RS256', 'HS256'] },
      'jwtAlgorithms: expected auto or some of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519, which are those for public keys.',
    ],
    [{ jwtSecret, jwksUrl: 'https://example.org' }, 'jwksUrl and jwtSecret are both set; expected one of them.'],
    [
      { jwtIssuer: 'us' },
      'jwtIssuer is set, and no key of tokens; expected one of jwtSecret, jwtPublicKeyFile, jwksUrl.',
    ],
    ...['http://example.org', 'https://a:hush@example.org', 'file:///etc/keys', 'hush'].map(
      (jwksUrl): [Partial<AccessConfig>, string] => [
        { jwksUrl },
        'jwksUrl: expected a URL of https without credentials (of http only on a loopback address).',
      ],
    ),
  ])('%j is refused', (config, message) => {
    expect(() => access(config)).toThrow(new TypeError(message));
  });

  const weak = generateKeyPairSync('rsa', { modulusLength: 1_024 });
  const foreign = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
  const pem = 'expected a public key as PEM (-----BEGIN PUBLIC KEY-----).';
  const kinds = 'expected a key of RSA with 2048 bits or more, of P-256, P-384, P-521, or Ed25519.';
  test.each([
    ['no key', 'hush', pem],
    ['a key that is cut off', pemOf(pairs.rsa.publicKey).slice(0, 90), pem],
    ['a private key', pairs.rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), pem],
    ['a key that is too short', pemOf(weak.publicKey), kinds],
    ['a key of another curve', pemOf(foreign.publicKey), kinds],
  ])('a file with %s is refused', (_what, contents, problem) => {
    const jwtPublicKeyFile = temporaryFile('key.pem');
    writeFileSync(jwtPublicKeyFile, contents);
    expect(() => access({ jwtPublicKeyFile })).toThrow(
      new TypeError(`jwtPublicKeyFile: ${jwtPublicKeyFile}: ${problem}`),
    );
  });

  test('a file that is not there is refused', () => {
    expect(() => access({ jwtPublicKeyFile: '/nowhere/key.pem' })).toThrow(
      /^jwtPublicKeyFile: \/nowhere\/key\.pem: ENOENT/,
    );
  });
});
