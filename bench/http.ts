/**
 * HTTP: plain JSON POSTs on connections that are kept alive, 32 in flight, one server after the other.
 *
 * Each connection has a context of its own, of about 1 kB. Each round runs all servers; a ratio is the median of the
 * rounds' ratios. It counts only if every answer was right: what is read is the same byte for byte, and the version of
 * a context is the number of writes that were acknowledged.
 *
 *   npm run bench -- http [--rounds 5] [--ms 1000] [--only context,updateContext] [--servers Chord,…] [--pin]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { drive } from './drive.ts';
import { head, row } from './figures.ts';
import { documents } from './load/documents.ts';
import { dataOf, HttpConnection, post } from './load/http-connection.ts';
import { type Options, readOptions, serverCore } from './load/options.ts';
import { Rounds } from './load/rounds.ts';
import { Samples } from './load/samples.ts';
import { Server } from './load/server.ts';
import { bare, chord, mercurius, prepare, versions, yoga } from './servers.ts';
import { meetingState } from './states.ts';

const connections = 32;
/** Of so many answers to writes one is read in full. */
const sampled = 50;

/** What one turn of a server came to. */
interface Answered {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuUsPerRequest: number;
}

/** One of the connections, with its context. */
interface Caller {
  readonly id: string;
  readonly connection: HttpConnection;
  version: number;
}

/** Sends one request and checks the answer. */
type Act = (caller: Caller) => Promise<void>;

const parts: Readonly<Record<string, (callers: readonly Caller[]) => Promise<Act>>> = {
  context: reads,
  updateContext: async () => write,
};

/** Prints a table for each part. */
export async function http(args: readonly string[]): Promise<void> {
  const options = readOptions(args, { rounds: 5, ms: 1000 });
  prepare();
  console.log(`${versions()}; ${options.rounds} rounds of ${options.ms} ms, medians (min to max).`);
  const contestants = [bare, chord, yoga, mercurius].filter(({ name }) => options.servers?.includes(name) ?? true);
  const servers = await Promise.all(contestants.map((side) => Server.start(side, serverCore(options))));
  for (const name of options.only ?? Object.keys(parts)) {
    if (!(name in parts)) throw new TypeError(`There is no part ${name}; expected ${Object.keys(parts).join(', ')}.`);
    console.log(`\n### ${name}\n\n${await measure(name, servers, options)}\n\nEvery answer was right.`);
  }
  await Promise.all(servers.map((server) => server.stop()));
}

/** Answers a table of one part. */
export async function measure(
  part: string,
  servers: readonly Server[],
  { rounds: count, ms }: Pick<Options, 'rounds' | 'ms'>,
): Promise<string> {
  return table(servers, await Rounds.play(servers, count, (server) => turn(part, server, ms)));
}

async function turn(part: string, server: Server, ms: number): Promise<Answered> {
  const callers = await Promise.all(Array.from({ length: connections }, (_, index) => enter(server, `c${index}`)));
  const act = await parts[part]?.(callers);
  if (act === undefined) throw new TypeError(part);
  const times = new Samples();
  globalThis.gc?.();
  await sleep(50);
  const before = await server.ask('usage');
  const perSecond = await drive({ callers: connections, ms }, async (index) => {
    const start = performance.now();
    await act(caller(callers, index));
    times.add(performance.now() - start);
  });
  const { cpuUs } = await server.ask('usage');
  for (const { id, connection, version } of callers) {
    const now = await versionOf(connection, id);
    if (now !== version) throw new Error(`${server.name}: ${id} is at ${now}, ${version} were acknowledged.`);
    connection.close();
  }
  const [p50 = Number.NaN, p99 = Number.NaN] = times.quantiles(0.5, 0.99);
  return { perSecond, p50, p99, cpuUsPerRequest: (cpuUs - before.cpuUs) / times.count };
}

/** A connection whose context is new, or replaced. */
async function enter({ port }: Server, id: string): Promise<Caller> {
  const connection = new HttpConnection(port);
  const state = { ...meetingState(4), notes: `begun ${performance.now()}` };
  await connection.ask({ query: documents.setContext, variables: { id, state } });
  return { id, connection, version: await versionOf(connection, id) };
}

async function versionOf(connection: HttpConnection, id: string): Promise<number> {
  const { context } = await connection.ask({ query: documents.context, variables: { id } });
  // As the document asks for it.
  return (context as { readonly version: number }).version;
}

/** Nothing is written meanwhile, so each answer must be the first, which is looked at. */
async function reads(callers: readonly Caller[]): Promise<Act> {
  const expected = new Map<Caller, { readonly request: Buffer; readonly answer: Buffer }>();
  for (const one of callers) {
    const request = post({ query: documents.context, variables: { id: one.id } });
    const answer = await one.connection.send(request);
    if (!JSON.stringify(dataOf(answer)).includes('"notes":"begun'))
      throw new Error(`Not expected: ${answer.toString()}`);
    expected.set(one, { request, answer });
  }
  return async (one) => {
    const { request, answer } = expected.get(one) ?? { request: Buffer.alloc(0), answer: Buffer.alloc(0) };
    const body = await one.connection.send(request);
    if (!body.equals(answer)) throw new Error(`Not expected: ${body.toString()}`);
  };
}

const written = Buffer.from('{"data":{"updateContext":{"__typename":"UpdateContextPayload"');

async function write(one: Caller): Promise<void> {
  const variables = {
    id: one.id,
    changes: { notes: `edited ${one.version}`, participants: { p1: { volume: one.version } } },
  };
  const body = await one.connection.send(post({ query: documents.updateContext, variables }));
  one.version++;
  if (body.compare(written, 0, written.length, 0, written.length) !== 0)
    throw new Error(`Not expected: ${body.toString()}`);
  if (one.version % sampled !== 0) return;
  const { updateContext } = dataOf(body);
  const { version, contextId, changed } = updateContext as { version: number; contextId: string; changed: boolean };
  if (version !== one.version || contextId !== one.id || !changed) throw new Error(`Not expected: ${body.toString()}`);
}

function caller(callers: readonly Caller[], index: number): Caller {
  const one = callers[index];
  if (one === undefined) throw new TypeError(`There is no caller ${index}.`);
  return one;
}

function table(servers: readonly Server[], rounds: Rounds<Answered>): string {
  return [
    head('', 'requests/s', '× Mercurius', '× bare', 'p50 ms', 'p99 ms', 'CPU µs/request', 'CPU × Mercurius'),
    ...servers.map(({ name }) =>
      row(
        name,
        rounds.figure(name, ({ perSecond }) => perSecond),
        rounds.ratio(name, 'Mercurius', ({ perSecond }) => perSecond),
        rounds.ratio(name, 'bare', ({ perSecond }) => perSecond),
        rounds.figure(name, ({ p50 }) => p50, 2),
        rounds.figure(name, ({ p99 }) => p99, 2),
        rounds.figure(name, ({ cpuUsPerRequest }) => cpuUsPerRequest, 1),
        rounds.ratio(name, 'Mercurius', ({ cpuUsPerRequest }) => cpuUsPerRequest),
      ),
    ),
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await http(process.argv.slice(2));
