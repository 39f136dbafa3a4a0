/**
 * Everything that is secret is marked, everything that can fail does, and no mark is where somebody else may look: in
 * the log at its most talkative, in metrics, traces and answers, in what a process says that does not start.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { schema } from '../../src/graphql/schema.ts';
import { Receiver, stopReceivers } from '../external/receiver.ts';
import { Collector } from '../observability/collector.ts';
import { builtProgram } from '../support/built.ts';
import { ChordProcess, startScript } from '../support/chord-process.ts';
import { stopCommands } from '../support/command.ts';
import { markedOperations } from '../support/marked-operations.ts';
import { allGrants, markedCredentials, markedWords, sayEverything, startUnwilling } from '../support/marked-program.ts';
import { linesWith, Marks } from '../support/marks.ts';
import { type Certificate, createCertificate } from '../support/redis/certificate.ts';
import { freePorts } from '../support/redis/ports.ts';
import { startRedis } from '../support/redis/server.ts';
import { Told, tellingWays } from '../support/told.ts';
import { until } from '../support/wait.ts';

let script: string;
const main = (env: Record<string, string>) =>
  startScript(script, ['--port', '0'], { CHORD_LOG_LEVEL: 'debug', CHORD_LOG_FORMAT: 'json', ...env });

let directory: string;
let certificate: Certificate;
beforeAll(async () => {
  script = await builtProgram();
  directory = mkdtempSync(join(tmpdir(), 'chord-secrets-'));
  certificate = await createCertificate(directory);
});
afterAll(async () => {
  await stopCommands();
  await stopReceivers();
  rmSync(directory, { recursive: true });
});

/** A file in the directory. Answers its path. */
function write(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

/** Of all that can be refused or fail. */
const everyCode = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'BAD_USER_INPUT',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'LIMIT_EXCEEDED',
  'BACKEND_UNAVAILABLE',
  'VersionConflictError',
  'IdempotencyConflictError',
  'InvalidStateError',
  'LimitExceededError',
  'ContextNotFoundError',
  'ExternalStorageError',
];

test('no secret is in logs, metrics, traces or answers, whatever is asked and whatever fails', {
  timeout: 120_000,
}, async () => {
  const [kept, quoted] = [new Marks(), new Marks()];
  const words = markedWords(kept, quoted);
  const { values, env: access } = await markedCredentials(kept, directory);
  const password = kept.make('the password of Redis');
  await using redis = await startRedis({ password });
  await using collector = await Collector.open();
  const { receiver, env: external } = await startUnwilling(kept);
  const [metricsPort] = await freePorts(1);
  const program = await ChordProcess.start(['--port', '0'], {
    script,
    env: {
      ...access,
      ...external,
      CHORD_BACKEND: 'redis',
      CHORD_REDIS_URL: `redis://:${password}@127.0.0.1:${redis.port}`,
      CHORD_REDIS_TIMEOUT_MS: '500',
      CHORD_LOG_LEVEL: 'debug',
      CHORD_LOG_FORMAT: 'json',
      CHORD_METRICS_PORT: String(metricsPort),
      CHORD_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: `authorization=${kept.make('the header of the collector')}`,
      CHORD_MAX_STATE_BYTES: '65536',
      CHORD_MAX_REQUEST_BYTES: '131072',
      CHORD_FORBIDDEN_KEYS: 'forbidden',
      CHORD_AUTH_GRACE_MS: '0',
    },
  });
  const told = new Told(program.url);
  const metrics = async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();

  await sayEverything(told, words, values);
  const figures = [await metrics()];
  await until('the traces', () => collector.spans.some(({ name }) => name === 'setContext'));

  // Now those that it needs are gone.
  redis.pause();
  collector.status = 500;
  await receiver.stop();
  // Each waits for Redis in vain.
  const asking = tellingWays.map(async (way) => {
    for (const operation of markedOperations(words).slice(0, 12)) await told.ask(way, operation, values['token']);
  });
  await Promise.all(asking);
  await told.send({ path: '/ready' });
  redis.resume();
  await until('Redis to be there again', async () => (await told.send({ path: '/ready' })).startsWith('200'));
  await told.ask('HTTP', { query: 'mutation { exportContext(id: "noted") { __typename } }' }, values['all']);
  figures.push(await metrics());
  expect(await program.end('SIGTERM')).toBe(0);

  // It was all there to be found.
  expect(values['token']).toBeDefined();
  expect(receiver.received.all.length).toBeGreaterThan(4);
  expect(program.output).toMatch(/"level":"debug".*"level":"warn"/s);
  expect(figures[1]).toContain('chord_writes_total{verb="set",outcome="conflict"}');
  expect(collector.spans.map(({ name }) => name)).toContain('setContext');
  for (const code of everyCode) {
    expect(told.text).toContain(code);
  }
  // And is not.
  for (const marks of [kept, quoted]) {
    expect(linesWith(marks, program.output)).toEqual([]);
    expect(linesWith(marks, figures.join('\n'))).toEqual([]);
    expect(linesWith(marks, collector.raw)).toEqual([]);
  }
  expect(linesWith(kept, told.text)).toEqual([]);
});

