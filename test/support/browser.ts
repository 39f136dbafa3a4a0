import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { type Browser, chromium } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** Nothing that is not asked for may use the network. */
const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** How long installing may take: enough for a slow mirror, and an end. */
export const installTimeoutMs = 300_000;

/**
 * A real Chromium: the machine's own, else one that is installed where that is allowed.
 *
 * @throws an error that names the package, when there is none and it cannot be installed.
 */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = (await findBrowser()) ?? (await installBrowser());
  return chromium.launch({ executablePath, args: flags });
}

async function findBrowser(): Promise<string | undefined> {
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

async function installBrowser(): Promise<string> {
  const run = promisify(execFile);
  const options = { timeout: installTimeoutMs / 2, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  const needed = 'This test needs a browser: install the package "chromium" (Debian: apt-get install chromium).';
  if (process.getuid?.() !== 0) throw new Error(needed);
  try {
    await run('apt-get', ['update'], options);
    await run('apt-get', ['install', '-y', '--no-install-recommends', 'chromium'], options);
  } catch (error) {
    throw new Error(needed, { cause: error });
  }
  const installed = await findBrowser();
  if (installed === undefined) throw new Error(needed);
  return installed;
}
