import type { Given } from './complete.ts';
import { ConfigError } from './config-error.ts';
import { type OptionName, optionNames, table } from './table.ts';
import { flagName, show, suggestion } from './words.ts';

/** Reads the command line: what it sets, and the file that `--config` names. */
export function readFlags(argv: readonly string[]): { readonly values: readonly Given[]; readonly config?: string } {
  const values = new Map<string, Given>();
  let config: string | undefined;
  const rest = [...argv];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (!argument.startsWith('--')) {
      throw new ConfigError(`The argument ${show(argument)} belongs to no flag. See --help.`);
    }
    const equals = argument.indexOf('=');
    const flag = equals < 0 ? argument : argument.slice(0, equals);
    const inline = equals < 0 ? undefined : argument.slice(equals + 1);

    if (flag === '--config') {
      if (config !== undefined) throw new ConfigError('--config is given twice.');
      config = inline ?? nextValue(rest);
      if (config === undefined || config === '') throw new ConfigError('--config has no value; expected a path.');
      continue;
    }
    const negated = inline === undefined && flag.startsWith('--no-');
    const name = optionNames.find((known) => flagName(known) === (negated ? `--${flag.slice(5)}` : flag));
    if (name === undefined || (negated && !isBoolean(name))) {
      throw new ConfigError(`There is no flag ${flag}.${suggestion(flag, [...optionNames.map(flagName), '--config'])}`);
    }
    if (values.has(name)) throw new ConfigError(`${flagName(name)} is given twice.`);
    const value = inline ?? (isBoolean(name) ? booleanValue(rest, negated) : nextValue(rest));
    if (value === undefined) throw new ConfigError(`${flag} has no value; expected ${table[name].expected}.`);
    values.set(name, { name, label: flag, value: table[name].fromText(value) });
  }
  return { values: [...values.values()], ...(config === undefined ? {} : { config }) };
}

/**
 * The id that `--new-api-key` names; undefined when the flag is not there.
 *
 * @throws ConfigError when it has none, or company: nothing else is done then.
 */
export function readNewApiKey(argv: readonly string[]): string | undefined {
  const flag = '--new-api-key';
  const [first, ...rest] = argv.flatMap((argument) =>
    argument.startsWith(`${flag}=`) ? [flag, argument.slice(flag.length + 1)] : [argument],
  );
  if (first !== flag && !rest.includes(flag)) return undefined;
  const [id, ...others] = rest;
  if (first !== flag || others.length > 0) throw new ConfigError(`${flag} goes with nothing but an id.`);
  if (id === undefined || id === '' || id.startsWith('--')) {
    throw new ConfigError(`${flag} has no value; expected the id of who gets the key.`);
  }
  return id;
}

/** Takes the next argument, unless it is a flag itself. */
function nextValue(rest: string[]): string | undefined {
  return rest[0]?.startsWith('--') ? undefined : rest.shift();
}

/** A boolean flag alone means true, or false behind `--no-`; a word behind it may say otherwise. */
function booleanValue(rest: string[], negated: boolean): string {
  if (negated || rest[0] === undefined || rest[0].startsWith('--')) return String(!negated);
  return rest.shift() ?? 'true';
}

function isBoolean(name: OptionName): boolean {
  return typeof table[name].default === 'boolean';
}