test('the operations with marks ask for every root field', () => {
  const asked = markedOperations(markedWords(new Marks(), new Marks())).map(({ query }) => query);
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  const fields = roots.flatMap((type) => Object.keys(type?.getFields() ?? {}));
  expect(fields.filter((field) => !asked.some((query) => new RegExp(`\\b${field}\\b`).test(query)))).toEqual([]);
});

describe('a mistake that nobody expected', () => {
  const config = `export default {
    // Longer than anything that JSON can say, as far as JSON knows.
    deltaFormatter: () => 1n,
    authenticate: ({ header, connectionParams }) => {
      const who = header('authorization') ?? connectionParams?.authorization;
      if (who === 'Bearer trap') return { get id() { throw new Error('a trap'); } };
      return who === undefined ? null : { id: 'ada', grants: ${JSON.stringify(allGrants)} };
    },
  };
  process.on('SIGUSR2', () => { throw new Error('a surprise'); });`;

  test('shows nothing of a state, a key of S3 or of TLS, also when the process ends by it', {
    timeout: 120_000,
  }, async () => {
    const [kept, quoted] = [new Marks(), new Marks()];
    const words = markedWords(kept, quoted);
    const storage = await Receiver.start((response) => {
      response
        .writeHead(403)
        .end(`<Error><Code>Denied</Code><Message>${kept.make('an answer of S3')}</Message></Error>`);
    });
    const { keyPath, certPath, pem } = certificate;
    for (const line of readFileSync(keyPath, 'utf8').split('\n')) {
      if (line.length > 20 && !line.startsWith('-')) kept.add('the key of TLS', line);
    }
    const command = startScript(script, ['--port', '0', '--config', write('traps.config.mjs', config)], {
      CHORD_BACKEND: 'memory',
      CHORD_LOG_LEVEL: 'debug',
      CHORD_LOG_FORMAT: 'json',
      CHORD_TLS_CERT_FILE: certPath,
      CHORD_TLS_KEY_FILE: keyPath,
      CHORD_EXPORTER: 's3',
      CHORD_PROVIDER: 's3',
      CHORD_S3_BUCKET: 'bucket',
      CHORD_S3_REGION: 'eu-central-1',
      CHORD_S3_PATH_STYLE: 'true',
      CHORD_S3_ENDPOINT: storage.origin,
      AWS_ACCESS_KEY_ID: kept.make('the name of the key of S3'),
      AWS_SECRET_ACCESS_KEY: kept.make('the key of S3'),
      AWS_SESSION_TOKEN: kept.make('the session of S3'),
    });
    const [url] = await command.printed(/https:\/\/127\.0\.0\.1:\d+/);
    const told = new Told(url, pem);
    const bearer = `Bearer ${kept.make('a token for the function')}`;
    const follow = `subscription { contextChanged(id: "noted", clientVersion: 1) { __typename ... on Delta { formatted } } }`;
    const asking = tellingWays.map(async (way) => {
      for (const operation of markedOperations(words)) await told.ask(way, operation, bearer);
      await told.ask(way, { query: 'query { deltas(contextId: "noted") { nodes { formatted } } }' }, bearer);
      if (way === 'SSE') await told.ask(way, { query: follow }, bearer);
      await told.ask(way, { query: '{ viewer { viewerId } }' }, 'Bearer trap');
    });
    await Promise.all(asking);
    command.kill('SIGUSR2');
    expect(await command.exit).toBe(1);

    const output = `${command.stdout}${command.stderr}`;
    expect(told.text).toContain('INTERNAL_SERVER_ERROR');
    expect(told.text).toContain('ExternalStorageError');
    expect(output).toContain('a surprise');
    expect(output).toContain('BigInt');
    expect(linesWith(kept, output)).toEqual([]);
    expect(linesWith(quoted, output)).toEqual([]);
    expect(linesWith(kept, told.text)).toEqual([]);
  });

  test('would be found: what a function throws is logged, as docs/access.md says', async () => {
    const marks = new Marks();
    const text = `export default { authenticate: () => { throw new Error(${JSON.stringify(marks.make('the mark'))}); } };`;
    const program = await ChordProcess.start(['--port', '0', '--config', write('careless.config.mjs', text)], {
      script,
      env: { CHORD_BACKEND: 'memory', CHORD_LOG_FORMAT: 'json' },
    });
    const told = new Told(program.url);
    await told.ask('HTTP', { query: '{ viewer { viewerId } }' }, 'Bearer x');
    expect(await program.end('SIGTERM')).toBe(0);
    expect(marks.in(program.output)).toEqual(['the mark']);
    expect(linesWith(marks, told.text)).toEqual([]);
  });
});

