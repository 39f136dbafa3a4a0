import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { build } from './support/build.ts';
import { builtCopy } from './support/built.ts';
import { Command, checkout, stopCommands } from './support/command.ts';
import { createCertificate } from './support/redis/certificate.ts';

/* The command as its users run it: a copy of the checkout, built by the project's own script, in a process of its own. */
let home: string;

beforeAll(async () => {
  home = await builtCopy();
});
afterEach(stopCommands);
afterAll(() => rmSync(home, { recursive: true }));

function chord(args: readonly string[], env: Record<string, string> = {}): Command {
  return new Command(process.execPath, [join(home, 'dist/main.js'), ...args], { cwd: home, env });
}

/** Starts a server on any free port and waits until it serves. */
async function serving(args: readonly string[] = [], env: Record<string, string> = {}) {
  const command = chord(['--port', '0', ...args], env);
  const endpoint = await command.endpoint();
  return { command, endpoint, live: new URL('/live', endpoint) };
}

/** The command around an app that misbehaves: the build with another app in it. */
function withApp(body: string, args: readonly string[] = []): Command {
  const dist = mkdtempSync(join(home, 'faulty-'));
  cpSync(join(home, 'dist'), dist, { recursive: true });
  writeFileSync(
    join(dist, 'app/app.js'),
    `const url = 'http://127.0.0.1:4000';
     export const createApp = (options) => ({ start: async () => ({ url, isReady: true }), stop: async () => {}, ${body} });
     export const [renewStore, createWorkerApp] = [];
     setInterval(() => {}, 1000);`,
  );
  return new Command(process.execPath, [join(dist, 'main.js'), ...args], { cwd: home });
}

describe('without serving', () => {
  test('--help prints every flag, --version the version of the package', async () => {
    const help = chord(['--port', 'nonsense', '--help']);
    expect(await help.exit).toBe(0);
    expect(help.stdout).toContain('--max-state-bytes');

    const version = chord(['--version']);
    expect(await version.exit).toBe(0);
    const manifest = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { readonly version: string };
    expect(version.stdout).toBe(`${manifest.version}\n`);
  });

  test.each([
    [['--port', 'http'], {}, '--port is "http"; expected an integer from 0 to 65535.'],
    [
      [],
      { CHORD_DELTA_THRESHOLD: 'many' },
      'CHORD_DELTA_THRESHOLD is "many"; expected an integer of 0 or more, or none.',
    ],
    [
      ['--backend', 'redis', '--redis-url', 'redis://:hush@one:two'],
      {},
      '--redis-url cannot be used: a port is not a number from 1 to 65535.',
    ],
    [
      ['--exporter', 'webhook'],
      { CHORD_WEBHOOK_EXPORT_URL: 'hush', CHORD_WEBHOOK_SECRET: 'hush' },
      'CHORD_WEBHOOK_EXPORT_URL: expected a URL of http or https.',
    ],
    [
      ['--tls-cert-file', 'cert.pem', '--tls-key-file', 'key.pem'],
      {},
      "--tls-cert-file: cert.pem: ENOENT: no such file or directory, open 'cert.pem'",
    ],
    [
      [],
      { CHORD_TRUSTED_PROXIES: '10.0.0.0/33' },
      'CHORD_TRUSTED_PROXIES is ["10.0.0.0/33"]; expected addresses, ranges like 10.0.0.0/8, loopback or private, separated by commas (in the file an array of texts), or none.',
    ],
    [['--prot=1'], {}, 'There is no flag --prot. Did you mean --port? See --help.'],
  ])('a wrong value ends the start with code 2 and one line: %j %j', async (args, env, line) => {
    const command = chord(args, env);
    expect(await command.exit).toBe(2);
    expect(command.stderr).toBe(`chord: ${line}\n`);
    expect(command.stdout).toBe('');
  });

  test('a chord.config.ts is run where Node can, else refused with the remedy', async () => {
    writeFileSync(join(home, 'own.config.ts'), "const port: string = 'here'; export default { port };");
    const command = chord(['--config', 'own.config.ts']);
    expect(await command.exit).toBe(2);
    expect(command.stderr).toContain(
      'typescript' in process.features && process.features.typescript !== false
        ? 'chord: port in own.config.ts is "here"; expected an integer from 0 to 65535.\n'
        : `chord: Node ${process.versions.node} cannot run own.config.ts. Rename it to chord.config.js`,
    );
  });
});

