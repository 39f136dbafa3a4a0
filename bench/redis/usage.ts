import type { RedisServer } from '../../test/support/redis/server.ts';

/** What a server has done since it started, from INFO. */
export interface Usage {
  /** User and system. */
  readonly cpuUs: number;
  /** What clients sent to it, and it to them. */
  readonly bytes: { readonly received: number; readonly sent: number };
  readonly memoryBytes: number;
  /** Calls of scripts. */
  readonly evalsha: Calls;
  readonly eval: Calls;
  /** Calls of single commands, those within scripts included. */
  calls(command: string): Calls;
}

/** How often, and how long in all. */
export interface Calls {
  readonly count: number;
  readonly us: number;
}

/** Asks the server. */
export async function usageOf(server: RedisServer): Promise<Usage> {
  const info = await server.info('all');
  const number = (name: string): number => Number(info.get(name) ?? 0);
  const calls = (command: string): Calls => {
    const text = info.get(`cmdstat_${command}`) ?? '';
    return { count: Number(/calls=(\d+)/.exec(text)?.[1] ?? 0), us: Number(/usec=(\d+)/.exec(text)?.[1] ?? 0) };
  };
  return {
    cpuUs: 1e6 * (number('used_cpu_user') + number('used_cpu_sys')),
    bytes: { received: number('total_net_input_bytes'), sent: number('total_net_output_bytes') },
    memoryBytes: number('used_memory'),
    evalsha: calls('evalsha'),
    eval: calls('eval'),
    calls,
  };
}

/** What it did between two answers. */
export function between(before: Usage, after: Usage): Usage {
  const calls = (command: string): Calls => less(after.calls(command), before.calls(command));
  return {
    cpuUs: after.cpuUs - before.cpuUs,
    bytes: {
      received: after.bytes.received - before.bytes.received,
      sent: after.bytes.sent - before.bytes.sent,
    },
    memoryBytes: after.memoryBytes - before.memoryBytes,
    evalsha: less(after.evalsha, before.evalsha),
    eval: less(after.eval, before.eval),
    calls,
  };
}

/** What it did meanwhile. */
export async function during(server: RedisServer, act: () => Promise<unknown>): Promise<Usage> {
  const before = await usageOf(server);
  await act();
  return between(before, await usageOf(server));
}

function less(one: Calls, other: Calls): Calls {
  return { count: one.count - other.count, us: one.us - other.us };
}
