/** README.md, word by word: its commands and its programs run as they stand there; only addresses are others. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { post, startApp, stopApps } from '../support/app.ts';
import { installTimeoutMs, needProgram } from '../support/programs.ts';
import { startRedis } from '../support/redis/server.ts';
import { blocksOf, checkout, read } from './pages.ts';
import { outputOf, Script, stopScripts } from './script.ts';

const readme = read('README.md');
const [runIt = '', subscribe = '', write = '', testIt = '', installIt = '', ...onRedis] = blocksOf(readme, 'sh');
const [event = '', followed = ''] = blocksOf(readme, '');
const [library = '', server = ''] = blocksOf(readme, 'ts');
const [config = ''] = blocksOf(readme, 'js');

let home: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'chord-readme-'));
  await outputOf('npm', ['run', '--silent', 'build'], checkout);
});
afterEach(async () => {
  await stopScripts();
  await stopApps();
});
afterAll(() => rmSync(home, { recursive: true }));

/** A folder for a test, with links to what is somewhere else. */
function folder(name: string, links: Readonly<Record<string, string>>): string {
  const path = join(home, name);
  for (const [link, target] of Object.entries(links)) {
    mkdirSync(join(path, link, '..'), { recursive: true });
    symlinkSync(join(checkout, target), join(path, link));
  }
  return path;
}

test('the commands are those of package.json', () => {
  expect([runIt, testIt]).toEqual(['npm install && npm start\n', 'npm install && npm test\n']);
  // What `folder` below does with a link, so that no registry is asked.
  expect(installIt).toBe('npm run build         # in this folder\nnpm install ../chord  # in the project\n');
  const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> };
  for (const [, , name = ''] of readme.matchAll(/npm (run )?(start|test|build)\b/g))
    expect(scripts).toHaveProperty(name);
});

test('the address is the one where the server listens by default, but for the two on one Redis', async () => {
  const { host, port } = await loadConfig({ argv: [], env: {}, cwd: home });
  const addresses = new Set(readme.match(/http:\/\/[\w.:]+/g));
  expect([...addresses].toSorted()).toEqual([port, 4001, 4002].map((each) => `http://${host}:${each}`));
});

/** A server, the page's subscription to it, and the page's write with another status. */
async function startCurl() {
  const { url } = await startApp();
  const here = (text: string) => text.replaceAll('http://127.0.0.1:4000', new URL(url).origin);
  const follower = new Script('bash', ['-c', here(subscribe)], home);
  const setStatus = (status: string) =>
    outputOf('bash', ['-c', here(write).replace('"ringing"', JSON.stringify(status))], home);
  return { follower, setStatus };
}

describe('the curl commands', () => {
  beforeAll(async () => {
    await needProgram(['curl'], 'curl');
  }, installTimeoutMs);

  test('show that there is nothing, then the whole context, then the change, in the format of the page', async () => {
    const { follower, setStatus } = await startCurl();
    await follower.printed(/^id: -\nevent: next\ndata: .*"NoContext".*\n\n/m);
    expect(JSON.parse(await setStatus('ringing'))).toEqual({
      data: { setContext: { __typename: 'SetContextPayload', version: 1 } },
    });
    const [, epoch = '', first = ''] = await follower.printed(/^id: ([\w-]{16}):1\nevent: next\ndata: (.*)\n\n/m);
    expect(JSON.parse(first)).toEqual({
      data: {
        contextChanged: {
          __typename: 'FullContext',
          version: 1,
          reason: 'NO_POSITION',
          context: { state: { status: 'ringing', from: 'Ada' } },
        },
      },
    });

    const shown = /"value":"(\w+)"/.exec(event)?.[1] ?? '';
    await setStatus(shown);
    const [delta] = await follower.printed(/^id: [\w-]{16}:2\n.*\n.*\n(?=\n)/m);
    expect(delta).toBe(event.replace(/^id: [\w-]{16}/, `id: ${epoch}`));
    expect(delta).toContain('"Delta"');
  });

  test('tell nothing when the same is written twice', async () => {
    const { follower, setStatus } = await startCurl();
    await follower.printed(/"NoContext"/);
    for (const status of ['ringing', 'ringing', 'talking']) await setStatus(status);
    await follower.printed(/"value":"talking"/);
    expect(follower.stdout).not.toContain('"version":3');
  });
});

