/**
 * One run: a writer for each history, clients spread over histories and transports, and what became of them. The first
 * failure of a client ends the writing early; the other clients must still come to what was written last.
 */
import type { History } from '../../test/fixtures/histories.ts';
import { Random } from '../../test/fixtures/random.ts';
import { Client, type Tally } from './client.ts';
import { WriteRecord } from './record.ts';
import { type TransportName, transports } from './transports.ts';
import { write } from './writer.ts';

export interface ReplayOptions {
  /** Of the server, without a path. */
  readonly url: string;
  readonly histories: readonly History[];
  readonly clients: number;
  readonly seed: number;
  /** How many deltas the server keeps. */
  readonly threshold: number;
  /** How likely a context is deleted, and created again, before a revision. */
  readonly deleteProbability: number;
  /** Between two writes of a history; 0: as fast as the server answers. */
  readonly pauseMs: number;
  /** How long the last version may take to arrive. */
  readonly patienceMs: number;
  /** Makes the ids of the contexts unique on a server that keeps them. */
  readonly runId: string;
}

export interface ClientReport extends Tally {
  readonly name: string;
  readonly transport: TransportName;
  readonly version: number;
  /** Undefined: all went well, and the client's state is the last document. */
  readonly failure: string | undefined;
}

export interface Report {
  readonly clients: readonly ClientReport[];
  readonly failures: readonly string[];
  /** Versions written, over all histories. */
  readonly writes: number;
  readonly durationMs: number;
}

export async function replay(options: ReplayOptions): Promise<Report> {
  const startedAtMs = performance.now();
  const runs = options.histories.map((history, index) => ({
    history,
    contextId: `replay-${options.runId}-${history.name}`,
    record: new WriteRecord(),
    random: new Random(options.seed * 1_000 + index),
  }));
  const names = Object.keys(transports) as TransportName[];
  const clients = Array.from({ length: options.clients }, async (_, index) => {
    const run = pick(runs, index);
    const transport = pick(names, Math.floor(index / runs.length));
    const random = new Random(options.seed * 1_000_003 + index);
    const client = new Client({ ...options, contextId: run.contextId, transport, record: run.record, random });
    const failure = await failureOf(client.run(run.history.revisions.length));
    if (failure !== undefined) for (const { record } of runs) record.stop();
    const name = `#${String(index + 1).padStart(2, '0')} ${run.history.name}`;
    return { name, transport, version: client.version, failure, ...client.tally };
  });
  const writers = runs.map(async ({ history, record, ...run }) => {
    const failure = await failureOf(write({ ...options, ...run, record, revisions: history.revisions }));
    if (failure !== undefined) record.facts.fail(new Error(writerFailed));
    return failure === undefined ? [] : [`writer of ${history.name}: ${failure}`];
  });
  const failures = (await Promise.all(writers)).flat();
  const reports = await Promise.all(clients);
  for (const { name, transport, failure } of reports) {
    if (failure !== undefined && failure !== writerFailed) failures.push(`${name} over ${transport}: ${failure}`);
  }
  const writes = runs.reduce((sum, { record }) => sum + record.version, 0);
  return { clients: reports, failures, writes, durationMs: performance.now() - startedAtMs };
}

/** What became of the clients of a writer that failed: told once, by the writer. */
const writerFailed = 'the writer failed';

function pick<T>(items: readonly T[], index: number): T {
  const item = items[index % items.length];
  if (item === undefined) throw new RangeError('There is nothing to pick from.');
  return item;
}

async function failureOf(promise: Promise<void>): Promise<string | undefined> {
  return promise.then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}
