import { expect, test } from 'vitest';
import { createApp } from '../../src/app/app.ts';
import { post, RecordingLogger } from '../support/app.ts';
import { cutConnections } from '../support/redis/faults.ts';
import { startRedis } from '../support/redis/server.ts';
import { soon, until } from '../support/wait.ts';
import { Collector } from './collector.ts';
import { Scrape } from './scrape.ts';

test('connections to Redis that are lost and made again, and what their loss may have hidden, are counted', async () => {
  await using server = await startRedis();
  const options = { port: 0, metricsPort: 0, backend: 'redis', redisUrl: server.url, drainTimeoutMs: 0 } as const;
  await using app = createApp({ ...options, cleanupIntervalMs: 0, logger: new RecordingLogger() });
  const { metricsUrl = '' } = await app.start();
  const { chord } = app;
  await chord.setContext('c', { n: 0 });
  const events = chord.follow('c');
  await soon('the first event', events.next());
  const before = await Scrape.of(metricsUrl);
  expect(before.nonZero('chord_redis_connections_total')).toEqual({ made: 1 });
  expect(before.nonZero('chord_info')).toEqual({ redis: 1 });

  await cutConnections(server, 'normal');
  await cutConnections(server, 'pubsub');
  let seen = before;
  await until('both are back', async () => {
    seen = await Scrape.of(metricsUrl);
    const made = seen.value('chord_redis_connections_total', { event: 'made' });
    return made === 2 && seen.value('chord_announcements_total', { kind: 'interrupted' }) === 1;
  });
  expect(seen.nonZero('chord_redis_connections_total')).toEqual({ made: 2, lost: 1 });
  // Nothing was written meanwhile.
  expect(seen.nonZero('chord_healed_gaps_total')).toEqual({});
  await chord.updateContext('c', { n: 1 });
  expect(await soon('the change', events.next())).toMatchObject({ value: { version: 2 } });
});

test('calls of Redis are pieces of the trace, of the kind that says that another process was asked', async () => {
  await using server = await startRedis();
  await using collector = await Collector.open();
  const options = { port: 0, backend: 'redis', redisUrl: server.url, drainTimeoutMs: 0 } as const;
  const app = createApp({ ...options, otlpEndpoint: collector.url, logger: new RecordingLogger() });
  const { url } = await app.start();
  await post(new URL('/graphql', url).href, { query: 'mutation { setContext(id: "c", state: {}) { __typename } }' });
  await app.stop();
  const commit = collector.one('commit redis');
  expect(collector.pathTo(commit)).toEqual(['POST /graphql', 'mutation', 'setContext', 'commit redis']);
  expect(commit).toMatchObject({ kind: 3, attributes: { 'db.system.name': 'redis', 'db.operation.name': 'commit' } });
});
