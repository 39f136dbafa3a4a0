import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Contestant } from './load/server.ts';

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const tsx = ['--import', 'tsx'];

/** Chord as it is built, by default but for its backend. */
export const chord: Contestant = contestant('Chord', true, (port) => [file('../dist/main.js'), ...chordFlags(port)]);

/** The same as so many workers, or as one process without a primary. */
export function chordOnRedis(redisUrl: string, workers: number): Contestant {
  const store = ['--backend', 'redis', '--redis-url', redisUrl, '--redis-prefix', `workers-${workers}:`];
  const flags = [...store, '--workers', String(workers), '--log-level', 'error'];
  return contestant(workers === 1 ? '1 worker' : `${workers} workers`, true, (port) => [
    file('../dist/main.js'),
    ...flags,
    '--port',
    String(port),
  ]);
}

/** Chord as it is checked out: nothing has to be built. */
export const chordSources: Contestant = contestant('Chord', true, (port) => [
  ...tsx,
  file('../src/main.ts'),
  ...chordFlags(port),
]);

/** The limit: no GraphQL at all. */
export const bare: Contestant = contestant('bare', false, () => [...tsx, file('rivals/bare.ts')]);

export const yoga: Contestant = contestant('yoga', true, () => [...tsx, file('rivals/yoga.ts')]);

export const mercurius: Contestant = contestant('Mercurius', false, () => [...tsx, file('rivals/mercurius/server.js')]);

function contestant(name: string, hasEventStreams: boolean, args: Contestant['args']): Contestant {
  return { name, hasEventStreams, args };
}

function chordFlags(port: number): string[] {
  return ['--backend', 'memory', '--port', String(port), '--log-level', 'warn'];
}

/** Builds Chord. */
export function build(): void {
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: file('..'), stdio: 'inherit' });
}

/** Builds Chord, and installs what is missing of the rivals: they are no dependencies of the project. */
export function prepare(): void {
  build();
  const home = file('rivals/mercurius');
  if (existsSync(`${home}/node_modules/mercurius`)) return;
  console.log('Installing Mercurius…');
  const { status } = spawnSync(
    'npm',
    ['ci', '--prefix', home, '--ignore-scripts', '--no-audit', '--no-fund', '--silent'],
    {
      cwd: home,
      stdio: 'inherit',
    },
  );
  if (status !== 0) throw new Error('npm cannot install the rivals: try `npm ci --prefix bench/rivals/mercurius`.');
}

/** Names with versions, for the head of a table. */
export function versions(): string {
  const home = 'rivals/mercurius/';
  const packages = ['graphql-yoga', 'graphql-ws', `${home}fastify`, `${home}mercurius`, 'ws'].map((path) => {
    const name = basename(path);
    const text = readFileSync(file(`${path === name ? '../' : home}node_modules/${name}/package.json`), 'utf8');
    // Every package has one.
    return `${name} ${(JSON.parse(text) as { readonly version: string }).version}`;
  });
  return `Node ${process.versions.node}, ${packages.join(', ')}`;
}