describe('a process that does not start', () => {
  const marks = new Marks();
  const mark = (what: string) => marks.make(what);
  const webhook = { CHORD_EXPORTER: 'webhook', CHORD_WEBHOOK_SECRET: mark('webhookSecret') };
  const redis = { CHORD_BACKEND: 'redis' };
  let files = 0;

  // At once: most of their time is spent on loading the program. The last option is the one that is wrong.
  test.concurrent.each<[string, Record<string, string>]>([
    ['a secret that is too short', { CHORD_JWT_SECRET: mark('a secret').slice(0, 20) }],
    ['two keys of tokens', { CHORD_JWT_SECRET: mark('a secret'), CHORD_JWT_PUBLIC_KEY_FILE: 'nowhere' }],
    ['a port of Redis that is none', { ...redis, CHORD_REDIS_URL: `redis://:${mark('a password')}@host:port` }],
    ['a URL that is not of Redis', { ...redis, CHORD_REDIS_URL: `http://ada:${mark('a password')}@127.0.0.1` }],
    ['a webhook of another protocol', { ...webhook, CHORD_WEBHOOK_EXPORT_URL: `ftp://ada:${mark('a password')}@x` }],
    ['a webhook without a host', { ...webhook, CHORD_WEBHOOK_EXPORT_URL: `//${mark('a path')}` }],
    [
      'a secret that is no base64',
      {
        CHORD_EXPORTER: 'webhook',
        CHORD_WEBHOOK_EXPORT_URL: 'http://127.0.0.1:1/',
        CHORD_WEBHOOK_SECRET: `whsec_!${mark('a secret')}`,
      },
    ],
    ['a collector that is no URL', { CHORD_OTLP_ENDPOINT: `ftp://ada:${mark('a password')}@x` }],
    ['keys with a password', { CHORD_JWKS_URL: `https://ada:${mark('a password')}@keys.example/${mark('a path')}` }],
  ])('because of %s does not say it', async (_what, env) => {
    const command = main({ CHORD_BACKEND: 'memory', ...env });
    expect(await command.exit).toBe(2);
    expect(command.stderr).toContain(Object.keys(env).at(-1));
    expect(linesWith(marks, `${command.stdout}${command.stderr}`)).toEqual([]);
  });

  test.concurrent.each<[string, string, string]>([
    ['a file of keys that is no JSON', 'CHORD_API_KEYS_FILE', `[{"id":"a","key":"${mark('a key')}`],
    ['a file of keys with keys in it', 'CHORD_API_KEYS_FILE', `[{"id":"a","key":"${mark('a key')}"}]`],
    ['a digest that is a key', 'CHORD_API_KEYS_FILE', `[{"id":"a","sha256":"chord_${mark('a key')}","grants":[]}]`],
    ['a private key as the public one', 'CHORD_JWT_PUBLIC_KEY_FILE', `-----BEGIN PRIVATE KEY-----\n${mark('a key')}`],
    ['a key of TLS that is none', 'CHORD_TLS_KEY_FILE', `-----BEGIN PRIVATE KEY-----\n${mark('a key')}`],
  ])('because of %s does not say it', async (_what, option, text) => {
    const path = write(`broken-${++files}`, text);
    const more = option === 'CHORD_TLS_KEY_FILE' ? { CHORD_TLS_CERT_FILE: certificate.certPath } : {};
    const command = main({ CHORD_BACKEND: 'memory', ...more, [option]: path });
    expect(await command.exit).toBe(2);
    expect(command.stderr).toContain(option);
    expect(linesWith(marks, `${command.stdout}${command.stderr}`)).toEqual([]);
  });

  test('because Redis wants another password does not say which it has', async () => {
    await using server = await startRedis({ password: 'right' });
    const url = `redis://:${mark('a wrong password')}@127.0.0.1:${server.port}`;
    const command = main({ CHORD_BACKEND: 'redis', CHORD_REDIS_URL: url });
    expect(await command.exit).toBe(2);
    expect(command.stderr).toContain('password');
    expect(linesWith(marks, `${command.stdout}${command.stderr}`)).toEqual([]);
  });
});
