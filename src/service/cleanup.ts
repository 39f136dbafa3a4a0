/**
 * One pass of cleanup: what is due at one moment.
 *
 *   due contexts ──► (export) ──► expire
 *   due deltas ─────────────────► trimDeltas         each by pages, in the order of (due time, id)
 *   due tombstones ─────────────► purgeTombstone
 *
 * The cost follows what is due, never what there is. Entries of the index may be early, and a context may be written
 * while the pass is on its way: so the store decides again in the step that removes. A page begins where the one before
 * it ended: nothing is looked at twice, so that what has to stay (an export failed) delays nobody, and every pass ends.
 */
import { setImmediate } from 'node:timers/promises';
import type { Backend, Due, DueKind } from '../backend/backend.ts';
import type { Clock } from '../clock.ts';
import { BackendUnavailableError, ExternalStorageError } from '../errors.ts';
import type { Position } from '../model.ts';
import type { Logger } from '../observability/logger.ts';
import type { Backoff } from './backoff.ts';
import type { CleanupReport } from './chord.ts';
import type { CleanupLease } from './cleanup-lease.ts';
import { inParallel } from './in-parallel.ts';

/**
 * Exports a context that is about to expire; resolves with the position that was exported. Undefined: there is none.
 *
 * @throws BackendUnavailableError when the store is away; anything else when the export failed, an ExternalStorageError
 * being logged already.
 */
export type ExportForExpiry = (id: string, signal: AbortSignal) => Promise<Position | undefined>;

/** What a pass works with. Times in ms. */
export interface CleanupRules {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Null: deltas are not trimmed for their age. */
  readonly deltaTtlMs: number | null;
  /** Null: tombstones stay. */
  readonly tombstoneTtlMs: number | null;
  /** Absent: contexts are removed without. */
  readonly exportForExpiry?: ExportForExpiry | undefined;
}

/**
 * The right to clean up: kept before every page, and held before every single thing that is removed, since the process
 * may have hung since the page began.
 */
export type CleanupRight = Pick<CleanupLease, 'keep' | 'holds'>;

/** What one pass is given besides: the failures that its process remembers, and when to stop. */
export interface CleanupPassOptions extends CleanupRules {
  /** Contexts whose export failed. */
  readonly failing: Backoff;
  readonly right: CleanupRight;
  /** Ends the exports that are under way. */
  readonly signal: AbortSignal;
}

/** What to take on, of each kind. */
export interface Batch {
  readonly limit: number;
  readonly offset: number;
  readonly descending: boolean;
}

interface Stage {
  readonly kind: DueKind;
  readonly beforeMs: number;
  readonly act: (due: Due) => Promise<void>;
  /** Where the last page ended. */
  after: Due | undefined;
  isDone: boolean;
}

/** So many are worked on at once: enough for a store to make one flush of many. */
const width = 32;
/** So many entries are asked for at once. After each page everybody else has a turn. */
const pageSize = 100;

/** One walk over everything that is due when it begins. */
export class CleanupPass {
  readonly #options: CleanupPassOptions;
  readonly #nowMs: number;
  readonly #stages: readonly Stage[];
  readonly #done = { contextsExpired: 0, deltasTrimmed: 0, tombstonesPurged: 0, exportsFailed: 0 };
  #isStopped = false;

