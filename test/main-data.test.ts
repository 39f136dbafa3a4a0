import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { post } from './support/app.ts';
import { builtCopy } from './support/built.ts';
import { Command, stopCommands } from './support/command.ts';
import { temporaryDirectory } from './support/lmdb.ts';
import { followOperation, operationUrl, RawStream } from './support/transports.ts';

/* What the command does with its data directory: a built copy of the checkout, in processes of their own. */
let home: string;

beforeAll(async () => {
  home = await builtCopy();
});
afterEach(stopCommands);
afterAll(() => rmSync(home, { recursive: true }));

function chord(...args: readonly string[]): Command {
  return new Command(process.execPath, [join(home, 'dist/main.js'), '--port', '0', ...args], { cwd: home });
}

interface Stored {
  readonly epoch: string;
  readonly version: number;
}

async function set(url: string, state: object): Promise<Stored> {
  const query = `mutation ($state: JSONObject!) {
    setContext(id: "c", state: $state) { ... on SetContextPayload { epoch version } }
  }`;
  const { data } = await post(url, { query, variables: { state } });
  return data?.['setContext'] as Stored;
}

async function get(url: string): Promise<unknown> {
  return (await post(url, { query: '{ context(id: "c") { epoch version state } }' })).data?.['context'];
}

async function stop(server: Command): Promise<void> {
  server.kill('SIGTERM');
  expect(await server.exit).toBe(0);
}

describe('contexts survive', () => {
  test('a restart, in the directory where the server was started', async () => {
    const first = chord();
    const { epoch } = await set(await first.endpoint(), { n: 1 });
    await stop(first);
    expect(readdirSync(home)).toContain('chord-data');
    const second = chord();
    expect(await get(await second.endpoint())).toEqual({ epoch, version: 1, state: { n: 1 } });
    expect(second.stdout).toContain(`"dataDir":"${join(home, 'chord-data')}"`);
    await stop(second);
  });

  test('the end of the process', async () => {
    const dataDir = temporaryDirectory();
    const first = chord('--data-dir', dataDir);
    const url = await first.endpoint();
    await set(url, { n: 1 });
    const { epoch } = await set(url, { n: 2 });
    first.kill('SIGKILL');
    await first.exit;
    const second = chord('--data-dir', dataDir);
    expect(await get(await second.endpoint())).toEqual({ epoch, version: 2, state: { n: 2 } });
  });

  test('nothing with the backend memory, which makes no directory', async () => {
    const dataDir = join(temporaryDirectory(), 'data');
    const first = chord('--backend', 'memory', '--data-dir', dataDir);
    await set(await first.endpoint(), { n: 1 });
    await stop(first);
    const second = chord('--backend', 'memory', '--data-dir', dataDir);
    expect(await get(await second.endpoint())).toBeNull();
    expect(() => readdirSync(dataDir)).toThrow('ENOENT');
  });
});

describe('a directory that cannot be used ends the start with code 2 and one line', () => {
  test('one that is in use', async () => {
    const dataDir = temporaryDirectory();
    const first = chord('--data-dir', dataDir);
    await first.endpoint();
    const second = chord('--data-dir', dataDir);
    expect(await second.exit).toBe(2);
    expect(second.stderr).toBe(
      `chord: The data directory ${dataDir} is in use by another process (process ${first.pid}). Stop that one, or choose another directory.\n`,
    );
    expect(second.stdout).toBe('');
    await stop(first);
  });

  test('one that is in use, behind npm', async () => {
    const first = chord();
    await first.endpoint();
    const second = new Command('npm', ['start', '--', '--port', '0'], { cwd: home });
    expect(await second.exit).toBe(2);
    expect(second.stderr).toContain('chord: The data directory ');
    expect(second.stderr).toContain(`(process ${first.pid}). Stop that one, `);
  });

  test('one of another program', async () => {
    const dataDir = temporaryDirectory();
    writeFileSync(join(dataDir, 'notes.txt'), '');
    const command = chord('--data-dir', dataDir);
    expect(await command.exit).toBe(2);
    expect(command.stderr).toMatch(
      /^chord: The data directory .* \(notes\.txt\)\. Choose an empty or a new directory\.\n$/,
    );
  });

  test('one that cannot be made', async () => {
    const command = chord('--data-dir', join(home, 'package.json', 'data'));
    expect(await command.exit).toBe(2);
    expect(command.stderr).toMatch(/^chord: The data directory .* cannot be used: ENOTDIR.*\n$/);
  });

  test.each([
    ['--exporter', 'webhook', '--webhook-export-url', 'nowhere', '--webhook-secret', 'hush'],
    ['--exporter', 's3', '--s3-bucket', 'b', '--s3-endpoint', 'ftp://a.test'],
  ])('%s %s with an address that is none does so too', async (...args) => {
    const command = chord('--data-dir', temporaryDirectory(), ...args);
    expect(await command.exit).toBe(2);
    expect(command.stderr).toMatch(/^chord: --(webhook-export-url|s3-endpoint): expected a URL of http or https\.\n$/);
  });
});

