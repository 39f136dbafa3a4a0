// Builds dist/ from src/: only what is stale (0.3 s when nothing is), and nothing is left of sources that are gone.
// dist/ is not simply deleted first: a server may be running from it.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const buildInfo = 'dist/tsconfig.tsbuildinfo';
const products = ['.js', '.js.map', '.d.ts'];
/** Files that are not compiled: read at run time, beside the module that reads them. */
const assets = filesIn('src').filter((file) => file.endsWith('.lua'));

for (const product of filesIn('dist').filter((file) => file !== buildInfo)) {
  if (assets.includes(join('src', product.slice('dist/'.length)))) continue;
  const extension = products.find((known) => product.endsWith(known));
  if (extension === undefined || !existsSync(join('src', product.slice('dist/'.length, -extension.length)) + '.ts')) {
    rmSync(product);
  }
}

// The compiler trusts its record and would not notice that one of its products was deleted.
const sources = filesIn('src').filter((file) => file.endsWith('.ts'));
const isComplete = sources.every((source) =>
  products.every((extension) => existsSync(join('dist', source.slice('src/'.length, -'.ts'.length)) + extension)),
);
if (!isComplete) {
  rmSync(buildInfo, { force: true });
  process.stderr.write('Building…\n');
}

for (const asset of assets) {
  const copy = join('dist', asset.slice('src/'.length));
  mkdirSync(dirname(copy), { recursive: true });
  copyFileSync(asset, copy);
}

const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [compiler, '--build', 'tsconfig.build.json'], { stdio: 'inherit' });
process.exit(status ?? 1);

function filesIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesIn(path) : [path];
  });
}
