import { afterAll, beforeAll, describe, test } from 'vitest';
import { backendConformance } from '../../../src/conformance/conformance.ts';
import { openRedis, openRedisAgain, type TestedRedis } from '../../support/redis/backend.ts';
import { type RedisServer, startRedis } from '../../support/redis/server.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis({ appendOnly: true });
});
afterAll(() => server?.stop());

backendConformance<TestedRedis>(
  'redis',
  () => openRedis([server.url]),
  { describe, test },
  {
    another: openRedisAgain,
    reopen: openRedisAgain,
    reopenElsewhere: async (closed) => {
      await server.restart();
      return openRedisAgain(closed);
    },
  },
);
