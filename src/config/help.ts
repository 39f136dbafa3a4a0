import { configFileNames } from './file.ts';
import { codeTable, type OptionName, optionNames, table } from './table.ts';
import { envName, flagName } from './words.ts';

/** What `--help` prints. */
export function helpText(): string {
  const lines = optionNames.map((name) => {
    const { expected, description } = table[name];
    return `  ${flagName(name)}\n      ${description}\n      Value: ${expected}. Default: ${defaultText(name)}. Variable: ${envName(name)}.\n`;
  });
  return `Usage: chord [flags]

Serves contexts, JSON objects that change and that clients follow, over GraphQL.

A flag outranks its environment variable, which outranks the same option in the configuration file. There, options
are written in camelCase (maxStateBytes), together with ${Object.keys(codeTable).join(', ')}, which are functions.

  --config
      The configuration file. Default: ${configFileNames.join(', ')} in the working directory. Variable: CHORD_CONFIG.
  --renew-identity
      Gives the store in dataDir a new identity and ends. For after a backup was restored; the server must be stopped.
  --new-api-key ID
      Prints a new API key, and its entry for the file of apiKeysFile, and ends.
  --help, -h
      Prints this.
  --version, -v
      Prints the version.

${lines.join('\n')}`;
}

/** The table for docs/operations.md. */
export function configTableMarkdown(): string {
  const rows = optionNames.map((name) => {
    const { expected, unit, description } = table[name];
    return [
      code(name),
      code(envName(name)),
      code(flagName(name)),
      defaultText(name),
      unit ?? '',
      expected,
      description,
    ];
  });
  const codeRows = Object.entries(codeTable).map(([name, { expected, description }]) => {
    return [code(name), '', '', '', '', expected, description];
  });
  return [
    ['Option (in the file)', 'Variable', 'Flag', 'Default', 'Unit', 'Value', 'What it does'],
    ['---', '---', '---', '---', '---', '---', '---'],
    ...rows,
    ...codeRows,
  ]
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('');
}

function defaultText(name: OptionName): string {
  const { default: value, isLocal } = table[name];
  if (isLocal === true) return `true on a loopback host, else false`;
  // Null, or an empty list.
  return typeof value === 'object' ? 'none' : String(value);
}

function code(words: string): string {
  return `\`${words}\``;
}