describe('serving', () => {
  test('prints where GraphiQL is, answers /live, and ends with 0 on SIGTERM', async () => {
    const { command, endpoint, live } = await serving();
    expect(command.stdout).toContain(`GraphiQL is at ${endpoint}`);
    expect((await fetch(live)).status).toBe(200);

    command.kill('SIGTERM');
    expect(await command.exit).toBe(0);
    expect(command.stdout).toMatch(/"message":"stopped"/);
    expect(command.stderr).toBe('');
    await expect(fetch(live)).rejects.toThrow('fetch failed');
  });

  test('a Ctrl-C that arrives twice, from the terminal and from npm, still drains', async () => {
    const { command } = await serving();
    command.kill('SIGINT');
    command.kill('SIGINT');
    expect(await command.exit).toBe(0);
  });

  test('with a certificate it says where it is by https, and answers there', async () => {
    const { certPath, keyPath, pem } = await createCertificate(home);
    const command = chord(['--port', '0', '--tls-cert-file', certPath], { CHORD_TLS_KEY_FILE: keyPath });
    const [endpoint] = await command.printed(/https:\/\/127\.0\.0\.1:\d+\/graphql/);
    expect(command.stdout).toContain(`GraphiQL is at ${endpoint}`);
    const [answer] = (await once(get(new URL('/ready', endpoint), { ca: pem }), 'response')) as [IncomingMessage];
    answer.resume();
    expect(answer.statusCode).toBe(200);
    command.kill('SIGTERM');
    expect(await command.exit).toBe(0);
  });

  test('without GraphiQL it says where the endpoint is', async () => {
    const { command, endpoint } = await serving(['--no-graphiql']);
    expect(command.stdout).toContain(`ready at ${endpoint}`);
    expect(command.stdout).not.toContain('GraphiQL');
  });
});

describe('an address that cannot be used ends the start with code 1 and one line', () => {
  test('a port that is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const command = chord(['--port', String(port)]);
    expect(await command.exit).toBe(1);
    expect(command.stderr).toBe(
      `chord: Port ${port} of 127.0.0.1 is in use. Stop what uses it, or choose another by --port or CHORD_PORT (0: any free one).\n`,
    );
    other.close();
  });

  test('an address of another machine', async () => {
    const command = chord(['--port', '0', '--host', '192.0.2.1', '--allow-anonymous']);
    expect(await command.exit).toBe(1);
    expect(command.stderr).toMatch(/^chord: 192\.0\.2\.1 is no address of this machine\. .*CHORD_HOST.*\n$/);
  });

  test('a host name without an address', async () => {
    const command = chord(['--port', '0', '--host', 'nowhere.invalid', '--allow-anonymous']);
    expect(await command.exit).toBe(1);
    expect(command.stderr).toMatch(/^chord: The host nowhere\.invalid has no address\. .*CHORD_HOST.*\n$/);
  });
});

