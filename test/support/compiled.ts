import { execFile } from 'node:child_process';
import { symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { temporaryDirectory } from './lmdb.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Compiles a program of the tests, for those that start it often: it then starts in a third of the time that it takes
 * from its sources. What it is made into is removed with the test.
 *
 * @returns the path of the file to run.
 */
export async function compiled(program: URL): Promise<string> {
  const out = temporaryDirectory();
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  const source = fileURLToPath(program);
  // The types are checked elsewhere; the rest is what tsconfig.build.json says.
  const options =
    '--ignoreConfig --noCheck --skipLibCheck --rewriteRelativeImportExtensions ' +
    '--target es2023 --module nodenext --types node';
  await promisify(execFile)(
    process.execPath,
    [compiler, ...options.split(' '), '--rootDir', root, '--outDir', out, source],
    { cwd: root },
  );
  await writeFile(join(out, 'package.json'), '{ "type": "module" }');
  await symlink(join(root, 'node_modules'), join(out, 'node_modules'), 'dir');
  return join(out, relative(root, source)).replace(/\.ts$/, '.js');
}
