import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createApp } from '../../src/app/app.ts';
import { loadConfig } from '../../src/config/config.ts';
import { ConfigError } from '../../src/config/config-error.ts';
import { configTableMarkdown, helpText } from '../../src/config/help.ts';
import { defineConfig } from '../../src/config-file.ts';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'chord-config-'));
});
afterEach(() => rmSync(cwd, { recursive: true }));

function load(
  sources: { argv?: readonly string[]; env?: Record<string, string>; file?: string; fileName?: string } = {},
) {
  if (sources.file !== undefined) writeFileSync(join(cwd, sources.fileName ?? 'chord.config.mjs'), sources.file);
  return loadConfig({ argv: sources.argv ?? [], env: sources.env ?? {}, cwd });
}

async function refusal(sources: Parameters<typeof load>[0]): Promise<string> {
  const error: unknown = await load(sources).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ConfigError);
  return (error as ConfigError).message;
}

/** The defaults; also the list of every option there is. */
const defaults = {
  host: '127.0.0.1',
  port: 4000,
  workers: 1,
  workerTimeoutMs: 30_000,
  tlsCertFile: null,
  tlsKeyFile: null,
  trustedProxies: [],
  metricsPort: null,
  metricsHost: '127.0.0.1',
  otlpEndpoint: null,
  traceSampleRatio: 1,
  allowAnonymous: false,
  apiKeysFile: null,
  jwtSecret: null,
  jwtPublicKeyFile: null,
  jwksUrl: null,
  jwtAlgorithms: 'auto',
  jwtIssuer: null,
  jwtAudience: [],
  jwtClockToleranceMs: 5_000,
  jwtRequireExpiry: true,
  jwtViewerClaim: 'sub',
  jwtGrantsClaim: 'chord',
  backend: 'lmdb',
  dataDir: './chord-data',
  cacheBytes: 67_108_864,
  redisUrl: null,
  redisPrefix: 'chord:',
  redisTimeoutMs: 5_000,
  deltaThreshold: 100,
  contextAutoDelete: false,
  contextTtlMs: null,
  deltaTtlMs: 86_400_000,
  tombstoneTtlMs: 172_800_000,
  cleanupIntervalMs: 3_600_000,
  cleanupLimit: null,
  exporter: 'none',
  provider: 'none',
  exportBeforeExpire: false,
  exportRetryMs: 60_000,
  restoreOnMiss: false,
  externalTimeoutMs: 30_000,
  exportDir: './chord-exports',
  webhookExportUrl: null,
  webhookProviderUrl: null,
  webhookSecret: null,
  s3Bucket: null,
  s3Prefix: null,
  s3Region: null,
  s3Endpoint: null,
  s3PathStyle: false,
  maxStateBytes: 1_048_576,
  maxStateDepth: 64,
  forbiddenKeys: [],
  maxMergeDeltas: 10_000,
  idempotencyWindowMs: 300_000,
  maxQueuedWrites: 10_000,
  recheckMs: 30_000,
  slowReaderTimeoutMs: 60_000,
  drainDelayMs: 0,
  drainTimeoutMs: 10_000,
  drainSpreadMs: 5_000,
  authGraceMs: 30_000,
  maxRequestBytes: 8_388_608,
  maxQueryTokens: 2_000,
  maxQueryDepth: 15,
  maxQueryAliases: 100,
  maxQueryCost: 10_000,
  queryTimeoutMs: 60_000,
  requestTimeoutMs: 60_000,
  connectionInitTimeoutMs: 3_000,
  maxConnections: 50_000,
  maxSubscriptionsPerConnection: 1_000,
  maxConnectionsPerViewer: null,
  maxSubscriptionsPerViewer: null,
  requestsPerSecond: null,
  writesPerSecond: null,
  corsOrigins: [],
  trustedDocumentsFile: null,
  introspection: true,
  graphiql: true,
  logLevel: 'info',
  logFormat: 'auto',
};

