/*
 * The Dockerfile, step by step, since a test has no container engine: what its stages copy and run, in folders that stand
 * for their file systems, and what it says of how the image is started. The base image is the Node of this machine.
 *
 * That nothing but /data is written to is read off the system calls. As root the server has the user of the image; else
 * it has that of the test, who may not write to the folders either.
 */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { post } from '../support/app.ts';
import { Command, checkout, stopCommands } from '../support/command.ts';
import { installTimeoutMs, needProgram } from '../support/programs.ts';
import { createCertificate } from '../support/redis/certificate.ts';
import { freePorts } from '../support/redis/ports.ts';
import { soon, until } from '../support/wait.ts';

const isRoot = process.getuid?.() === 0;
const instructions = readFileSync(join(checkout, 'Dockerfile'), 'utf8')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => {
    const [, name = '', rest = ''] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
    return { name, rest };
  });

/** A file system that is being built, and what it says of itself. */
interface Stage {
  readonly root: string;
  workdir: string;
  user: string;
  command: readonly string[];
  health: readonly string[];
  readonly env: Record<string, string>;
}

let home: string;
let image: Stage;
/** Where whoever runs the image may write, and the image is not. */
let outside: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'chord-image-'));
  // The user of the image has to come by.
  chmodSync(home, 0o755);
  image = await build();
  outside = join(home, 'outside');
  mkdirSync(outside);
  if (isRoot) chownSync(outside, ...userOf(image));
  await needProgram(['strace'], 'strace');
}, installTimeoutMs);
afterEach(stopCommands);
afterAll(() => rmSync(home, { recursive: true }));

