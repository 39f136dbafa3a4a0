/** Exporters and providers of the real command: a team's own, from its configuration file, and settings that are wrong. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { post } from '../support/app.ts';
import { builtCopy } from '../support/built.ts';
import { Command, stopCommands } from '../support/command.ts';
import { temporaryDirectory } from '../support/lmdb.ts';
import { followOperation, nextEvent, webSocketTransport } from '../support/transports.ts';
import { until } from '../support/wait.ts';

let home: string;

beforeAll(async () => {
  home = await builtCopy();
});
afterEach(stopCommands);
afterAll(() => rmSync(home, { recursive: true }));

function chord(cwd: string, args: readonly string[] = [], env: Record<string, string> = {}): Command {
  return new Command(process.execPath, [join(home, 'dist/main.js'), '--port', '0', ...args], { cwd, env });
}

/** As a team might write it, in plain JavaScript: a folder with one file, and somebody who says what went in. */
const ownStorage = (extra: string) => `
  import { readFileSync, writeFileSync } from 'node:fs';

  const path = new URL('kept.json', import.meta.url);

  class Archive {
    name = 'archive';
    #refusals = 1;

    async exportContext(record, { signal }) {
      signal.throwIfAborted();
      if (record.id === 'refused' && this.#refusals-- > 0) throw new Error('the archive is closed');
      writeFileSync(path, JSON.stringify(record));
    }

    async fetchContext(id, { signal }) {
      signal.throwIfAborted();
      const record = JSON.parse(readFileSync(path, 'utf8'));
      return record.id === id ? record : null;
    }
  }

  const archive = new Archive();
  export default { exporter: archive, provider: archive, ${extra} };
`;

/** The command in a folder of its own, with that file in it. */
async function openOwn(extra = '') {
  const folder = temporaryDirectory();
  writeFileSync(join(folder, 'chord.config.js'), ownStorage(extra));
  const command = chord(folder);
  const url = await command.endpoint();
  const ask = async (query: string, variables: object = {}) =>
    (await post(url, { query, variables: { ...variables } })).data;
  const follow = (id: string) => {
    const server = { url, webSocketUrl: url.replace('http', 'ws') };
    return webSocketTransport.subscribe(server, followOperation(id));
  };
  const kept = () => JSON.parse(readFileSync(join(folder, 'kept.json'), 'utf8')) as unknown;
  return { command, ask, follow, kept };
}

const setting = `mutation ($id: ID!, $state: JSONObject!, $ttlMs: SafeInt) {
  setContext(id: $id, state: $state, ttlMs: $ttlMs) { ... on SetContextPayload { version } }
}`;
const exporting = `mutation ($id: ID!) {
  exportContext(id: $id) { ... on ExportContextPayload { version exporter } ... on Error { __typename message } }
}`;
const restoring = `mutation ($id: ID!) {
  restoreContext(id: $id) { ... on RestoreContextPayload { version context { state } } ... on Error { __typename } }
}`;
const cleaning = 'mutation { runCleanup { report { contextsExpired exportsFailed } } }';

describe('an exporter and a provider of chord.config.js', () => {
  test('take what is exported, and bring it back after it was deleted', async () => {
    const { ask, follow, kept } = await openOwn();
    const [id, state] = ['../x', { text: 'é🙂\ud800' }];
    const follower = follow(id);
    expect(await nextEvent(follower)).toMatchObject({ __typename: 'NoContext' });
    await ask(setting, { id, state });
    const { epoch } = await nextEvent(follower);
    expect(await ask(exporting, { id })).toEqual({ exportContext: { version: 1, exporter: 'archive' } });
    const insertedAt = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(kept()).toEqual({ format: 'chord.context/1', id, epoch, version: 1, state, insertedAt });

    await ask('mutation ($id: ID!) { deleteContext(id: $id) { __typename } }', { id });
    expect(await nextEvent(follower)).toMatchObject({ __typename: 'ContextGone', cause: 'DELETED' });
    expect(await ask(restoring, { id })).toEqual({ restoreContext: { version: 2, context: { state } } });
    const full = { __typename: 'FullContext', reason: 'EPOCH_CHANGED', version: 2, context: { state } };
    expect(await nextEvent(follower)).toMatchObject(full);
    expect(await ask(restoring, { id: 'other' })).toEqual({ restoreContext: { __typename: 'ContextNotFoundError' } });
    follower.leave();
  });

  test('take what expires, and bring it back when it is read', async () => {
    const { ask, kept } = await openOwn('exportBeforeExpire: true, restoreOnMiss: true, cleanupIntervalMs: 0');
    await ask(setting, { id: 'c', state: { n: 1 }, ttlMs: 1 });
    await until('it has expired', async () => {
      const { runCleanup } = (await ask(cleaning)) as { readonly runCleanup: { readonly report: Expired } };
      return runCleanup.report.contextsExpired === 1;
    });
    expect(kept()).toMatchObject({ id: 'c', version: 1, state: { n: 1 } });
    expect(await ask('{ context(id: "c") { version state } }')).toEqual({ context: { version: 2, state: { n: 1 } } });
  });

  test('that throw are told by their name, and by their words in the log alone', async () => {
    const { command, ask } = await openOwn();
    await ask(setting, { id: 'refused', state: {} });
    expect(await ask(exporting, { id: 'refused' })).toEqual({
      exportContext: { __typename: 'ExternalStorageError', message: 'The exporter "archive" failed.' },
    });
    await command.printed(/"exporter failed"/);
    expect(command.stdout).toContain('the archive is closed');
    expect(await ask(exporting, { id: 'refused' })).toEqual({ exportContext: { version: 1, exporter: 'archive' } });
  });
});

