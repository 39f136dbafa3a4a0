import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { table } from '../../src/config/table.ts';
import { createExporter, createProvider } from '../../src/external/builtin.ts';
import { call, defaults, recordOf } from './records.ts';

/** Each with what it needs. */
const complete = {
  ...defaults,
  webhookExportUrl: 'http://storage.test/export',
  webhookProviderUrl: 'http://storage.test/fetch',
  webhookSecret: 'key',
  s3Bucket: 'contexts',
} as const;

test('the options are those of the table, by name and by default', () => {
  for (const [name, value] of Object.entries(defaults)) expect(table).toHaveProperty([name, 'default'], value);
});

test.each(['file', 'webhook', 's3'] as const)('%s is an exporter and a provider of that name', (name) => {
  expect(createExporter({ ...complete, exporter: name })?.name).toBe(name);
  expect(createProvider({ ...complete, provider: name })?.name).toBe(name);
});

test('none is none', () => {
  expect(createExporter(complete)).toBeUndefined();
  expect(createProvider(complete)).toBeUndefined();
});

describe('one of the user’s own', () => {
  /** With a state of its own, as an instance of a class has. */
  class Own {
    readonly name: unknown;
    readonly seen: unknown[] = [];

    constructor(name: unknown) {
      this.name = name;
    }

    exportContext(...given: unknown[]) {
      this.seen.push(...given);
      return Promise.resolve();
    }

    fetchContext(...given: unknown[]) {
      this.seen.push(...given);
      return Promise.resolve(null);
    }
  }

  test('is taken as it is', () => {
    const own = new Own('archive');
    expect(createExporter({ ...defaults, exporter: own })).toBe(own);
    expect(createProvider({ ...defaults, provider: own })).toBe(own);
  });

  test.each([undefined, '', 7])('is called custom when its name is %j', async (name) => {
    const own = new Own(name);
    const exporter = createExporter({ ...defaults, exporter: own });
    const provider = createProvider({ ...defaults, provider: own });
    expect([exporter?.name, provider?.name]).toEqual(['custom', 'custom']);
    const [record, given] = [recordOf(), call()];
    await exporter?.exportContext(record, given);
    await provider?.fetchContext('c', given);
    expect(own.seen).toEqual([record, given, 'c', given]);
  });

  test('without the method is refused', () => {
    expect(() => createExporter({ ...defaults, exporter: {} })).toThrow(
      new TypeError('exporter: has no method exportContext.'),
    );
    expect(() => createProvider({ ...defaults, provider: {} })).toThrow(
      new TypeError('provider: has no method fetchContext.'),
    );
  });
});

describe('what cannot be used is refused at once', () => {
  const secrets = /hUsH/;

  test.each([
    null,
    '',
    'storage.test/hUsH',
    '/hUsH',
    'ftp://hUsH@storage.test',
    'file:///hUsH',
    'http://hUsH:%@storage.test',
    'http://hUsH@:80:80/?hUsH',
  ])('%j as a URL of a webhook, without showing it', (url) => {
    const exporting = { ...complete, exporter: 'webhook', webhookExportUrl: url } as const;
    const fetching = { ...complete, provider: 'webhook', webhookProviderUrl: url } as const;
    for (const [create, option] of [
      [() => createExporter(exporting), 'webhookExportUrl'],
      [() => createProvider(fetching), 'webhookProviderUrl'],
    ] as const) {
      expect(create).toThrow(new TypeError(`${option}: expected a URL of http or https.`));
      expect(create).not.toThrow(secrets);
    }
  });

  test.each([null, '', 'whsec_', 'whsec_hUsH!', 'whsec_hUsH\n'])('%j as a secret', (webhookSecret) => {
    for (const create of [
      () => createExporter({ ...complete, exporter: 'webhook', webhookSecret }),
      () => createProvider({ ...complete, provider: 'webhook', webhookSecret }),
    ]) {
      expect(create).toThrow(new TypeError('webhookSecret: expected a text that is not empty, or whsec_ and base64.'));
    }
  });

  test.each([
    'hUsH',
    's3://hUsH',
    'https://hUsH@storage.test',
    'https://:hUsH@storage.test',
    'https://storage.test?hUsH',
  ])('%j as an endpoint of S3', (s3Endpoint) => {
    for (const create of [
      () => createExporter({ ...complete, exporter: 's3', s3Endpoint }),
      () => createProvider({ ...complete, provider: 's3', s3Endpoint }),
    ]) {
      expect(create).toThrow(TypeError);
      expect(create).toThrow(/^s3Endpoint: expected a URL/);
      expect(create).not.toThrow(secrets);
    }
  });

  test('S3 without a bucket', () => {
    const expected = new TypeError('s3Bucket: expected the name of a bucket.');
    for (const s3Bucket of [null, '']) {
      expect(() => createExporter({ ...complete, exporter: 's3', s3Bucket })).toThrow(expected);
      expect(() => createProvider({ ...complete, provider: 's3', s3Bucket })).toThrow(expected);
    }
  });

  test('but not what nobody uses', () => {
    const config = { ...defaults, webhookExportUrl: 'nonsense', s3Endpoint: 'nonsense' };
    expect([createExporter(config), createProvider(config)]).toEqual([undefined, undefined]);
  });
});

test('nobody pays for what is not used: the AWS SDK and native code are loaded by the first call', async () => {
  const program = `
    import module from 'node:module';
    import { createExporter, createProvider } from './builtin.ts';
    const loaded = () => Object.keys(module._cache).some((path) => /aws-sdk|fs-native/.test(path));
    const config = ${JSON.stringify(complete)};
    const [exporter] = ['s3', 'webhook', 'file'].map((name) => createExporter({ ...config, exporter: name }));
    for (const name of ['s3', 'webhook', 'file']) createProvider({ ...config, provider: name });
    const before = loaded();
    await exporter.exportContext({ id: 'c' }, { signal: AbortSignal.abort() }).catch(() => undefined);
    console.log(JSON.stringify([before, loaded()]));
  `;
  const cwd = fileURLToPath(new URL('../../src/external/', import.meta.url));
  const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd });
  expect(JSON.parse(stdout)).toEqual([false, true]);
});
