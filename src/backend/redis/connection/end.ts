import type { Redis } from 'ioredis';

/** How long an end may take. */
const closeMs = 1_000;

/** Ends a connection and resolves when it has. */
export async function endOf(redis: Redis): Promise<void> {
  const isOpen = redis.status === 'connecting' || redis.status === 'connect' || redis.status === 'ready';
  const ended = new Promise<void>((resolve) => {
    if (!isOpen) {
      resolve();
      return;
    }
    const timer = setTimeout(resolve, closeMs);
    redis.once('end', () => {
      clearTimeout(timer);
      resolve();
    });
  });
  redis.disconnect();
  await ended;
}
