/**
 * Several processes on one port: the primary, which is the process that was started, and its workers.
 *
 *     primary ── listens, hands each connection to the next worker (node:cluster) ── worker 1 ─┐
 *        │                                                                           worker 2 ─┼─ Redis
 *        └─ forks, replaces who dies or hangs, passes signals on, adds up metrics    …        ─┘
 *
 * Each worker is the ordinary process: it reads the configuration, watches its files, has its own connections to Redis,
 * and knows of the others only what Redis tells. The primary knows no contexts and keeps nothing: a worker may die at
 * any moment, and when the primary dies all of them end. Threads would share neither port nor store either, and would
 * end together.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Started } from '../app/started.ts';
import type { Logger } from '../observability/logger.ts';
import { afterEnd, noStreak } from './restarts.ts';
import { type Patience, type WorkerEnd, WorkerProcess } from './worker-process.ts';

/** What the primary works with. */
export interface PrimaryOptions extends Patience {
  readonly count: number;
  readonly logger: Logger;
  /** The figures of all workers together. Absent: none are told. */
  readonly metrics?: MetricsOfWorkers | undefined;
  /** Called once, when workers do not start any more. */
  readonly onGivenUp: () => void;
}

/** Where the figures are told. */
export interface MetricsOfWorkers {
  /** @returns where they are. */
  listen(): Promise<string>;
  close(): Promise<void>;
}

/** A worker takes about a second to load, and a scrape of Prometheus 10 s at most. */
const hearingTimeoutMs = 4_000;

/** A worker that ended before it served. It has said why itself, when it has an exit code. */
export class WorkerFailure extends Error {
  override readonly name = 'WorkerFailure';
  readonly exitCode: number | null;

  constructor({ exitCode, signal, error }: WorkerEnd) {
    super(`A worker ended before it served: ${howOf({ exitCode, signal })}.`, { cause: error });
    this.exitCode = exitCode;
  }
}

/** This process as the primary. Its workers are started once and stopped once. */
export class Primary {
  readonly #options: PrimaryOptions;
  readonly #workers = new Set<WorkerProcess>();
  /** What keeps each slot filled. */
  readonly #slots: Promise<void>[] = [];
  readonly #stopping = new AbortController();
  #stopped: Promise<void> | undefined;

  constructor(options: PrimaryOptions) {
    this.#options = options;
    // However this process ends, also one that hangs ends with it. Others notice by themselves, a moment later.
    process.on('exit', () => {
      for (const worker of this.#workers) worker.kill();
    });
  }

  /**
   * Resolves when all of them serve. The first one alone: what is wrong is wrong for all, and is said once.
   *
   * @throws WorkerFailure when one ends before that, and what the metrics are refused with.
   */
  async start(): Promise<Started> {
    const { count, metrics, logger } = this.#options;
    const metricsUrl = await metrics?.listen();
    if (metricsUrl !== undefined) logger.info(`metrics are at ${metricsUrl}`);
    const first = await this.#openSlot();
    const others = await Promise.all(Array.from({ length: count - 1 }, () => this.#openSlot()));
    return { ...first, isReady: [first, ...others].every(({ isReady }) => isReady) };
  }

  /**
   * Stops all, in the time that each of them takes.
   *
   * @throws when one did not end as it should.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** Resolves when each of them hears what it is asked, or does not for long. */
  async heard(): Promise<void> {
    const patience = new AbortController();
    const timeout = sleep(hearingTimeoutMs, undefined, { signal: patience.signal }).catch(() => undefined);
    await Promise.race([Promise.all([...this.#workers].map(({ hears }) => hears)), timeout]);
    patience.abort();
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    const workers = [...this.#workers];
    for (const worker of workers) worker.askToStop();
    const ends = await Promise.all(workers.map(({ ended }) => ended));
    await Promise.all([...this.#slots, this.#options.metrics?.close()]);
    // One that does not serve yet may not even know what to do with a signal, and has nothing to finish.
    const bad = ends.filter(({ exitCode }, index) => exitCode !== 0 && workers[index]?.hasServed === true);
    if (bad.length > 0) throw new Error(`Of ${workers.length} workers ${bad.length} did not stop: ${howOf(bad[0])}.`);
  }

  /** A new slot with its first worker. */
  async #openSlot(): Promise<Started> {
    const worker = this.#fork();
    const started = await worker.started;
    if (started === undefined) throw new WorkerFailure(await worker.ended);
    this.#slots.push(this.#keepFilled(worker));
    return started;
  }

  #fork(): WorkerProcess {
    if (this.#stopping.signal.aborted) throw new Error('The workers were stopped.');
    const worker = new WorkerProcess(this.#options);
    this.#workers.add(worker);
    // Neither rejects.
    void worker.started.then((started) => {
      if (started !== undefined) this.#options.logger.info('worker serves', { worker: worker.number, pid: worker.pid });
    });
    void worker.ended.then(() => this.#workers.delete(worker));
    return worker;
  }

  /** Replaces the worker of one slot, and the one after it. */
  async #keepFilled(first: WorkerProcess): Promise<void> {
    const { logger, onGivenUp } = this.#options;
    const { signal } = this.#stopping;
    let streak = noStreak;
    for (let worker = first; ; worker = this.#fork()) {
      const { lifeMs, error, ...how } = await worker.ended;
      if (signal.aborted) return;
      const next = afterEnd(streak, { hasServed: worker.hasServed, lifeMs });
      const about = { worker: worker.number, ...how, ...(error && { error }) };
      if (next.kind === 'giveUp') {
        logger.error('workers do not start any more, all of them end', about);
        onGivenUp();
        return;
      }
      // Somebody has stopped it, and gets a new one.
      const isAsked = how.exitCode === 0;
      logger[isAsked ? 'info' : 'error']('worker ended, another takes its place', { ...about, afterMs: next.afterMs });
      streak = next.streak;
      // Keeps the process, also when no worker is left.
      await sleep(next.afterMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
    }
  }
}

function howOf(end: Pick<WorkerEnd, 'exitCode' | 'signal'> | undefined): string {
  return end?.signal == null ? `exit code ${end?.exitCode}` : `ended by ${end.signal}`;
}
