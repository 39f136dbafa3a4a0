import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Given } from './complete.ts';
import { ConfigError } from './config-error.ts';
import { codeTable, optionNames } from './table.ts';
import { codeOf, show, suggestion } from './words.ts';

/** Looked for in the working directory. */
export const configFileNames = ['chord.config.js', 'chord.config.mjs', 'chord.config.ts'];

/** What a file gave. */
export interface FileContents {
  readonly values: readonly Given[];
  readonly deltaFormatter: unknown;
  readonly timeProvider: (() => number) | undefined;
  readonly authenticate: unknown;
}

/** What no file says. */
export const noFile: FileContents = {
  values: [],
  deltaFormatter: undefined,
  timeProvider: undefined,
  authenticate: undefined,
};

/** Where the file is; null: there is none and none was named. */
export function configPath(named: string | undefined, cwd: string): string | null {
  if (named !== undefined) {
    const path = resolve(cwd, named);
    if (!existsSync(path)) throw new ConfigError(`The configuration file ${show(named)} is not there.`);
    return path;
  }
  const found = configFileNames.filter((name) => existsSync(resolve(cwd, name)));
  if (found.length > 1)
    throw new ConfigError(`${found.join(' and ')} are both there; keep one, or name it by --config.`);
  return found[0] === undefined ? null : resolve(cwd, found[0]);
}

/** @throws ConfigError for what cannot be loaded or holds what is no option. */
export async function readFile(path: string): Promise<FileContents> {
  const file = basename(path);
  const contents = await importDefault(path, file);
  if (typeof contents !== 'object' || contents === null || Array.isArray(contents)) {
    throw new ConfigError(`The default export of ${file} is ${show(contents)}; expected an object of options.`);
  }
  const values: Given[] = [];
  let deltaFormatter: unknown;
  let timeProvider: (() => number) | undefined;
  let authenticate: unknown;
  for (const [key, value] of Object.entries(contents)) {
    if (value === undefined) continue;
    const label = `${key} in ${file}`;
    const name = optionNames.find((known) => known === key);
    if (name !== undefined) {
      values.push({ name, label, value });
    } else if (key === 'deltaFormatter') {
      deltaFormatter = checkFunction(label, value, codeTable.deltaFormatter.expected);
    } else if (key === 'timeProvider') {
      timeProvider = checkTimeProvider(label, value);
    } else if (key === 'authenticate') {
      authenticate = checkFunction(label, value, codeTable.authenticate.expected);
    } else {
      const known = [...optionNames, ...Object.keys(codeTable)];
      throw new ConfigError(`There is no option ${key}, which ${file} sets.${suggestion(key, known)}`);
    }
  }
  return { values, deltaFormatter, timeProvider, authenticate };
}

async function importDefault(path: string, file: string): Promise<unknown> {
  try {
    const module: unknown = await import(pathToFileURL(path).href);
    // Whatever it is, `default` is looked at, and nothing else.
    return (module as { readonly default?: unknown }).default;
  } catch (error) {
    if (codeOf(error) === 'ERR_UNKNOWN_FILE_EXTENSION' && file.endsWith('ts')) {
      throw new ConfigError(
        `Node ${process.versions.node} cannot run ${file}. Rename it to chord.config.js, written in plain JavaScript, or use Node 22.18 or newer.`,
        { cause: error },
      );
    }
    throw new ConfigError(`${file} could not be loaded: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

function checkFunction(label: string, value: unknown, expected: string): () => unknown {
  if (typeof value !== 'function') throw new ConfigError(`${label} is ${show(value)}; expected ${expected}.`);
  // A function, and more cannot be known before it is called.
  return value as () => unknown;
}

/** Asks for the time once, so that seconds, a Date or text are noticed now rather than in every expiry. */
function checkTimeProvider(label: string, value: unknown): () => number {
  const { expected } = codeTable.timeProvider;
  const provider = checkFunction(label, value, expected);
  const now = provider();
  if (typeof now !== 'number' || !Number.isFinite(now)) {
    throw new ConfigError(`${label} answered ${show(now)}; expected ${expected}.`);
  }
  // It answered a number just now.
  return provider as () => number;
}
