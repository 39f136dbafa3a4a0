/*
 * Servers that a whole run shares. Test files run in processes of their own, so this one, which outlives them, starts the
 * servers: each when it is first asked for, over HTTP. A run that needs none pays for an idle socket.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { TestProject } from 'vitest/node';

/** Servers, and how to reach them. */
interface Shared {
  readonly urls: readonly string[];
  stop(): Promise<void>;
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Where `test/support/redis/shared.ts` asks for servers. */
    readonly redisEndpoint: string;
  }
}

const started = new Map<string, Promise<Shared>>();

const endpoint = createServer((request, response) => void answer(request.url ?? '', response));

/** Called by vitest before the first test file. */
export async function setup({ provide }: TestProject): Promise<void> {
  await once(endpoint.listen(0, '127.0.0.1'), 'listening');
  const address = endpoint.address();
  if (address === null || typeof address === 'string') throw new Error('The endpoint for Redis servers has no port.');
  provide('redisEndpoint', `http://127.0.0.1:${address.port}`);
}

/** Called by vitest after the last one. */
export async function teardown(): Promise<void> {
  endpoint.closeAllConnections();
  endpoint.close();
  const starts = await Promise.allSettled(started.values());
  const servers = starts.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  await Promise.all(servers.map((server) => server.stop()));
}

async function answer(path: string, response: ServerResponse): Promise<void> {
  try {
    const sharing = started.get(path) ?? start(path);
    started.set(path, sharing);
    response.end(JSON.stringify((await sharing).urls));
  } catch (error) {
    response.writeHead(500).end(error instanceof Error ? error.message : String(error));
  }
}

async function start(path: string): Promise<Shared> {
  switch (path) {
    case '/standalone': {
      const server = await (await import('./server.ts')).startRedis();
      return { urls: [server.url], stop: () => server.stop() };
    }
    case '/cluster':
      return (await import('./cluster.ts')).startCluster();
    case '/sentinel': {
      const set = await (await import('./sentinel.ts')).startSentinel();
      return { urls: [set.url], stop: () => set.stop() };
    }
    default:
      throw new TypeError(`There are no such Redis servers: ${path}`);
  }
}