  constructor(options: CleanupPassOptions) {
    const { clock, exportForExpiry, deltaTtlMs, tombstoneTtlMs } = options;
    this.#options = options;
    const nowMs = clock.now();
    this.#nowMs = nowMs;
    const stages: Stage[] = [];
    const add = (kind: DueKind, ttlMs: number | null, act: (id: string, beforeMs: number) => Promise<void>) => {
      if (ttlMs === null) return;
      const beforeMs = nowMs - ttlMs;
      stages.push({ kind, beforeMs, act: ({ id }) => act(id, beforeMs), after: undefined, isDone: false });
    };
    add('context', 0, exportForExpiry === undefined ? (id) => this.#expire(id) : (id) => this.#exportThenExpire(id));
    add('deltas', deltaTtlMs, (id, beforeMs) => this.#trim(id, beforeMs));
    add('tombstone', tombstoneTtlMs, (id, beforeMs) => this.#purge(id, beforeMs));
    this.#stages = stages;
  }

  /** Whether the walk has come to its end, or may not go on. */
  get isOver(): boolean {
    return this.#isStopped || this.#stages.every(({ isDone }) => isDone);
  }

  /**
   * Takes on the next entries of each kind. What was done before a failure stays done.
   *
   * @throws BackendUnavailableError
   */
  async take(batch: Batch): Promise<void> {
    for (const stage of this.#stages) await this.#walk(stage, batch);
  }

  /** What was done so far, and whether anything of the due is left. */
  async report(): Promise<CleanupReport> {
    const remaining = await this.#isAnythingDue();
    return { ...this.#done, remaining, durationMs: Math.max(0, this.#options.clock.now() - this.#nowMs) };
  }

  async #walk(stage: Stage, { limit, offset, descending }: Batch): Promise<void> {
    const { backend, exportForExpiry, failing, signal } = this.#options;
    const { kind, beforeMs, act } = stage;
    // A page that is exported is one round: the right is kept in time.
    const largest = kind === 'context' && exportForExpiry !== undefined ? width : pageSize;
    let taken = 0;
    while (!stage.isDone && taken < limit && (await this.#goesOn())) {
      const size = Math.min(limit - taken, largest);
      const skip = taken === 0 ? offset : 0;
      const page = await backend.due(kind, beforeMs, { limit: size, offset: skip, after: stage.after, descending });
      await inParallel(page, act, { width, signal });
      stage.after = page.at(-1);
      stage.isDone = page.length < size;
      taken += page.length;
      if (!stage.isDone) await setImmediate();
    }
    const hasSeenAll = stage.isDone && offset === 0 && !signal.aborted && !this.#isStopped;
    if (kind === 'context' && hasSeenAll) failing.forgetDue(this.#nowMs);
  }

  async #goesOn(): Promise<boolean> {
    const { right, signal } = this.#options;
    this.#isStopped ||= signal.aborted || !(await right.keep());
    return !this.#isStopped;
  }

  #acts(): boolean {
    this.#isStopped ||= !this.#options.right.holds();
    return !this.#isStopped;
  }

  async #expire(id: string, at?: Position): Promise<void> {
    if (!this.#acts()) return;
    const removed = await this.#options.backend.expire(id, this.#nowMs, at);
    if (removed !== undefined) this.#done.contextsExpired++;
  }

  async #trim(id: string, beforeMs: number): Promise<void> {
    if (!this.#acts()) return;
    const trimmed = await this.#options.backend.trimDeltas(id, beforeMs);
    // Only now, since others count at the same time.
    this.#done.deltasTrimmed += trimmed;
  }

  async #purge(id: string, beforeMs: number): Promise<void> {
    if (!this.#acts()) return;
    if (await this.#options.backend.purgeTombstone(id, beforeMs)) this.#done.tombstonesPurged++;
  }

  async #exportThenExpire(id: string): Promise<void> {
    if (!this.#acts()) return;
    const { backend, failing } = this.#options;
    const [head] = await backend.heads([id]);
    const expiresAtMs = head?.expiresAtMs ?? null;
    if (expiresAtMs === null || expiresAtMs > this.#nowMs) {
      failing.forget(id);
      // Puts the entry right and removes nothing, whatever is written meanwhile.
      await backend.expire(id, this.#nowMs, nowhere);
      return;
    }
    const exported = await this.#export(id, expiresAtMs);
    if (exported !== undefined) await this.#expire(id, exported);
  }

  /** Undefined: the context has to stay, or is gone already. */
  async #export(id: string, expiresAtMs: number): Promise<Position | undefined> {
    const { exportForExpiry, failing, signal } = this.#options;
    try {
      const exported = await exportForExpiry?.(id, signal);
      failing.forget(id);
      return exported;
    } catch (error) {
      // Given up because somebody stops, which says nothing about the exporter: the context stays due.
      if (signal.aborted) return undefined;
      if (error instanceof BackendUnavailableError) throw error;
      await this.#keep(id, expiresAtMs, error);
      return undefined;
    }
  }

  async #keep(id: string, expiresAtMs: number, error: unknown): Promise<void> {
    const { backend, clock, failing, logger } = this.#options;
    // Counted from the failure, which may have taken its time.
    const { attempt, dueMs } = failing.fail(id, Math.max(this.#nowMs, clock.now()));
    this.#done.exportsFailed++;
    const unknown = error instanceof ExternalStorageError ? {} : { error };
    logger.warn('context kept, its export failed', { id, attempt, nextAttemptAtMs: dueMs, ...unknown });
    await backend.postpone(id, expiresAtMs, dueMs);
  }

  async #isAnythingDue(): Promise<boolean> {
    for (const { kind, beforeMs } of this.#stages) {
      const [first] = await this.#options.backend.due(kind, beforeMs, { limit: 1 });
      if (first !== undefined) return true;
    }
    return false;
  }
}

/** The position before everything, where no context is. */
const nowhere: Position = { epoch: '-', version: 0 };
