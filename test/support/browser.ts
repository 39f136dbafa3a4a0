import { type Browser, chromium } from 'playwright-core';
import { needProgram } from './programs.ts';

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

/**
 * A real Chromium: the machine's own, else one that is installed where that is allowed.
 *
 * @throws an error that names the package, when there is none and it cannot be installed.
 */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = await needProgram(names, 'chromium');
  return chromium.launch({ executablePath, args: flags });
}
