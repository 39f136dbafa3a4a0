import { type ExecFileException, execFile } from 'node:child_process';
import { cpSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkout } from './command.ts';

/** A new folder with a copy of the checkout, built. */
export async function buildCheckout(): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'chord-build-'));
  for (const name of ['src', 'scripts', 'package.json', 'tsconfig.json', 'tsconfig.build.json']) {
    cpSync(join(checkout, name), join(home, name), { recursive: true });
  }
  symlinkSync(join(checkout, 'node_modules'), join(home, 'node_modules'));
  await build(home);
  return home;
}

/**
 * Builds such a copy, by the project's own script.
 *
 * @throws an error with what the compiler said.
 */
export async function build(home: string): Promise<void> {
  await promisify(execFile)(process.execPath, [join(home, 'scripts/build.js')]).catch((error: ExecFileException) => {
    throw new Error(`the build ended with ${error.code}:\n${error.stdout}${error.stderr}`);
  });
}