const flag = (name: string) => `--${name.replace(/[A-Z]/g, '-$&').toLowerCase()}`;
const variable = (name: string) => `CHORD_${name.replace(/[A-Z]/g, '_$&').toUpperCase()}`;

describe('where a value comes from', () => {
  test('with nothing given, every option has its default', async () => {
    expect(await load()).toEqual({
      ...defaults,
      configFile: null,
      inTheirWords: expect.any(Function),
      deltaFormatter: undefined,
      timeProvider: undefined,
    });
  });

  test('a flag outranks the environment, which outranks the file, which outranks the default', async () => {
    const file = 'export default { port: 1, maxStateDepth: 1, deltaThreshold: 1 }';
    const env = { CHORD_PORT: '2', CHORD_MAX_STATE_DEPTH: '2' };
    const config = await load({ file, env, argv: ['--port', '3'] });
    expect(config).toMatchObject({ port: 3, maxStateDepth: 2, deltaThreshold: 1, recheckMs: 30_000 });
    expect(config.configFile).toBe(join(cwd, 'chord.config.mjs'));
  });

  test('every option can be given in all three ways', async () => {
    const texts = Object.fromEntries(
      Object.entries(defaults).map(([name, value]) => [
        name,
        value === null || Array.isArray(value) ? 'none' : String(value),
      ]),
    );
    const argv = Object.entries(texts).map(([name, value]) => `${flag(name)}=${value}`);
    const env = Object.fromEntries(Object.entries(texts).map(([name, value]) => [variable(name), value]));
    expect(await load({ argv })).toMatchObject(defaults);
    expect(await load({ env })).toMatchObject(defaults);
    expect(await load({ file: `export default ${JSON.stringify(defaults)}` })).toMatchObject(defaults);
  });

  test('an empty variable and an undefined key count as not given', async () => {
    const config = await load({ env: { CHORD_PORT: '' }, file: 'export default { host: undefined }' });
    expect(config).toMatchObject({ port: 4000, host: '127.0.0.1' });
  });

  test("OpenTelemetry's own variable counts where ours is not set", async () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };
    expect(await load({ env })).toMatchObject({ otlpEndpoint: 'http://collector:4318' });
    const own = { ...env, CHORD_OTLP_ENDPOINT: 'http://other:4318' };
    expect(await load({ env: own })).toMatchObject({ otlpEndpoint: 'http://other:4318' });
    expect(await load({ env: { ...env, CHORD_OTLP_ENDPOINT: 'none' } })).toMatchObject({ otlpEndpoint: null });
    expect(await load({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: '' } })).toMatchObject({ otlpEndpoint: null });
    const secret = 'ftp://user:password@collector';
    const told = await refusal({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: secret } });
    expect(told).toBe('OTEL_EXPORTER_OTLP_ENDPOINT is not shown; expected a URL with http or https, or none.');
  });

  test.each([
    ['0', 0],
    ['1', 1],
    ['0.05', 0.05],
    ['.5', 0.5],
  ])('a share may be %s', async (text, traceSampleRatio) => {
    expect(await load({ env: { CHORD_TRACE_SAMPLE_RATIO: text } })).toMatchObject({ traceSampleRatio });
  });

  test.each(['1.1', '-0.1', '5%', 'half', 'NaN', '1e-1'])('a share is not %s', async (text) => {
    const told = await refusal({ env: { CHORD_TRACE_SAMPLE_RATIO: text } });
    expect(told).toContain('expected a number from 0 to 1');
  });

  test('a flag and its value may be one argument or two', async () => {
    expect(await load({ argv: ['--port=5', '--host', '::1'] })).toMatchObject({ port: 5, host: '::1' });
  });

  test('a boolean flag stands alone, negated, or with a value', async () => {
    expect(await load({ argv: ['--graphiql', '--port', '0'] })).toMatchObject({ graphiql: true, port: 0 });
    expect(await load({ argv: ['--no-graphiql'] })).toMatchObject({ graphiql: false });
    expect(await load({ argv: ['--graphiql', 'false', '--port', '0'] })).toMatchObject({ graphiql: false, port: 0 });
    expect(await load({ argv: ['--graphiql=false'] })).toMatchObject({ graphiql: false });
    expect(await load({ env: { CHORD_GRAPHIQL: '0' } })).toMatchObject({ graphiql: false });
  });

  test('none is no limit, in text and in the file', async () => {
    expect(await load({ argv: ['--delta-threshold', 'none'] })).toMatchObject({ deltaThreshold: null });
    expect(await load({ file: "export default { deltaThreshold: 'none' }" })).toMatchObject({ deltaThreshold: null });
    writeFileSync(join(cwd, 'null.mjs'), 'export default { deltaThreshold: null }');
    expect(await load({ argv: ['--config', 'null.mjs'] })).toMatchObject({ deltaThreshold: null });
  });

  test('forbidden keys are separated by commas in text and an array in the file', async () => {
    const expected = { forbiddenKeys: ['__proto__', 'constructor'] };
    expect(await load({ env: { CHORD_FORBIDDEN_KEYS: '__proto__, constructor' } })).toMatchObject(expected);
    expect(await load({ file: "export default { forbiddenKeys: ['__proto__', 'constructor'] }" })).toMatchObject(
      expected,
    );
  });

  test('what Kubernetes says about a service named chord is not for us', async () => {
    const env = {
      CHORD_PORT: 'tcp://10.0.0.1:4000',
      CHORD_SERVICE_HOST: '10.0.0.1',
      CHORD_SERVICE_PORT: '4000',
      CHORD_SERVICE_PORT_HTTP: '4000',
      CHORD_PORT_4000_TCP: 'tcp://10.0.0.1:4000',
      CHORD_PORT_4000_TCP_ADDR: '10.0.0.1',
      CHORD_REDIS_PORT: 'tcp://10.0.0.2:6379',
    };
    expect(await load({ env })).toMatchObject(defaults);
  });

  test('CHORD_HISTORIES is for the tests, and variables of others do not concern us', async () => {
    expect(await load({ env: { CHORD_HISTORIES: '/somewhere', PATH: '/bin', CHORDAL: '1' } })).toMatchObject(defaults);
  });
});

