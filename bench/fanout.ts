/**
 * Fan-out: one server after the other, each in a process of its own, sends what is written to those who follow.
 *
 * A context is written again as soon as all its subscribers have heard of the last write. A latency is from sending the
 * write to hearing of it. Each round runs all servers; a ratio is the median of the rounds' ratios. It counts only if
 * every subscriber was told every version once, in order, and has the state that the server has.
 *
 *   npm run bench -- fanout [--rounds 3] [--ms 1000] [--only one,…] [--servers Chord,…] [--subscribers 1000] [--pin]
 */
import { fileURLToPath } from 'node:url';
import { crowdPart } from './fanout/crowd-part.ts';
import { deliveryPart } from './fanout/delivery-part.ts';
import type { Part } from './fanout/part.ts';
import type { Selection } from './load/documents.ts';
import { checkDescriptors, readOptions } from './load/options.ts';
import { bare, chord, mercurius, prepare, versions, yoga } from './servers.ts';

const one: readonly Selection[] = ['Changes'];
const mixed: readonly Selection[] = ['Changes', 'JsonPatch', 'MergePatch', 'Everything'];
const web = { transport: 'WebSocket', selected: one } as const;

const parts: Readonly<Record<string, Part>> = {
  one: deliveryPart({ ...web, contexts: 1, subscribers: 1000, bytes: 200 }),
  '2kB': deliveryPart({ ...web, contexts: 1, subscribers: 1000, bytes: 2000 }),
  '50kB': deliveryPart({ ...web, contexts: 1, subscribers: 100, bytes: 50_000 }),
  many: deliveryPart({ ...web, contexts: 1000, subscribers: 10, bytes: 200 }),
  mixed: deliveryPart({ ...web, selected: mixed, contexts: 1, subscribers: 1000, bytes: 200 }),
  sse: deliveryPart({ transport: 'SSE', selected: one, contexts: 1, subscribers: 1000, bytes: 200 }),
  crowd: crowdPart({ ...web, contexts: 1, subscribers: 10_000, bytes: 200 }),
};

/** Prints a table for each part. */
export async function fanout(args: readonly string[]): Promise<void> {
  const options = readOptions(args, { rounds: 3, ms: 1000 });
  const names = options.only ?? Object.keys(parts);
  prepare();
  checkDescriptors(options.subscribers ?? (names.includes('crowd') || names.includes('many') ? 10_000 : 1000));
  console.log(`${versions()}; ${options.rounds} rounds of ${options.ms} ms, medians (min to max).`);
  const servers = [bare, chord, yoga, mercurius].filter(({ name }) => options.servers?.includes(name) ?? true);
  for (const name of names) {
    const part = parts[name];
    if (part === undefined) throw new TypeError(`There is no part ${name}; expected ${Object.keys(parts).join(', ')}.`);
    const start = performance.now();
    console.log(`\n### ${name}\n\n${await part(options, servers)}`);
    console.log(`\nEverybody converged. (${Math.round((performance.now() - start) / 1000)} s)`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await fanout(process.argv.slice(2));
