import { describe, expect, test } from 'vitest';
import type { OwnAuthenticate } from '../../src/access/own.ts';
import { anonymous, type ViewerDescription } from '../../src/access/viewer.ts';
import { BackendUnavailableError } from '../../src/errors.ts';
import { settle } from '../support/clock.ts';
import { access, bearer, header, newKey, refused, replaceFile, temporaryFile } from './stage.ts';
import { sign } from './tokens.ts';

const jwtSecret = 'a secret that only these tests have';
const { key, entry } = newKey('dashboard');

function keyFile(): string {
  const path = temporaryFile('keys.json');
  replaceFile(path, [entry]);
  return path;
}

function own(authenticate: OwnAuthenticate) {
  return access({ host: '0.0.0.0', apiKeysFile: keyFile() }, { authenticate });
}

function answering(answer: unknown) {
  // JavaScript in a configuration file may answer anything.
  return own(() => answer as ViewerDescription);
}

function burn(): never {
  throw new Error('the directory is on fire');
}

describe('with nothing set', () => {
  test('everybody is anonymous on a loopback address, whatever they bring', async () => {
    const { authenticate, isOpen, lines } = access({});
    expect(isOpen).toBe(true);
    expect(await authenticate(bearer('anything'))).toBe(anonymous);
    expect(lines).toEqual([]);
  });

  test.each(['0.0.0.0', '::', '192.168.0.7', 'chord.example.org', 'localhost.example.org', '128.0.0.1'])(
    'the start on %s is refused, unless that is allowed',
    (host) => {
      expect(() => access({ host })).toThrow(TypeError);
      expect(() => access({ host })).toThrow(
        new RegExp(`^host is ${host}, .*apiKeysFile.*CHORD_JWKS_URL.*authenticate.*CHORD_ALLOW_ANONYMOUS=true`),
      );
      const { isOpen, lines } = access({ host, allowAnonymous: true });
      expect(isOpen).toBe(true);
      expect(lines).toEqual([
        expect.objectContaining({ level: 'warn', host, message: expect.stringMatching(/^EVERYBODY/) }),
      ]);
    },
  );

  test.each([
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '[::1]',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.1',
    'localhost',
    'LOCALHOST',
  ])('%s is a loopback address', (host) => {
    expect(access({ host }).isOpen).toBe(true);
  });
});

describe('with keys and tokens', () => {
  test('either lets in, also on an address that others can reach', async () => {
    const { outcome, isOpen } = access({ host: '0.0.0.0', apiKeysFile: keyFile(), jwtSecret });
    expect(isOpen).toBe(false);
    expect(await outcome(bearer(key))).toBe('dashboard');
    expect(await outcome(bearer(await sign(Buffer.from(jwtSecret), {}, { alg: 'HS256' })))).toBe('ada');
    expect(await outcome(header(`bearer   ${key} `))).toBe('dashboard');
  });

  test.each([
    ['nothing', undefined, refused.missing],
    ['an empty header', '', refused.invalid],
    ['another scheme', 'Basic YWRhOmh1c2g=', refused.invalid],
    ['no token', 'Bearer ', refused.invalid],
    ['two tokens', 'Bearer a b', refused.invalid],
    ['a token that is none', 'Bearer a', refused.invalid],
    ['a key that is none', 'Bearer chord_a', refused.invalid],
  ])('%s does not', async (_what, authorization, expected) => {
    const { outcome } = access({ apiKeysFile: keyFile(), jwtSecret });
    expect(await outcome(header(authorization))).toBe(expected);
  });

  test('connectionParams outrank the header of the upgrade, and may be anything', async () => {
    const { outcome } = access({ apiKeysFile: keyFile() });
    const { header: withKey } = bearer(key);
    expect(await outcome({ header: withKey, connectionParams: {} })).toBe('dashboard');
    expect(await outcome({ header: withKey, connectionParams: { authorization: 'Bearer chord_a' } })).toBe(
      refused.invalid,
    );
    for (const authorization of [7, null, { toString: 1 }, ['Bearer']]) {
      expect(await outcome({ ...header(undefined), connectionParams: { authorization } })).toBe(refused.invalid);
    }
    expect(await outcome({ ...header(undefined), connectionParams: { token: key } })).toBe(refused.missing);
  });

  test('one of them does not make the other', async () => {
    const token = await sign(Buffer.from(jwtSecret), {}, { alg: 'HS256' });
    expect(await access({ apiKeysFile: keyFile() }).outcome(bearer(token))).toBe(refused.invalid);
    expect(await access({ jwtSecret }).outcome(bearer(key))).toBe(refused.invalid);
  });
});

describe('the function authenticate', () => {
  test('says who asks, instead of keys and tokens', async () => {
    const { authenticate, outcome, isOpen } = own(async (credentials) => {
      const id = credentials.header('authorization')?.slice('Bearer '.length);
      return id === undefined ? null : { id, grants: [{ may: ['read'], id: 'a' }] };
    });
    expect(isOpen).toBe(false);
    const viewer = await authenticate(bearer('ada'));
    expect([viewer.id, viewer.ids('read').has('a'), viewer.ids('read').has('b')]).toEqual(['ada', true, false]);
    expect(await outcome(bearer(undefined))).toBe(refused.invalid);
  });

  test('may decide by itself what is permitted', async () => {
    const viewer = await answering({ id: 'ada', may: (verb: string, id: string) => verb === id }).authenticate(
      bearer('x'),
    );
    expect([viewer.ids('read').has('read'), viewer.ids('read').has('write'), viewer.isAdmin]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test.each([
    undefined,
    'ada',
    {},
    { id: '' },
    { id: 'a', grants: [{}] },
    { id: 'a', may: 1 },
    { id: 'a', expiresAtMs: '1' },
  ])('that answers %j lets nobody in, and the log tells', async (answer) => {
    const { outcome, lines } = answering(answer);
    expect(await outcome(bearer('x'))).toBe(refused.invalid);
    expect(lines).toEqual([expect.objectContaining({ level: 'error' })]);
  });

  test('that throws lets nobody in, and only the log tells why', async () => {
    for (const failing of [burn, async () => burn()]) {
      const { outcome, lines } = own(failing);
      expect(await outcome(bearer('x'))).toBe(refused.invalid);
      expect(JSON.stringify(lines)).toContain('the directory is on fire');
    }
  });

  test('can say that it cannot tell now', async () => {
    const { outcome } = own(() => {
      throw new BackendUnavailableError('hush', 'NOT_STORED');
    });
    expect(await outcome(bearer('x'))).toBe(refused.unknowable);
  });

  test('that does not answer in 10 seconds cannot tell now', async () => {
    const { outcome, clock, lines } = own(() => new Promise(() => undefined));
    const waiting = outcome(bearer('x'));
    await settle();
    await clock.advance(10_000);
    expect(await waiting).toBe(refused.unknowable);
    expect(lines).toEqual([expect.objectContaining({ level: 'warn' })]);
  });

  test('that answers in time leaves nobody waiting', async () => {
    const { outcome, clock } = answering({ id: 'ada' });
    expect(await outcome(bearer('x'))).toBe('ada');
    expect(clock.sleepers).toBe(0);
  });

  test('may answer somebody whose time is over', async () => {
    const { outcome, clock } = answering({ id: 'ada', expiresAtMs: Date.UTC(2030, 0, 1) + 5 });
    expect(await outcome(bearer('x'))).toBe('ada');
    clock.set(clock.now() + 5);
    expect(await outcome(bearer('x'))).toBe(refused.runOut);
  });
});
