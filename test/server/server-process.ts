import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { AppOptions } from '../../src/app.ts';
import type { ServerStats } from '../../src/server/server.ts';
import type { ChordStats } from '../../src/service/chord.ts';

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

/** A server in a process of its own. */
export class ServerProcess {
  readonly url: string;
  readonly webSocketUrl: string;
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #lastId = 0;

  private constructor(process: ChildProcess, origin: string) {
    this.#process = process;
    const url = new URL('/graphql', origin);
    this.url = url.href;
    this.webSocketUrl = url.href.replace('http', 'ws');
    this.port = Number(url.port);
    process.on('message', (message) => {
      // The child is ours.
      const { kind, id, value, error } = message as { kind: string; id: number; value: unknown; error?: string };
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (kind === 'done') waiting?.resolve(value);
      else waiting?.reject(new Error(error));
    });
    process.once('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the server ended: ${code ?? signal}`));
    });
  }

  static async start(options: Omit<AppOptions, 'backend' | 'clock' | 'deltaFormatter' | 'logger'>) {
    const child = fork(fileURLToPath(new URL('child.ts', import.meta.url)), [JSON.stringify(options)], {
      execArgv: ['--expose-gc', '--import', 'tsx'],
      serialization: 'advanced',
    });
    const [started] = (await once(child, 'message')) as [{ readonly url: string }];
    return new ServerProcess(child, started.url);
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
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
      this.#process.send({ id, command });
    });
  }

  async isDeserted(): Promise<boolean> {
    const { followers, watchedContexts, webSockets } = await this.ask({ kind: 'stats' });
    return followers === 0 && watchedContexts === 0 && webSockets === 0;
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return;
    const exit = once(this.#process, 'exit');
    const stubborn = setTimeout(() => this.#process.kill('SIGKILL'), 10_000);
    this.#process.send({ id: 0, command: { kind: 'stop' } });
    await exit;
    clearTimeout(stubborn);
  }
}
