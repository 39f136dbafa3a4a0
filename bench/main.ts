/**
 * Runs the benchmarks, all or those that are named: `npm run bench [-- library fanout http workers] [flags]`. Flags go to
 * the one that is named.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { fanout } from './fanout.ts';
import { http } from './http.ts';
import { workers } from './workers.ts';

const benchmarks: Readonly<Record<string, (args: readonly string[]) => Promise<unknown>>> = {
  library: compiled('library'),
  fanout,
  http,
  workers,
};

/** Run as the package is: run.ts says why. */
function compiled(name: string): (args: readonly string[]) => Promise<void> {
  return async (args) => {
    const runner = fileURLToPath(new URL('run.ts', import.meta.url));
    execFileSync(process.execPath, ['--import', 'tsx', runner, name, ...args], { stdio: 'inherit' });
  };
}

const args = process.argv.slice(2);
const flagsFrom = args.findIndex((argument) => argument.startsWith('--'));
const names = flagsFrom === -1 ? args : args.slice(0, flagsFrom);
const flags = flagsFrom === -1 ? [] : args.slice(flagsFrom);

const unknown = names.find((name) => !(name in benchmarks));
if (unknown !== undefined || (flags.length > 0 && names.length !== 1)) {
  console.error(`Name what to run, of ${Object.keys(benchmarks).join(', ')}; one of them takes flags.`);
  process.exit(2);
}
for (const name of names.length > 0 ? names : Object.keys(benchmarks)) {
  console.log(`\n## ${name}\n`);
  await benchmarks[name]?.(flags);
}
