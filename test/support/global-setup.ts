/*
 * What a whole run shares: Redis servers, and the program, built. Test files run in processes of their own, so this one,
 * which outlives them, makes it: each thing when it is first asked for, over HTTP. A run that needs none pays for an idle
 * socket.
 */
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { TestProject } from 'vitest/node';
import { buildCheckout } from './build.ts';

/** Something that is shared, and where it is. */
interface Shared {
  /** URLs, or one path. */
  readonly places: readonly string[];
  stop(): Promise<void>;
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Where `test/support/shared.ts` asks. */
    readonly sharedEndpoint: string;
  }
}

const started = new Map<string, Promise<Shared>>();

const endpoint = createServer((request, response) => void answer(request.url ?? '', response));

/** Called by vitest before the first test file. */
export async function setup({ provide }: TestProject): Promise<void> {
  await once(endpoint.listen(0, '127.0.0.1'), 'listening');
  const address = endpoint.address();
  if (address === null || typeof address === 'string') throw new Error('The endpoint for what is shared has no port.');
  provide('sharedEndpoint', `http://127.0.0.1:${address.port}`);
}

/** Called by vitest after the last one. */
export async function teardown(): Promise<void> {
  endpoint.closeAllConnections();
  endpoint.close();
  const starts = await Promise.allSettled(started.values());
  const running = starts.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  await Promise.all(running.map((each) => each.stop()));
}

async function answer(path: string, response: ServerResponse): Promise<void> {
  try {
    const sharing = started.get(path) ?? start(path);
    started.set(path, sharing);
    response.end(JSON.stringify((await sharing).places));
  } catch (error) {
    response.writeHead(500).end(error instanceof Error ? error.message : String(error));
  }
}

async function start(path: string): Promise<Shared> {
  switch (path) {
    case '/standalone': {
      const server = await (await import('./redis/server.ts')).startRedis();
      return { places: [server.url], stop: () => server.stop() };
    }
    case '/cluster': {
      const cluster = await (await import('./redis/cluster.ts')).startCluster();
      return { places: cluster.urls, stop: () => cluster.stop() };
    }
    case '/sentinel': {
      const set = await (await import('./redis/sentinel.ts')).startSentinel();
      return { places: [set.url], stop: () => set.stop() };
    }
    case '/build': {
      const home = await buildCheckout();
      return { places: [home], stop: () => rm(home, { recursive: true }) };
    }
    default:
      throw new TypeError(`There is no such thing to share: ${path}`);
  }
}
