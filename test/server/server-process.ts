import { once } from 'node:events';
import type { AppOptions } from '../../src/app/app.ts';
import type { ServerStats } from '../../src/server/stats.ts';
import type { ChordStats } from '../../src/service/chord.ts';
import { ForkedServer } from '../support/forked-server.ts';
import { soon } from '../support/wait.ts';

/** What a test puts into requests, and no log may show. */
export const secret = 'hUsH-hUsH';

/** What the process can be asked for. */
export type Command =
  | { readonly kind: 'stats' | 'memory' | 'logs' | 'stop' }
  | {
      readonly kind: 'write';
      readonly contextId: string;
      readonly from: number;
      readonly count: number;
      readonly bytes: number;
    };

export interface Memory {
  readonly heapUsed: number;
  /** The heap and what is outside of it. */
  readonly total: number;
  readonly arrayBuffers: number;
  readonly rss: number;
}

export interface Reports {
  readonly stats: ServerStats & ChordStats;
  readonly memory: Memory;
  /** `leaks`: the lines that hold the secret. */
  readonly logs: { readonly errors: readonly string[]; readonly leaks: readonly string[]; readonly lines: number };
  readonly write: { readonly slowestMs: number; readonly total: number };
  readonly stop: undefined;
}

/** What waits for its report. */
type Waiting = Map<number, { resolve(value: unknown): void; reject(error: Error): void }>;

/** A server in a process of its own, in memory, which is asked for what only the process knows. */
export class ServerProcess {
  readonly url: string;
  readonly webSocketUrl: string;
  readonly port: number;
  readonly #server: ForkedServer;
  readonly #waiting: Waiting;
  #lastId = 0;

  private constructor(server: ForkedServer, waiting: Waiting) {
    this.#server = server;
    this.#waiting = waiting;
    const url = new URL('/graphql', server.url);
    this.url = url.href;
    this.webSocketUrl = url.href.replace('http', 'ws');
    this.port = Number(url.port);
  }

  static async start(options: Omit<AppOptions, 'backend' | 'clock' | 'deltaFormatter' | 'logger'>) {
    const waiting: Waiting = new Map();
    const server = await ForkedServer.start(new URL('child.ts', import.meta.url), {
      options,
      flags: ['--expose-gc'],
      serialization: 'advanced',
      onMessage: (message) => {
        // The child is ours.
        const { kind, id, value, error } = message as { kind: string; id: number; value: unknown; error?: string };
        const { resolve, reject } = waiting.get(id) ?? {};
        waiting.delete(id);
        if (kind === 'done') resolve?.(value);
        else reject?.(new Error(error));
      },
      onExit: ({ text }) => {
        for (const { reject } of waiting.values()) reject(new Error(`the server ${text}`));
      },
    });
    return new ServerProcess(server, waiting);
  }

  get isRunning(): boolean {
    return this.#server.isRunning;
  }

  ask<Kind extends Command['kind']>(
    command: Extract<Command, { readonly kind: Kind }> | { readonly kind: Kind },
  ): Promise<Reports[Kind]> {
    const id = ++this.#lastId;
    return new Promise<Reports[Kind]>((resolve, reject) => {
      this.#waiting.set(id, {
        // The child answers what the command's report is.
        resolve: (value) => resolve(value as Reports[Kind]),
        reject,
      });
      this.#server.process.send({ id, command });
    });
  }

  async isDeserted(): Promise<boolean> {
    const { followers, watchedContexts, webSockets } = await this.ask({ kind: 'stats' });
    return followers === 0 && watchedContexts === 0 && webSockets === 0;
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return;
    const exit = once(this.#server.process, 'exit');
    this.#server.process.send({ id: 0, command: { kind: 'stop' } });
    // A stubborn one is killed.
    await soon('the server to stop', exit, 10_000).catch(() => this.#server.kill());
  }
}
