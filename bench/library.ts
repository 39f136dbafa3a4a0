/**
 * The library on the memory backend, in one process: what each verb costs, and that a write costs what it changes.
 *
 * The operations take turns in rounds of one process; what counts is the median of the rounds, and for a ratio the
 * median of the rounds' ratios. At the end every follower that was there from the start must hold the very state that
 * the store has.
 *
 *   npx tsx bench/run.ts library [--rounds 9] [--only text]
 */
import { parseArgs } from 'node:util';
import { createChord } from '../src/chord.ts';
import type { ClientPosition } from '../src/model.ts';
import { keepCopy } from './copy.ts';
import { median, row } from './figures.ts';
import { type Size, sizes } from './sizes.ts';
import { meetingState } from './states.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '9' }, only: { type: 'string', default: '' } },
});
const rounds = Number(values.rounds);

/**
 * The Elixir library on ETS, in process, in operations per second; of a range the upper end. Measured on this class of
 * machine, but not in the same run: so read the factors as rough.
 */
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
console.log('\nEvery follower converged.');
await chord.close();

/** One field: alone, with a read after each 100, and with a follower that is told of each. */
async function updates(size: Size, compared?: Side['reference']): Promise<Side[]> {
  const on = async (kind: string) => {
    const id = `${kind} ${size.name}`;
    await chord.setContext(id, size.state);
    return id;
  };
  const [plain, read, followed] = [await on('plain'), await on('read'), await on('followed')];
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

async function report(compared: readonly Side[]): Promise<void> {
  const times = new Map(compared.map(({ name }) => [name, [] as number[]]));
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const { name, perRound, run } of compared) {
      const before = performance.now();
      await run(round);
      if (round > 0) times.get(name)?.push(((performance.now() - before) * 1000) / perRound);
    }
  }
  console.log(row('operation', 'µs (min to max)', 'per second', '× 1 kB', '× the reference', 'goal'));
  console.log(row('---', '---', '---', '---', '---', '---'));
  for (const side of compared) console.log(row(...figures(side, times)));
}

function figures({ name, reference: compared, base }: Side, times: ReadonlyMap<string, readonly number[]>): string[] {
  const of = times.get(name) ?? [];
  const bases = base === undefined ? undefined : times.get(base);
  const ratio = bases && median(of.map((time, round) => time / (bases[round] ?? Number.NaN)));
  const perSecond = 1e6 / median(of);
  return [
    name,
    `${median(of).toFixed(2)} (${Math.min(...of).toFixed(2)} to ${Math.max(...of).toFixed(2)})`,
    Math.round(perSecond).toLocaleString('en'),
    ratio === undefined ? '' : ratio.toFixed(2),
    compared === undefined ? '' : (perSecond / compared.perSecond).toFixed(1),
    compared === undefined ? '' : `${compared.goal}`,
  ];
}

function repeated(perRound: number, operation: (i: number) => Promise<unknown>): Pick<Side, 'perRound' | 'run'> {
  return {
    perRound,
    run: async (round) => {
      for (let i = 0; i < perRound; i++) await operation(round * perRound + i);
    },
  };
}
