import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the ports that the system gives to outgoing connections (Linux: from 32768). One of those may be taken while a
 * server restarts; worse, a client that calls a server that is away may be given the very port it calls, and is then
 * connected to itself.
 */
const range = { from: 20_000, to: 32_000 };

/** That many ports of 127.0.0.1 on which nobody listened a moment ago. Another may be quicker: be ready to ask again. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  for (let attempt = 0; ports.size < count && attempt < 1_000; attempt += 1) {
    const port = randomInt(range.from, range.to);
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  if (ports.size < count) throw new Error(`There are not ${count} free ports from ${range.from} to ${range.to}.`);
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch {
    return false;
  }
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return true;
}
