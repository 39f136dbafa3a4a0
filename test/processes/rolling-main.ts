/**
 * A rolling restart of the size that one likes.
 *
 *   npm run rolling -- --followers 500
 *
 * The exit code is 0 when nothing was wrong, 1 when something was, 2 for flags that make no sense.
 */
import { parseArgs } from 'node:util';
import { stopCommands } from '../support/command.ts';
import { roll } from './rolling.ts';
import { awayIn, problemsIn } from './rolling-check.ts';

const defaults = { followers: '500', contexts: '25', writes: '100', between: '500' };

const help = `Usage: tsx test/processes/rolling-main.ts [flags]

Two processes on a private Redis are replaced one after the other while followers follow and writers write.

  --followers N   how many, over graphql-ws, graphql-sse and EventSource (${defaults.followers})
  --contexts N    how many (${defaults.contexts})
  --writes N      in a second (${defaults.writes})
  --between N     so many writes before, between and after the restarts (${defaults.between})
  --help          this text`;

/** @returns the exit code. */
async function main(args: readonly string[], print: (line: string) => void): Promise<number> {
  const flags = parse(args);
  if (flags === undefined || flags.help === true) {
    print(help);
    return flags === undefined ? 2 : 0;
  }
  const number = (name: keyof typeof defaults) => Number(flags[name] ?? defaults[name]);
  const report = await roll({
    followers: number('followers'),
    contexts: number('contexts'),
    writesPerSecond: number('writes'),
    writesBetween: number('between'),
    say: print,
  });
  const { writes, followers, exits, errors } = report;
  const again = writes.filter(({ attempts }) => attempts > 1);
  const slowest = Math.round(Math.max(...writes.map(({ tookMs }) => tookMs)));
  const events = followers.reduce((sum, one) => sum + one.events.length, 0);
  print(
    `${writes.length} writes, ${again.length} of them sent again, ${writes.filter(({ duplicate }) => duplicate).length} found done; the slowest took ${slowest} ms`,
  );
  print(`${followers.length} followers heard ${events} events; the processes ended with ${exits.join(', ')}`);
  for (const [way, { count, min, median, p99, max }] of awayIn(followers)) {
    print(`away, ${way}: ${count} times, ms min ${min}, median ${median}, p99 ${p99}, max ${max}`);
  }
  const problems = [...problemsIn(report), ...errors.map((line) => `logged: ${JSON.stringify(line)}`)];
  for (const problem of problems.slice(0, 50)) print(`WRONG: ${problem}`);
  return problems.length === 0 ? 0 : 1;
}

/** Undefined: they make no sense. */
function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const options = { followers: text, contexts: text, writes: text, between: text, help: { type: 'boolean' } } as const;
  try {
    const { values } = parseArgs({ args: [...args], options });
    const numbers = Object.entries(values).filter(([name]) => name !== 'help');
    return numbers.every(([, value]) => /^[1-9]\d{0,6}$/.test(String(value))) ? values : undefined;
  } catch {
    return undefined;
  }
}

try {
  process.exitCode = await main(process.argv.slice(2), (line) => process.stdout.write(`${line}\n`));
} finally {
  await stopCommands();
}
// Nothing that was left open keeps a run from ending.
process.exit();
