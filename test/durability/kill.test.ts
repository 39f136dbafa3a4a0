import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { LmdbBackend } from '../../src/backend/lmdb/lmdb.ts';
import { createChord } from '../../src/chord.ts';
import { ContextNotFoundError } from '../../src/errors.ts';
import { ManualClock } from '../support/clock.ts';
import { compiled } from '../support/compiled.ts';
import { temporaryDirectory } from '../support/lmdb.ts';
import { soon } from '../support/wait.ts';
import { fateOf, type Opened, problemsOfDeltas, problemsOfIndexes, problemsOfRows } from './check-store.ts';
import type { CrashOrder } from './crash-child.ts';
import { after, crashIds, crashOptions, type Fate, type Line, type Op, Track } from './crash-model.ts';
import { seeded } from './seeded.ts';

const rounds = 50;
const hourMs = 3_600_000;

test(`${rounds} times killed while it writes, the store has what it acknowledged and nothing half-written`, {
  timeout: 180_000,
}, async () => {
  const seed = Number(process.env['CHORD_CRASH_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  const random = seeded(seed);
  const path = temporaryDirectory();
  const tracks = new Map(crashIds.map((id) => [id, new Track()]));
  const program = await compiled(new URL('crash-child.ts', import.meta.url));
  let waiting = startChild(program);
  let acknowledged = 0;
  for (let round = 1; round <= rounds; round++) {
    const nowMs = Date.UTC(2030, 0, 1) + round * hourMs;
    const child = waiting;
    // The next one loads while this one writes.
    waiting = startChild(program);
    // Sometimes while it opens, or cleans up; mostly somewhere in between.
    const lines = random.below(5) === 0 ? random.below(4) : random.below(1_500);
    const order = { path, seed: random.below(2 ** 31), nowMs };
    const note = `seed ${seed}, round ${round}, killed after ${lines} lines`;
    const said = await runAndKill(child, order, lines);
    expect({ note, problems: followAll(tracks, said) }).toEqual({ note, problems: [] });
    acknowledged += said.filter(({ kind }) => kind === 'ack').length;
    expect({ note, problems: await check(path, tracks, nowMs) }).toEqual({ note, problems: [] });
  }
  expect(acknowledged).toBeGreaterThan(rounds * 100);
});

function startChild(program: string): ChildProcess {
  const child = fork(program, [], { execArgv: [], stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

/** Everything that the child said until it was killed, which is when so many lines have come. */
async function runAndKill(child: ChildProcess, order: CrashOrder, count: number): Promise<readonly Line[]> {
  const { stdout } = child;
  if (stdout === null) throw new TypeError('The child has no output.');
  const lines: Line[] = [];
  const reader = createInterface({ input: stdout });
  reader.on('line', (text) => {
    // It writes whole lines; the last one may have been cut off, and then its end is missing.
    if (text.endsWith('}')) lines.push(JSON.parse(text) as Line);
    if (lines.length >= count) child.kill('SIGKILL');
  });
  child.send(order, () => {
    if (count === 0) child.kill('SIGKILL');
  });
  await soon('the end of the child', once(reader, 'close'), 30_000);
  return lines;
}

/** What is wrong with what the child said. */
function followAll(tracks: ReadonlyMap<string, Track>, lines: readonly Line[]): readonly string[] {
  const problems: string[] = [];
  for (const line of lines) {
    try {
      follow(tracks, line);
    } catch (error) {
      problems.push(`${JSON.stringify(line).slice(0, 500)}: ${String(error)}`);
    }
  }
  return problems;
}

function follow(tracks: ReadonlyMap<string, Track>, line: Line): void {
  if (line.kind === 'failed') throw new Error(line.error);
  if (line.kind === 'intent') {
    const { op } = line;
    for (const [id, track] of tracks) if (op.verb === 'cleanup' || op.id === id) track.intend(op);
  } else if (line.kind === 'ack' || line.kind === 'refused') {
    for (const track of tracks.values()) if (track.pending.some(({ n }) => n === line.n)) track.acknowledge(line);
  }
}

/** Opens the store as the next one would, looks at everything, and settles what was under way. */
async function check(path: string, tracks: ReadonlyMap<string, Track>, nowMs: number): Promise<readonly string[]> {
  const problems: string[] = [];
  const backend = LmdbBackend.open({ path });
  const chord = createChord({ backend, clock: new ManualClock(nowMs), ...crashOptions });
  const opened: Opened = { backend, chord };
  try {
    const fates = new Map<string, Fate>();
    for (const [id, track] of tracks) {
      const possible = track.possible();
      const fate = await fateOf(opened, id, possible);
      if (fate === undefined) {
        const view = JSON.stringify(await backend.read(id))?.slice(0, 300);
        problems.push(`${id} is ${view}; possible were ${JSON.stringify(possible).slice(0, 600)}`);
        continue;
      }
      fates.set(id, fate);
      if (fate.kind === 'live') problems.push(...(await problemsOfDeltas(opened, id, fate)));
    }
    problems.push(...(await problemsOfIndexes(opened, fates)));
    if (problems.length > 0) return problems;
    for (const [id, track] of tracks) problems.push(...(await retry(opened, id, { track, fate: fates.get(id) })));
  } finally {
    await chord.close();
  }
  return [...problems, ...(await problemsOfRows(join(path, 'data.mdb')))];
}

/** Retries what has an idempotency key: what was acknowledged, and the one write that was under way. */
async function retry(
  opened: Opened,
  id: string,
  { track, fate }: { readonly track: Track; readonly fate: Fate | undefined },
): Promise<readonly string[]> {
  const problems: string[] = [];
  if (fate === undefined) return [`${id} is unknown`];
  const { lastKeyed, pending } = track;
  if (lastKeyed !== undefined) {
    const { duplicate, epoch, version } = await repeat(opened, lastKeyed.op);
    if (!duplicate) problems.push(`${id}: the acknowledged ${lastKeyed.op.key} was done again`);
    if (epoch !== lastKeyed.epoch || version !== lastKeyed.version) problems.push(`${id}: another outcome`);
  }
  track.settle(fate);
  const [op] = pending;
  if (op?.key === undefined || pending.length > 1) return problems;
  const [certain] = track.possible();
  const wasRefused = op.verb !== 'set' && certain?.kind !== 'live';
  const result = await repeat(opened, op).catch((error: unknown) => error);
  if (result instanceof ContextNotFoundError) return wasRefused ? problems : [...problems, `${id}: refused`];
  if (result instanceof Error) return [...problems, `${id}: ${result.stack}`];
  const settled = await fateOf(opened, id, [fate, after(fate, op)]);
  if (settled === undefined) problems.push(`${id}: the retry of ${op.verb} led elsewhere`);
  else track.settle(settled);
  return problems;
}

type Repeated = { readonly duplicate: boolean; readonly epoch: string; readonly version: number };

function repeat({ chord }: Opened, { id, verb, value = {}, ttlMs, key }: Op): Promise<Repeated> {
  switch (verb) {
    case 'set':
      return chord.setContext(id, value, { ttlMs, idempotencyKey: key });
    case 'update':
      return chord.updateContext(id, value, { ttlMs, idempotencyKey: key });
    default:
      return chord.deleteContext(id, { idempotencyKey: key });
  }
}