describe('trusted proxies', () => {
  test.each(['none', 'loopback,private', '10.0.0.0/8, 192.0.2.1', '::1', '2001:db8::/32', '0.0.0.0/0'])(
    'may be %s',
    async (text) => {
      const { trustedProxies } = await load({ env: { CHORD_TRUSTED_PROXIES: text } });
      expect(trustedProxies).toEqual(text === 'none' ? [] : text.split(/, ?/));
    },
  );

  test.each([
    'all',
    '10.0.0.0/33',
    '10.0.0/8',
    '::1/129',
    '10.0.0.0/',
    'fe80::1%eth0',
    'proxy.example',
    '10.0.0.1:80',
    ',',
  ])('cannot be %s', async (text) => {
    expect(await refusal({ env: { CHORD_TRUSTED_PROXIES: text } })).toContain('expected addresses, ranges like');
  });
});

describe('the file', () => {
  test.each(['chord.config.js', 'chord.config.mjs'])('%s is read from the working directory', async (fileName) => {
    writeFileSync(join(cwd, 'package.json'), '{ "type": "module" }');
    expect(await load({ fileName, file: 'export default { port: 7 }' })).toMatchObject({ port: 7 });
  });

  test('--config and CHORD_CONFIG name another one, the flag first', async () => {
    writeFileSync(join(cwd, 'a.mjs'), 'export default { port: 1 }');
    writeFileSync(join(cwd, 'b.mjs'), 'export default { port: 2 }');
    const file = 'export default { port: 3 }';
    expect(await load({ file, env: { CHORD_CONFIG: 'a.mjs' } })).toMatchObject({ port: 1 });
    expect(await load({ file, env: { CHORD_CONFIG: 'a.mjs' }, argv: ['--config', 'b.mjs'] })).toMatchObject({
      port: 2,
    });
    expect(await load({ argv: [`--config=${join(cwd, 'b.mjs')}`] })).toMatchObject({ port: 2 });
  });

  test('it may hold a formatter and a time provider', async () => {
    const config = await load({
      file: 'export default { deltaFormatter: (delta) => [delta], timeProvider: () => 1234 }',
    });
    expect(config.deltaFormatter?.(1 as never)).toEqual([1]);
    expect(config.timeProvider?.()).toBe(1234);
  });

  test('defineConfig answers its argument', () => {
    const config = { port: 1, deltaFormatter: (delta: { readonly version: number }) => delta.version };
    expect(defineConfig(config)).toBe(config);
  });

  test.each([
    [
      'an unknown key',
      'export default { prot: 1 }',
      'There is no option prot, which chord.config.mjs sets. Did you mean port? See --help.',
    ],
    [
      'a wrong type',
      "export default { port: '80' }",
      'port in chord.config.mjs is "80"; expected an integer from 0 to 65535.',
    ],
    [
      'an array with something else than text',
      'export default { forbiddenKeys: [1] }',
      'forbiddenKeys in chord.config.mjs is [1]; expected keys separated by commas (in the file an array of texts), or none.',
    ],
    [
      'a formatter that is no function',
      'export default { deltaFormatter: "flat" }',
      'deltaFormatter in chord.config.mjs is "flat"; expected a function (delta) => JSON.',
    ],
    [
      'a time provider that answers no number',
      'export default { timeProvider: () => new Date(0) }',
      'timeProvider in chord.config.mjs answered an object; expected a function () => milliseconds since the Unix epoch.',
    ],
    [
      'no default export',
      'export const port = 1',
      'The default export of chord.config.mjs is missing; expected an object of options.',
    ],
    [
      'a default export that is a function',
      'export default () => ({})',
      'The default export of chord.config.mjs is a function; expected an object of options.',
    ],
    ['code that throws', "throw new Error('no luck')", 'chord.config.mjs could not be loaded: no luck'],
  ])('%s is refused', async (_, file, message) => {
    expect(await refusal({ file })).toBe(message);
  });

  test('a file that is named must be there', async () => {
    expect(await refusal({ argv: ['--config', 'gone.js'] })).toBe('The configuration file "gone.js" is not there.');
  });

  test('two files at once are refused', async () => {
    writeFileSync(join(cwd, 'chord.config.js'), '');
    expect(await refusal({ file: 'export default {}' })).toBe(
      'chord.config.js and chord.config.mjs are both there; keep one, or name it by --config.',
    );
  });
});

