/* Access as the command has it: a copy of the checkout, built by the project's own script, in processes of its own. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { builtCopy } from '../support/built.ts';
import { Command, stopCommands } from '../support/command.ts';

let home: string;

beforeAll(async () => {
  home = await builtCopy();
});
afterEach(stopCommands);
afterAll(() => rmSync(home, { recursive: true }));

function chord(args: readonly string[], env: Record<string, string> = {}): Command {
  return new Command(process.execPath, [join(home, 'dist/main.js'), ...args], { cwd: home, env });
}

async function newKey(...args: readonly string[]): Promise<{ readonly key: string; readonly entry: string }> {
  const command = chord(args);
  expect(await command.exit).toBe(0);
  return { key: /^chord_[\w-]{43}$/m.exec(command.stderr)?.[0] ?? command.stderr, entry: command.stdout };
}

async function statusOf(endpoint: string, key?: string): Promise<number> {
  const response = await fetch(`${endpoint}?query={context(id:"c"){version}}`, {
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
  });
  await response.text();
  return response.status;
}

describe('--new-api-key', () => {
  test('prints a key once, and an entry with which the server lets it in', async () => {
    const first = await newKey('--new-api-key', 'dashboard');
    const second = await newKey('--new-api-key=dashboard');
    expect(first.entry).not.toContain(first.key);
    writeFileSync(join(home, 'keys.json'), `[${first.entry},${second.entry}]`);
    const server = chord(['--port', '0', '--backend', 'memory'], { CHORD_API_KEYS_FILE: 'keys.json' });
    const endpoint = await server.endpoint();
    expect(await statusOf(endpoint, first.key)).toBe(200);
    expect(await statusOf(endpoint, second.key)).toBe(200);
    expect(await statusOf(endpoint, `${second.key}A`)).toBe(401);
    expect(await statusOf(endpoint)).toBe(401);
  });

  test.each([
    [['--new-api-key'], '--new-api-key has no value; expected the id of who gets the key.'],
    [['--new-api-key='], '--new-api-key has no value; expected the id of who gets the key.'],
    [['--new-api-key', '--port'], '--new-api-key has no value; expected the id of who gets the key.'],
    [['--new-api-key', 'a', 'b'], '--new-api-key goes with nothing but an id.'],
    [['--port', '1', '--new-api-key', 'a'], '--new-api-key goes with nothing but an id.'],
  ])('%j is refused', async (args, line) => {
    const command = chord(args);
    expect(await command.exit).toBe(2);
    expect([command.stderr, command.stdout]).toEqual([`chord: ${line}\n`, '']);
  });
});

describe('the start', () => {
  test('on an address that others can reach is refused while nobody is asked who they are', async () => {
    const command = chord(['--port', '0', '--backend', 'memory'], { CHORD_HOST: '0.0.0.0' });
    expect(await command.exit).toBe(2);
    expect(command.stderr).toMatch(/^chord: CHORD_HOST is 0\.0\.0\.0, .*CHORD_ALLOW_ANONYMOUS.*\n$/);
  });

  test('there with CHORD_ALLOW_ANONYMOUS says so', async () => {
    const env = { CHORD_HOST: '0.0.0.0', CHORD_ALLOW_ANONYMOUS: 'true' };
    const command = chord(['--port', '0', '--backend', 'memory', '--log-format', 'json'], env);
    await command.printed(/ready/);
    expect(command.stdout).toMatch(/"level":"warn".*EVERYBODY/);
  });

  test('with a file that cannot be used names it as it was written, and shows no secret', async () => {
    writeFileSync(join(home, 'broken.json'), '["hush"]');
    const command = chord(['--port', '0', '--api-keys-file', 'broken.json']);
    expect(await command.exit).toBe(2);
    expect(command.stderr).toBe(
      'chord: --api-keys-file: broken.json: entry 1: expected an object with id, sha256, grants, expiresAt.\n',
    );
    const short = chord(['--port', '0'], { CHORD_JWT_SECRET: 'hush' });
    expect(await short.exit).toBe(2);
    expect(short.stderr).toBe('chord: CHORD_JWT_SECRET: expected at least 32 bytes, made at random.\n');
  });

  test('takes authenticate from the configuration file', async () => {
    writeFileSync(
      join(home, 'own.config.mjs'),
      `export default {
        authenticate: ({ header }) =>
          header('x-user') === undefined ? null : { id: header('x-user'), grants: [{ may: ['read'] }] },
      };`,
    );
    const server = chord(['--port', '0', '--backend', 'memory', '--config', 'own.config.mjs']);
    const endpoint = await server.endpoint();
    const url = `${endpoint}?query={context(id:"c"){version}}`;
    expect((await fetch(url, { headers: { 'x-user': 'ada' } })).status).toBe(200);
    expect((await fetch(url)).status).toBe(401);
  });

  test('refuses an authenticate that is none', async () => {
    writeFileSync(join(home, 'none.config.mjs'), "export default { authenticate: 'ada' };");
    const command = chord(['--config', 'none.config.mjs']);
    expect(await command.exit).toBe(2);
    expect(command.stderr).toBe(
      'chord: authenticate in none.config.mjs is "ada"; expected a function (credentials) => viewer or null, or a promise of one.\n',
    );
  });
});
