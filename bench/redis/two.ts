/** Two processes on one Redis: each with 64 contexts of its own, and both on the same 64. */
import { keepCopy } from '../copy.ts';
import { head, row, spread } from '../figures.ts';
import { idsOf, sizeNamed } from '../sizes.ts';
import { allConverged, type Bench, inTurn, openChord, warmUp } from './bench.ts';
import { Latencies } from './latencies.ts';
import { during } from './usage.ts';
import { type Done, Worker } from './workers.ts';

const callers = 64;

/** Part `two`. */
export async function measureTwo({ server, rounds, ms }: Bench): Promise<string> {
  const size = sizeNamed('10 kB');
  const ids = idsOf(size, 2 * callers);
  const [firstHalf, secondHalf] = [ids.slice(0, callers), ids.slice(callers)];
  await using chord = await openChord(server, 'two:');
  await inTurn(ids, (id) => chord.setContext(id, size.state));
  const copies = [firstHalf, secondHalf].map(([id = '']) => keepCopy(chord, id));
  await using one = await Worker.start(server, 'two:');
  await using other = await Worker.start(server, 'two:');
  const sides = [
    new Shared('one process', [[one, firstHalf]]),
    new Shared('two, contexts of their own', [
      [one, firstHalf],
      [other, secondHalf],
    ]),
    new Shared('two, the same contexts', [
      [one, firstHalf],
      [other, firstHalf],
    ]),
  ];
  const order = { kind: 'write', size: size.name, callers, ms } as const;
  for (const worker of [one, other]) await worker.do({ ...order, ids: firstHalf, atLeast: warmUp });
  for (let round = 0; round < rounds; round++) {
    for (const side of sides) {
      const workers = side.writers.map(([worker]) => worker);
      await Promise.all(workers.map((worker) => worker.do({ kind: 'begin' })));
      const { cpuUs, evalsha } = await during(server, () =>
        Promise.all(side.writers.map(([worker, own]) => worker.do({ ...order, ids: own }))),
      );
      const reports = await Promise.all(workers.map((worker) => worker.do({ kind: 'report' })));
      side.note(reports, { cpuUs, scripts: evalsha.count });
    }
  }
  const title = [
    'writers',
    'writes/s',
    'p50 / p99, ms',
    '÷ one process',
    'scripts per write',
    'CPU µs per write, process',
    'Redis',
  ];
  console.log(head(...title));
  for (const side of sides) console.log(row(side.name, ...side.cells(sides[0] ?? side)));
  for (const copy of copies) await copy.converge();
  return allConverged;
}

/** Processes that write at once. */
class Shared {
  readonly name: string;
  readonly writers: readonly (readonly [Worker, readonly string[]])[];
  readonly #rates: number[] = [];
  readonly #latencies = new Latencies();
  #writes = 0;
  #scripts = 0;
  #cpuUs = 0;
  #redisCpuUs = 0;

  constructor(name: string, writers: Shared['writers']) {
    this.name = name;
    this.writers = writers;
  }

  note(reports: readonly Done[], redis: { readonly cpuUs: number; readonly scripts: number }): void {
    this.#rates.push(reports.reduce((sum, { perSecond }) => sum + perSecond, 0));
    this.#scripts += redis.scripts;
    this.#redisCpuUs += redis.cpuUs;
    for (const { samples, cpuUs } of reports) {
      this.#writes += samples.length;
      this.#latencies.add(samples);
      this.#cpuUs += cpuUs;
    }
  }

  cells(one: Shared): readonly string[] {
    const ratios = this.#rates.map((rate, round) => rate / (one.#rates[round] ?? Number.NaN));
    return [
      spread(this.#rates, 0),
      String(this.#latencies),
      spread(ratios),
      (this.#scripts / this.#writes).toFixed(2),
      (this.#cpuUs / this.#writes).toFixed(1),
      (this.#redisCpuUs / this.#writes).toFixed(1),
    ];
  }
}