describe('a wrong value is named as the user wrote it', () => {
  test.each([
    [['--port', 'http'], {}, '--port is "http"; expected an integer from 0 to 65535.'],
    [['--port', '65536'], {}, '--port is 65536; expected an integer from 0 to 65535.'],
    [['--port='], {}, '--port is ""; expected an integer from 0 to 65535.'],
    [['--port', '-1'], {}, '--port is -1; expected an integer from 0 to 65535.'],
    [['--host='], {}, '--host is ""; expected a text that is not empty.'],
    [[], { CHORD_PORT: '4000.5' }, 'CHORD_PORT is "4000.5"; expected an integer from 0 to 65535.'],
    [[], { CHORD_BACKEND: 'mysql' }, 'CHORD_BACKEND is "mysql"; expected one of lmdb, memory, redis.'],
    [[], { CHORD_DELTA_THRESHOLD: '-1' }, 'CHORD_DELTA_THRESHOLD is -1; expected an integer of 0 or more, or none.'],
    [[], { CHORD_MAX_STATE_DEPTH: '0' }, 'CHORD_MAX_STATE_DEPTH is 0; expected an integer from 1 to 1000.'],
    [
      [],
      { CHORD_MAX_STATE_BYTES: '99999999999999999999' },
      'CHORD_MAX_STATE_BYTES is 100000000000000000000; expected an integer of 2 or more.',
    ],
    [[], { CHORD_MAX_STATE_BYTES: '1MiB' }, 'CHORD_MAX_STATE_BYTES is "1MiB"; expected an integer of 2 or more.'],
    [
      [],
      { CHORD_RECHECK_MS: '3000000000' },
      'CHORD_RECHECK_MS is 3000000000; expected an integer from 1 to 2147483647.',
    ],
    [[], { CHORD_GRAPHIQL: 'constructor' }, 'CHORD_GRAPHIQL is "constructor"; expected true or false.'],
    [
      [],
      { CHORD_FORBIDDEN_KEYS: 'a,,b' },
      'CHORD_FORBIDDEN_KEYS is "a,,b"; expected keys separated by commas (in the file an array of texts), or none.',
    ],
    [['--log-level', 'loud'], {}, '--log-level is "loud"; expected one of debug, info, warn, error, silent.'],
    [[], { CHORD_LOG_FORMAT: 'xml' }, 'CHORD_LOG_FORMAT is "xml"; expected one of auto, json, pretty.'],
    [
      ['--context-auto-delete'],
      {},
      '--context-auto-delete is true, so contextTtlMs (CHORD_CONTEXT_TTL_MS, --context-ttl-ms) must be set.',
    ],
  ])('%j %j', async (argv, env, message) => {
    expect(await refusal({ argv, env })).toBe(message);
  });

  test('also when a stronger source hides it', async () => {
    expect(await refusal({ env: { CHORD_PORT: 'x' }, argv: ['--port', '1'] })).toContain('CHORD_PORT is "x"');
  });

  test('a long one is shortened', async () => {
    expect((await refusal({ env: { CHORD_PORT: 'x'.repeat(10_000) } })).length).toBeLessThan(200);
  });

  test('auto delete with a time to live is accepted', async () => {
    const env = { CHORD_CONTEXT_AUTO_DELETE: 'true', CHORD_CONTEXT_TTL_MS: '60000' };
    expect(await load({ env })).toMatchObject({ contextAutoDelete: true, contextTtlMs: 60_000 });
  });
});

