/**
 * Fan-out by one worker and by two, on one Redis, which has no disk to wait for. `fanout.ts` says how it is measured.
 * CPU is that of the primary and its workers together, without Redis: where the cores do not suffice for workers, Redis and
 * load at once, it tells what the deliveries per second cannot.
 *
 *   npm run bench -- workers [--rounds 3] [--ms 1500] [--only one,many] [--subscribers 1000]
 */
import { cpus } from 'node:os';
import { startRedis } from '../test/support/redis/server.ts';
import { head, row } from './figures.ts';
import { Crowd, type Fanout } from './load/crowd.ts';
import { checkDescriptors, type Options, readOptions } from './load/options.ts';
import { Rounds } from './load/rounds.ts';
import { Server } from './load/server.ts';
import { build, chordOnRedis } from './servers.ts';

const web = { transport: 'WebSocket', selected: ['Changes'], bytes: 200 } as const;

const parts: Readonly<Record<string, Fanout>> = {
  one: { ...web, contexts: 1, subscribers: 1000 },
  many: { ...web, contexts: 100, subscribers: 20 },
};

/** Prints a table for each part. */
export async function workers(args: readonly string[]): Promise<void> {
  const options = readOptions(args, { rounds: 3, ms: 1500 });
  build();
  checkDescriptors(options.subscribers ?? 2000);
  await using redis = await startRedis();
  const sides = [1, 2].map((count) => chordOnRedis(redis.url, count));
  console.log(
    `${cpus().length} cores for the workers, Redis and the load; ${options.rounds} rounds of ${options.ms} ms.`,
  );
  for (const name of options.only ?? Object.keys(parts)) {
    const fanout = parts[name];
    if (fanout === undefined)
      throw new TypeError(`There is no part ${name}; expected ${Object.keys(parts).join(', ')}.`);
    const running = await Promise.all(sides.map((side) => Server.start(side)));
    console.log(`\n### ${name}\n\n${await measure(running, fanout, options)}\n\nEverybody converged.`);
    await Promise.all(running.map((server) => server.stop()));
  }
}

async function measure(servers: readonly Server[], usual: Fanout, options: Options): Promise<string> {
  const fanout = { ...usual, subscribers: options.subscribers ?? usual.subscribers };
  const rounds = await Rounds.play(servers, options.rounds, (server) => Crowd.takeTurn(server, fanout, options.ms));
  const one = servers[0]?.name ?? '';
  return [
    `${fanout.contexts} contexts, ${fanout.subscribers} subscribers each, ${fanout.bytes} bytes`,
    '',
    head('', 'deliveries/s', '× one', 'p99 ms', 'CPU µs/delivery', '× one', 'busy, workers / load'),
    ...servers.map(({ name }) =>
      row(
        name,
        rounds.figure(name, ({ perSecond }) => perSecond),
        rounds.ratio(name, one, ({ perSecond }) => perSecond),
        rounds.figure(name, ({ p99 }) => p99, 1),
        rounds.figure(name, ({ cpuUsPerDelivery }) => cpuUsPerDelivery, 1),
        rounds.ratio(name, one, ({ cpuUsPerDelivery }) => cpuUsPerDelivery),
        `${Math.round(rounds.middle(name, ({ serverBusy }) => serverBusy))} % / ${Math.round(rounds.middle(name, ({ loadBusy }) => loadBusy))} %`,
      ),
    ),
  ].join('\n');
}
