/* Servers that all test files of a run use side by side, each under a prefix of its own. Faults are for private ones. */
import { randomUUID } from 'node:crypto';
import { inject } from 'vitest';
import { installTimeoutMs } from '../programs.ts';

/** The URL of the run's Redis. */
export function sharedRedis(): Promise<readonly string[]> {
  return ask('standalone');
}

/** The URLs of the run's Cluster: three masters, each with a replica. */
export function sharedCluster(): Promise<readonly string[]> {
  return ask('cluster');
}

/** The URL of the run's Sentinel set: a master, two replicas, three sentinels. */
export function sharedSentinel(): Promise<readonly string[]> {
  return ask('sentinel');
}

/** For keys and channels that nobody else uses. */
export function freshPrefix(): string {
  return `test-${randomUUID()}:`;
}

async function ask(what: string): Promise<readonly string[]> {
  // The first to ask waits while they start, and while the program is installed if need be.
  const signal = AbortSignal.timeout(installTimeoutMs + 30_000);
  const response = await fetch(`${inject('redisEndpoint')}/${what}`, { signal });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  // Written by global-setup.ts.
  return JSON.parse(text) as readonly string[];
}