describe('an option that needs another is refused without it, by the name that the user gave', () => {
  const urls = ['--webhook-export-url', 'http://a.test', '--webhook-provider-url', 'http://b.test'];

  test.each([
    [['--context-auto-delete'], '--context-auto-delete is true', 'contextTtlMs'],
    [['--export-before-expire'], '--export-before-expire is true', 'exporter'],
    [['--restore-on-miss', '--exporter', 'file'], '--restore-on-miss is true', 'provider'],
    [['--exporter', 'webhook', '--webhook-secret', 'hush'], '--exporter is "webhook"', 'webhookExportUrl'],
    [['--provider', 'webhook', '--webhook-secret', 'hush'], '--provider is "webhook"', 'webhookProviderUrl'],
    [['--exporter', 'webhook', ...urls], '--exporter is "webhook"', 'webhookSecret'],
    [['--provider', 'webhook', ...urls], '--provider is "webhook"', 'webhookSecret'],
    [['--backend', 'redis'], '--backend is "redis"', 'redisUrl'],
    [['--exporter', 's3'], '--exporter is "s3"', 's3Bucket'],
    [['--provider', 's3'], '--provider is "s3"', 's3Bucket'],
  ])('%j', async (argv, given, missing) => {
    expect(await refusal({ argv })).toBe(
      `${given}, so ${missing} (${variable(missing)}, ${flag(missing)}) must be set.`,
    );
  });

  test.each(['redisUrl', 'redisPrefix'])('%s is refused for another backend', async (name) => {
    const rest = 'Set backend (CHORD_BACKEND, --backend) to redis, or leave';
    const label = (given: string, backend: string) =>
      `${given} is for the backend redis, and the backend is ${backend}. ${rest} ${given} out.`;
    const value = 'redis://:hush@a';
    expect(await refusal({ argv: [flag(name), value] })).toBe(label(flag(name), 'lmdb'));
    const env = { [variable(name)]: value, CHORD_BACKEND: 'memory' };
    expect(await refusal({ env })).toBe(label(variable(name), 'memory'));
    const file = `export default { ${name}: '${value}' };`;
    expect(await refusal({ file })).toBe(label(`${name} in chord.config.mjs`, 'lmdb'));
    expect(() => createApp({ [name]: value })).toThrow(label(name, 'lmdb'));
    // Another source may take it back.
    const none = name === 'redisPrefix' ? 'chord:' : 'none';
    await expect(load({ file, argv: [flag(name), none] })).resolves.toMatchObject({ backend: 'lmdb' });
  });

  test('several workers are refused for a backend of one process, and for an app, which is one', async () => {
    const redis = ['--backend', 'redis', '--redis-url', 'redis://a'];
    await expect(load({ argv: ['--workers', '3', ...redis] })).resolves.toMatchObject({ workers: 3 });
    await expect(load({ env: { CHORD_WORKERS: '1' } })).resolves.toMatchObject({ workers: 1, backend: 'lmdb' });
    expect(await refusal({ env: { CHORD_WORKERS: '2' } })).toBe(
      'CHORD_WORKERS is 2, and several processes share the backend redis alone; the backend is lmdb. Set backend (CHORD_BACKEND, --backend) to redis, or leave CHORD_WORKERS out.',
    );
    expect(await refusal({ argv: ['--workers', '0'] })).toBe('--workers is 0; expected an integer from 1 to 256.');
    expect(() => createApp({ workers: 2, backend: 'redis', redisUrl: 'redis://a' })).toThrow(
      'workers is for the command',
    );
  });

  test('the name is that of the source that counts', async () => {
    const file = 'export default { exportBeforeExpire: true }';
    expect(await refusal({ file })).toMatch(/^exportBeforeExpire in chord\.config\.mjs is true, so exporter /);
    expect(await refusal({ file, env: { CHORD_EXPORT_BEFORE_EXPIRE: '1' } })).toMatch(
      /^CHORD_EXPORT_BEFORE_EXPIRE is /,
    );
    expect(await load({ file, argv: ['--no-export-before-expire'] })).toMatchObject({ exportBeforeExpire: false });
  });

  test.each([
    ['--context-auto-delete', '--context-ttl-ms', '1'],
    ['--export-before-expire', '--exporter', 'file'],
    ['--restore-on-miss', '--provider', 'file'],
    ['--exporter', 'webhook', '--provider', 'webhook', ...urls, '--webhook-secret', 'hush'],
    ['--exporter', 's3', '--provider', 's3', '--s3-bucket', 'b'],
    ['--backend', 'redis', '--redis-url', 'redis://a,redis://b'],
  ])('%s %s with what it needs is accepted', async (...argv) => {
    await expect(load({ argv })).resolves.toBeDefined();
  });

  test('an object in the file is an exporter or a provider of its own', async () => {
    const file = `export default {
      exporter: { async exportContext() {} },
      provider: { async fetchContext() { return null; } },
      exportBeforeExpire: true,
      restoreOnMiss: true,
    };`;
    expect(await load({ file })).toMatchObject({ exportBeforeExpire: true, restoreOnMiss: true });
  });

  test.each([
    ['exporter', 'exportContext'],
    ['provider', 'fetchContext'],
  ])('an %s in the file without the method %s is refused', async (role, method) => {
    expect(await refusal({ file: `export default { ${role}: {} }` })).toBe(
      `${role} in chord.config.mjs is an object; expected one of none, file, webhook, s3 (in the file also an object with ${method}).`,
    );
  });
});

