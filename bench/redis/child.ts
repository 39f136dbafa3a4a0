/** A process of its own with the library on Redis, which does what its parent asks for. */
import type { CommitOptions } from '../../src/backend/commit.ts';
import { createChord } from '../../src/chord.ts';
import { drive } from '../drive.ts';
import { sizeNamed } from '../sizes.ts';
import { openBackend } from './bench.ts';
import { Latencies } from './latencies.ts';
import type { Done, Order } from './workers.ts';

const [url = '', prefix = ''] = process.argv.slice(2);
const backend = await openBackend({ url }, prefix);
const chord = createChord({ backend });

/** How many commits were accepted after so many lost attempts. */
let commits: number[] = [];
const commit = backend.commit.bind(backend);
backend.commit = async (id, base, writes, options: CommitOptions) => {
  const result = await commit(id, base, writes, options);
  if (result.kind !== 'behind') commits[options.attempt] = (commits[options.attempt] ?? 0) + 1;
  return result;
};

/** What was heard, by followers after their first event and by watches. */
let heard = 0;
let latencies = new Latencies();
let perSecond = 0;
let cpu = process.cpuUsage();
/** No two processes write the same. */
let count = process.pid * 1_000_000;

/** Resolves when it has its first event. */
function follow(id: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const read = async (): Promise<void> => {
      for await (const event of chord.follow(id)) {
        if (event.kind === 'full') resolve();
        else heard++;
      }
    };
    read().catch(reject);
  });
}

async function obey(order: Order): Promise<Done> {
  switch (order.kind) {
    case 'write': {
      const { ids, ...how } = order;
      const size = sizeNamed(order.size);
      perSecond = await drive(how, (caller) =>
        latencies.time(() => chord.updateContext(ids[caller % ids.length] ?? '', size.changes(count++))),
      );
      break;
    }
    case 'follow':
      await Promise.all(order.ids.map(follow));
      break;
    case 'watch':
      await Promise.all(order.ids.map((id) => backend.watch(id, () => heard++)));
      break;
    case 'begin':
      heard = 0;
      commits = [];
      latencies = new Latencies();
      globalThis.gc?.();
      cpu = process.cpuUsage();
      break;
    case 'report':
      break;
  }
  const { user, system } = process.cpuUsage(cpu);
  return {
    perSecond,
    samples: order.kind === 'report' ? latencies.samples : [],
    commits: commits.map((number) => number ?? 0),
    heard,
    cpuUs: user + system,
    heapBytes: process.memoryUsage().heapUsed,
  };
}

process.on('message', (order: Order) => void answer(order));
process.once('disconnect', () => process.exit());
process.send?.('open');

/** Never rejects: a process that cannot do what it was told ends, and its parent hears of that. */
async function answer(order: Order): Promise<void> {
  try {
    const done = await obey(order);
    process.send?.(done);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}
