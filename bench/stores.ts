/**
 * The backends side by side, through the library: operations per second with 1, 64 and 512 callers in flight on
 * contexts of 1 kB, 10 kB and 1 MB, and what an update of a large state costs beside one of a small one.
 *
 * Both backends take turns within one run; a ratio is the median of the rounds' ratios. A follower is on the first
 * context of each size in each store, and at the end must hold the very state that is stored.
 *
 *   npx tsx bench/stores.ts [--rounds 5] [--ms 200]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { LmdbBackend } from '../src/backend/lmdb/lmdb.ts';
import { MemoryBackend } from '../src/backend/memory.ts';
import { createChord } from '../src/chord.ts';
import type { JsonObject } from '../src/delta/json.ts';
import type { Position } from '../src/model.ts';
import type { Chord } from '../src/service/chord.ts';
import { keepCopy } from './copy.ts';
import { median, row, spread } from './figures.ts';
import { meetingState, nestedState, wideState } from './states.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, ms: { type: 'string', default: '200' } },
});
const rounds = Number(values.rounds);
const roundMs = Number(values.ms);

interface Size {
  readonly name: string;
  /** How many contexts of it there are; more callers share them. */
  readonly contexts: number;
  readonly state: JsonObject;
  readonly changes: (i: number) => JsonObject;
}

const sizes: readonly Size[] = [
  { name: '1 kB', contexts: 512, state: meetingState(4), changes: (i) => ({ participants: { p1: { volume: i } } }) },
  { name: '10 kB', contexts: 512, state: meetingState(50), changes: (i) => ({ participants: { p1: { volume: i } } }) },
  {
    name: '1 MB, 100 × 10 kB',
    contexts: 8,
    state: nestedState(),
    changes: (i) => ({ part7: { item3: { count: i } } }),
  },
  { name: '1 MB, 20,000 keys', contexts: 8, state: wideState(), changes: (i) => ({ key7: `value ${i}` }) },
];

interface Operation {
  readonly name: string;
  readonly run: (chord: Chord, id: string, size: Size) => Promise<unknown>;
}

let counter = 0;
const operations: readonly Operation[] = [
  { name: 'get', run: (chord, id) => chord.getContext(id) },
  { name: 'update', run: (chord, id, { changes }) => chord.updateContext(id, changes(counter++)) },
  { name: 'set', run: (chord, id, { state }) => chord.setContext(id, { ...state, topic: `topic ${counter++}` }) },
  ...[1, 50, 100].map((behind) => ({
    name: `sync ${behind} behind`,
    run: async (chord: Chord, id: string) => {
      const position = positions.get(chord)?.get(id);
      return chord.syncContext(id, position && { ...position, version: position.version - behind });
    },
  })),
];

/** Where each context stands, for the syncs, which come last. */
const positions = new Map<Chord, Map<string, Position>>();

const folder = mkdtempSync(join(tmpdir(), 'chord-bench-'));
const stores = {
  memory: createChord({ backend: new MemoryBackend() }),
  lmdb: createChord({ backend: LmdbBackend.open({ path: folder, cacheBytes: 256 * 1024 * 1024 }) }),
};
const chords = Object.values(stores);
for (const chord of chords) {
  for (const size of sizes) for (const id of idsOf(size)) await chord.setContext(id, size.state);
}
const copies = chords.flatMap((chord) => sizes.map((size) => keepCopy(chord, idsOf(size)[0] ?? '')));

console.log(`Node ${process.versions.node}, ${rounds} rounds of ${roundMs} ms\n`);
await compareSizes();
await compareStores();
for (const copy of copies) await copy.converge();
console.log('\nEvery follower converged.');
for (const chord of chords) await chord.close();
rmSync(folder, { recursive: true, force: true });

/** One caller, one field: µs per update of each size, and × that of 1 kB. */
async function compareSizes(): Promise<void> {
  console.log(row('update one field, one caller', ...sizes.map(({ name }) => name)));
  console.log(row('---', ...sizes.map(() => '---')));
  for (const [store, chord] of Object.entries(stores)) {
    const times = sizes.map(() => [] as number[]);
    for (let round = 0; round <= rounds; round++) {
      for (const [index, size] of sizes.entries()) {
        const perSecond = await measure(chord, size, { operation: operations[1], callers: 1 });
        // The first round warms up.
        if (round > 0) times[index]?.push(1e6 / perSecond);
      }
    }
    const base = times[0] ?? [];
    const cells = times.map(
      (of) => `${median(of).toFixed(0)} µs, × ${median(of.map((time, i) => time / (base[i] ?? 0))).toFixed(2)}`,
    );
    console.log(row(store, ...cells));
  }
}

async function compareStores(): Promise<void> {
  console.log(`\n${row('operation', 'context', 'in flight', 'memory, 1/s', 'lmdb, 1/s', 'lmdb ÷ memory')}`);
  console.log(row('---', '---', '---', '---', '---', '---'));
  for (const operation of operations) {
    if (operation.name.startsWith('sync')) await putBehind();
    for (const size of sizes) {
      for (const callers of [1, 64, 512]) {
        const rates: { readonly memory: number; readonly lmdb: number }[] = [];
        for (let round = 0; round < rounds; round++) {
          const of = async (chord: Chord) => measure(chord, size, { operation, callers });
          rates.push({ memory: await of(stores.memory), lmdb: await of(stores.lmdb) });
        }
        const memory = rates.map((rate) => rate.memory);
        const lmdb = rates.map((rate) => rate.lmdb);
        const ratio = rates.map((rate) => rate.lmdb / rate.memory);
        console.log(row(operation.name, size.name, callers, spread(memory, 0), spread(lmdb, 0), spread(ratio)));
      }
    }
  }
}

/** Puts 101 updates of one field behind every context, and notes where it stands. */
async function putBehind(): Promise<void> {
  if (positions.size > 0) return;
  for (const chord of chords) {
    const at = new Map<string, Position>();
    positions.set(chord, at);
    const update = async (id: string, { changes }: Size) => {
      for (let i = 0; i < 101; i++) at.set(id, await chord.updateContext(id, changes(counter++)));
    };
    await Promise.all(sizes.flatMap((size) => idsOf(size).map((id) => update(id, size))));
  }
}

async function measure(
  chord: Chord,
  size: Size,
  { operation, callers }: { readonly operation: Operation | undefined; readonly callers: number },
): Promise<number> {
  if (operation === undefined) throw new TypeError('There is no such operation.');
  const ids = idsOf(size);
  const start = performance.now();
  let done = 0;
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      const id = ids[caller % ids.length] ?? '';
      do {
        await operation.run(chord, id, size);
        done++;
      } while (performance.now() - start < roundMs);
    }),
  );
  return done / ((performance.now() - start) / 1000);
}

function idsOf({ name, contexts }: Size): readonly string[] {
  return Array.from({ length: contexts }, (_, index) => `${name}:${index}`);
}