describe('a secret', () => {
  test.each([
    ['of another type', { file: "export default { webhookSecret: ['hUsH-hUsH'] }" }],
    ['beside a wrong value', { argv: ['--webhook-secret', 'hUsH-hUsH', '--port', 'http'] }],
    ['without the URL', { argv: ['--exporter', 'webhook'], env: { CHORD_WEBHOOK_SECRET: 'hUsH-hUsH' } }],
    ['given twice', { argv: ['--webhook-secret', 'hUsH-hUsH', '--webhook-secret=hUsH-hUsH'] }],
    ['that is known to no flag', { argv: ['--webhook-secrets=hUsH-hUsH'] }],
    ['that is known to no variable', { env: { CHORD_WEBHOOK_SECRETS: 'hUsH-hUsH' } }],
    ['that is known to no key', { file: "export default { webhookSecrets: 'hUsH-hUsH' }" }],
  ])('%s is in no message', async (_, sources) => {
    expect(await refusal(sources)).not.toContain('hUsH');
  });

  test('of a wrong type is refused by its name', async () => {
    expect(await refusal({ file: 'export default { webhookSecret: 7 }' })).toBe(
      'webhookSecret in chord.config.mjs is not shown; expected a text that is not empty, or none.',
    );
  });

  test('is a variable, a flag, or a key like any other', async () => {
    expect(await load({ env: { CHORD_WEBHOOK_SECRET: 'hush' } })).toMatchObject({ webhookSecret: 'hush' });
    expect(await load({ argv: ['--webhook-secret=hush'] })).toMatchObject({ webhookSecret: 'hush' });
    expect(await load({ file: "export default { webhookSecret: 'hush' }" })).toMatchObject({ webhookSecret: 'hush' });
  });
});