describe('faults', () => {
  test.each([
    ['begins nothing more', 'process.emit("go", { url, isReady: true })'],
    ['is not reported as its failure', 'process.emit("go", Promise.reject(new Error("cut short")))'],
  ])('a signal during the start stops the app, which %s', async (_, ending) => {
    const command = withApp(`
      start: () => new Promise((resolve) => {
        process.once('go', resolve);
        options.logger.info('starting');
      }),
      stop: async () => { ${ending}; await new Promise(setImmediate); }`);
    await command.printed(/starting/);
    command.kill('SIGTERM');
    expect(await command.exit).toBe(0);
    const messages = [...command.stdout.matchAll(/"message":"([^"]*)"/g)].map(([, message]) => message);
    expect(messages).toEqual(['starting', 'stopping', 'stopped']);
    expect(command.stderr).toBe('');
  });

  test('a second signal ends a stop that hangs, with code 1', async () => {
    const command = withApp('stop: () => new Promise(() => {})');
    await command.printed(/ready/);
    command.kill('SIGTERM');
    await command.printed(/"message":"stopping"/);
    const again = setInterval(() => command.kill('SIGTERM'), 100);
    expect(await command.exit).toBe(1);
    clearInterval(again);
    expect(command.stdout).toContain('by a second signal');
  });

  test('a stop that hangs is given up five seconds after the drain timeout', async () => {
    const command = withApp('stop: () => new Promise(() => {})', ['--drain-timeout-ms', '0']);
    await command.printed(/ready/);
    const startedAtMs = performance.now();
    command.kill('SIGTERM');
    expect(await command.exit).toBe(1);
    expect(performance.now() - startedAtMs).toBeGreaterThan(4900);
    expect(command.stdout).toContain('gave up');
  });

  test('a stop that fails is logged and ends with 1', async () => {
    const command = withApp("stop: async () => { throw new Error('disk on fire'); }");
    await command.printed(/ready/);
    command.kill('SIGINT');
    expect(await command.exit).toBe(1);
    expect(command.stdout).toContain('disk on fire');
  });

  test.each([
    ['a rejection that nobody handles', "void Promise.reject(new Error('surprise'))"],
    ['an exception in a callback', "setImmediate(() => { throw new Error('surprise'); })"],
  ])('%s is logged and ends with 1', async (_, statement) => {
    const command = withApp(`start: async () => { ${statement}; return { url, isReady: true }; }`);
    expect(await command.exit).toBe(1);
    const line = command.stdout.split('\n').find((text) => text.includes('unexpected error')) ?? '{}';
    expect(JSON.parse(line)).toMatchObject({ level: 'error', error: { message: 'surprise' } });
  });

  test('a start that fails for another reason shows it and ends with 1', async () => {
    const command = withApp("start: async () => { throw new Error('no store'); }");
    expect(await command.exit).toBe(1);
    expect(command.stderr).toContain('no store');
  });

  test('the time provider of the file becomes the clock of the app', async () => {
    writeFileSync(join(home, 'time.config.mjs'), 'export default { timeProvider: () => 1234567 };');
    const command = withApp("start: async () => ({ url: 'http://now-' + options.clock.now(), isReady: true })", [
      '--config',
      'time.config.mjs',
    ]);
    expect(await command.printed(/http:\/\/now-1234567\//)).toBeDefined();
  });
});

describe('the build', () => {
  test('makes anew what was deleted, and leaves nothing of a source that is gone', async () => {
    const dist = (name: string) => join(home, 'dist', name);
    const source = join(home, 'src', 'passing.ts');
    writeFileSync(source, 'export const passing = true;\n');
    await build(home);
    expect(existsSync(dist('passing.js'))).toBe(true);

    rmSync(source);
    rmSync(dist('errors.js'));
    await build(home);
    expect(existsSync(dist('errors.js'))).toBe(true);
    for (const extension of ['.js', '.js.map', '.d.ts']) expect(existsSync(dist(`passing${extension}`))).toBe(false);
  });

  test('npm start builds, serves, and passes SIGTERM on', async () => {
    rmSync(join(home, 'dist'), { recursive: true });
    const command = new Command('npm', ['start', '--', '--port', '0'], { cwd: home });
    const endpoint = await command.endpoint();
    command.kill('SIGTERM');
    await command.exit;
    expect(command.stdout).toContain('"message":"stopped"');
    await expect(fetch(endpoint)).rejects.toThrow('fetch failed');
  });
});