describe('--renew-identity', () => {
  test('makes the next write of every context begin an epoch, and says so', async () => {
    const dataDir = temporaryDirectory();
    const first = chord('--data-dir', dataDir);
    const before = await set(await first.endpoint(), { n: 1 });
    await stop(first);

    const renewal = chord('--data-dir', dataDir, '--renew-identity');
    expect(await renewal.exit).toBe(0);
    expect(renewal.stdout).toMatch(/^The store in .* has the new identity [\w-]{16}\.\n$/);
    expect(renewal.stderr).toBe('');

    const url = await chord('--data-dir', dataDir).endpoint();
    // Until something is written, whoever has the version has the state.
    expect(await get(url)).toEqual({ ...before, state: { n: 1 } });
    const stream = await RawStream.open(operationUrl(url, followOperation('c')), {
      headers: { 'last-event-id': `${before.epoch}:${before.version}` },
    });
    expect((await stream.next()).data).toContain('"NoChange"');
    const after = await set(url, { n: 2 });
    expect(after).toMatchObject({ version: 2 });
    expect(after.epoch).not.toBe(before.epoch);
    const { id, data } = await stream.next();
    expect(id).toBe(`${after.epoch}:2`);
    expect(data).toContain('"EPOCH_CHANGED"');
    stream.leave();

    const late = await RawStream.open(operationUrl(url, followOperation('c')), {
      headers: { 'last-event-id': `${before.epoch}:${before.version}` },
    });
    expect((await late.next()).data).toMatch(/"FullContext".*"EPOCH_CHANGED"/);
    late.leave();
  });

  test('is refused while a server uses the directory, which goes on', async () => {
    const dataDir = temporaryDirectory();
    const server = chord('--data-dir', dataDir);
    const url = await server.endpoint();
    const before = await set(url, { n: 1 });
    const renewal = chord('--data-dir', dataDir, '--renew-identity');
    expect(await renewal.exit).toBe(2);
    expect(renewal.stderr).toMatch(
      /^chord: The data directory .* is in use by another process \(process \d+\)\. .*\n$/,
    );
    expect(await set(url, { n: 2 })).toEqual({ epoch: before.epoch, version: 2 });
  });

  test('is refused for contexts in memory', async () => {
    const renewal = chord('--backend', 'memory', '--renew-identity');
    expect(await renewal.exit).toBe(2);
    expect(renewal.stderr).toBe('chord: --renew-identity is for the backend lmdb, and the backend is memory.\n');
  });

  test('is refused for a directory without a store', async () => {
    const dataDir = temporaryDirectory();
    mkdirSync(join(dataDir, 'photos'));
    const renewal = chord('--data-dir', dataDir, '--renew-identity');
    expect(await renewal.exit).toBe(2);
    expect(renewal.stderr).toContain(`The data directory ${dataDir} holds no store.`);
  });

  test('does not hide a wrong flag', async () => {
    const renewal = chord('--renew-identity', '--prot', '1');
    expect(await renewal.exit).toBe(2);
    expect(renewal.stderr).toBe('chord: There is no flag --prot. Did you mean --port? See --help.\n');
  });
});
