/**
 * How many scripts an acknowledged write takes, counted by the server (`INFO commandstats`).
 *
 * Checkpoints are scripts of their own, which nobody waits for. Of all that runs here only they trim a stream by XTRIM,
 * so that tells how many they were. Nobody follows: what a follower reads would be counted, too.
 */
import type { Chord } from '../../src/service/chord.ts';
import { head, row } from '../figures.ts';
import { idsOf, sizeNamed } from '../sizes.ts';
import { type Bench, inTurn, openChord } from './bench.ts';
import { during } from './usage.ts';

const contexts = 64;
const writesToEach = 150;

/** Part `trips`. */
export async function measureTrips({ server }: Bench): Promise<string> {
  const size = sizeNamed('10 kB');
  await using one = await openChord(server, 'trips:');
  await using other = await openChord(server, 'trips:');
  const ids = idsOf(size, contexts);
  await inTurn(ids, (id) => one.setContext(id, size.state));
  let written = 1;
  const writeAll = async (writerOf: (n: number) => Chord): Promise<void> => {
    await Promise.all(
      ids.map(async (id) => {
        for (let n = 0; n < writesToEach; n++) await writerOf(n).updateContext(id, size.changes(written + n));
      }),
    );
    written += writesToEach;
  };
  // Until the server knows each script, so that none is called by its text.
  await writeAll(() => one);

  const title = ['writers', 'writes', 'commits per write', 'checkpoints per write'];
  console.log(head(...title));
  const ways: readonly (readonly [string, (n: number) => Chord])[] = [
    ['one process', () => one],
    ['two processes in turn', (n) => (n % 2 === 0 ? other : one)],
    ['two processes, ten writes each', (n) => (Math.floor(n / 10) % 2 === 0 ? other : one)],
  ];
  for (const [name, writerOf] of ways) {
    const usage = await during(server, () => writeAll(writerOf));
    const writes = contexts * writesToEach;
    const checkpoints = usage.calls('xtrim').count;
    const commits = usage.evalsha.count + usage.eval.count - checkpoints;
    console.log(row(name, writes, (commits / writes).toFixed(3), (checkpoints / writes).toFixed(4)));
  }
  for (const id of ids) {
    for (const chord of [one, other]) {
      const context = await chord.getContext(id);
      if (context?.version !== written) throw new Error(`${id} is at ${context?.version}, not ${written}.`);
    }
  }
  return 'Every acknowledged write is one version, as both processes read it.';
}
