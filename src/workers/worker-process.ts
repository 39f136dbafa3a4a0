import cluster, { type Worker } from 'node:cluster';
import type { Started } from '../app/started.ts';
import { parseToPrimary, type ToWorker } from './messages.ts';
import { mark } from './worker.ts';

/** How a worker ended: by its exit code or by a signal, or because it could not be made. */
export interface WorkerEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly error?: Error | undefined;
  /** Whether it was killed because it did not answer. */
  readonly hung: boolean;
  readonly lifeMs: number;
}

/** How long a worker is waited for, in ms. Then it is killed. */
export interface Patience {
  /** Until it serves. */
  readonly startTimeoutMs: number;
  /** When it is asked whether it is alive. */
  readonly workerTimeoutMs: number;
}

/**
 * So often a worker is asked while its time runs out. What suspends the machine suspends all processes, which is one
 * answer that does not come, and not all of them.
 */
const questions = 3;

/** One worker, from its fork to its end, as its primary sees it. */
export class WorkerProcess {
  readonly number: number;
  /** Never rejects. */
  readonly ended: Promise<WorkerEnd>;
  /** Resolves when it hears what it is asked: what it is sent while it loads its modules, node:cluster loses. Or when it ended. */
  readonly hears: Promise<void>;
  /** Undefined: it ended before it served. Never rejects. */
  readonly started: Promise<Started | undefined>;
  readonly #worker: Worker;
  #hasServed = false;
  #unanswered = 0;
  #hung = false;

  constructor({ startTimeoutMs, workerTimeoutMs }: Patience) {
    const beganMs = performance.now();
    const worker = cluster.fork({ [mark]: 'true' });
    this.#worker = worker;
    this.number = worker.id;
    const startPatience = setTimeout(() => this.#giveUp(), startTimeoutMs);
    const asking = setInterval(() => this.#ask(), workerTimeoutMs / questions);
    this.ended = new Promise((resolve) => {
      const end = (how: Pick<WorkerEnd, 'exitCode' | 'signal' | 'error'>) => {
        clearTimeout(startPatience);
        clearInterval(asking);
        resolve({ ...how, hung: this.#hung, lifeMs: performance.now() - beganMs });
      };
      worker.once('exit', (exitCode: number | null, signal: string | null) => end({ exitCode, signal }));
      // Also of a message that can no longer be sent; of a process that could not be made nothing else is heard.
      worker.on('error', (error) => {
        if (worker.process.pid === undefined) end({ exitCode: null, signal: null, error });
      });
    });
    const spoken = new Promise<void>((resolve) => worker.once('message', () => resolve()));
    this.hears = Promise.race([spoken, this.ended.then(() => undefined)]);
    const told = new Promise<Started>((resolve) => {
      worker.on('message', (message: unknown) => {
        const heard = parseToPrimary(message);
        this.#unanswered = 0;
        if (heard?.kind !== 'chord:started') return;
        clearTimeout(startPatience);
        this.#hasServed = true;
        resolve({ url: heard.url, isReady: heard.isReady });
      });
    });
    this.started = Promise.race([told, this.ended.then(() => undefined)]);
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
    if (this.#hasServed) this.#tell({ kind: 'chord:stop' });
    else this.#worker.process.kill('SIGTERM');
  }

  /** Ends it at once. Nothing happens when it has ended. */
  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }

  #ask(): void {
    if (!this.#hasServed) return;
    if (this.#unanswered === questions) return this.#giveUp();
    this.#unanswered++;
    this.#tell({ kind: 'chord:ask' });
  }

  #giveUp(): void {
    this.#hung = true;
    this.kill();
  }

  #tell(message: ToWorker): void {
    // Without it the worker is about to end.
    if (this.#worker.isConnected()) this.#worker.send(message);
  }
}
