/**
 * Fuzzes a server for as long as one likes.
 *
 *   npm run fuzz -- --target http --seconds 600 --seed 1
 *
 * The exit code is 0 when nothing was wrong, 1 when something was, 2 for flags that make no sense.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { faultsOf, summaryOf } from './report.ts';
import { fuzz, type TargetName, targetNames } from './run.ts';
import { type SetupName, setupNames } from './victim.ts';

const help = `Usage: tsx test/fuzz/main.ts [flags]

Sends a server in a process of its own what no client should, and looks at what it answers, logs and holds.

  --target NAME   what is fuzzed (all, one after the other):
${list(targetNames)}
  --setup NAME    how the server is configured (both, one after the other):
${list(setupNames)}
  --seconds N     how long for each target, both setups together (60)
  --seed N        the same seed sends the same (random, printed)
  --help          this text`;

/** Flags that make no sense; the message names them. */
class UsageError extends Error {}

/** @returns the exit code. */
async function main(args: readonly string[], print: (line: string) => void): Promise<number> {
  try {
    const flags = parse(args);
    if (flags.help === true) {
      print(help);
      return 0;
    }
    return await play(flags, print);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    print(error.message);
    return 2;
  }
}

async function play(flags: ReturnType<typeof parse>, print: (line: string) => void): Promise<number> {
  const targets = chosen('target', targetNames, flags.target) as readonly TargetName[];
  const setups = chosen('setup', setupNames, flags.setup) as readonly SetupName[];
  const seconds = toNumber('seconds', flags.seconds ?? '60') / setups.length;
  const seed = toNumber('seed', flags.seed ?? String(randomInt(1_000_000)));
  let exitCode = 0;
  for (const target of targets) {
    for (const setup of setups) {
      print(`${target}, ${setup} (${setupNames[setup]}), ${seconds} s, seed ${seed}`);
      const report = await fuzz({ target, setup, seed, length: { seconds }, say: print });
      for (const line of summaryOf(report)) print(line);
      for (const fault of faultsOf(report)) {
        print(`WRONG: ${fault}`);
        exitCode = 1;
      }
    }
  }
  return exitCode;
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const options = { target: text, setup: text, seconds: text, seed: text, help: { type: 'boolean' } } as const;
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function chosen(flag: string, names: object, name: string | undefined): readonly string[] {
  if (name === undefined) return Object.keys(names);
  if (Object.hasOwn(names, name)) return [name];
  throw new UsageError(`--${flag}: ${JSON.stringify(name)} is none of ${Object.keys(names).join(', ')}.`);
}

function toNumber(flag: string, text: string): number {
  const value = Number(text);
  if (text !== '' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new UsageError(`--${flag}: ${JSON.stringify(text)} is not a whole number.`);
}

function list(names: Readonly<Record<string, string>>): string {
  return Object.entries(names)
    .map(([name, what]) => `                    ${name}: ${what}`)
    .join('\n');
}

process.exitCode = await main(process.argv.slice(2), (line) => process.stdout.write(`${line}\n`));
// Nothing that was left open keeps a run from ending.
process.exit();
