import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { RedisServer } from '../../test/support/redis/server.ts';

/** What a worker can be told. */
export type Order =
  /** Updates of one field of contexts of the size, see `Drive`. */
  | {
      readonly kind: 'write';
      readonly ids: readonly string[];
      readonly size: string;
      readonly callers: number;
      readonly ms: number;
      readonly atLeast?: number | undefined;
    }
  /** Follows the contexts from here on; done when each follower has its first event. */
  | { readonly kind: 'follow'; readonly ids: readonly string[] }
  /** Listens to the contexts below the library; done when Redis has confirmed. */
  | { readonly kind: 'watch'; readonly ids: readonly string[] }
  /** Counts from zero, after garbage was collected. */
  | { readonly kind: 'begin' }
  | { readonly kind: 'report' };

/** What a worker has done since it was told to begin. */
export interface Done {
  /** Of the last order to write. */
  readonly perSecond: number;
  /** How long each write took, in ms; only in a report. */
  readonly samples: readonly number[];
  /** How many commits were accepted after 0, 1, 2… lost attempts. */
  readonly commits: readonly number[];
  /** Events of followers after the first, and announcements to watches. */
  readonly heard: number;
  /** User and system. */
  readonly cpuUs: number;
  readonly heapBytes: number;
}

/** A process with the library. */
export class Worker {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when it has opened the store. */
  static async start({ url }: RedisServer, prefix: string): Promise<Worker> {
    const child = fork(fileURLToPath(new URL('child.ts', import.meta.url)), [url, prefix], {
      execArgv: ['--import', 'tsx', '--expose-gc'],
    });
    const worker = new Worker(child);
    await worker.#answer();
    return worker;
  }

  async do(order: Order): Promise<Done> {
    const answer = this.#answer();
    this.#child.send(order);
    // As the child sends it.
    return (await answer) as Done;
  }

  /** @throws an error when the process ends instead. */
  async #answer(): Promise<unknown> {
    const settled = new AbortController();
    const { signal } = settled;
    const end = once(this.#child, 'exit', { signal }).then(() => {
      throw new Error('A process of the benchmark has ended.');
    });
    // Aborted when the answer comes first.
    end.catch(() => undefined);
    try {
      const [message] = await Promise.race([once(this.#child, 'message', { signal }), end]);
      return message;
    } finally {
      settled.abort();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.disconnect();
    await exit;
  }
}
