import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { apply } from '../../src/delta/apply.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import type { ContextEvent, ContextRecord, Position } from '../../src/model.ts';
import { soon } from '../support/wait.ts';
import { type Fault, Strace } from './strace.ts';

export interface DiskOptions {
  readonly path: string;
  readonly cacheBytes?: number | undefined;
  readonly writeTimeoutMs?: number | undefined;
}

export interface DiskWrite {
  readonly verb: 'set' | 'update' | 'delete' | 'expire';
  readonly id: string;
  readonly value?: JsonObject | undefined;
  readonly key?: string | undefined;
  readonly ttlMs?: number | undefined;
}

/** What became of a write. */
export type Answer =
  | { readonly kind: 'done'; readonly epoch: string; readonly version: number; readonly duplicate: boolean }
  | { readonly kind: 'refused'; readonly code: string; readonly outcome: string | undefined; readonly message: string };

/** What readers are shown: two of them are equal when nothing has changed. */
export interface Look {
  readonly contexts: Readonly<Record<string, ContextRecord | null>>;
  readonly rest: unknown;
}

/** What the process can be asked for. */
export type Command =
  | { readonly kind: 'problems' }
  | { readonly kind: 'ping' }
  | { readonly kind: 'close' }
  | { readonly kind: 'write'; readonly writes: readonly DiskWrite[] }
  | { readonly kind: 'look'; readonly ids: readonly string[]; readonly since: Readonly<Record<string, Position>> }
  | { readonly kind: 'follow'; readonly contextId: string }
  | { readonly kind: 'events'; readonly contextId: string };

type CommandOf<Kind extends Command['kind']> = Extract<Command, { readonly kind: Kind }>;

export interface Reports {
  readonly problems: readonly string[];
  readonly ping: Answer;
  readonly close: Answer;
  readonly write: readonly Answer[];
  readonly look: Look;
  readonly follow: undefined;
  readonly events: readonly ContextEvent[];
}

type Waiting = { resolve(value: unknown): void; reject(error: Error): void };

/** A store in a process of its own, on a disk that can be broken and mended. It ends with the test. */
export class DiskProcess {
  readonly path: string;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  private constructor(process: ChildProcess, path: string) {
    this.path = path;
    this.#process = process;
    process.on('message', (message) => {
      // The child is ours.
      const { id, value, error } = message as { id: number; value: unknown; error?: string };
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(new Error(error));
    });
    process.once('exit', (code, signal) => {
      // Whoever still waits when its test has ended, has failed already.
      if (process.killed) return;
      for (const { reject } of this.#waiting.values()) reject(new Error(`the process ended: ${code ?? signal}`));
    });
  }

  static async start(options: DiskOptions): Promise<DiskProcess> {
    const child = fork(fileURLToPath(new URL('disk-child.ts', import.meta.url)), [JSON.stringify(options)], {
      execArgv: ['--import', 'tsx'],
      // One thread writes: so `when` of a fault, which counts for each thread, counts all of its calls.
      env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
      serialization: 'advanced',
      // The lmdb package writes of each failure there; that it is told is what the tests look at.
      stdio: ['ignore', 'inherit', 'ignore', 'ipc'],
    });
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    await soon('the store', once(child, 'message'));
    return new DiskProcess(child, options.path);
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  ask<Kind extends Command['kind']>(command: CommandOf<Kind>): Promise<Reports[Kind]> {
    const id = ++this.#lastId;
    return new Promise<Reports[Kind]>((resolve, reject) => {
      // The child answers what the command's report is.
      this.#waiting.set(id, { resolve: (value) => resolve(value as Reports[Kind]), reject });
      this.#process.send({ id, command });
    });
  }

  write(...writes: readonly DiskWrite[]): Promise<readonly Answer[]> {
    return this.ask({ kind: 'write', writes });
  }

  look(ids: readonly string[], since: Readonly<Record<string, Position>> = {}): Promise<Look> {
    return soon('the readers', this.ask({ kind: 'look', ids, since }));
  }

  /** What somebody who follows the context has by now: applies what it was told, each event where it belongs. */
  async followed(contextId: string): Promise<{ readonly position: Position; readonly state: JsonObject } | undefined> {
    let client: { readonly position: Position; readonly state: JsonObject } | undefined;
    for (const event of await this.ask({ kind: 'events', contextId })) client = told(client, event);
    return client;
  }

  /** Breaks the disk until the fault is ended; at the latest with the test. */
  async fault(...faults: readonly Fault[]): Promise<Strace> {
    const { pid } = this.#process;
    if (pid === undefined) throw new TypeError('The process was not started.');
    const strace = await Strace.attach(pid, faults, this.path.replace(/\/[^/]+$/, ''));
    onTestFinished(() => strace.end());
    return strace;
  }

  /** Kills it and waits for its end. */
  async kill(): Promise<void> {
    if (!this.isRunning) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
  }
}

type Client = { readonly position: Position; readonly state: JsonObject };

function told(client: Client | undefined, event: ContextEvent): Client | undefined {
  const position = { epoch: event.epoch, version: event.version };
  switch (event.kind) {
    case 'full':
      return { position, state: event.context.state };
    case 'delta':
      if (client?.position.epoch !== event.epoch || client.position.version !== event.fromVersion) {
        throw new Error(`A delta from ${event.fromVersion} reached a follower at ${JSON.stringify(client?.position)}.`);
      }
      return { position, state: apply(client.state, event.changes) };
    case 'noChange':
      return client;
    case 'gone':
    case 'noContext':
      return undefined;
  }
}
