/** A worker and its primary: what the one tells the other. Nothing else goes between them but connections and figures. */
import cluster, { type Worker } from 'node:cluster';
import { z } from 'zod';
import type { Started } from '../app/started.ts';

/** In the environment of our workers, since a process manager may have made this process by node:cluster, too. */
const mark = 'WORKER_OF_CHORD';

/** The number of this process among the workers of its primary; undefined: it is none. No number is given twice. */
export function workerNumber(): number | undefined {
  return process.env[mark] === undefined ? undefined : cluster.worker?.id;
}

/** Tells the primary that this worker serves. */
export function tellStarted({ url, isReady }: Started): void {
  process.send?.({ kind: startedKind, url, isReady });
}

/** Calls when the primary asks this worker to stop; never, when it is none. */
export function onStopAsked(listener: () => void): void {
  if (workerNumber() === undefined) return;
  process.on('message', (message: unknown) => {
    if (stopSchema.safeParse(message).success) listener();
  });
}

/** How a worker ended: by its exit code or by a signal, or because it could not be made. */
export interface WorkerEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly error?: Error | undefined;
  readonly lifeMs: number;
}

/** One worker, from its fork to its end. */
export class WorkerLife {
  readonly number: number;
  /** Never rejects. */
  readonly ended: Promise<WorkerEnd>;
  /** Undefined: it ended before it served. Never rejects. */
  readonly started: Promise<Started | undefined>;
  readonly #worker: Worker;
  #hasServed = false;

  /** @param startTimeoutMs one that does not serve by then is killed. */
  constructor(startTimeoutMs: number) {
    const beganMs = performance.now();
    const worker = cluster.fork({ [mark]: 'true' });
    this.#worker = worker;
    this.number = worker.id;
    this.ended = new Promise((resolve) => {
      const end = (how: Omit<WorkerEnd, 'lifeMs'>) => resolve({ ...how, lifeMs: performance.now() - beganMs });
      worker.once('exit', (exitCode: number | null, signal: string | null) => end({ exitCode, signal }));
      // Also of a message that can no longer be sent; of a process that could not be made nothing else is heard.
      worker.on('error', (error) => {
        if (worker.process.pid === undefined) end({ exitCode: null, signal: null, error });
      });
    });
    const patience = setTimeout(() => this.kill('SIGKILL'), startTimeoutMs);
    this.started = Promise.race([this.#told(), this.ended.then(() => undefined)]).finally(() => clearTimeout(patience));
  }

  get hasServed(): boolean {
    return this.#hasServed;
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  /** As SIGTERM does, but that it is no second signal where one was sent to all processes. */
  askToStop(): void {
    // Before it serves it has nothing to finish, and may not listen yet.
    if (!this.#hasServed || !this.#worker.isConnected()) return this.kill('SIGTERM');
    this.#worker.send({ kind: stopKind });
  }

  /** Nothing happens when it has ended. */
  kill(signal: NodeJS.Signals): void {
    this.#worker.process.kill(signal);
  }

  #told(): Promise<Started> {
    return new Promise((resolve) => {
      this.#worker.on('message', (message: unknown) => {
        const { success, data } = startedSchema.safeParse(message);
        if (!success) return;
        this.#hasServed = true;
        resolve({ url: data.url, isReady: data.isReady });
      });
    });
  }
}

const startedKind = 'chord:started';
const stopKind = 'chord:stop';
const stopSchema = z.object({ kind: z.literal(stopKind) });
const startedSchema = z.object({ kind: z.literal(startedKind), url: z.string(), isReady: z.boolean() });
