/**
 * Replays histories of real documents through a server and checks every client after every event.
 *
 *   npx tsx examples/replay/main.ts --clients 50 --seed 7
 *
 * The exit code is 0 when all went well, 1 when something did not, 2 for flags that make no sense. See README.md beside this file.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { createApp } from '../../src/app/app.ts';
import { silentLogger } from '../../src/observability/logger.ts';
import { histories as ownHistories } from '../../test/fixtures/histories.ts';
import { loadHistories } from '../../test/support/histories.ts';
import { replay } from './replay.ts';
import { describe } from './report.ts';

const help = `Usage: tsx examples/replay/main.ts [flags]

Writes histories of documents through HTTP while clients follow over WebSocket, SSE and EventSource, join late, lose
the network, leave and resume. Every state, and the cause of every full context, is checked.

  --clients N        how many follow (12)
  --seed N           the same seed makes the same plans (random, printed)
  --histories DIR    replay every *.ndjson.br in DIR instead of the project's own: brotli-compressed, a line
                     {"at": <time>, "data": <document>} per revision
  --url URL          a running server, without a path; otherwise one is started in this process
  --threshold N      how many deltas the server keeps: CHORD_DELTA_THRESHOLD of the one at --url, which then needs
                     this flag (50)
  --delete P         how likely the context is deleted and created again before a revision: 0 to 1 (0.01)
  --pause MS         between two writes of a history (0: as fast as the server answers)
  --patience MS      how long the last version may take to arrive (20000)
  --help             this text`;

/** Flags that make no sense; the message names them. */
class UsageError extends Error {}

/** @returns the exit code. */
export async function main(args: readonly string[], print: (line: string) => void): Promise<number> {
  try {
    const flags = parseFlags(args);
    if (flags !== 'help') return await run(flags, print);
    print(help);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    print(error.message);
    return 2;
  }
}

type Flags = Exclude<ReturnType<typeof parseFlags>, 'help'>;

async function run({ url, histories, ...flags }: Flags, print: (line: string) => void): Promise<number> {
  const names = histories.map(({ name, revisions }) => `${name} (${revisions.length})`).join(', ');
  print(`seed ${flags.seed}, ${flags.clients} clients, threshold ${flags.threshold}, histories: ${names}`);
  const server = url === undefined ? await startServer(flags.threshold) : undefined;
  try {
    const report = await replay({ ...flags, histories, url: url ?? server?.url ?? '' });
    for (const line of describe(report)) print(line);
    return report.failures.length === 0 ? 0 : 1;
  } finally {
    await server?.stop();
  }
}

async function startServer(deltaThreshold: number) {
  const app = createApp({ port: 0, backend: 'memory', logger: silentLogger, deltaThreshold, drainTimeoutMs: 0 });
  const { url } = await app.start();
  return { url, stop: () => app.stop() };
}

function parseFlags(args: readonly string[]) {
  const values = parse(args);
  if (values.help === true) return 'help';
  if (values.url !== undefined && values.threshold === undefined) {
    throw new UsageError('--url needs --threshold: how many deltas that server keeps (CHORD_DELTA_THRESHOLD).');
  }
  return {
    url: values.url?.replace(/\/+$/, ''),
    histories: readHistories(values.histories),
    clients: toNumber('clients', values.clients ?? '12', { least: 1 }),
    seed: toNumber('seed', values.seed ?? String(randomInt(1_000_000)), { least: 0 }),
    threshold: toNumber('threshold', values.threshold ?? '50', { least: 1 }),
    deleteProbability: toNumber('delete', values.delete ?? '0.01', { least: 0, most: 1 }),
    pauseMs: toNumber('pause', values.pause ?? '0', { least: 0 }),
    patienceMs: toNumber('patience', values.patience ?? '20000', { least: 1 }),
    runId: randomInt(2 ** 40).toString(36),
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const options = {
    clients: text,
    seed: text,
    histories: text,
    url: text,
    threshold: text,
    delete: text,
    pause: text,
    patience: text,
    help: { type: 'boolean' },
  } as const;
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function readHistories(directory: string | undefined) {
  if (directory === undefined) return ownHistories;
  const found = loadHistories(directory).filter((history) => !ownHistories.includes(history));
  if (found.length === 0) throw new UsageError(`--histories: there is no *.ndjson.br in ${directory}.`);
  return found;
}

function toNumber(
  flag: string,
  text: string,
  { least, most = Number.MAX_SAFE_INTEGER }: { least: number; most?: number },
): number {
  const value = Number(text);
  const isWanted = flag === 'delete' ? !Number.isNaN(value) : Number.isSafeInteger(value);
  if (text !== '' && isWanted && value >= least && value <= most) return value;
  throw new UsageError(`--${flag}: ${JSON.stringify(text)} is not a number from ${least} to ${most}.`);
}

if (import.meta.filename === process.argv[1]) {
  process.exitCode = await main(process.argv.slice(2), (line) => process.stdout.write(`${line}\n`));
}
