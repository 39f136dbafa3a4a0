import { createHash } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createApiKey } from '../../src/access/api-keys.ts';
import type { ManualClock } from '../support/clock.ts';
import { until } from '../support/wait.ts';
import { access, bearer, newKey, refused, replaceFile, temporaryFile } from './stage.ts';

function serving(...entries: readonly object[]) {
  const apiKeysFile = temporaryFile('keys.json');
  replaceFile(apiKeysFile, entries);
  return { path: apiKeysFile, ...access({ apiKeysFile }) };
}

/** The next look at the file, and whatever it leads to. */
async function nextLook(clock: ManualClock): Promise<void> {
  await clock.advance(1_000);
  await until('the file to be looked at', () => clock.sleepers === 1);
}

describe('a key', () => {
  test('is 256 random bits behind chord_, of which the entry has the digest', () => {
    const { key, entry } = createApiKey('dashboard');
    expect(key).toMatch(/^chord_[\w-]{43}$/);
    expect(entry).toMatchObject({ id: 'dashboard', sha256: createHash('sha256').update(key).digest('hex') });
    expect(JSON.stringify(entry)).not.toContain(key);
    expect(createApiKey('dashboard').key).not.toBe(key);
  });

  test('lets its viewer in, with the grants of its entry', async () => {
    const { key, entry } = newKey('dashboard', { grants: [{ may: ['read'], idPrefix: 'call:' }] });
    const { authenticate } = serving(newKey('other').entry, entry);
    const viewer = await authenticate(bearer(key));
    expect(viewer).toMatchObject({ id: 'dashboard', expiresAtMs: null, isAdmin: false });
    expect([viewer.ids('read').has('call:1'), viewer.ids('read').has('x'), viewer.ids('write').has('call:1')]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test('works in connectionParams as in the header', async () => {
    const { key, entry } = newKey('dashboard');
    const { outcome } = serving(entry);
    const connectionParams = { Authorization: `Bearer ${key}` };
    expect(await outcome({ header: () => undefined, connectionParams })).toBe('dashboard');
  });

  test('altered in any character is none', async () => {
    const { key, entry } = newKey('dashboard');
    const { outcome } = serving(entry);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(key.length - 1),
        fc.constantFrom('A', 'Q', 'g', '_', '-', '0', '9'),
        async (at, letter) => {
          fc.pre(key[at] !== letter);
          expect(await outcome(bearer(key.slice(0, at) + letter + key.slice(at + 1)))).toBe(refused.invalid);
        },
      ),
    );
    expect(await outcome(bearer(`${key}=`))).toBe(refused.invalid);
    expect(await outcome(bearer('chord_'))).toBe(refused.invalid);
  });

  test('holds until expiresAt, by the clock that was given', async () => {
    const { key, entry } = newKey('dashboard', { expiresAt: '2030-01-01T02:00:01+02:00' });
    const { outcome, clock } = serving(entry);
    clock.set(Date.UTC(2030, 0, 1) + 999);
    expect(await outcome(bearer(key))).toBe('dashboard');
    clock.set(Date.UTC(2030, 0, 1) + 1_000);
    expect(await outcome(bearer(key))).toBe(refused.runOut);
  });
});

describe('the file', () => {
  test('is read again when it changes: while keys are exchanged, both hold', async () => {
    const [old, next] = [newKey('dashboard'), newKey('dashboard')];
    const { path, outcome, clock } = serving(old.entry);
    expect(await outcome(bearer(next.key))).toBe(refused.invalid);

    replaceFile(path, [old.entry, next.entry]);
    await nextLook(clock);
    expect([await outcome(bearer(old.key)), await outcome(bearer(next.key))]).toEqual(['dashboard', 'dashboard']);

    writeFileSync(path, JSON.stringify([next.entry]));
    await nextLook(clock);
    expect([await outcome(bearer(old.key)), await outcome(bearer(next.key))]).toEqual([refused.invalid, 'dashboard']);
  });

  test('that is broken or gone changes nothing, and is one line in the log, which shows nothing of it', async () => {
    const { key, entry } = newKey('dashboard');
    const { path, outcome, clock, lines } = serving(entry);
    writeFileSync(path, `[${JSON.stringify(entry)},\n ${key}]`);
    for (let looks = 0; looks < 3; looks++) await nextLook(clock);
    expect(await outcome(bearer(key))).toBe('dashboard');
    expect(lines).toEqual([
      expect.objectContaining({ level: 'error', problem: expect.stringMatching(/^expected JSON/) }),
    ]);

    rmSync(path);
    for (let looks = 0; looks < 3; looks++) await nextLook(clock);
    expect(await outcome(bearer(key))).toBe('dashboard');
    expect(lines.slice(1)).toEqual([expect.objectContaining({ problem: expect.stringMatching(/^ENOENT/) })]);

    replaceFile(path, []);
    await nextLook(clock);
    expect(await outcome(bearer(key))).toBe(refused.invalid);
    expect(lines.slice(2)).toEqual([expect.objectContaining({ level: 'info', keys: 0 })]);
    expect(JSON.stringify(lines)).not.toContain(key);
  });

  test('is looked at no more once the authenticator is closed', () => {
    const { clock, close } = serving();
    expect(clock.sleepers).toBe(1);
    close();
    expect(clock.sleepers).toBe(0);
  });

  const good = newKey('dashboard').entry;
  const { key: pasted } = createApiKey('x');
  test.each<[string, unknown, string]>([
    ['no JSON', '[\n\n{]', 'expected JSON (line 3).'],
    ['a key in no quotes', pasted, 'expected JSON.'],
    ['no array', { dashboard: good }, 'expected an array of entries.'],
    ['no object', [good, null], 'entry 2: expected an object with id, sha256, grants, expiresAt.'],
    ['no id', [{ ...good, id: '' }], 'entry 1: id: expected a text of 1 to 256 characters.'],
    [
      'a key for its digest',
      [good, { ...good, sha256: pasted }],
      'entry 2 ("dashboard"): sha256: expected 64 hexadecimal digits (the digest of the key, never the key itself).',
    ],
    [
      'grants of no verb',
      [{ ...good, grants: [{ may: ['fly'] }] }],
      'entry 1 ("dashboard"): grants: expected a list of { "may": ["read", "write", "delete", "export", "restore", "list", "admin"], and at most one of "id", "idPrefix", "idPattern" }.',
    ],
    [
      'a day for a moment',
      [{ ...good, expiresAt: '2030-01-01' }],
      'entry 1 ("dashboard"): expiresAt: expected a moment such as 2030-01-31T12:00:00Z.',
    ],
    [
      'an unknown field',
      [{ ...good, expires: '2030-01-01' }],
      'entry 1 ("dashboard") has a field that there is none of; expected id, sha256, grants, expiresAt.',
    ],
    ['a digest twice', [good, good], 'entry 2 ("dashboard") has the digest of an earlier entry.'],
  ])('with %s is refused at the start', (_what, contents, problem) => {
    const apiKeysFile = temporaryFile('keys.json');
    replaceFile(apiKeysFile, contents);
    expect(() => access({ apiKeysFile })).toThrow(new TypeError(`apiKeysFile: ${apiKeysFile}: ${problem}`));
  });

  test('that is not there is refused at the start', () => {
    expect(() => access({ apiKeysFile: '/nowhere/keys.json' })).toThrow(/^apiKeysFile: \/nowhere\/keys\.json: ENOENT/);
  });
});
