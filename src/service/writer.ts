/**
 * The write path: one queue per context, one commit at a time.
 *
 *   submit ─► queue ─► plan on what is known (pure) ─► backend.commit ─┬─ committed: done
 *                        ▲                                             ├─ behind: plan again on what the store says
 *                        └─────────────────────────────────────────────┴─ duplicate: that one is settled, again
 *
 * Writes that arrive while a commit is under way wait, are planned on each other, and go as one batch. What is planned
 * on a cached view may be refused wrongly, so a refusal counts only once a fresh view of the store confirms it. When the
 * store fails a commit, what has waited for long fails with it: each of them would wait for a time limit of its own.
 */
import { setImmediate } from 'node:timers/promises';
import type { Backend } from '../backend/backend.ts';
import type { CommitOptions, CommitResult } from '../backend/commit.ts';
import type { Head, Known } from '../backend/known.ts';
import type { Clock } from '../clock.ts';
import { BackendUnavailableError, LimitExceededError } from '../errors.ts';
import type { Tracing } from '../observability/tracing.ts';
import { Attempt, type Commit, toWrite } from './attempt.ts';
import {
  absent,
  baseOf,
  isAt,
  isStored,
  type Pending,
  type Planned,
  planBatch,
  settleCommitted,
  takeBatch,
  takeFresh,
  type Written,
} from './batch.ts';
import { decide, type WriteRequest, type WriteRules } from './decide.ts';
import { duplicateAmong, settleDuplicate } from './duplicates.ts';
import { callFor } from './metering.ts';

/** What the write path works with. Times in ms, sizes in bytes. */
export interface WriterOptions extends Pick<WriteRules, 'deltaThreshold' | 'maxStateBytes' | 'defaultTtlMs'> {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly newEpoch: () => string;
  readonly idempotencyWindowMs: number;
  /** How many writes may wait for one context. */
  readonly maxQueuedWrites: number;
  /** Told what every commit left of its context (undefined: nothing), and when it was planned. Must not throw. */
  readonly onStored?: ((head: Head | undefined, nowMs: number) => void) | undefined;
  /** Absent: nothing is traced. */
  readonly tracing?: Tracing | undefined;
}

interface Queue {
  readonly waiting: Pending[];
  /** Writes in the commit that is under way. */
  underWay: readonly Pending[];
  /** What these are planned on next; undefined: what the store says it saw last. */
  known: Known | undefined;
  /** Refused ones whose refusal is being confirmed; undefined: none was yet. */
  confirming: Set<Pending> | undefined;
  isWorking: boolean;
}

const none: readonly never[] = Object.freeze([]);

/** A write that lost so often is given back to its caller: NOT_STORED. Shared stores reserve long before. */
const maxAttempts = 32;

/** So many queues are kept though nothing is in them. */
const maxIdleQueues = 1_000;

/** A write that waited so long for its turn, in ms, is given back when the store fails the commit before it. */
const longMs = 1_000;

/** All write queues of one process. */
export class Writer {
  readonly #options: WriterOptions;
  readonly #queues = new Map<string, Queue>();
  #closed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** How many writes wait, are under way, or have their refusal confirmed. */
  get queued(): number {
    let queued = 0;
    for (const { waiting, underWay, confirming } of this.#queues.values()) {
      queued += waiting.length + underWay.length + (confirming?.size ?? 0);
    }
    return queued;
  }

  /** @param answer makes of what was written what the caller is told. */
  submit<T>(request: WriteRequest, answer: (id: string, written: Written) => T): Promise<T> {
    const { clock, tracing } = this.#options;
    return new Promise((resolve, fail) => {
      const settle = (written: Written) => resolve(answer(request.id, written));
      const span = tracing?.current();
      this.#enqueue({ request, settle, fail, sinceMs: clock.now(), span, reconsidered: 0, fresh: undefined });
    });
  }

  /** Refuses what waits, at once, and whatever comes later. To be called before the store is closed. */
  close(): void {
    this.#closed = true;
    for (const { waiting } of this.#queues.values()) {
      for (const pending of waiting.splice(0)) pending.fail(closed('NOT_STORED'));
    }
  }

