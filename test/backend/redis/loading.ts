import { type RedisServer, startRedis } from '../../support/redis/server.ts';
import { until } from '../../support/wait.ts';

/** Some 2 s of keys, each a moment in which it answers that it is loading. */
const keys = 100;
const slowly = ['--key-load-delay', '20000', '--loading-process-events-interval-bytes', '1024'];

/** A server that is loading its data, and when it has. */
export async function startLoading(): Promise<{ readonly server: RedisServer; readonly loaded: Promise<void> }> {
  const server = await startRedis({ args: slowly });
  const values = Array.from({ length: keys }, (_, key) => [`ballast:${key}`, 'x'.repeat(2_000)]).flat();
  await server.cli('MSET', ...values);
  await server.cli('CONFIG', 'SET', 'rdbcompression', 'no');
  await server.cli('SAVE');
  await server.kill();
  const loaded = server.start();
  await until('the loading', () => isLoading(server));
  return { server, loaded };
}

/** Whether it is. False, too, before it listens. */
export async function isLoading(server: RedisServer): Promise<boolean> {
  try {
    return (await server.info('persistence')).get('loading') === '1';
  } catch {
    return false;
  }
}
