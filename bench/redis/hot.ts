/** One context that several processes write to at once, 8 writers in each: what they reach, and how often one loses. */
import { keepCopy } from '../copy.ts';
import { head, row, spread } from '../figures.ts';
import { sizeNamed } from '../sizes.ts';
import { allConverged, type Bench, openChord, warmUp } from './bench.ts';
import { Latencies } from './latencies.ts';
import { during } from './usage.ts';
import { Worker } from './workers.ts';

const callers = 8;
/** So many attempts may a write lose. */
const goal = 8;

/** Part `hot`. */
export async function measureHot({ server, rounds, ms }: Bench): Promise<string> {
  const size = sizeNamed('10 kB');
  const id = 'hot';
  await using chord = await openChord(server, 'hot:');
  await chord.setContext(id, size.state);
  const copy = keepCopy(chord, id);
  const workers = await Promise.all([1, 2, 3, 4].map(() => Worker.start(server, 'hot:')));
  const sides = [1, 2, 4].map((processes) => ({
    processes,
    rates: [] as number[],
    latencies: new Latencies(),
    /** Commits by lost attempts. */
    commits: [] as number[],
    scripts: 0,
    writes: 0,
  }));
  const order = { kind: 'write', ids: [id], size: size.name, callers } as const;
  for (const worker of workers) await worker.do({ ...order, ms, atLeast: warmUp });
  for (let round = 0; round < rounds; round++) {
    for (const side of sides) {
      const writers = workers.slice(0, side.processes);
      await Promise.all(writers.map((worker) => worker.do({ kind: 'begin' })));
      const { evalsha } = await during(server, () => Promise.all(writers.map((worker) => worker.do({ ...order, ms }))));
      const reports = await Promise.all(writers.map((worker) => worker.do({ kind: 'report' })));
      side.rates.push(reports.reduce((sum, { perSecond }) => sum + perSecond, 0));
      side.scripts += evalsha.count;
      for (const { samples, commits } of reports) {
        side.writes += samples.length;
        side.latencies.add(samples);
        for (const [lost, number] of commits.entries()) side.commits[lost] = (side.commits[lost] ?? 0) + number;
      }
    }
  }
  const title = [
    'processes × writers',
    'writes/s',
    'p50 / p99, ms',
    'commits after 0, 1, 2… losses',
    'scripts per commit',
  ];
  console.log(head(...title));
  for (const { processes, rates, latencies, commits, scripts } of sides) {
    const sum = commits.reduce((total, number) => total + number, 0);
    const all = [spread(rates, 0), String(latencies), commits.join(', '), (scripts / sum).toFixed(2)];
    console.log(row(`${processes} × ${callers}`, ...all));
    if (commits.length - 1 > goal)
      console.log(`\nMissed: a write lost ${commits.length - 1} attempts, more than ${goal}.\n`);
  }
  const written = (await chord.getContext(id))?.version;
  await copy.converge();
  for (const worker of workers) await worker[Symbol.asyncDispose]();
  return `${allConverged} (version ${written})`;
}