  /** Gives back what the store never answered. To be called when it has closed, which ends what was under way. */
  async abandon(): Promise<void> {
    // What was answered while it closed is told first: Node runs all that follows from an answer before an immediate.
    await setImmediate();
    for (const { underWay, confirming } of this.#queues.values()) {
      for (const pending of underWay) pending.fail(closed('UNKNOWN'));
      for (const pending of confirming ?? []) pending.fail(closed('NOT_STORED'));
    }
    this.#queues.clear();
  }

  #enqueue(pending: Pending): void {
    if (this.#closed) {
      pending.fail(closed('NOT_STORED'));
      return;
    }
    const { id } = pending.request;
    let queue = this.#queues.get(id);
    if (queue === undefined) {
      queue = { waiting: [], underWay: none, known: undefined, confirming: undefined, isWorking: false };
      this.#queues.set(id, queue);
    }
    const { maxQueuedWrites } = this.#options;
    const queued = queue.waiting.length + (queue.confirming?.size ?? 0);
    if (queued >= maxQueuedWrites) {
      pending.fail(new LimitExceededError('maxQueuedWrites', maxQueuedWrites, queued + 1));
      return;
    }
    if (queue.isWorking) {
      queue.waiting.push(pending);
    } else {
      // #work settles every write itself, so that nothing is left to reject here.
      void this.#work(id, queue, [pending]);
    }
  }

  /**
   * Commits a batch and then what waits, until nothing does. Never rejects.
   *
   * What one commit needs is in this one function, since an await or an async function more costs a tenth of a write in
   * memory, and a write is settled when the queue is at rest already: who then writes again finds none.
   */
  async #work(id: string, queue: Queue, first: readonly Pending[]): Promise<void> {
    const { backend, tracing } = this.#options;
    queue.isWorking = true;
    for (let batch = first; batch.length > 0; batch = takeBatch(queue.waiting)) {
      queue.underWay = batch;
      queue.known = takeFresh(batch);
      let attempt = 0;
      try {
        // Every round ends the batch, leaves it with one write less, or counts as one of `maxAttempts`.
        while (queue.underWay.length > 0) {
          const commit = this.#plan(id, queue, attempt);
          if (commit === undefined) break;
          const { planned, base, writes, options } = commit;
          const result = await (tracing === undefined
            ? backend.commit(id, base, writes, options)
            : callFor(queue.underWay, tracing, () => backend.commit(id, base, writes, options)));
          this.#note(result, options.nowMs);
          if (result.kind === 'duplicate') {
            const duplicate = duplicateAmong(planned, result);
            await settleDuplicate(duplicate, result.outcome, backend);
            queue.underWay = queue.underWay.filter((pending) => pending !== duplicate);
          } else {
            this.#settleBatch(planned, result, { queue, options });
          }
          if (result.kind === 'behind') attempt++;
          queue.known = result.kind === 'behind' ? result.known : undefined;
        }
      } catch (error) {
        // Only these were in the commit: a refused write may yet be stored, and must not be told that it was not.
        for (const pending of queue.underWay) pending.fail(error);
        if (error instanceof BackendUnavailableError) this.#giveBack(queue, error);
      }
      queue.underWay = none;
    }
    queue.isWorking = false;
    this.#forget(id, queue);
  }

  #forget(id: string, queue: Queue): void {
    if (queue.isWorking || queue.waiting.length > 0 || (queue.confirming?.size ?? 0) > 0) return;
    // Who writes once most often writes again; making a queue for each write was a tenth of one in memory.
    if (this.#queues.size > maxIdleQueues) this.#queues.delete(id);
  }

  /**
   * The next commit of the writes that are under way; undefined: all of them are refused. The refused are no longer
   * under way then, and left to `#confirmRefusal`.
   */
  #plan(id: string, queue: Queue, attempt: number): Commit | undefined {
    const { backend, newEpoch, idempotencyWindowMs } = this.#options;
    if (attempt === maxAttempts) throw tooManyWriters();
    if (this.#closed) throw closed('NOT_STORED');
    const rules = this.#rules();
    const known = queue.known ?? backend.peek(id) ?? absent;
    const { planned, refused } = planBatch(known, queue.underWay, rules);
    if (refused.length > 0) {
      queue.underWay = planned.map(({ pending }) => pending);
      // Each settles its own write, whatever happens; the queue need not wait for it.
      for (const pending of refused) void this.#confirmRefusal(pending, queue);
    }
    if (planned.length === 0) return undefined;
    const expiresAtMs = rules.nowMs + idempotencyWindowMs;
    const writes = planned.map((plan) => toWrite(plan, expiresAtMs));
    return { planned, base: baseOf(known), writes, options: new Attempt(rules.nowMs, attempt, newEpoch) };
  }

  #giveBack({ waiting }: Queue, { message, cause }: BackendUnavailableError): void {
    const nowMs = this.#options.clock.now();
    for (const pending of waiting.splice(0)) {
      if (nowMs - pending.sinceMs < longMs) {
        waiting.push(pending);
        continue;
      }
      const text = `The store failed while the write waited for its turn: ${message}`;
      pending.fail(new BackendUnavailableError(text, 'NOT_STORED', { cause }));
    }
  }

  #note(result: CommitResult, nowMs: number): void {
    const { onStored } = this.#options;
    if (result.kind === 'committed') onStored?.(result.head, nowMs);
    // Maybe what an earlier attempt of this commit stored.
    if (result.kind === 'behind' && result.known.kind === 'context') onStored?.(result.known.head, nowMs);
  }

  /** Settles what the result decides; the rest stays under way. */
  #settleBatch(
    planned: readonly Planned[],
    result: Exclude<CommitResult, { kind: 'duplicate' }>,
    { queue, options }: { readonly queue: Queue; readonly options: CommitOptions },
  ): void {
    const isSettled = result.kind === 'committed' || isStored(planned, result);
    if (!isSettled) return;
    queue.underWay = none;
    const isBegun = result.kind === 'committed' ? result.epochBegan : isAt(result.known, options.freshEpoch);
    settleCommitted(planned, isBegun ? options.freshEpoch : undefined);
  }

  /** A refusal counts only on a view of the store begun after the request arrived. Never rejects. */
  async #confirmRefusal(pending: Pending, queue: Queue): Promise<void> {
    queue.confirming ??= new Set();
    queue.confirming.add(pending);
    const isOverruled = await this.#isOverruled(pending);
    queue.confirming.delete(pending);
    if (isOverruled) this.#enqueue(pending);
    this.#forget(pending.request.id, queue);
  }

  /** Whether a fresh view of the store allows the write after all; settles it otherwise. Never rejects. */
  async #isOverruled(pending: Pending): Promise<boolean> {
    const { request, fail } = pending;
    const { backend, clock, tracing } = this.#options;
    try {
      const read = () => backend.readOutcome(request.id, request.idempotency?.key, clock.now());
      const { known, outcome } = await callFor([pending], tracing, read);
      if (outcome !== undefined) {
        await settleDuplicate(pending, outcome, backend);
        return false;
      }
      const decision = decide(known, request, this.#rules());
      if (decision.kind === 'refuse') throw decision.error;
      pending.fresh = known;
      pending.reconsidered++;
      if (pending.reconsidered === maxAttempts) throw tooManyWriters();
      return true;
    } catch (error) {
      fail(error);
      return false;
    }
  }

  #rules(): WriteRules {
    const { backend, clock, newEpoch, deltaThreshold, maxStateBytes, defaultTtlMs } = this.#options;
    return {
      nowMs: clock.now(),
      serverId: backend.serverId,
      newEpoch,
      deltaThreshold,
      maxStateBytes,
      defaultTtlMs,
    };
  }
}

function tooManyWriters(): BackendUnavailableError {
  return new BackendUnavailableError('Too many writers on one context.', 'NOT_STORED');
}

function closed(outcome: 'NOT_STORED' | 'UNKNOWN'): BackendUnavailableError {
  return new BackendUnavailableError('The server is shutting down.', outcome);
}