/** What the engine is given: what .dockerignore does not leave out. */
function context(): string {
  const path = join(home, 'context');
  const [all, ...kept] = readFileSync(join(checkout, '.dockerignore'), 'utf8').match(/^[^#\n].*$/gm) ?? [];
  if (all !== '*') throw new Error('.dockerignore does not begin with leaving out everything');
  for (const line of kept) cpSync(join(checkout, line.slice(1)), join(path, line.slice(1)), { recursive: true });
  return path;
}

async function build(): Promise<Stage> {
  const stages = new Map([['', { root: context(), workdir: '/' }]]);
  let stage: Stage | undefined;
  for (const { name, rest } of instructions) {
    if (name === 'FROM') {
      const [, alias = 'image'] = / AS (\w+)$/.exec(rest) ?? [];
      stage = newStage(alias);
      stages.set(alias, stage);
    } else if (stage === undefined) throw new Error(`${name} before FROM`);
    else if (name === 'COPY') copy(stage, rest, (from) => stages.get(from)?.root);
    else if (name === 'RUN') await run(stage, rest);
    else note(stage, name, rest);
  }
  if (stage === undefined) throw new Error('there is no FROM');
  return stage;
}

/** The base image: Node, where it has it. */
function newStage(name: string): Stage {
  const root = join(home, name);
  mkdirSync(join(root, 'usr/local/bin'), { recursive: true });
  copyFileSync(process.execPath, join(root, 'usr/local/bin/node'));
  return { root, workdir: '/', user: 'root', command: [], health: [], env: {} };
}

function copy(stage: Stage, rest: string, rootOf: (stage: string) => string | undefined): void {
  const [, from = '', paths = ''] = /^(?:--from=(\w+) )?(.*)$/.exec(rest) ?? [];
  const sources = paths.split(' ');
  const to = sources.pop() ?? '';
  const root = rootOf(from);
  if (root === undefined) throw new Error(`there is no stage ${from}`);
  for (const source of sources) {
    const path = join(stage.root, stage.workdir, to);
    cpSync(join(root, source), to.endsWith('/') ? join(path, basename(source)) : path, { recursive: true });
  }
}

async function run(stage: Stage, rest: string): Promise<void> {
  const cwd = join(stage.root, stage.workdir);
  mkdirSync(cwd, { recursive: true });
  // What it would install is what the checkout has.
  if (rest === 'npm ci') return symlinkSync(join(checkout, 'node_modules'), join(cwd, 'node_modules'));
  const own = `${process.getuid?.()}:${process.getgid?.()}`;
  const here = rest.replaceAll(/(?<= )\/(?=\w)/g, `${stage.root}/`);
  const command = new Command('sh', ['-c', isRoot ? here : here.replace('1000:1000', own)], { cwd });
  const code = await soon(rest, command.exit, installTimeoutMs);
  if (code !== 0) throw new Error(`${rest} ended with ${code}:\n${command.stderr}`);
}

function note(stage: Stage, name: string, rest: string): void {
  switch (name) {
    case 'WORKDIR':
      stage.workdir = rest;
      return;
    case 'USER':
      stage.user = rest;
      return;
    case 'ENV': {
      const [key = '', value = ''] = rest.split('=');
      stage.env[key] = value;
      return;
    }
    case 'CMD':
      // Anything else than an array of texts would start a shell.
      stage.command = JSON.parse(rest) as readonly string[];
      return;
    case 'HEALTHCHECK':
      stage.health = JSON.parse(rest.replace(/^.*? CMD /, '')) as readonly string[];
      return;
    case 'ARG':
    case 'EXPOSE':
    case 'LABEL':
    case 'VOLUME':
      return;
    default:
      throw new Error(`${name} is not replayed`);
  }
}

function userOf({ user }: Stage): [uid: number, gid: number] {
  const [uid, gid] = user.split(':').map(Number);
  if (uid === undefined || gid === undefined) throw new Error(`${user} is no number`);
  return [uid, gid];
}

/** Runs something in the image, by its user. */
function inside(args: readonly string[], env: Record<string, string>, wrapper: readonly string[] = []): Command {
  const [uid, gid] = userOf(image);
  const asUser = isRoot ? ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--no-new-privs'] : [];
  const [program = '', ...rest] = [
    ...asUser,
    ...wrapper,
    join(image.root, 'usr/local/bin', args[0] ?? ''),
    ...args.slice(1),
  ];
  const { CHORD_DATA_DIR = '', ...own } = image.env;
  const all = { ...own, CHORD_DATA_DIR: join(image.root, CHORD_DATA_DIR), TMPDIR: '/tmp', ...env };
  return new Command(program, rest, { cwd: join(image.root, image.workdir), env: all });
}

/** The server as the image starts it, serving. */
async function start(env: Record<string, string> = {}, wrapper: readonly string[] = []) {
  const [port = 0] = await freePorts(1);
  const command = inside(image.command, { CHORD_PORT: String(port), CHORD_ALLOW_ANONYMOUS: 'true', ...env }, wrapper);
  await command.printed(/"message":"ready at/);
  return { command, port };
}

test('it holds what runs, and nothing that only builds', () => {
  const files = readdirSync(join(image.root, 'app'), { recursive: true, encoding: 'utf8' });
  expect(readdirSync(join(image.root, 'app')).toSorted()).toEqual(['dist', 'node_modules', 'package.json']);
  expect(files.filter((file) => file.startsWith('node_modules/') && /\.(ts|map)$/.test(file))).toEqual([]);
  for (const name of ['typescript', 'vitest', 'fast-check', 'playwright-core'])
    expect(existsSync(join(image.root, 'app/node_modules', name))).toBe(false);
  expect(existsSync(join(image.root, 'app/dist/main.js'))).toBe(true);
});

test('it starts node itself, as a user who is not root, and not before it is told who may do what', async () => {
  expect(image.command[0]).toBe('node');
  expect(userOf(image)).toEqual([1000, 1000]);
  const command = inside(image.command, { CHORD_PORT: '0' });
  expect(await command.exit).toBe(2);
  expect(command.stderr).toMatch(/^chord: CHORD_HOST is 0\.0\.0\.0, which others can reach/);
});

test('it keeps contexts in /data, and ends well by SIGTERM', async () => {
  const query = 'mutation { updateContext(id: "c", changes: { n: 1 }) { __typename } }';
  for (const kind of ['ContextNotFoundError', 'UpdateContextPayload']) {
    const { command, port } = await start();
    const url = `http://127.0.0.1:${port}/graphql`;
    expect(await post(url, { query })).toEqual({ data: { updateContext: { __typename: kind } } });
    await post(url, { query: 'mutation { setContext(id: "c", state: {}) { __typename } }' });
    command.kill('SIGTERM');
    expect(await soon('the end', command.exit)).toBe(0);
  }
  expect(readdirSync(join(image.root, 'data'))).not.toEqual([]);
});

test('it writes to /data and nowhere else', async () => {
  const log = join(outside, 'calls');
  // -D: the server is the process that is started, and gets its signals.
  const calls = 'trace=open,openat,openat2,creat,truncate,/^(mkdir|rename|unlink|link|symlink|mknod|chmod|chown)';
  const { command, port } = await start({}, ['strace', '-D', '-f', '-o', log, '-e', calls]);
  await post(`http://127.0.0.1:${port}/graphql`, {
    query: 'mutation { setContext(id: "c", state: { n: 2 }) { __typename } }',
  });
  await (await fetch(`http://127.0.0.1:${port}/graphql`)).text();
  command.kill('SIGTERM');
  expect(await soon('the end', command.exit)).toBe(0);
  await until('the log', () => readFileSync(log, 'utf8').includes('+++ exited with 0 +++'));
  const done = readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => /"/.test(line) && !/ = -1 /.test(line))
    .filter((line) => !/\bopen(at2?)?\(/.test(line) || /O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)/.test(line));
  const written = new Set(done.flatMap((line) => [...line.matchAll(/"([^"]*)"/g)].map(([, path = '']) => path)));
  const data = join(image.root, 'data');
  expect([...written].filter((path) => path.startsWith(data))).not.toEqual([]);
  expect([...written].filter((path) => !path.startsWith(data) && path !== '/dev/null')).toEqual([]);
});

test.each([false, true])('its health check says how it is, without a shell; with TLS: %j', async (hasTls) => {
  const { certPath, keyPath } = await createCertificate(outside);
  if (isRoot) for (const path of [certPath, keyPath]) chownSync(path, ...userOf(image));
  const tls = hasTls ? { CHORD_TLS_CERT_FILE: certPath, CHORD_TLS_KEY_FILE: keyPath } : {};
  const { command, port } = await start(tls);
  // Also when the certificate is named in the configuration file, of which it knows nothing.
  for (const env of [tls, {}]) {
    const health = inside(image.health, { CHORD_PORT: String(port), ...env });
    expect(await soon('the health check', health.exit)).toBe(0);
    expect(health.stdout + health.stderr).toBe('');
  }
  command.kill('SIGTERM');
  await command.exit;
  expect(await soon('the health check', inside(image.health, { CHORD_PORT: String(port) }).exit)).toBe(1);
});
