import { afterAll, beforeAll, describe, test } from 'vitest';
import { backendConformance } from '../../../src/conformance/conformance.ts';
import { openRedis, openRedisAgain, type TestedRedis } from '../../support/redis/backend.ts';
import { type RedisCluster, startCluster } from '../../support/redis/cluster.ts';

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.stop());

backendConformance<TestedRedis>(
  'redis-cluster',
  () => openRedis(cluster.urls),
  { describe, test },
  {
    another: openRedisAgain,
    reopen: openRedisAgain,
    reopenElsewhere: async (closed) => {
      // Every partition is on another server then.
      for (const node of await cluster.masters()) await cluster.failover(node);
      return openRedisAgain(closed);
    },
  },
);
