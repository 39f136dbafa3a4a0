import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

/** What the benchmarks that go over sockets are told. */
export interface Options {
  readonly rounds: number;
  /** How long a server is measured in each round. */
  readonly ms: number;
  /** The parts to run; absent: all. */
  readonly only: readonly string[] | undefined;
  /** Instead of what each part has. */
  readonly subscribers: number | undefined;
  /** Only these; absent: all. */
  readonly servers: readonly string[] | undefined;
  /** Servers on core 0, the load generator on core 1. */
  readonly pin: boolean;
}

/** @throws TypeError when the flags make no sense. */
export function readOptions(
  args: readonly string[],
  defaults: { readonly rounds: number; readonly ms: number },
): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: String(defaults.rounds) },
      ms: { type: 'string', default: String(defaults.ms) },
      only: { type: 'string' },
      servers: { type: 'string' },
      subscribers: { type: 'string' },
      pin: { type: 'boolean', default: false },
    },
  });
  if (values.pin) pinSelf();
  return {
    rounds: count('rounds', values.rounds),
    ms: count('ms', values.ms),
    only: values.only?.split(','),
    servers: values.servers?.split(','),
    subscribers: values.subscribers === undefined ? undefined : count('subscribers', values.subscribers),
    pin: values.pin,
  };
}

/** The core of the servers; undefined: any. */
export function serverCore({ pin }: Options): number | undefined {
  return pin ? 0 : undefined;
}

/** @throws when this process may not have so many connections. */
export function checkDescriptors(connections: number): void {
  const limit = /Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  const needed = connections + 500;
  if (limit === undefined || Number(limit) >= needed) return;
  throw new Error(
    `${connections} connections need ${needed} file descriptors, and this shell allows ${limit}: run \`ulimit -n ${needed}\` first, or ask for fewer by --subscribers.`,
  );
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new TypeError(`--${name} is a number above 0, not ${text}.`);
}

function pinSelf(): void {
  const { status } = spawnSync('taskset', ['-a', '-p', '-c', '1', String(process.pid)], { stdio: 'ignore' });
  if (status !== 0) throw new Error('--pin needs taskset and two cores.');
}
