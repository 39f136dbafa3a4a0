/**
 * The library on the memory backend: what one operation costs, and that a write costs what it changes.
 *
 * Both sides of a ratio run in alternating rounds of one process; the median of the rounds' ratios is what counts. At
 * the end a follower that was there from the start must hold the very state that the store has.
 */
import { createChord } from '../src/chord.ts';
import type { JsonObject } from '../src/delta/json.ts';
import { keepCopy } from './copy.ts';
import { median } from './figures.ts';
import { meetingState, nestedState, wideState } from './states.ts';

const rounds = 9;

interface Side {
  readonly name: string;
  readonly perRound: number;
  run(round: number): Promise<void>;
}

const chord = createChord({ deltaThreshold: 100 });

await chord.setContext('meeting', meetingState(50));
await chord.setContext('small', meetingState(4));
await chord.setContext('nested', nestedState());
await chord.setContext('wide', wideState());

const copies = ['meeting', 'small', 'nested', 'wide'].map((id) => keepCopy(chord, id));

console.log(`Node ${process.versions.node}, ${rounds} rounds, median µs per operation (min to max)\n`);
await report([
  updates('update one field, 1 kB state', 'small', (i) => ({ participants: { p1: { volume: i } } })),
  updates('update one field, 10 kB state', 'meeting', (i) => ({ participants: { p1: { volume: i } } })),
  updates('update one field, 1 MB state of 100 × 10 kB', 'nested', (i) => ({ part7: { item3: { note: `n${i}` } } })),
  updates('update one field, 1 MB state of 20,000 keys', 'wide', (i) => ({ key7: `value ${i}` })),
  repeated('get, 10 kB state', 20_000, () => chord.getContext('meeting')),
  sets('set whole with one field changed, 10 kB state'),
  await syncs('sync 50 versions behind, 10 kB state'),
]);

for (const copy of copies) await copy.converge();
console.log('\nEvery follower converged.');
await chord.close();

async function report(sides: readonly Side[]): Promise<void> {
  const times = new Map(sides.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, perRound, run } of sides) {
      const before = performance.now();
      await run(round);
      times.get(name)?.push(((performance.now() - before) * 1000) / perRound);
    }
  }
  const base = [...times.values()][0] ?? [];
  for (const [name, of] of times) {
    const ratio = median(of.map((time, round) => time / (base[round] ?? Number.NaN)));
    const range = `${Math.min(...of).toFixed(2)} to ${Math.max(...of).toFixed(2)}`;
    console.log(
      `${name.padEnd(50)} ${median(of).toFixed(2).padStart(8)}  (${range}), × the first: ${ratio.toFixed(2)}`,
    );
  }
}

function updates(name: string, id: string, changes: (i: number) => JsonObject): Side {
  return repeated(name, 10_000, (i) => chord.updateContext(id, changes(i)));
}

function sets(name: string): Side {
  const state = meetingState(50);
  return repeated(name, 1_000, (i) => chord.setContext('set', { ...state, topic: `topic ${i}` }));
}

async function syncs(name: string): Promise<Side> {
  await chord.setContext('synced', meetingState(50));
  for (let i = 0; i < 60; i++) await chord.updateContext('synced', { participants: { [`p${i % 50}`]: { volume: i } } });
  const current = await chord.getContext('synced');
  const position = { version: (current?.version ?? 0) - 50, epoch: current?.epoch };
  return repeated(name, 2_000, () => chord.syncContext('synced', position));
}

function repeated(name: string, perRound: number, operation: (i: number) => Promise<unknown>): Side {
  return {
    name,
    perRound,
    run: async (round) => {
      for (let i = 0; i < perRound; i++) await operation(round * perRound + i);
    },
  };
}
