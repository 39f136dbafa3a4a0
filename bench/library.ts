/**
 * The library on the memory backend, in one process: what each verb costs, and that a write costs what it changes.
 *
 * The operations take turns in rounds of one process; what counts is the median of the rounds, and for a ratio the
 * median of the rounds' ratios. Times are those of the processor, as nothing here waits for anything else, and others
 * may use the machine. Before each measurement JSON.stringify of 10 kB tells how fast the machine is just then: the
 * factors to the reference are at the pace that the machine had for that. At the end every follower that was there from
 * the start must hold the very state that the store has.
 *
 *   npx tsx bench/run.ts library [--rounds 9] [--only text]
 */
import { parseArgs } from 'node:util';
import { createChord } from '../src/chord.ts';
import type { ClientPosition } from '../src/model.ts';
import { keepCopy } from './copy.ts';
import { head, median, row, spread } from './figures.ts';
import { type Size, sizes } from './sizes.ts';
import { meetingState } from './states.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '9' }, only: { type: 'string', default: '' } },
});
const rounds = Number(values.rounds);

/**
 * The Elixir library on ETS, in process, in operations per second; of a range the upper end. Measured on this class of
 * machine, but not in the same run: so read the factors as rough. JSON.stringify of 10 kB took so many µs then.
 */
const referencePace = 18;
const reference = { update: 40_000, get: 126_000, set: 26_000, sync: 8_000, parallel: 10_000 } as const;

interface Side {
  readonly name: string;
  readonly perRound: number;
  run(round: number): Promise<void>;
  /** What the reference does per second, and how many times that is the goal. */
  readonly reference?: { readonly perSecond: number; readonly goal: number };
  /** The side whose time this one is compared with. */
  readonly base?: string;
}

const [kilobyte, tenKilobytes, ...large] = sizes;
if (kilobyte === undefined || tenKilobytes === undefined) throw new TypeError('There are no sizes.');

const chord = createChord({ deltaThreshold: 100 });
/** What was made last, so that it is made. */
let looked: unknown;
const sides = [
  ...(await updates(kilobyte)),
  ...(await updates(tenKilobytes, { perSecond: reference.update, goal: 10 })),
  ...(await Promise.all(large.map((size) => updates(size)))).flat(),
  await gets(tenKilobytes),
  await sets(tenKilobytes),
  ...(await syncs(tenKilobytes)),
  await inParallel(tenKilobytes),
];
const copies = [...sizes.map(({ name }) => `followed ${name}`), 'synced'].map((id) => keepCopy(chord, id));

console.log(`Node ${process.versions.node}, ${rounds} rounds, medians\n`);
await report(sides.filter(({ name }) => name.includes(values.only)));
for (const copy of copies) await copy.converge();
if (looked !== undefined) console.log('\nEvery follower converged.');
await chord.close();

/** One field: alone, with a read after each 100 that looks at the state or not, and with a follower that is told of each. */
async function updates(size: Size, compared?: Side['reference']): Promise<Side[]> {
  const on = async (kind: string) => {
    const id = `${kind} ${size.name}`;
    await chord.setContext(id, size.state);
    return id;
  };
  const [plain, read, seen, followed] = [await on('plain'), await on('read'), await on('seen'), await on('followed')];
  const side = (name: string, run: Pick<Side, 'perRound' | 'run'>): Side => ({
    ...run,
    name: `${name}, ${size.name}`,
    base: `${name}, ${kilobyte?.name}`,
  });
  return [
    {
      ...side(
        'update',
        repeated(10_000, (i) => chord.updateContext(plain, size.changes(i))),
      ),
      ...(compared && { reference: compared }),
    },
    side(
      'update, one read per 100',
      repeated(2_000, async (i) => {
        await chord.updateContext(read, size.changes(i));
        if (i % 100 === 0) await chord.getContext(read);
      }),
    ),
    side(
      'update, one read per 100 that looks at the state',
      repeated(2_000, async (i) => {
        await chord.updateContext(seen, size.changes(i));
        if (i % 100 === 0) looked = (await chord.getContext(seen))?.state;
      }),
    ),
    side(
      'update, one follower',
      repeated(5_000, (i) => chord.updateContext(followed, size.changes(i))),
    ),
  ];
}

async function gets(size: Size): Promise<Side> {
  await chord.setContext('read', size.state);
  return {
    name: `get, ${size.name}`,
    ...repeated(20_000, () => chord.getContext('read')),
    reference: { perSecond: reference.get, goal: 10 },
  };
}

