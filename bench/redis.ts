/**
 * The Redis backend: writes beside a bare script that does the least, one hot context from several processes, two
 * processes on one Redis, round trips and bytes per write, and what one Redis and one process carry.
 *
 * Each part has a Redis of its own on 127.0.0.1, without persistence. Sides take turns within a part, ratios are
 * medians of the rounds' ratios, and a part counts only if every follower converged.
 *
 *   npx tsx bench/redis.ts [--rounds 5] [--ms 500] [--only writes,verbs,trips,hot,two,bytes,carry]
 */
import { parseArgs } from 'node:util';
import { startRedis } from '../test/support/redis/server.ts';
import type { Part } from './redis/bench.ts';
import { measureBytes } from './redis/bytes.ts';
import { measureCarry } from './redis/carry.ts';
import { measureHot } from './redis/hot.ts';
import { measureTrips } from './redis/trips.ts';
import { measureTwo } from './redis/two.ts';
import { measureVerbs } from './redis/verbs.ts';
import { measureWrites } from './redis/writes.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    ms: { type: 'string', default: '500' },
    only: { type: 'string' },
  },
});

const parts: ReadonlyMap<string, Part> = new Map([
  ['writes', measureWrites],
  ['verbs', measureVerbs],
  ['trips', measureTrips],
  ['hot', measureHot],
  ['two', measureTwo],
  ['bytes', measureBytes],
  ['carry', measureCarry],
]);

const bench = { rounds: Number(values.rounds), ms: Number(values.ms) };
console.log(`Node ${process.versions.node}, ${bench.rounds} rounds of ${bench.ms} ms`);
for (const name of values.only?.split(',') ?? parts.keys()) {
  const part = parts.get(name);
  if (part === undefined) throw new TypeError(`There is no part ${name}; expected ${[...parts.keys()].join(', ')}.`);
  await using server = await startRedis();
  console.log(`\n## ${name}\n`);
  console.log(`\n${await part({ ...bench, server })}`);
}
