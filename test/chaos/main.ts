/**
 * Runs chaos for as long as one likes.
 *
 *   npm run chaos -- --seconds 600 --seed 1 --setup standalone
 *
 * The exit code is 0 when nothing was wrong, 1 when something was or no write was stored, 2 for flags that make no
 * sense.
 */
import { randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { checkHistory } from './check.ts';
import { missingFrom } from './enough.ts';
import { describe } from './report.ts';
import { run } from './run.ts';
import { type SetupName, setupNames } from './setup.ts';

const help = `Usage: tsx test/chaos/main.ts [flags]

Writers and followers on several Chord processes over private Redis servers, which are struck by faults at random. At
the end a checker looks at everything that anybody was told.

  --setup NAME       which servers (standalone):
${Object.entries(setupNames)
  .map(([name, what]) => `                       ${name}: ${what}`)
  .join('\n')}
  --seconds N        how long to write (60)
  --seed N           the same seed makes the same plans (random, printed)
  --contexts N       how many (20)
  --followers N      how many, beside one for each context that never leaves (60)
  --writers N        for each process (8)
  --threshold N      how many deltas the servers keep; none: all (none)
  --pause MS         between two bursts of a writer (1000)
  --fault-pause MS   between two faults (1500)
  --kinds A,B        only faults of these kinds
  --history FILE     where to write what was written down, if something was wrong
  --help             this text`;

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
  const options = {
    setup: toSetup(flags.setup ?? 'standalone'),
    seed: toNumber('seed', flags.seed ?? String(randomInt(1_000_000))),
    seconds: toNumber('seconds', flags.seconds ?? '60'),
    contexts: toNumber('contexts', flags.contexts ?? '20'),
    followers: toNumber('followers', flags.followers ?? '60'),
    writersPerProcess: toNumber('writers', flags.writers ?? '8'),
    deltaThreshold: (flags.threshold ?? 'none') === 'none' ? null : toNumber('threshold', flags.threshold ?? ''),
    pauseMs: toNumber('pause', flags.pause ?? '1000'),
    faultPauseMs: toNumber('fault-pause', flags['fault-pause'] ?? '1500'),
    ...(flags.kinds === undefined ? {} : { kinds: flags.kinds.split(',') }),
  };
  print(`seed ${options.seed}, ${options.setup} (${setupNames[options.setup]}), ${options.seconds} s`);
  const { history, convergedMs } = await run({ ...options, say: print });
  const findings = checkHistory(history);
  for (const line of describe(history, findings, convergedMs)) print(line);
  const missing = missingFrom(history, { writes: 1, faults: 0, answers: ['done'] });
  for (const line of missing) print(line);
  if (findings.violations.length + missing.length === 0) return 0;
  if (flags.history !== undefined) await writeFile(flags.history, JSON.stringify(history));
  return 1;
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const options = {
    setup: text,
    seconds: text,
    seed: text,
    contexts: text,
    followers: text,
    writers: text,
    threshold: text,
    pause: text,
    'fault-pause': text,
    kinds: text,
    history: text,
    help: { type: 'boolean' },
  } as const;
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function toSetup(name: string): SetupName {
  if (Object.hasOwn(setupNames, name)) return name as SetupName;
  throw new UsageError(`--setup: ${JSON.stringify(name)} is none of ${Object.keys(setupNames).join(', ')}.`);
}

function toNumber(flag: string, text: string): number {
  const value = Number(text);
  if (text !== '' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new UsageError(`--${flag}: ${JSON.stringify(text)} is not a whole number.`);
}

process.exitCode = await main(process.argv.slice(2), (line) => process.stdout.write(`${line}\n`));
// Nothing that was left open keeps a run from ending.
process.exit();