interface Expired {
  readonly contextsExpired: number;
}

describe('the built-in one of the directory', () => {
  test('restores after a loss of all data', async () => {
    const folder = temporaryDirectory();
    const args = ['--exporter', 'file', '--provider', 'file'];
    const first = chord(folder, args);
    const url = await first.endpoint();
    await post(url, { query: setting, variables: { id: 'c', state: { n: 1 } } });
    await post(url, { query: exporting, variables: { id: 'c' } });
    first.kill('SIGKILL');
    await first.exit;
    rmSync(join(folder, 'chord-data'), { recursive: true });
    const second = await chord(folder, args).endpoint();
    const { data } = await post(second, { query: restoring, variables: { id: 'c' } });
    expect(data).toEqual({ restoreContext: { version: 1, context: { state: { n: 1 } } } });
  });
});

/** How a start ends that is refused, with this and nothing else said. */
async function outcomeOf(command: Command) {
  const code = await command.exit;
  return { code, stdout: command.stdout, stderr: command.stderr };
}

function refused(line: string) {
  return { code: 2, stdout: '', stderr: expect.stringMatching(new RegExp(`^chord: ${line}\n$`)) };
}

describe('a setting that is wrong ends the start with code 2 and one line that names the option, and no secret', () => {
  const url = 'https://storage.test/hUsH';

  test.each([
    ['exporter', 'EXPORT', 'storage.test/hUsH', 'CHORD_WEBHOOK_EXPORT_URL: expected a URL of http or https\\.'],
    [
      'provider',
      'PROVIDER',
      'http://hUsH:%@storage.test',
      'CHORD_WEBHOOK_PROVIDER_URL: expected a URL of http or https\\.',
    ],
  ])('a webhook as %s, told by CHORD_WEBHOOK_%s_URL=%s', async (role, name, address, line) => {
    const env = { [`CHORD_WEBHOOK_${name}_URL`]: address, CHORD_WEBHOOK_SECRET: 'hUsH-key' };
    const command = chord(temporaryDirectory(), [`--${role}`, 'webhook'], env);
    expect(await outcomeOf(command)).toEqual(refused(line));
  });

  test.each([
    ['exporter', 'webhook', ['--webhook-export-url', url], 'webhookSecret .CHORD_WEBHOOK_SECRET, --webhook-secret.'],
    ['provider', 'webhook', ['--webhook-provider-url', url], 'webhookSecret .CHORD_WEBHOOK_SECRET, --webhook-secret.'],
    ['exporter', 'webhook', ['--webhook-secret', 'hUsH'], 'webhookExportUrl .*'],
    ['provider', 's3', [], 's3Bucket .*'],
  ])('an incomplete --%s %s %j', async (role, name, args, missing) => {
    const command = chord(temporaryDirectory(), [`--${role}`, name, ...args]);
    expect(await outcomeOf(command)).toEqual(refused(`--${role} is "${name}", so ${missing} must be set\\.`));
  });

  test('a secret that cannot be read', async () => {
    const args = ['--exporter', 'webhook', '--webhook-export-url', url, '--webhook-secret', 'whsec_hUsH!'];
    const line = '--webhook-secret: expected a text that is not empty, or whsec_ and base64\\.';
    expect(await outcomeOf(chord(temporaryDirectory(), args))).toEqual(refused(line));
  });

  test.each([
    ['exporter', '{ exporter: { fetchContext() {} } }'],
    ['provider', '{ provider: () => {} }'],
    ['webhookExportUrl', `{ exporter: 'webhook', webhookExportUrl: new URL('${url}'), webhookSecret: 'key' }`],
  ])('the %s of chord.config.js in %s', async (option, config) => {
    const folder = temporaryDirectory();
    writeFileSync(join(folder, 'chord.config.js'), `export default ${config};\n`);
    const outcome = await outcomeOf(chord(folder));
    expect(outcome).toEqual(refused(`${option} in chord\\.config\\.js is [^\n]*; expected [^\n]*\\.`));
    expect(outcome.stderr).not.toContain('hUsH');
  });
});