describe('the programs', () => {
  let project: string;

  beforeAll(async () => {
    project = folder('project', {
      'node_modules/chord': '.',
      'node_modules/@types/node': 'node_modules/@types/node',
    });
    const compilerOptions = {
      target: 'ES2023',
      module: 'NodeNext',
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      types: ['node'],
      rootDir: '.',
      outDir: 'out',
    };
    writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module' }));
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['library.ts', 'server.ts'] }),
    );
    writeFileSync(join(project, 'library.ts'), library);
    writeFileSync(join(project, 'server.ts'), server.replace('port: 4000', 'port: 0'));
    await outputOf(process.execPath, [join(checkout, 'node_modules/typescript/bin/tsc'), '-p', project], project);
  });

  test('the one with the library prints what its comments say, and ends', async () => {
    const printed = await outputOf(process.execPath, ['out/library.js'], project);
    const line = printed.replaceAll(/\s+/g, ' ');
    expect(line).toMatch(/^2 \[ \{ action: 'MODIFIED', path: \[ 'status' \], .* \} \] delta 2 delta 3 $/);
  });

  test('the one with the server serves what it wrote, and ends on SIGTERM', async () => {
    const script = new Script(process.execPath, ['out/server.js'], project);
    const [, origin = ''] = await script.printed(/^(http:\/\/127\.0\.0\.1:\d+)$/m);
    const query = '{ context(id: "call:123") { state } }';
    const stored = async () => (await post(`${origin}/graphql`, { query })).data;
    await expect.poll(stored).toEqual({ context: { state: { status: 'ringing' } } });
    script.signal('SIGTERM');
    expect(await script.exit).toBe(0);
  });
});

test('the configuration file is taken as it is', async () => {
  // A checkout in all that matters: the file finds the package that it lies in.
  const clone = folder('clone', { 'package.json': 'package.json', dist: 'dist' });
  writeFileSync(join(clone, 'chord.config.js'), config.replace('port: 8080', 'port: 0'));
  const script = new Script(process.execPath, ['dist/main.js'], clone);
  const [url] = await script.printed(/http:\/\/127\.0\.0\.1:\d+\/graphql/);
  await post(url, { query: 'mutation { setContext(id: "c", state: { a: 1 }) { __typename } }' });
  const { data } = await post(url, { query: '{ deltas(contextId: "c") { nodes { formatted } } }' });
  expect(data).toEqual({
    deltas: {
      nodes: [
        { formatted: { version: 1, context_id: 'c', changes: { a: { change: { action: 'added', value: 1 } } } } },
      ],
    },
  });
  script.signal('SIGTERM');
  expect(await script.exit).toBe(0);
});

describe('several processes on one Redis', () => {
  beforeAll(async () => {
    await needProgram(['curl'], 'curl');
    await needProgram(['redis-server', 'valkey-server'], 'redis-server');
  }, installTimeoutMs);

  test('what is written to one is followed on the other, as the page shows it, whichever ends', async () => {
    const [start = '', one = '', other = '', follow = '', writeTo = '', stream = '', resume = ''] = onRedis;
    const [, args = ''] = /^redis-server (.+)\n$/.exec(start) ?? [];
    await using redis = await startRedis({ args: args.split(' ') });
    const serve = async (command: string, port = '0') => {
      const here = command.replace('redis://127.0.0.1:6379', redis.url).replace(/--port \d+/, `--port ${port}`);
      const script = new Script('bash', ['-c', here], checkout);
      const [, host = '', ownPort = ''] = await script.printed(/http:\/\/([\d.]+:(\d+))\/graphql/);
      return { script, host, port: ownPort };
    };
    const [first, second] = [await serve(one), await serve(other)];
    const here = (text: string) => text.replace('127.0.0.1:4001', first.host).replace('127.0.0.1:4002', second.host);
    const follower = new Script('bash', ['-c', here(follow)], checkout);
    const setStatus = (status: string) => outputOf('bash', ['-c', here(writeTo).replace('ringing', status)], home);
    await follower.printed(/"NoContext"/);
    for (const status of ['ringing', 'talking']) {
      await setStatus(status);
      await follower.printed(new RegExp(`"${status}"`));
    }
    expect(follower.stdout).toBe(followed);

    const streamed = new Script('bash', ['-c', here(stream)], home);
    const [, id = ''] = await streamed.printed(/^id: ([\w-]+:2)\nevent: next\ndata: .*"FullContext"/m);
    first.script.signal('SIGKILL');
    await first.script.exit;
    await setStatus('ended');
    await new Script('bash', ['-c', here(resume).replace('ID', id)], home).printed(/^id: .*:3\n.*\n.*"Delta"/m);
    await serve(one, first.port);
    await follower.printed(/"version":3,.*"ended"/);
    await stopScripts();
  });
});
