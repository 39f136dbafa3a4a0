import { setTimeout as sleep } from 'node:timers/promises';
import { head, row } from '../figures.ts';
import { Crowd, type Delivered, type Fanout } from '../load/crowd.ts';
import { serverCore } from '../load/options.ts';
import { inOrder, Rounds } from '../load/rounds.ts';
import { type Contestant, Server } from '../load/server.ts';
import type { Part } from './part.ts';

/** What one turn of a server came to. */
interface Endured {
  readonly connectMs: number;
  readonly rssPerSubscriber: number;
  readonly heapPerSubscriber: number;
  readonly delivered: Delivered;
  /** The longest turn of the server's event loop while all connections are cut. */
  readonly cutStallMs: number;
  /** From the first that connects again until everybody is current. */
  readonly reconnectMs: number;
  /** The longest turn meanwhile. */
  readonly stallMs: number;
  readonly cpuUsPerReconnect: number;
}

/** So many come and go before memory is measured, and before the crowd: what is compiled and kept once is there. */
const forerunners = 500;
/** What everybody lacks who connects again. */
const missedWrites = 5;

/** Very many subscribers: what an idle one takes, how fast they are told, how they all come back at once. */
export function crowdPart(usual: Fanout): Part {
  return async (options, contestants) => {
    const fanout = { ...usual, subscribers: options.subscribers ?? usual.subscribers };
    const rounds = new Rounds<Endured>();
    for (let round = 0; round < options.rounds; round++) {
      for (const side of inOrder(contestants, round)) {
        rounds.add(side.name, await endure(side, fanout, { ms: options.ms, core: serverCore(options) }));
      }
    }
    return `${fanout.subscribers} subscribers of one context, ${fanout.bytes} bytes\n\n${table(contestants, rounds)}`;
  };
}

/** In a process that is new: memory that was used once is not always given back. */
async function endure(
  side: Contestant,
  fanout: Fanout,
  { ms, core }: { readonly ms: number; readonly core: number | undefined },
): Promise<Endured> {
  await using server = await Server.start(side, core);
  const first = await Crowd.gather(server, { ...fanout, subscribers: forerunners });
  await first.connect();
  await first.publish(ms / 2);
  await first.leave();

  const crowd = await Crowd.gather(server, fanout);
  const empty = await collected(server);
  const connectMs = await timed(() => crowd.connect());
  const full = await collected(server);
  const delivered = await crowd.publish(ms);

  await server.ask('watch stalls');
  crowd.disconnect();
  for (let write = 0; write < missedWrites; write++) await crowd.writeUnheard();
  await server.settle();
  const { stallMs: cutStallMs } = await server.ask('end watch');

  const before = await server.ask('watch stalls');
  const reconnectMs = await timed(() => crowd.connect());
  const after = await server.ask('end watch');
  await crowd.checkStates();
  crowd.disconnect();

  const { subscribers } = fanout;
  return {
    connectMs,
    rssPerSubscriber: (full.rss - empty.rss) / subscribers / 1024,
    heapPerSubscriber: (full.heapUsed - empty.heapUsed) / subscribers / 1024,
    delivered,
    cutStallMs,
    reconnectMs,
    stallMs: after.stallMs,
    cpuUsPerReconnect: (after.cpuUs - before.cpuUs) / subscribers,
  };
}

async function collected(server: Server) {
  await server.settle();
  await server.ask('collect garbage');
  await sleep(100);
  return server.ask('collect garbage');
}

async function timed(act: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await act();
  return performance.now() - start;
}

function table(sides: readonly Contestant[], rounds: Rounds<Endured>): string {
  const names = sides.map(({ name }) => name);
  const line = (title: string, cell: (name: string) => string) => row(title, ...names.map(cell));
  const figure = (title: string, read: (of: Endured) => number, digits = 0) =>
    line(title, (name) => rounds.figure(name, read, digits));
  return [
    head('', ...names),
    figure('RSS, KiB per idle subscriber', ({ rssPerSubscriber }) => rssPerSubscriber, 1),
    figure('heap after GC, KiB per idle subscriber', ({ heapPerSubscriber }) => heapPerSubscriber, 1),
    figure('deliveries/s', ({ delivered }) => delivered.perSecond),
    line('× yoga', (name) => rounds.ratio(name, 'yoga', ({ delivered }) => delivered.perSecond)),
    figure('p50 ms', ({ delivered }) => delivered.p50),
    figure('p99 ms', ({ delivered }) => delivered.p99),
    line('p99 × bare', (name) => rounds.ratio(name, 'bare', ({ delivered }) => delivered.p99)),
    figure('CPU µs/delivery', ({ delivered }) => delivered.cpuUsPerDelivery, 1),
    line('CPU × bare', (name) => rounds.ratio(name, 'bare', ({ delivered }) => delivered.cpuUsPerDelivery)),
    figure('connecting, ms', ({ connectMs }) => connectMs),
    figure('all connections cut: longest stall, ms', ({ cutStallMs }) => cutStallMs, 1),
    figure('all current again, ms', ({ reconnectMs }) => reconnectMs),
    figure('CPU µs for each that comes back', ({ cpuUsPerReconnect }) => cpuUsPerReconnect),
    figure('longest stall while they come back, ms', ({ stallMs }) => stallMs, 1),
  ].join('\n');
}
