/**
 * Bytes that reach Redis for each byte of delta, amortised over 10,000 writes to contexts of 1 MB: the scripts' arguments
 * and the checkpoints that these writes make due, counted by the server (`total_net_input_bytes`).
 *
 * Divided by the JSON of the deltas' changes alone, and by the JSON of the whole deltas as they are recorded: with epoch,
 * versions, time, id of the write and weight (`DeltaRecord`). The goal is about the latter.
 */
import { createChord } from '../../src/chord.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import { keepCopy } from '../copy.ts';
import { head, row } from '../figures.ts';
import { sizes } from '../sizes.ts';
import { allConverged, type Bench, openBackend } from './bench.ts';
import { during } from './usage.ts';

const writes = 10_000;
const callers = 16;
/** Bytes sent ÷ bytes of the deltas. */
const goal = 4;

interface Field {
  readonly name: string;
  readonly changes: (i: number) => JsonObject;
}

/** One field of each shape of a large state. */
const fields = new Map<string, (value: number | string) => JsonObject>([
  ['1 MB, 100 × 10 kB', (value) => ({ part7: { item3: { note: value } } })],
  ['1 MB, 20,000 keys', (value) => ({ key7: value })],
]);

/** Part `bytes`. */
export async function measureBytes({ server }: Bench): Promise<string> {
  const title = ['context', 'contexts', 'new value', 'bytes sent per write', '÷ changes', '÷ deltas', 'checkpoints'];
  console.log(head(...title));
  for (const [sizeName, change] of fields) {
    for (const contexts of [1, 16]) {
      const all: readonly Field[] = [
        ...[100, 200].map((length) => ({
          name: `text of ${length} bytes`,
          changes: (i: number) => change(`${i} `.padEnd(length, 'x')),
        })),
        { name: 'a counter', changes: (i) => change(i) },
      ];
      for (const field of all) await measure(server, { sizeName, contexts, field });
    }
  }
  return allConverged;
}

async function measure(
  server: Bench['server'],
  { sizeName, contexts, field }: { readonly sizeName: string; readonly contexts: number; readonly field: Field },
): Promise<void> {
  const backend = await openBackend(server, `bytes ${sizeName} ${contexts} ${field.name}:`.replaceAll(' ', '-'));
  await using chord = createChord({ backend });
  const ids = Array.from({ length: contexts }, (_, index) => `id${index}`);
  const state = sizes.find(({ name }) => name === sizeName)?.state ?? {};
  for (const id of ids) await chord.setContext(id, state);
  const copy = keepCopy(chord, ids[0] ?? '');
  const bytes = { changes: 0, deltas: 0 };
  const commit = backend.commit.bind(backend);
  backend.commit = (id, base, planned, options) => {
    for (const { step } of planned) {
      if (step.kind !== 'change') continue;
      bytes.changes += Buffer.byteLength(JSON.stringify(step.delta.changes));
      bytes.deltas += Buffer.byteLength(JSON.stringify(step.delta));
    }
    return commit(id, base, planned, options);
  };
  let i = 1_000_000;
  // The first ones make that each server and each context is known.
  for (const id of ids) await chord.updateContext(id, field.changes(i++));
  const before = { ...bytes };
  const left = Array.from({ length: writes }, (_, index) => ids[index % contexts] ?? '');
  const usage = await during(server, () =>
    Promise.all(
      Array.from({ length: Math.min(callers, contexts) }, async () => {
        for (let id = left.pop(); id !== undefined; id = left.pop()) await chord.updateContext(id, field.changes(i++));
      }),
    ),
  );
  const sent = usage.bytes.received;
  const ratios = [sent / (bytes.changes - before.changes), sent / (bytes.deltas - before.deltas)] as const;
  const numbers = [sent / writes, ...ratios].map((number) => number.toFixed(2));
  console.log(row(sizeName, contexts, field.name, ...numbers, usage.calls('xtrim').count));
  if (ratios[1] > goal) console.log(`\nMissed: ≤ ${goal} × the deltas, here ${ratios[1].toFixed(2)}.\n`);
  await copy.converge();
}
