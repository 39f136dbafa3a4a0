// Makes everything that is generated anew, and fails when that changed a file: somebody forgot `npm run codegen`.
// Compares contents, not with git, so that it also tells the truth in a checkout with uncommitted work.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const before = generatedFiles();
const codegen = spawnSync('npm', ['run', '--silent', 'codegen'], {
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'pipe'],
});
if (codegen.status !== 0) {
  process.stderr.write(`${codegen.stdout ?? ''}${codegen.stderr ?? ''}${codegen.error?.message ?? ''}\n`);
  process.stderr.write('npm run codegen failed.\n');
  process.exit(1);
}
const after = generatedFiles();

const stale = [...new Set([...before.keys(), ...after.keys()])].filter((file) => before.get(file) !== after.get(file));
if (stale.length > 0) {
  process.stderr.write(`Not up to date: ${stale.join(', ')}. Run \`npm run codegen\` and commit what it changes.\n`);
  process.exit(1);
}

/** Contents by path. */
function generatedFiles() {
  const files = ['schema/schema.graphql', 'docs/operations.md', ...filesIn('src/client/generated')];
  return new Map(files.filter((file) => existsSync(file)).map((file) => [file, readFileSync(file, 'utf8')]));
}

function filesIn(folder) {
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
}