describe('a wrong name is refused with the nearest right one', () => {
  test.each([
    [['--prot', '1'], {}, 'There is no flag --prot. Did you mean --port? See --help.'],
    [['--no-port'], {}, 'There is no flag --no-port. Did you mean --port? See --help.'],
    [['--maxStateBytes=1'], {}, 'There is no flag --maxStateBytes. Did you mean --max-state-bytes? See --help.'],
    [['start'], {}, 'The argument "start" belongs to no flag. See --help.'],
    [['--port'], {}, '--port has no value; expected an integer from 0 to 65535.'],
    [['--port', '--host', 'x'], {}, '--port has no value; expected an integer from 0 to 65535.'],
    [['--config'], {}, '--config has no value; expected a path.'],
    [['--port', '1', '--port=1'], {}, '--port is given twice.'],
    [['--graphiql', '--no-graphiql'], {}, '--graphiql is given twice.'],
    [['--config', 'a', '--config', 'b'], {}, '--config is given twice.'],
    [[], { CHORD_PROT: '1' }, 'There is no variable CHORD_PROT. Did you mean CHORD_PORT? See --help.'],
    [[], { CHORD_HISTORY: 'x' }, 'There is no variable CHORD_HISTORY. Did you mean CHORD_HISTORIES? See --help.'],
  ])('%j %j', async (argv, env, message) => {
    expect(await refusal({ argv, env })).toBe(message);
  });
});

describe('what is printed', () => {
  const names = Object.keys(defaults);

  test('the help names every option, by flag and by variable', () => {
    const help = helpText();
    for (const name of names) {
      expect(help).toContain(`  ${flag(name)}\n`);
      expect(help).toContain(`${variable(name)}.\n`);
    }
    for (const other of ['--config', 'CHORD_CONFIG', '--help', '--version', 'deltaFormatter', 'timeProvider']) {
      expect(help).toContain(other);
    }
  });

  test('the table for the documentation has one well-formed row per option', () => {
    const rows = configTableMarkdown().trimEnd().split('\n');
    const named = rows.slice(2).map((row) => /^\| `(\w+)` \|/.exec(row)?.[1]);
    expect(named).toEqual([...names, 'deltaFormatter', 'timeProvider', 'authenticate']);
    expect(new Set(rows.map((row) => row.split('|').length))).toEqual(new Set([9]));
  });

  test('docs/operations.md holds the current table', () => {
    const path = new URL('../../docs/operations.md', import.meta.url);
    const [, table] = /<!-- config:begin -->\n([\s\S]*)<!-- config:end -->/.exec(readFileSync(path, 'utf8')) ?? [];
    expect(table?.trim()).toBe(configTableMarkdown().trim());
  });
});
