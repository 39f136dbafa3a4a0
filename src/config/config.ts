import { complete, labelOf } from './complete.ts';
import { readEnvironment } from './environment.ts';
import { configPath, noFile, readFile } from './file.ts';
import { readFlags } from './flags.ts';
import { type OptionName, type OptionValues, optionNames } from './table.ts';

/** A configuration as `loadConfig` answers it: complete and checked. */
export interface Config<Formatter = AnyFormatter> extends OptionValues {
  /** The file that was read; null when there is none. */
  readonly configFile: string | null;
  /** Undefined: the server's own. */
  readonly deltaFormatter: Formatter | undefined;
  /** Milliseconds since the Unix epoch. Undefined: the system clock. */
  readonly timeProvider: (() => number) | undefined;
  /** Undefined: API keys and tokens as the options say. */
  readonly authenticate: AnyFunction | undefined;
  /** A message that begins with the name of an option, with that as it was written. */
  readonly inTheirWords: (message: string) => string;
}

/** What chord.config.js exports as its default. An absent key and `undefined` mean the default. */
export type ConfigFile<Formatter = AnyFormatter> = {
  readonly [Name in OptionName]?: OptionValues[Name] | undefined;
} & {
  readonly deltaFormatter?: Formatter | undefined;
  readonly timeProvider?: (() => number) | undefined;
  readonly authenticate?: AnyFunction | undefined;
};

/** Any function of one argument. The delta's own type is the caller's to name: this file imports nothing of ours. */
export type AnyFormatter = (delta: never) => unknown;

/** Likewise. */
export type AnyFunction = (credentials: never) => unknown;

/**
 * Reads the configuration.
 *
 * @param sources.argv the arguments after the script's name.
 * @param sources.cwd where chord.config.* is looked for, and what a relative `--config` starts from.
 * @throws ConfigError
 */
export async function loadConfig<Formatter = AnyFormatter>(sources: {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}): Promise<Config<Formatter>> {
  const flags = readFlags(sources.argv);
  const env = readEnvironment(sources.env);
  const path = configPath(flags.config ?? env.config, sources.cwd);
  const file = path === null ? noFile : await readFile(path);
  const given = [...file.values, ...env.values, ...flags.values];

  return {
    ...complete(given),
    configFile: path,
    // Only seen to be a function: what it takes and answers is between the caller and the file's author.
    deltaFormatter: file.deltaFormatter as Formatter | undefined,
    timeProvider: file.timeProvider,
    // Likewise.
    authenticate: file.authenticate as AnyFunction | undefined,
    inTheirWords: (message) => {
      const [word] = message.split(/\W/, 1);
      const name = optionNames.find((known) => known === word);
      return name === undefined ? message : labelOf(given, name) + message.slice(name.length);
    },
  };
}
