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
import type { Chord } from '../src/service/chord.ts';
import { keepCopy } from './copy.ts';
import { drive } from './drive.ts';
import { head, median, row, spread } from './figures.ts';
import { type Operation, Operations } from './operations.ts';
import { type Size, sizes, idsOf as someIdsOf } from './sizes.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, ms: { type: 'string', default: '200' } },
});
const rounds = Number(values.rounds);
const roundMs = Number(values.ms);

const operations = new Operations();
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
  console.log(head('update one field, one caller', ...sizes.map(({ name }) => name)));
  for (const [store, chord] of Object.entries(stores)) {
    const times = sizes.map(() => [] as number[]);
    for (let round = 0; round <= rounds; round++) {
      for (const [index, size] of sizes.entries()) {
        const perSecond = await measure(chord, size, { operation: operations.named('update'), callers: 1 });
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
  console.log(`\n${head('operation', 'context', 'in flight', 'memory, 1/s', 'lmdb, 1/s', 'lmdb ÷ memory')}`);
  let isBehind = false;
  for (const operation of operations.all) {
    if (operation.name.startsWith('sync') && !isBehind) {
      await putBehind();
      isBehind = true;
    }
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

async function putBehind(): Promise<void> {
  await Promise.all(chords.flatMap((chord) => sizes.map((size) => operations.putBehind(chord, size, idsOf(size)))));
}

function measure(
  chord: Chord,
  size: Size,
  { operation, callers }: { readonly operation: Operation; readonly callers: number },
): Promise<number> {
  const ids = idsOf(size);
  return drive({ callers, ms: roundMs }, (caller) => operation.run(chord, ids[caller % ids.length] ?? '', size));
}

/** More callers share them. */
function idsOf(size: Size): readonly string[] {
  return someIdsOf(size, size.isSmall ? 512 : 8);
}
