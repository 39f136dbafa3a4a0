/**
 * Runs a benchmark as JavaScript, made as the package is: what runs TypeScript as it is names each function when that is
 * made, which doubles what a write in memory costs.
 *
 *   npx tsx bench/run.ts library [options of the benchmark]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [name = 'library', ...args] = process.argv.slice(2);
const root = fileURLToPath(new URL('..', import.meta.url));
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
// The types are checked elsewhere; the rest is what tsconfig.build.json says.
const options =
  '--ignoreConfig --noCheck --skipLibCheck --rewriteRelativeImportExtensions ' +
  '--target es2023 --module nodenext --types node';

const out = mkdtempSync(join(tmpdir(), 'chord-bench-'));
try {
  const files = ['--rootDir', root, '--outDir', out, join(root, 'bench', `${name}.ts`)];
  run([compiler, ...options.split(' '), ...files]);
  writeFileSync(join(out, 'package.json'), '{ "type": "module" }');
  symlinkSync(join(root, 'node_modules'), join(out, 'node_modules'), 'dir');
  run([join(out, 'bench', `${name}.js`), ...args]);
} finally {
  rmSync(out, { recursive: true, force: true });
}

function run(command: readonly string[]): void {
  const { status } = spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${command[0]} ended with ${status}.`);
}
