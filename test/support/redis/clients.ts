import { createHash } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { RedisClient } from '../../../src/backend/redis/connection/client.ts';
import type { LogLine } from '../../../src/backend/redis/connection/log.ts';
import { parseRedisUrls } from '../../../src/backend/redis/connection/target.ts';
import type { Script } from '../../../src/backend/redis/scripts.ts';
import { BackendUnavailableError } from '../../../src/errors.ts';
import type { RedisServer } from './server.ts';

/** A client of one test, with what it told operators. */
export interface TestedClient extends RedisClient {
  readonly log: readonly LogLine[];
  /** Those that are warnings. */
  readonly warnings: readonly string[];
}

/** Opens a client that is closed with the test. */
export function openClient(url: string | readonly string[], { timeoutMs = 10_000 } = {}): TestedClient {
  const log: LogLine[] = [];
  const warnings: string[] = [];
  const target = parseRedisUrls(typeof url === 'string' ? [url] : url);
  const onLog = (line: LogLine): void => {
    log.push(line);
    if (line.level === 'warn') warnings.push(line.text);
  };
  const client = new RedisClient({ target, timeoutMs, onLog });
  onTestFinished(() => client.close());
  return Object.assign(client, { log, warnings });
}

/** A script as scripts.ts would load it. */
export function scriptOf(text: string, isWrite = true): Script {
  return { name: 'test', text, sha: createHash('sha1').update(text).digest('hex'), isWrite };
}

/** Adds one to KEYS[2]. KEYS[1] is the key that never exists, as in all our scripts. */
export const increment = scriptOf("return redis.call('INCR', KEYS[2])");

/** The keys of such a script. */
export function keysOf(key: string): readonly string[] {
  return ['{p}:', `{p}:${key}`];
}

/** How a call failed. Fails when it did not, or in another way. */
export async function failureOf(call: Promise<unknown>): Promise<BackendUnavailableError> {
  const error = await call.then(
    (reply) => new Error(`answered ${JSON.stringify(reply)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof BackendUnavailableError) return error;
  throw error;
}

/** What operators are told of a failed call; it is not for who called. */
export function causeOf(error: BackendUnavailableError): string {
  return error.cause instanceof Error ? error.cause.message : '';
}

/** How often the server was sent a command. */
export async function callsOf(server: RedisServer, command: string): Promise<number> {
  const text = (await server.info('commandstats')).get(`cmdstat_${command}`);
  return Number(/calls=(\d+)/.exec(text ?? '')?.[1] ?? 0);
}
