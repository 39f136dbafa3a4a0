import { head, row } from '../figures.ts';
import { Crowd, type Delivered, type Fanout } from '../load/crowd.ts';
import { serverCore } from '../load/options.ts';
import { Rounds } from '../load/rounds.ts';
import { Server } from '../load/server.ts';
import type { Part } from './part.ts';

/** Deliveries per second, latency, and CPU of the server for each delivery. */
export function deliveryPart(usual: Fanout): Part {
  return async (options, contestants) => {
    const fanout = { ...usual, subscribers: options.subscribers ?? usual.subscribers };
    const sides = contestants.filter(({ hasEventStreams }) => fanout.transport === 'WebSocket' || hasEventStreams);
    const running = await Promise.all(sides.map((side) => Server.start(side, serverCore(options))));
    const rounds = await Rounds.play(running, options.rounds, (server) => Crowd.takeTurn(server, fanout, options.ms));
    await Promise.all(running.map((server) => server.stop()));
    return `${title(fanout)}\n\n${table(running, rounds)}`;
  };
}

function title({ contexts, subscribers, bytes, transport, selected }: Fanout): string {
  const where = contexts === 1 ? 'one context' : `${contexts} contexts`;
  const what = selected.length === 1 ? 'one selection' : `${selected.length} selections`;
  return `${where}, ${subscribers} subscribers each, ${bytes} bytes, ${what}, ${transport}`;
}

function table(servers: readonly Server[], rounds: Rounds<Delivered>): string {
  return [
    head(
      '',
      'deliveries/s',
      '× yoga',
      'p50 ms',
      'p99 ms',
      'p99 × bare',
      'CPU µs/delivery',
      'CPU × bare',
      'busy, server / load',
    ),
    ...servers.map(({ name }) =>
      row(
        name,
        rounds.figure(name, ({ perSecond }) => perSecond),
        rounds.ratio(name, 'yoga', ({ perSecond }) => perSecond),
        rounds.figure(name, ({ p50 }) => p50, 1),
        rounds.figure(name, ({ p99 }) => p99, 1),
        rounds.ratio(name, 'bare', ({ p99 }) => p99),
        rounds.figure(name, ({ cpuUsPerDelivery }) => cpuUsPerDelivery, 1),
        rounds.ratio(name, 'bare', ({ cpuUsPerDelivery }) => cpuUsPerDelivery),
        `${percent(name, rounds, 'serverBusy')} / ${percent(name, rounds, 'loadBusy')}`,
      ),
    ),
  ].join('\n');
}

function percent(name: string, rounds: Rounds<Delivered>, of: 'serverBusy' | 'loadBusy'): string {
  return `${Math.round(rounds.middle(name, (delivered) => delivered[of]))} %`;
}
