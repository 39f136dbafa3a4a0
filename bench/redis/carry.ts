/** What one Redis and one process of Chord carry: the figures of docs/operations.md. */
import { head, median, row, spread } from '../figures.ts';
import { idsOf, sizeNamed } from '../sizes.ts';
import { type Bench, inTurn, openChord, warmUp } from './bench.ts';
import { heardOf, measureChannels, measureIntake } from './carry-channels.ts';
import { during, usageOf } from './usage.ts';
import { Worker } from './workers.ts';

const contexts = 64;

/** Part `carry`. */
export async function measureCarry(bench: Bench): Promise<string> {
  console.log(head('figure', 'value'));
  await measureWork(bench);
  await measureMemory(bench);
  await measureChannels(bench);
  await measureIntake(bench);
  return 'Every watch heard every write.';
}

/** CPU of a write of which nobody is told, one process, or one process with followers; each on contexts of its own. */
async function measureWork({ server, rounds, ms }: Bench): Promise<void> {
  const size = sizeNamed('10 kB');
  const ids = idsOf(size, 3 * contexts);
  {
    await using chord = await openChord(server, 'work:');
    await inTurn(ids, (id) => chord.setContext(id, size.state));
  }
  await using writer = await Worker.start(server, 'work:');
  await using watcher = await Worker.start(server, 'work:');
  await using follower = await Worker.start(server, 'work:');
  const sides = [
    { name: 'nobody', ids: ids.slice(0, contexts), listener: undefined, ...noFigures() },
    { name: 'a process that watches', ids: ids.slice(contexts, 2 * contexts), listener: watcher, ...noFigures() },
    { name: 'a process with a follower', ids: ids.slice(2 * contexts), listener: follower, ...noFigures() },
  ];
  await watcher.do({ kind: 'watch', ids: sides[1]?.ids ?? [] });
  await follower.do({ kind: 'follow', ids: sides[2]?.ids ?? [] });
  const order = { kind: 'write', size: size.name, callers: contexts, ms } as const;
  for (const side of sides) await writer.do({ ...order, ids: side.ids, atLeast: warmUp });
  for (let round = 0; round < rounds; round++) {
    for (const { ids: own, listener, inRedis, inWriter, inListener, share } of sides) {
      await Promise.all([writer.do({ kind: 'begin' }), listener?.do({ kind: 'begin' })]);
      const usage = await during(server, () => writer.do({ ...order, ids: own }));
      const { cpuUs, samples } = await writer.do({ kind: 'report' });
      const heard = listener && (await heardOf(listener, listener === watcher ? samples.length : 0));
      inRedis.push(usage.cpuUs / samples.length);
      inWriter.push(cpuUs / samples.length);
      if (heard === undefined) continue;
      inListener.push(heard.cpuUs / samples.length);
      share.push(heard.heard / samples.length);
    }
  }
  for (const { name, inRedis, inWriter, inListener, share } of sides) {
    console.log(row(`CPU of Redis per write that is told to ${name}, µs`, spread(inRedis, 1)));
    console.log(row('of the process that writes', spread(inWriter, 1)));
    if (inListener.length > 0) console.log(row(`of ${name}`, spread(inListener, 1)));
    if (share.length > 0) console.log(row(`what ${name} hears per write`, spread(share)));
  }
  console.log(row('writes/s at one core of Redis', (1e6 / median(sides[0]?.inRedis ?? [])).toFixed(0)));
}

function noFigures(): Record<'inRedis' | 'inWriter' | 'inListener' | 'share', number[]> {
  return { inRedis: [], inWriter: [], inListener: [], share: [] };
}

/** What a context and a retained delta take. */
async function measureMemory({ server }: Bench): Promise<void> {
  for (const [name, count] of [
    ['1 kB', 10_000],
    ['10 kB', 10_000],
  ] as const) {
    const size = sizeNamed(name);
    await using chord = await openChord(server, `memory ${count}:`.replace(' ', '-') + name.replace(' ', ''));
    const ids = idsOf(size, count);
    const stateBytes = Buffer.byteLength(JSON.stringify(size.state));
    const created = await during(server, () => inTurn(ids, (id) => chord.setContext(id, size.state)));
    const bytes = created.memoryBytes / count;
    console.log(row(`memory of a new context of ${name} (JSON: ${stateBytes} bytes), bytes`, bytes.toFixed(0)));
    if (name !== '1 kB') continue;
    const few = ids.slice(0, 1_000);
    const deltas = 90;
    const before = await usageOf(server);
    let changes = 0;
    for (let n = 0; n < deltas; n++) {
      await inTurn(few, async (id) => {
        const { delta } = await chord.updateContext(id, size.changes(1_000_000 + n));
        changes += Buffer.byteLength(JSON.stringify(delta?.changes));
      });
    }
    const grown = (await usageOf(server)).memoryBytes - before.memoryBytes;
    const each = few.length * deltas;
    const text = `memory of a retained delta (JSON of its changes: ${(changes / each).toFixed(0)} bytes), bytes`;
    console.log(row(text, (grown / each).toFixed(0)));
  }
}
