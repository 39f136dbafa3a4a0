/**
 * Runs cleanup from time to time, in this process.
 *
 *   start ─► run ─► ask the store what is due next ─► rest ─┬─ the interval is over, or something is due ─► run …
 *                                                          └─ update, or a write that is due sooner ─► rest anew
 *
 * The next run is planned by three moments: it begins no later than one interval after the last one began, no later
 * than the next thing is due, and no earlier than the last run's rest is over. They are kept apart, so that each may
 * change while the loop rests.
 */
import type { Head } from '../backend/known.ts';
import { lastMomentMs } from '../clock.ts';
import { BackendUnavailableError } from '../errors.ts';
import type { CleanupReport, CleanupStatus } from './chord.ts';
import type { Cleaner, CleanerOptions } from './cleaner.ts';
import type { Batch } from './cleanup.ts';
import type { ScheduleChange } from './cleanup-input.ts';
import { CleanupLease } from './cleanup-lease.ts';

/** What the scheduler works with. Times in ms. */
export interface SchedulerOptions
  extends Pick<CleanerOptions, 'backend' | 'clock' | 'logger' | 'deltaTtlMs' | 'tombstoneTtlMs'> {
  readonly cleaner: Cleaner;
  /** 0 counts as an hour. */
  readonly cleanupIntervalMs: number;
  /** Null: batches of 100. */
  readonly cleanupLimit: number | null;
  readonly externalTimeoutMs: number;
}

const defaultIntervalMs = 3_600_000;
const defaultBatchSize = 100;
/** Between two runs, unless the interval is shorter: entries of an index may be early, or be due one after the other. */
const shortestRestMs = 1_000;
/** After a run that failed for the first time; twice as long each further time, up to a minute. */
const failureRestMs = 10_000;
const longestFailureRestMs = 60_000;
/** After another process had the lease. */
const skippedRestMs = 10_000;
/** A clock that was put forward is noticed so soon; no timer is longer than Node can tell. */
const longestSleepMs = 60_000;
/** How long a lease outlives its last renewal, beside the time of one export. */
const leaseTtlMs = 60_000;
/** How long a page that is under way may go on when the scheduler closes: a store that is away holds it for longer. */
const closingGraceMs = 500;

