/** docs/external.md: its programs run as they stand there, and its numbers are those of the code. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { optionNames } from '../../src/config/table.ts';
import { createExporter, createProvider } from '../../src/external/builtin.ts';
import { exportFormat } from '../../src/external/external.ts';
import { fileName } from '../../src/external/names.ts';
import { maxRecordBytes } from '../../src/external/record.ts';
import { blocksOf, proseOf, quoted, read } from '../docs/pages.ts';
import { json, Receiver, stopReceivers } from './receiver.ts';
import { call, defaults, recordOf } from './records.ts';

const page = read('docs/external.md');
const [ownExample = '', verifier = ''] = blocksOf(page, 'js');
let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'chord-external-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await stopReceivers();
  await rm(home, { recursive: true });
});

test('the example of an own exporter and provider is a configuration, and keeps the newer version', async () => {
  await writeFile(join(home, 'chord.config.mjs'), ownExample);
  const config = await loadConfig({ argv: ['--config', join(home, 'chord.config.mjs')], env: {}, cwd: home });
  const exporter = createExporter(config);
  const provider = createProvider(config);
  expect([exporter?.name, provider?.name]).toEqual(['archive', 'archive']);
  for (const version of [2, 3, 1]) await exporter?.exportContext(recordOf({ version }), call());
  expect(await provider?.fetchContext('call:123', call())).toEqual(recordOf({ version: 3 }));
  expect(await provider?.fetchContext('other', call())).toBeNull();
});

test('the program that verifies signatures takes what both webhooks send, and nothing else', async () => {
  const secret = `whsec_${Buffer.from('twenty-four bytes of key').toString('base64')}`;
  vi.stubEnv('CHORD_WEBHOOK_SECRET', secret);
  const path = join(home, 'verify.mjs');
  await writeFile(path, verifier);
  // What the page's program exports.
  const { verify } = (await import(pathToFileURL(path).href)) as {
    readonly verify: (headers: IncomingHttpHeaders, body: string) => void;
  };
  const receiver = await Receiver.start((response) => json(response, 200, recordOf()));
  const urls = { webhookExportUrl: receiver.origin, webhookProviderUrl: receiver.origin, webhookSecret: secret };
  await createExporter({ ...defaults, ...urls, exporter: 'webhook' })?.exportContext(
    recordOf({ state: { text: 'é🙂' } }),
    call(),
  );
  await createProvider({ ...defaults, ...urls, provider: 'webhook' })?.fetchContext('call:123', call());

  expect(receiver.received.all).toHaveLength(2);
  for (const { headers, body } of receiver.received.all) {
    verify(headers, body);
    expect(() => verify(headers, `${body} `)).toThrow('not signed by us');
    expect(() => verify({ ...headers, 'webhook-id': 'other' }, body)).toThrow('not signed by us');
    const later = String(Number(headers['webhook-timestamp']) + 1);
    expect(() => verify({ ...headers, 'webhook-timestamp': later }, body)).toThrow('not signed by us');
    expect(() => verify({ ...headers, 'webhook-timestamp': '1' }, body)).toThrow('too old');
    expect(() => verify({ ...headers, 'webhook-timestamp': 'x' }, body)).toThrow('too old');
    expect(() => verify({}, body)).toThrow('too old');
    expect(() => verify({ 'webhook-timestamp': String(Date.now() / 1000) }, body)).toThrow('not signed by us');
  }
});

test('the record is one, and the name that is shown is its', () => {
  const [record = ''] = blocksOf(page, 'json');
  expect(Object.keys(JSON.parse(record))).toEqual([...Object.keys(recordOf()), 'ttlMs']);
  expect(record).toContain(`"format": "${exportFormat}"`);
  const [, start = 'no start', end = 'no end'] = /`(call-123-\w+)….(\w+)`/.exec(page) ?? [];
  expect(fileName('call:123')).toMatch(new RegExp(`^${start}.*\\.${end}$`));
});

test('every option that it names is one, and it names all of exporters and providers', () => {
  const words = quoted(proseOf(page));
  const verbs = ['exportContext', 'restoreContext'];
  const unknown = words.filter((word) => isOurs(word) && !verbs.includes(word) && !optionNames.some((o) => o === word));
  expect(unknown).toEqual([]);
  expect(optionNames.filter((name) => isOurs(name) && !words.includes(name))).toEqual([]);
});

test('its flags and variables are understood', async () => {
  const commands = blocksOf(page, 'sh').map((block) => block.replaceAll('\\\n', ' '));
  expect(commands).toHaveLength(3);
  for (const command of commands) {
    const [before = '', after = ''] = command.trim().split(' npm start -- ').slice(-2);
    const env = before.startsWith('CHORD_') ? { CHORD_WEBHOOK_SECRET: before.split('=')[1] } : {};
    const argv = after === '' ? before.replace('npm start -- ', '').split(/ +/) : after.split(/ +/);
    const config = await loadConfig({ argv, env, cwd: home });
    expect(config.exporter).toBe(config.provider);
    expect(config.exporter).not.toBe('none');
  }
});

/** Whether it is named like the options of exporters and providers. */
function isOurs(name: string): boolean {
  return /^(export|webhook|s3|external|restore)[A-Z]/.test(name);
}

test('the bound that it names is the one', () => {
  expect(page).toContain(`up to ${maxRecordBytes / 1024 / 1024} MiB`);
});
