import type { RedisServer } from './server.ts';

/** What a node knows of a node: a line of its CLUSTER NODES. */
export interface NodeView {
  readonly id: string;
  readonly port: number;
  readonly busPort: number;
  readonly flags: readonly string[];
  /** Whom it replicates; `-` of a master. */
  readonly masterId: string;
  readonly isConnected: boolean;
  /** Both ends included. */
  readonly ranges: readonly (readonly [first: number, last: number])[];
}

/** How a node sees the cluster. */
export async function viewsOf(node: RedisServer): Promise<readonly NodeView[]> {
  const nodes = await clusterText(node, 'NODES');
  return nodes.trim().split('\n').map(toView);
}

/** Whether the slot is one of its own. */
export function serves(view: NodeView, slot: number): boolean {
  return view.ranges.some(([first, last]) => first <= slot && slot <= last);
}

/** What a CLUSTER command answers with, as text. */
export async function clusterText(node: RedisServer, subcommand: string): Promise<string> {
  return String(await node.cli('CLUSTER', subcommand));
}

function toView(line: string): NodeView {
  const [id = '', address = '', flags = '', masterId = '', , , , link = '', ...slots] = line.split(' ');
  const [, port, busPort] = /:(\d+)@(\d+)/.exec(address) ?? [];
  return {
    id,
    port: Number(port),
    busPort: Number(busPort),
    flags: flags.split(','),
    masterId,
    isConnected: link === 'connected',
    // `[7->-…]` and `[7-<-…]` are slots on their way.
    ranges: slots.filter((range) => !range.startsWith('[')).map(toRange),
  };
}

function toRange(text: string): readonly [first: number, last: number] {
  const [first = 0, last = first] = text.split('-').map(Number);
  return [first, last];
}