/** The scheduler of one process. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  #intervalMs: number;
  #limit: number | null;
  /** Of the loop that runs; undefined: it is stopped. */
  #stopping: AbortController | undefined;
  /** Resolves when the last loop has ended. Never rejects. */
  #ended: Promise<void> = Promise.resolve();
  /** Wakes the loop that rests. */
  #alarm = new AbortController();
  #isClosed = false;
  /** Whether the loop is not at rest. */
  #isInTurn = false;
  #failures = 0;
  /** Whether the store failed last, and that was said. */
  #isHeldUp = false;
  /** The last moment that was seen. */
  #seenMs = 0;
  #beganAtMs = 0;
  #overAtMs = 0;
  #restsUntilMs = 0;
  /** When the next thing is due. While stopped nothing is sooner than this. */
  #dueMs = Number.NEGATIVE_INFINITY;

  constructor(options: SchedulerOptions) {
    const { cleanupIntervalMs, cleanupLimit } = options;
    this.#options = options;
    this.#intervalMs = cleanupIntervalMs === 0 ? defaultIntervalMs : cleanupIntervalMs;
    this.#limit = cleanupLimit;
  }

  get status(): CleanupStatus {
    const running = this.#stopping !== undefined;
    return {
      running,
      intervalMs: this.#intervalMs,
      limit: this.#limit,
      nextRunAtMs: running ? Math.min(this.#plannedMs, lastMomentMs) : null,
      ...this.#options.cleaner.status,
    };
  }

  /** Begins with a run; when it is started already, like `update`. @throws BackendUnavailableError once closed. */
  start(change: ScheduleChange): CleanupStatus {
    this.#configure(change);
    if (this.#stopping === undefined) {
      const nowMs = this.#options.clock.now();
      this.#seenMs = nowMs;
      this.#beganAtMs = nowMs;
      this.#overAtMs = nowMs;
      this.#restsUntilMs = nowMs;
      this.#dueMs = nowMs;
      this.#failures = 0;
      this.#stopping = new AbortController();
      // The loop before this one may still be in its last run.
      this.#ended = this.#loop(this.#ended, this.#stopping.signal);
    }
    return this.status;
  }

  /** Plans the next run anew. @throws BackendUnavailableError once closed. */
  update(change: ScheduleChange): CleanupStatus {
    this.#configure(change);
    return this.status;
  }

  /** Resolves when a run under way has stopped. */
  async stop(): Promise<CleanupStatus> {
    this.#stopping?.abort();
    this.#stopping = undefined;
    this.#dueMs = Number.NEGATIVE_INFINITY;
    this.#alarm.abort();
    await this.#ended;
    return this.status;
  }

  /**
   * Ends every pass of the process. To be called before the store is closed, which ends what has not ended half a second
   * later.
   *
   * @returns undefined: nothing was under way, so that there is nothing to wait for.
   */
  close(): Promise<unknown> | undefined {
    const { cleaner } = this.#options;
    const isIdle = !this.#isInTurn && cleaner.isIdle;
    this.#isClosed = true;
    const ended = Promise.all([this.stop(), cleaner.close()]);
    return isIdle ? undefined : this.#withinGrace(ended);
  }

  /** A pass for who asks for it. */
  async runOnce(batch: Batch): Promise<CleanupReport> {
    const report = await this.#options.cleaner.run(batch);
    // Their tombstones may be due before the next run.
    if (report.contextsExpired > 0) this.noteStored(undefined, this.#nowMs());
    return report;
  }

  /** To be told of every commit; `head` is what it left, undefined after a removal. */
  noteStored(head: Head | undefined, nowMs: number): void {
    const { deltaTtlMs, tombstoneTtlMs } = this.#options;
    const dueMs =
      head === undefined
        ? nowMs + (tombstoneTtlMs ?? never)
        : Math.min(head.expiresAtMs ?? never, nowMs + (deltaTtlMs ?? never));
    if (dueMs >= this.#dueMs) return;
    this.#dueMs = dueMs;
    this.#alarm.abort();
  }

  async #withinGrace(ended: Promise<unknown>): Promise<void> {
    const over = new AbortController();
    await Promise.race([ended, this.#options.clock.sleep(closingGraceMs, over.signal)]);
    over.abort();
  }

  get #plannedMs(): number {
    return Math.max(this.#restsUntilMs, Math.min(this.#beganAtMs + this.#intervalMs, this.#dueMs));
  }

  #configure({ intervalMs, limit }: ScheduleChange): void {
    if (this.#isClosed) throw new BackendUnavailableError('The server is shutting down.', 'NOT_STORED');
    this.#intervalMs = intervalMs ?? this.#intervalMs;
    this.#limit = limit ?? this.#limit;
    this.#alarm.abort();
  }

  /** Never rejects. */
  async #loop(before: Promise<void>, signal: AbortSignal): Promise<void> {
    await before;
    while (!signal.aborted) {
      this.#isInTurn = true;
      await this.#turn(signal);
      this.#isInTurn = false;
      await this.#rest(signal);
    }
  }

  /** Never rejects. */
  async #turn(signal: AbortSignal): Promise<void> {
    this.#beganAtMs = this.#nowMs();
    this.#restsUntilMs = this.#beganAtMs;
    this.#dueMs = never;
    try {
      const hasRun = await this.#run(signal);
      if (signal.aborted) return;
      const dueMs = await this.#nextDueMs();
      this.#failures = 0;
      if (this.#isHeldUp) this.#options.logger.info('cleanup works again');
      this.#isHeldUp = false;
      // What was written meanwhile may be due sooner than what the store knew then.
      if (!signal.aborted) this.#plan(hasRun ? shortestRestMs : skippedRestMs, Math.min(dueMs, this.#dueMs));
    } catch (error) {
      this.#report(error, signal);
      const restMs = Math.min(failureRestMs * 2 ** this.#failures, longestFailureRestMs);
      this.#failures++;
      if (!signal.aborted) this.#plan(restMs, Number.NEGATIVE_INFINITY);
    }
  }

  /** A store that is away is told of once: it fails every run until it is back. */
  #report(error: unknown, signal: AbortSignal): void {
    const { logger } = this.#options;
    if (!(error instanceof BackendUnavailableError)) return logger.error('cleanup failed', { error });
    // Nobody is to be told that a run failed which was stopped.
    if (signal.aborted) return;
    if (!this.#isHeldUp) logger.warn('cleanup is held up by the store', { reason: error.message });
    this.#isHeldUp = true;
  }

  #plan(restMs: number, dueMs: number): void {
    this.#overAtMs = this.#nowMs();
    this.#restsUntilMs = this.#overAtMs + Math.min(restMs, this.#intervalMs);
    this.#dueMs = dueMs;
  }

  /** False: another process does it. */
  async #run(signal: AbortSignal): Promise<boolean> {
    const { backend, clock, cleaner, externalTimeoutMs, logger } = this.#options;
    const lease = await CleanupLease.take({ backend, clock, leaseTtlMs: leaseTtlMs + externalTimeoutMs });
    if (lease === undefined) {
      logger.debug('cleanup skipped', { reason: 'another process does it' });
      return false;
    }
    try {
      await cleaner.drain({ batchSize: this.#limit ?? defaultBatchSize, right: lease, signal });
    } finally {
      await lease.release();
    }
    return true;
  }

  async #nextDueMs(): Promise<number> {
    const { backend, deltaTtlMs, tombstoneTtlMs } = this.#options;
    const [context = never, deltas = never, tombstone = never] = await Promise.all([
      backend.nextDue('context'),
      backend.nextDue('deltas'),
      backend.nextDue('tombstone'),
    ]);
    return Math.min(context, deltas + (deltaTtlMs ?? never), tombstone + (tombstoneTtlMs ?? never));
  }

  /** Until the next run is due, or the clock was put back to before the last one, which leaves nothing to wait for. */
  async #rest(signal: AbortSignal): Promise<void> {
    for (let nowMs = this.#nowMs(); nowMs < this.#plannedMs && nowMs >= this.#overAtMs; nowMs = this.#nowMs()) {
      if (signal.aborted) return;
      this.#alarm = new AbortController();
      await this.#options.clock.sleep(Math.min(this.#plannedMs - nowMs, longestSleepMs), this.#alarm.signal);
    }
  }

  /** Of a clock that fails, the last moment that it told: the loop goes on, and the run says what is wrong. */
  #nowMs(): number {
    try {
      this.#seenMs = this.#options.clock.now();
    } catch {
      return this.#seenMs;
    }
    return this.#seenMs;
  }
}

const never = Number.POSITIVE_INFINITY;
