import { BackendUnavailableError, LimitExceededError } from '../errors.ts';
import type { Metrics } from '../observability/metrics.ts';
import { Backoff } from './backoff.ts';
import type { CleanupReport, CleanupStatus } from './chord.ts';
import { type Batch, CleanupPass, type CleanupRight, type CleanupRules } from './cleanup.ts';
import { countCleanup } from './metering.ts';

/** What the passes of a process work with. Times in ms. */
export interface CleanerOptions extends CleanupRules {
  /** After a failed export, how long the next attempt waits at first. */
  readonly exportRetryMs: number;
  /** Absent: nothing is counted. */
  readonly metrics?: Metrics | undefined;
  /** From 0 to below 1. */
  readonly random?: (() => number) | undefined;
}

/** How to go through everything that is due. */
export interface DrainOptions {
  /** So many of each kind have their turn before the next kind has. */
  readonly batchSize: number;
  readonly right: CleanupRight;
  /** Ends it, with what was done. */
  readonly signal: AbortSignal;
}

/** Whoever asks for a pass needs no lease: two at once do as one. */
const everybodys: CleanupRight = { keep: async () => true, holds: () => true };

/** So many passes that were asked for may wait for the one under way. */
const maxQueuedCleanups = 100;

/** The passes of one process, one at a time, and what became of them. */
export class Cleaner {
  readonly #options: CleanerOptions;
  readonly #failing: Backoff;
  readonly #closing = new AbortController();
  /** Resolves when the last pass that was asked for is over. Never rejects. */
  #last: Promise<unknown> = Promise.resolve();
  #queued = 0;
  #lastRunAtMs: number | null = null;
  #lastReport: CleanupReport | null = null;
  #failedRuns = 0;

  constructor(options: CleanerOptions) {
    const { exportRetryMs, random = Math.random } = options;
    this.#options = options;
    this.#failing = new Backoff({ firstMs: exportRetryMs, random });
  }

  /** Whether no pass is under way or waits. */
  get isIdle(): boolean {
    return this.#queued === 0;
  }

  /** What became of the passes. */
  get status(): Pick<CleanupStatus, 'lastRunAtMs' | 'lastReport' | 'failedRuns' | 'failingExports'> {
    return {
      lastRunAtMs: this.#lastRunAtMs,
      lastReport: this.#lastReport,
      failedRuns: this.#failedRuns,
      failingExports: this.#failing.size,
    };
  }

  /**
   * One pass for who asks for it, after those that are under way or were asked for before.
   *
   * @throws LimitExceededError when 100 wait already; BackendUnavailableError.
   */
  async run(batch: Batch): Promise<CleanupReport> {
    if (this.#queued > maxQueuedCleanups) {
      throw new LimitExceededError('maxQueuedCleanups', maxQueuedCleanups, this.#queued);
    }
    const { signal } = this.#closing;
    return this.#alone(() => this.#pass({ signal, right: everybodys }, (pass) => pass.take(batch)));
  }

  /**
   * One pass over everything that is due when its turn comes.
   *
   * @throws BackendUnavailableError
   */
  async drain({ batchSize, right, signal }: DrainOptions): Promise<void> {
    await this.#alone(async () => {
      if (signal.aborted) return;
      await this.#pass({ signal, right }, async (pass) => {
        while (!pass.isOver) await pass.take({ limit: batchSize, offset: 0, descending: false });
      });
    });
  }

  /** Ends the pass that was asked for and is under way, and refuses those that wait. Resolves when all are over. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#last;
  }

  #alone<T>(act: () => Promise<T>): Promise<T> {
    this.#queued++;
    const turn = this.#last
      .then(() => {
        if (this.#closing.signal.aborted) throw closed();
        return act();
      })
      .finally(() => {
        this.#queued--;
      });
    // Whoever asked for it hears of its failure; the next one only waits for it.
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #pass(
    how: Pick<DrainOptions, 'right' | 'signal'>,
    take: (pass: CleanupPass) => Promise<void>,
  ): Promise<CleanupReport> {
    const { clock, logger } = this.#options;
    try {
      const pass = new CleanupPass({ ...this.#options, ...how, failing: this.#failing });
      await take(pass);
      const report = await pass.report();
      this.#lastRunAtMs = clock.now();
      this.#lastReport = report;
      countCleanup(this.#options.metrics, report);
      logger[hasDoneSomething(report) ? 'info' : 'debug']('cleanup finished', { ...report });
      return report;
    } catch (error) {
      this.#failedRuns++;
      this.#options.metrics?.count('cleanupRuns', { outcome: 'failed' });
      throw error;
    }
  }
}

function hasDoneSomething(report: CleanupReport): boolean {
  return report.contextsExpired + report.deltasTrimmed + report.tombstonesPurged + report.exportsFailed > 0;
}

function closed(): BackendUnavailableError {
  return new BackendUnavailableError('The server is shutting down.', 'NOT_STORED');
}
