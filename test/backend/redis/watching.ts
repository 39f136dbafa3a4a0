/** Watching contexts over Redis as one process does, and publishing as another does. */
import { onTestFinished } from 'vitest';
import type { Announcement } from '../../../src/backend/backend.ts';
import { Announcements } from '../../../src/backend/redis/announcements/announcements.ts';
import { RedisClient } from '../../../src/backend/redis/connection/client.ts';
import type { LogLine } from '../../../src/backend/redis/connection/log.ts';
import { parseRedisUrls } from '../../../src/backend/redis/connection/target.ts';
import { Keys } from '../../../src/backend/redis/keys.ts';
import type { RedisServer } from '../../support/redis/server.ts';
import { Inbox, until } from '../../support/wait.ts';

/** What a listener is told when announcements may have been lost. */
export const interrupted: Announcement = { kind: 'interrupted' };

/** What a published text is announced as. */
export function moved(text: string): Announcement {
  return { kind: 'moved', position: { epoch: text, version: 1 } };
}

function parse(text: string): Announcement | undefined {
  if (text === 'unreadable') throw new SyntaxError('This cannot be read.');
  return text === 'nothing of ours' ? undefined : moved(text);
}

/** A context that is watched, and what was heard of it. */
export interface Watching {
  readonly id: string;
  readonly heard: Inbox<Announcement>;
  close(): void;
}

/** One process that watches. */
export class Watcher {
  readonly client: RedisClient;
  readonly announcements: Announcements;
  readonly log = new Inbox<LogLine>('a line about announcements');
  readonly #keys = new Keys('test:');

  constructor(urls: readonly string[], timeoutMs: number) {
    const onLog = (line: LogLine): void => {
      if (line.text.startsWith('Announcements')) this.log.put(line);
    };
    this.client = new RedisClient({ target: parseRedisUrls(urls), timeoutMs, onLog });
    this.announcements = new Announcements(this.client, { timeoutMs, parse });
  }

  async watch(id: string): Promise<Watching> {
    const heard = new Inbox<Announcement>(`an announcement of ${id}`);
    const watch = await this.announcements.watch(id, this.channel(id), (announcement) => heard.put(announcement));
    return { id, heard, close: () => watch.close() };
  }

  /** Answers how many subscribers there are at the server that it is sent to. */
  async publish(id: string, text: string, command: 'SPUBLISH' | 'PUBLISH' = 'SPUBLISH'): Promise<number> {
    return Number(await this.client.call([command, this.channel(id), text]));
  }

  channel(id: string): string {
    return this.#keys.channel(id);
  }

  async close(): Promise<void> {
    this.announcements.close();
    await this.client.close();
  }
}

/** One until the test is finished. */
export function openWatcher(urls: readonly string[], timeoutMs = 2_000): Watcher {
  const watcher = new Watcher(urls, timeoutMs);
  onTestFinished(() => watcher.close());
  return watcher;
}

/** The ids of the connections that are subscribed to channels of ours at the server. */
export async function subscribersAt(server: RedisServer): Promise<readonly string[]> {
  const list = String(await server.cli('CLIENT', 'LIST', 'TYPE', 'pubsub'));
  return [...list.matchAll(/^id=(\d+) .* ssub=[1-9]/gm)].map(([, id = '']) => id);
}

/** Publishes until it is heard: what is published before the last `interrupted` may be lost. */
export async function hears({ id, heard }: Watching, publisher: Watcher, text: string): Promise<void> {
  await until(`${id} to hear`, async () => {
    // It may still send to a server that is away.
    await publisher.publish(id, text).catch(() => undefined);
    return heard.all.some((one) => one.kind === 'moved' && one.position.epoch === text);
  });
}

/** So many ids. */
export function ids(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `id-${index}`);
}
