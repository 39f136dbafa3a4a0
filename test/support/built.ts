/* The program as it is installed: compiled once in a run, by the project's own script. It starts in half the time. */
import { cpSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { shared } from './shared.ts';

/** The path of the program to start, for who writes nothing beside it. */
export async function builtProgram(): Promise<string> {
  return join(await sharedHome(), 'dist/main.js');
}

/** A new folder with a copy of the checkout, built: with the same times, so that building it again has nothing to do. */
export async function builtCopy(): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'chord-main-'));
  cpSync(await sharedHome(), home, { recursive: true, preserveTimestamps: true });
  return home;
}

async function sharedHome(): Promise<string> {
  const [home = ''] = await shared('build');
  return home;
}
