import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, type JWK, jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createRemoteKeys } from '../../src/access/jwks.ts';
import { ManualClock } from '../support/clock.ts';
import { access, bearer, recordingLogger, refused } from './stage.ts';
import { type Pair, pairs, sign } from './tokens.ts';

/** Whoever issues tokens: a server with keys, which counts how often it is asked. */
let issuer: Server;
let jwksUrl: string;
let keys: readonly JWK[];
let asked: number;
/** What it answers instead of the keys. */
let answer: RequestListener | undefined;

beforeEach(async () => {
  keys = [];
  asked = 0;
  answer = undefined;
  issuer = createServer((request, response) => {
    asked++;
    if (answer !== undefined) return answer(request, response);
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
  });
  issuer.listen(0, '127.0.0.1');
  await once(issuer, 'listening');
  // It listens on TCP.
  jwksUrl = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks`;
});

afterEach(() => {
  issuer.closeAllConnections();
  issuer.close();
});

async function jwk({ publicKey }: Pair, more: JWK = {}): Promise<JWK> {
  return { ...(await exportJWK(publicKey)), ...more };
}

async function token({ privateKey, algorithms: [alg = ''] }: Pair, kid?: string): Promise<string> {
  return sign(privateKey, {}, { alg, ...(kid === undefined ? {} : { kid }) });
}

describe('the keys behind jwksUrl', () => {
  test('are fetched once, and tell tokens of every kind', async () => {
    const named = Object.entries(pairs);
    keys = await Promise.all(named.map(([kid, pair]) => jwk(pair, { kid, use: 'sig' })));
    const { outcome } = access({ jwksUrl, jwtAudience: [] });
    for (const [kid, pair] of named) expect(await outcome(bearer(await token(pair, kid)))).toBe('ada');
    expect(await outcome(bearer(await token(pairs.p256, 'p384')))).toBe(refused.invalid);
    expect(asked).toBe(1);
  });

  test('may have no ids: then each that fits is tried', async () => {
    const { privateKey } = pairs.rsa;
    const other = await jwk(pairs.rsa);
    // Another modulus of the same length: the key of somebody else.
    keys = [{ ...other, n: `${String(other.n).slice(0, -4)}AAAB` }, other];
    const { outcome } = access({ jwksUrl });
    expect(await outcome(bearer(await sign(privateKey, {}, { alg: 'RS256' })))).toBe('ada');
    const altered = await sign(privateKey, {}, { alg: 'RS256' });
    expect(await outcome(bearer(`${altered.slice(0, -8)}AAAAAAAA`))).toBe(refused.invalid);
  });

  test('that are for encryption, or for another algorithm, are not for tokens', async () => {
    keys = [await jwk(pairs.rsa, { kid: 'a', use: 'enc' }), await jwk(pairs.p256, { kid: 'b', alg: 'ES384' })];
    const { outcome } = access({ jwksUrl });
    expect(await outcome(bearer(await token(pairs.rsa, 'a')))).toBe(refused.invalid);
    expect(await outcome(bearer(await token(pairs.p256, 'b')))).toBe(refused.invalid);
  });

  test('are not asked for as often as somebody invents one', async () => {
    keys = [await jwk(pairs.p256, { kid: 'a' })];
    const { outcome } = access({ jwksUrl });
    expect(await outcome(bearer(await token(pairs.p256, 'a')))).toBe('ada');
    for (let n = 0; n < 5; n++) expect(await outcome(bearer(await token(pairs.p256, `${n}`)))).toBe(refused.invalid);
    expect(asked).toBe(1);
  });

  test('without an audience are a warning at the start', () => {
    expect(access({ jwksUrl }).lines).toEqual([expect.objectContaining({ level: 'warn' })]);
    expect(access({ jwksUrl, jwtAudience: ['chord'] }).lines).toEqual([]);
  });
});

describe('while they cannot be fetched', () => {
  test.each<[string, RequestListener]>([
    ['an error', (_request, response) => response.writeHead(500).end('hush')],
    ['another address', (_request, response) => response.writeHead(302, { location: 'http://127.0.0.1:1' }).end()],
    ['no JSON', (_request, response) => response.end('hush')],
    ['no keys', (_request, response) => response.end('{"keys":"hush"}')],
    ['no end', (_request, response) => response.end(`{"keys":[],"x":"${'x'.repeat(1_100_000)}"}`)],
    ['nothing', (_request, response) => response.destroy()],
  ])('since the answer is %s, no token is called wrong, and one line tells', async (_what, listener) => {
    answer = listener;
    const { outcome, lines } = access({ jwksUrl, jwtAudience: [] });
    const credentials = bearer(await token(pairs.p256, 'a'));
    const outcomes = await Promise.all([outcome(credentials), outcome(credentials), outcome(credentials)]);
    expect([...outcomes, await outcome(credentials)]).toEqual(Array(4).fill(refused.unknowable));
    expect(asked).toBe(1);
    const warnings = lines.filter(({ message }) => /cannot be fetched/.test(String(message)));
    expect(warnings).toEqual([expect.objectContaining({ level: 'warn', jwks: new URL(jwksUrl).origin })]);
  });

  test('it is tried again after a pause', async () => {
    answer = (_request, response) => response.writeHead(503).end();
    keys = [await jwk(pairs.p256, { kid: 'a' })];
    const { outcome, clock } = access({ jwksUrl });
    const credentials = bearer(await token(pairs.p256, 'a'));
    expect(await outcome(credentials)).toBe(refused.unknowable);
    answer = undefined;
    expect(await outcome(credentials)).toBe(refused.unknowable);
    clock.set(clock.now() + 10_000);
    expect(await outcome(credentials)).toBe('ada');
    expect(asked).toBe(2);
  });
});

/** The keys alone, which may be fetched again sooner than a server would. */
function remote(options: { readonly maxAgeMs: number; readonly cooldownMs: number }) {
  const clock = new ManualClock();
  const { logger, lines } = recordingLogger();
  const find = createRemoteKeys(new URL(jwksUrl), { clock, logger, ...options });
  const outcome = async (jwt: string) =>
    jwtVerify(jwt, find, { currentDate: new Date(clock.now()) }).then(
      ({ payload }) => payload.sub,
      (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
    );
  return { outcome, clock, lines };
}

describe('the keys of an issuer that changes', () => {
  test('are fetched again for a token of a new key, and the old key goes with its going', async () => {
    const { outcome } = remote({ maxAgeMs: 600_000, cooldownMs: 0 });
    const [old, next] = [await token(pairs.p256, 'old'), await token(pairs.p384, 'next')];
    keys = [await jwk(pairs.p256, { kid: 'old' })];
    expect(await outcome(old)).toBe('ada');

    keys = [...keys, await jwk(pairs.p384, { kid: 'next' })];
    expect([await outcome(next), await outcome(old), asked]).toEqual(['ada', 'ada', 2]);

    keys = keys.slice(1);
    expect(await outcome(await token(pairs.p521, 'unknown'))).toBe('ERR_JWKS_NO_MATCHING_KEY');
    expect([await outcome(old), await outcome(next)]).toEqual(['ERR_JWKS_NO_MATCHING_KEY', 'ada']);
  });

  test('are good for an hour while it is away, and an unknown one may be new', async () => {
    const { outcome, clock, lines } = remote({ maxAgeMs: 0, cooldownMs: 0 });
    const [known, unknown] = [await token(pairs.p256, 'known'), await token(pairs.p384, 'unknown')];
    keys = [await jwk(pairs.p256, { kid: 'known' })];
    expect(await outcome(known)).toBe('ada');

    answer = (_request, response) => response.writeHead(503).end();
    expect([await outcome(known), await outcome(unknown)]).toEqual(['ada', 'BACKEND_UNAVAILABLE']);
    expect([asked, lines.length]).toEqual([2, 1]);
    clock.set(clock.now() + 3_599_999);
    expect(await outcome(known)).toBe('ada');
    clock.set(clock.now() + 1);
    expect(await outcome(known)).toBe('BACKEND_UNAVAILABLE');

    answer = undefined;
    clock.set(clock.now() + 10_000);
    expect([await outcome(known), await outcome(unknown)]).toEqual(['ada', 'ERR_JWKS_NO_MATCHING_KEY']);
  });
});
