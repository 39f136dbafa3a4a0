/* What may happen to a Redis. Each that lasts resolves, once it is there, to what ends it. */
import type { RedisServer } from './server.ts';

/** Ends a fault. */
export type Heal = () => Promise<void>;

/** Closes the connections of this kind and says how many there were. */
export async function cutConnections(server: RedisServer, type: 'normal' | 'pubsub' | 'replica'): Promise<number> {
  return Number(await server.cli('CLIENT', 'KILL', 'TYPE', type));
}

/**
 * For so long (`ALL`: at most 9 s) Redis reads what clients send and does not carry it out: all of it, or what writes.
 * Of `ALL` the end comes not before its time, because the command that would end it is held too.
 */
export async function holdCommands(server: RedisServer, ms: number, mode: 'ALL' | 'WRITE' = 'ALL'): Promise<Heal> {
  await server.cli('CLIENT', 'PAUSE', ms, mode);
  return async () => {
    await server.cli('CLIENT', 'UNPAUSE');
  };
}

/** It knows no script any more. */
export async function flushScripts(server: RedisServer): Promise<void> {
  await server.cli('SCRIPT', 'FLUSH');
}

/**
 * Writes are refused (READONLY), as by a master that has been made a replica: of nobody, so that it keeps what it has.
 * Healed, it is a master with another replication id, as after a fail-over. Not for a node of a Cluster.
 */
export async function makeReadOnly(server: RedisServer): Promise<Heal> {
  // A port on which nobody listens, and no test can.
  await server.cli('REPLICAOF', '127.0.0.1', 1);
  return async () => {
    await server.cli('REPLICAOF', 'NO', 'ONE');
  };
}

/** Writes are refused (OOM): it may not use more memory than it does, and evicts nothing. */
export async function fillMemory(server: RedisServer): Promise<Heal> {
  const before = await settings(server, ['maxmemory', 'maxmemory-policy']);
  await server.cli('CONFIG', 'SET', 'maxmemory', 1, 'maxmemory-policy', 'noeviction');
  return async () => {
    await server.cli('CONFIG', 'SET', ...before);
  };
}

async function settings(server: RedisServer, names: readonly string[]): Promise<readonly string[]> {
  // Names and values in turn.
  const answers = names.map(async (name) => (await server.cli('CONFIG', 'GET', name)) as readonly string[]);
  return (await Promise.all(answers)).flat();
}

/** It hangs: connections stay, nobody is answered. */
export async function hang(server: RedisServer): Promise<Heal> {
  server.pause();
  return async () => server.resume();
}

/** It is gone at once, and starts again when it is healed. */
export async function crash(server: RedisServer): Promise<Heal> {
  await server.kill();
  return () => server.start();
}
