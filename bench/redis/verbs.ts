/** Reads and whole writes through the library: every verb with 1, 64 and 512 callers in flight. */
import { keepCopy } from '../copy.ts';
import { drive } from '../drive.ts';
import { head, row } from '../figures.ts';
import { Operations } from '../operations.ts';
import { idsOf, type Size, sizes } from '../sizes.ts';
import { allConverged, type Bench, inTurn, openChord } from './bench.ts';
import { Side } from './side.ts';

/** Part `verbs`. */
export async function measureVerbs({ server, rounds, ms }: Bench): Promise<string> {
  await using chord = await openChord(server, 'verbs:');
  const operations = new Operations();
  for (const size of sizes) await inTurn(contextsOf(size), (id) => chord.setContext(id, size.state));
  const copies = sizes.map((size) => keepCopy(chord, contextsOf(size)[0] ?? ''));
  const title = ['operation', 'context', 'in flight', 'operations/s', 'p50 / p99, ms', 'µs in a script'];
  console.log(head(...title));
  let isBehind = false;
  for (const operation of operations.all.filter(({ name }) => name !== 'update')) {
    if (operation.name.startsWith('sync') && !isBehind) {
      for (const size of sizes) await operations.putBehind(chord, size, contextsOf(size));
      isBehind = true;
    }
    for (const size of sizes) {
      const ids = contextsOf(size);
      for (const callers of [1, 64, 512]) {
        const side = new Side('Chord', server, (latencies) =>
          drive({ callers, ms }, (caller) =>
            latencies.time(() => operation.run(chord, ids[caller % ids.length] ?? '', size)),
          ),
        );
        for (let round = 0; round <= rounds; round++) await side.run(round > 0);
        console.log(row(operation.name, size.name, callers, ...side.cells()));
      }
    }
  }
  for (const copy of copies) await copy.converge();
  return allConverged;
}

/** As many as in stores.ts. */
function contextsOf(size: Size): readonly string[] {
  return idsOf(size, size.isSmall ? 512 : 8);
}
