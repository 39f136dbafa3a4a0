import { once } from 'node:events';
import { Redis } from 'ioredis';
import { Keys } from '../../src/backend/redis/keys.ts';
import { row, spread } from '../figures.ts';
import { idsOf, sizeNamed } from '../sizes.ts';
import { type Bench, inTurn, openChord } from './bench.ts';
import { usageOf } from './usage.ts';
import { type Done, Worker } from './workers.ts';

const channels = 20_000;

/** What a watched context takes in Redis and in a process, and how long watching takes. */
export async function measureChannels({ server }: Bench): Promise<void> {
  const ids = Array.from({ length: channels }, (_, index) => `watched:${index}`);
  await using worker = await Worker.start(server, 'channels:');
  await worker.do({ kind: 'watch', ids: ids.slice(0, 256) });
  const heap = (await worker.do({ kind: 'begin' })).heapBytes;
  const { memoryBytes } = await usageOf(server);
  const start = performance.now();
  await worker.do({ kind: 'watch', ids: ids.slice(256) });
  const seconds = (performance.now() - start) / 1000;
  const grown = (await usageOf(server)).memoryBytes - memoryBytes;
  const heapGrown = (await worker.do({ kind: 'begin' })).heapBytes - heap;
  const count = channels - 256;
  console.log(row('memory of a watched channel in Redis, bytes', (grown / count).toFixed(0)));
  console.log(row('heap of a watch in the process, bytes', (heapGrown / count).toFixed(0)));
  console.log(row('channels that one connection subscribes to per second', (count / seconds).toFixed(0)));
}

/** Announcements that one process takes in over its connection, all at once. */
export async function measureIntake({ server, rounds }: Bench): Promise<void> {
  const prefix = 'intake:';
  const size = sizeNamed('10 kB');
  const ids = idsOf(size, 64);
  const keys = new Keys(prefix);
  await using chord = await openChord(server, prefix);
  await inTurn(ids, (id) => chord.setContext(id, size.state));
  const [id = ''] = ids;
  const message = await published(server.url, keys.channel(id), () => chord.updateContext(id, size.changes(1)));
  await using worker = await Worker.start(server, prefix);
  await worker.do({ kind: 'watch', ids });
  const rates: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    await worker.do({ kind: 'begin' });
    // Within what Redis keeps for a subscriber that lags (8 MB for a minute).
    const perChannel = 300;
    for (const watched of ids) await server.cli('EVAL', publishing, 0, keys.channel(watched), message, perChannel);
    const all = perChannel * ids.length;
    const report = await heardOf(worker, all);
    // The server may be slower than the process: what counts is the time that it worked.
    if (round > 0) rates.push(all / (report.cpuUs / 1e6));
  }
  console.log(
    row(`announcements of ${message.length} bytes that a process takes in per second of CPU`, spread(rates, 0)),
  );
}

/** What a worker has done when it has heard so much; it has a minute. */
export async function heardOf(worker: Worker, announcements: number): Promise<Done> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const report = await worker.do({ kind: 'report' });
    if (report.heard >= announcements) return report;
    if (performance.now() > deadline) throw new Error('A watch did not hear of everything.');
    // Seldom: asking costs the worker time that counts.
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const publishing = `for n = 1, tonumber(ARGV[3]) do redis.call('SPUBLISH', ARGV[1], ARGV[2]) end`;

/** What is published on a channel meanwhile. */
async function published(url: string, channel: string, act: () => Promise<unknown>): Promise<string> {
  const redis = new Redis(url);
  try {
    await redis.ssubscribe(channel);
    const [[, message]] = await Promise.all([once(redis, 'smessage'), act()]);
    return String(message);
  } finally {
    redis.disconnect();
  }
}
