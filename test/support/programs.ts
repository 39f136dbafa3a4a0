import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** How long installing may take: enough for a slow mirror, and an end. */
export const installTimeoutMs = 300_000;

/**
 * The path of a program that a test talks to: the machine's own, else one that is installed where that is allowed.
 *
 * @throws an error that names the package, when there is none and it cannot be installed.
 */
export async function needProgram(names: readonly string[], packageName: string): Promise<string> {
  const found = (await findProgram(names)) ?? (await install(names, packageName));
  if (found !== undefined) return found;
  throw new Error(
    `This test needs ${names[0]}: install the package "${packageName}" (Debian: apt-get install ${packageName}).`,
  );
}

async function findProgram(names: readonly string[]): Promise<string | undefined> {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const name of names) {
      const path = join(directory, name);
      const isThere = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (isThere) return path;
    }
  }
  return undefined;
}

/** Undefined: it cannot be. Test files run side by side and apt knows one at a time, so it is tried again for a while. */
async function install(names: readonly string[], packageName: string): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const run = promisify(execFile);
  const options = { timeout: installTimeoutMs / 2, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  const deadline = performance.now() + installTimeoutMs / 2;
  while (performance.now() < deadline) {
    try {
      await run('apt-get', ['update'], options);
      await run('apt-get', ['install', '-y', '--no-install-recommends', packageName], options);
      return await findProgram(names);
    } catch {
      await sleep(2_000);
    }
  }
  return undefined;
}
