/* Servers that all test files of a run use side by side, each under a prefix of its own. Faults are for private ones. */
import { randomUUID } from 'node:crypto';
import { shared } from '../shared.ts';

/** The URL of the run's Redis. */
export function sharedRedis(): Promise<readonly string[]> {
  return shared('standalone');
}

/** The URLs of the run's Cluster: three masters, each with a replica. */
export function sharedCluster(): Promise<readonly string[]> {
  return shared('cluster');
}

/** The URL of the run's Sentinel set: a master, two replicas, three sentinels. */
export function sharedSentinel(): Promise<readonly string[]> {
  return shared('sentinel');
}

/** For keys and channels that nobody else uses. */
export function freshPrefix(): string {
  return `test-${randomUUID()}:`;
}