async function sets(size: Size): Promise<Side> {
  return {
    name: `set whole with one field changed, ${size.name}`,
    ...repeated(1_000, (i) => chord.setContext('set', { ...size.state, topic: `topic ${i}` })),
    reference: { perSecond: reference.set, goal: 2 },
  };
}

function since(version: number, epoch: string | undefined): ClientPosition {
  return { version: version - 50, epoch };
}

/** Somebody asked for the range before, or nobody did: then each comes after a write. */
async function syncs(size: Size): Promise<Side[]> {
  const write = (i: number) => chord.updateContext('synced', { participants: { [`p${i % 50}`]: { volume: i } } });
  await chord.setContext('synced', size.state);
  await chord.setContext('kept', meetingState(50));
  for (let i = 0; i < 60; i++) {
    await write(i);
    await chord.updateContext('kept', { participants: { [`p${i % 50}`]: { volume: i } } });
  }
  const kept = await chord.getContext('kept');
  const position = since(kept?.version ?? 0, kept?.epoch);
  return [
    {
      name: `sync 50 behind, ${size.name}`,
      ...repeated(5_000, () => chord.syncContext('kept', position)),
      reference: { perSecond: reference.sync, goal: 20 },
    },
    {
      name: `update, then sync 50 behind, ${size.name}`,
      ...repeated(1_000, async (i) => {
        const { version, epoch } = await write(i);
        await chord.syncContext('synced', since(version, epoch));
      }),
    },
  ];
}

async function inParallel(size: Size): Promise<Side> {
  const ids = Array.from({ length: 100 }, (_, index) => `parallel:${index}`);
  for (const id of ids) await chord.setContext(id, size.state);
  return {
    name: `update, 100 contexts in parallel, ${size.name}`,
    perRound: 10_000,
    run: async (round) => {
      for (let i = 0; i < 100; i++) {
        await Promise.all(ids.map((id) => chord.updateContext(id, size.changes(round * 100 + i))));
      }
    },
    reference: { perSecond: reference.parallel, goal: 10 },
  };
}

/** What one round took for each operation, in µs, and what JSON.stringify took just before. */
interface Measured {
  readonly time: number;
  readonly pace: number;
}

async function report(compared: readonly Side[]): Promise<void> {
  const rows = new Map(compared.map(({ name }) => [name, [] as Measured[]]));
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const { name, perRound, run } of compared) {
      const pace = paceNow();
      const before = process.cpuUsage();
      await run(round);
      const time = microseconds(before) / perRound;
      if (round > 0) rows.get(name)?.push({ time, pace });
    }
  }
  console.log(
    head('operation', 'µs (min to max)', 'at the pace of the reference', '× 1 kB', '× the reference', 'goal'),
  );
  for (const side of compared) console.log(row(...figures(side, rows)));
  const paces = [...rows.values()].flat().map(({ pace }) => pace);
  console.log(`\nJSON.stringify of 10 kB took ${spread(paces, 0)} µs; ${referencePace} for the reference.`);
}

function figures({ name, reference: compared, base }: Side, rows: ReadonlyMap<string, readonly Measured[]>): string[] {
  const of = rows.get(name) ?? [];
  const bases = base === undefined ? undefined : rows.get(base);
  const ratio = bases && median(of.map((measured, round) => paced(measured) / paced(bases[round])));
  const time = median(of.map(paced));
  const times = of.map((measured) => measured.time);
  return [
    name,
    spread(times),
    `${time.toFixed(2)} µs, ${Math.round(1e6 / time).toLocaleString('en')}/s`,
    ratio === undefined ? '' : ratio.toFixed(2),
    compared === undefined ? '' : (1e6 / time / compared.perSecond).toFixed(1),
    compared === undefined ? '' : `${compared.goal}`,
  ];
}

function paced(measured: Measured | undefined): number {
  return measured === undefined ? Number.NaN : (measured.time * referencePace) / measured.pace;
}

function paceNow(): number {
  const before = process.cpuUsage();
  for (let i = 0; i < 500; i++) looked = JSON.stringify(tenKilobytes?.state);
  return microseconds(before) / 500;
}

/** Of the processor, since then. */
function microseconds(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

function repeated(perRound: number, operation: (i: number) => Promise<unknown>): Pick<Side, 'perRound' | 'run'> {
  return {
    perRound,
    run: async (round) => {
      for (let i = 0; i < perRound; i++) await operation(round * perRound + i);
    },
  };
}
