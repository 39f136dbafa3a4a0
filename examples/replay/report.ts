/** What a run tells its reader. */
import type { ContextEvent } from './follower.ts';
import type { ClientReport, Report } from './replay.ts';

const reasons = ['NO_POSITION', 'EPOCH_CHANGED', 'TOO_OLD', 'SMALLER', 'CLIENT_AHEAD'];

const eventNames = {
  FullContext: 'FULL',
  Delta: 'DELTA',
  NoChange: 'NO_CHANGE',
  ContextGone: 'GONE',
  NoContext: 'NO_CONTEXT',
} as const satisfies Record<ContextEvent['__typename'], string>;

/** A line per client, the totals, and a line per failure. */
export function describe({ clients, failures, writes, durationMs }: Report): readonly string[] {
  const width = Math.max(0, ...clients.map(({ name }) => name.length));
  const fulls = new Map(reasons.map((reason) => [reason, sum(clients, (client) => client.fulls.get(reason))]));
  const events = sum(clients, (client) => total(client.events));
  const seconds = (durationMs / 1000).toFixed(1);
  return [
    ...clients.map((client) => lineOf(client, width)),
    '',
    `${writes} writes, ${events} events to ${clients.length} clients in ${seconds} s; ${sum(clients, (client) => client.joins)} joins, ${sum(clients, (client) => client.resumes)} resumes, ${sum(clients, (client) => client.losses)} networks lost`,
    `FULLs by reason: ${list(fulls)}`,
    ...(failures.length === 0
      ? ['Every FULL had its cause, every state was the document of its version, every client has the last one.']
      : failures.map((failure) => `FAILED ${failure}`)),
  ];
}

function lineOf(client: ClientReport, width: number): string {
  const { name, transport, joins, resumes, losses, version, failure } = client;
  const events = new Map([...client.events].map(([type, events_]) => [eventNames[type], events_]));
  const fulls = client.fulls.size === 0 ? '' : ` (${list(client.fulls)})`;
  const end = failure === undefined ? `state = document of version ${version}` : `FAILED at version ${version}`;
  return [
    name.padEnd(width),
    transport.padEnd(11),
    `joins ${joins} resumes ${resumes} losses ${losses}`.padEnd(30),
    `${total(client.events)} events: ${list(events)}${fulls}`,
    end,
  ].join('  ');
}

function list(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([what, times]) => `${what} ${times}`).join(', ');
}

function total(counts: ReadonlyMap<unknown, number>): number {
  return [...counts.values()].reduce((a, b) => a + b, 0);
}

function sum(clients: readonly ClientReport[], of: (client: ClientReport) => number | undefined): number {
  return clients.reduce((all, client) => all + (of(client) ?? 0), 0);
}
