/**
 * Updates of one field beside the bare script, and what one of a large state costs beside one of a small one.
 *
 * The bare script's delta is as long as what Chord records of the same update. The follower of one context of each size
 * is there in all rounds, so that what is measured is announced to somebody.
 */
import type { Backend } from '../../src/backend/backend.ts';
import { recordText } from '../../src/backend/redis/codec.ts';
import { createChord } from '../../src/chord.ts';
import type { Chord } from '../../src/service/chord.ts';
import { type Copy, keepCopy } from '../copy.ts';
import { type Drive, drive } from '../drive.ts';
import { head, median, row, spread } from '../figures.ts';
import { idsOf, type Size, sizes } from '../sizes.ts';
import { type Bare, openBare, openBareOnOurClient } from './bare.ts';
import { allConverged, type Bench, inTurn, openBackend, warmUp } from './bench.ts';
import { Latencies } from './latencies.ts';
import { Side } from './side.ts';

/** With 64 in flight, as a part of what the bare script does. */
const goal = 0.5;
/** Of a large state, as a multiple of that of 1 kB. */
const goalOfSizes = 3;

/** Part `writes`. */
export async function measureWrites(bench: Bench): Promise<string> {
  const backend = await openBackend(bench.server, 'writes:');
  await using chord = createChord({ backend });
  const copies: Copy[] = [];
  for (const size of sizes) {
    const ids = contextsOf(size);
    await inTurn(ids, (id) => chord.setContext(id, size.state));
    copies.push(keepCopy(chord, ids[0] ?? ''));
  }
  const bare = await openBare(bench.server);
  const bareOnOurs = await openBareOnOurClient(bench.server);
  for (const size of sizes) await update(chord, size, { callers: 64, ms: bench.ms, atLeast: warmUp });
  await compareSizes(bench, chord);
  for (const size of sizes) await compareWithBare(bench, size, { backend, chord, bare, bareOnOurs });
  for (const copy of copies) await copy.converge();
  await Promise.all([bare.close(), bareOnOurs.close()]);
  return allConverged;
}

/** µs per update of each size, and × that of 1 kB. */
async function compareSizes({ rounds, ms }: Bench, chord: Chord): Promise<void> {
  console.log(head('update one field', ...sizes.map(({ name }) => name)));
  for (const callers of [1, 64]) {
    const times = sizes.map(() => [] as number[]);
    for (let round = 0; round < rounds; round++) {
      for (const [index, size] of sizes.entries()) {
        const perSecond = await update(chord, size, { callers, ms });
        times[index]?.push(1e6 / perSecond);
      }
    }
    const base = times[0] ?? [];
    const ratios = times.map((of) => of.map((time, i) => time / (base[i] ?? 0)));
    const cells = times.map((of, i) => `${median(of).toFixed(1)} µs, × ${spread(ratios[i] ?? [])}`);
    console.log(row(`${callers} in flight`, ...cells));
    const worst = Math.max(...ratios.map(median));
    if (worst > goalOfSizes) console.log(`\nMissed: ≤ ${goalOfSizes} × the time of 1 kB, here ${worst.toFixed(2)}.\n`);
  }
}

interface Sides {
  readonly backend: Backend;
  readonly chord: Chord;
  readonly bare: Bare;
  readonly bareOnOurs: Bare;
}

async function compareWithBare(
  { server, rounds, ms }: Bench,
  size: Size,
  { backend, chord, bare, bareOnOurs }: Sides,
): Promise<void> {
  console.log(`\n${size.name}\n`);
  const title = ['in flight', 'contexts', 'side', 'writes/s', 'p50 / p99, ms', 'µs in the script', 'Chord ÷ this'];
  console.log(head(...title));
  const ids = contextsOf(size);
  const delta = await deltaLike(backend, chord, size);
  for (const callers of [1, 64, 512]) {
    const by = (write: (id: string) => Promise<unknown>) => (latencies: Latencies) =>
      drive({ callers, ms }, (caller) => latencies.time(() => write(ids[caller % ids.length] ?? '')));
    const ours = new Side('Chord', server, (latencies) => update(chord, size, { callers, ms }, latencies));
    const all = [
      ours,
      new Side(
        'bare',
        server,
        by((id) => bare.write(id, delta)),
      ),
      new Side(
        'bare, our client',
        server,
        by((id) => bareOnOurs.write(id, delta)),
      ),
    ];
    for (let round = 0; round <= rounds; round++) for (const side of all) await side.run(round > 0);
    for (const side of all) {
      const contexts = Math.min(callers, ids.length);
      console.log(row(callers, contexts, side.name, ...side.cells(), spread(ours.ratiosTo(side))));
    }
    const ratio = median(ours.ratiosTo(all[1] ?? ours));
    if (callers === 64 && ratio < goal)
      console.log(`\nMissed: ≥ ${goal} × the bare script, here ${ratio.toFixed(2)}.\n`);
  }
}

let counter = 0;

function update(chord: Chord, size: Size, how: Drive, latencies = new Latencies()): Promise<number> {
  const ids = contextsOf(size);
  return drive(how, (caller) =>
    latencies.time(() => chord.updateContext(ids[caller % ids.length] ?? '', size.changes(counter++))),
  );
}

/** What is recorded of an update, as text. */
async function deltaLike(backend: Backend, chord: Chord, size: Size): Promise<string> {
  const [id = ''] = contextsOf(size);
  await chord.updateContext(id, size.changes(counter++));
  const [delta] = await backend.deltas(id, { limit: 1, descending: true });
  if (delta === undefined) throw new Error(`There is no delta of ${id}.`);
  return recordText(delta);
}

/** Callers share them when there are more; of the large ones there are fewer. */
function contextsOf(size: Size): readonly string[] {
  return idsOf(size, size.isSmall ? 512 : 64);
}
