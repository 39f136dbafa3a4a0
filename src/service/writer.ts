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
import type { Backend, CommitResult, Head, Known, Outcome, Write } from '../backend/backend.ts';
import type { Clock } from '../clock.ts';
import type { Delta } from '../delta/delta.ts';
import { BackendUnavailableError, IdempotencyConflictError, LimitExceededError } from '../errors.ts';
import type { Position } from '../model.ts';
import type { Tracing } from '../observability/tracing.ts';
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
import { callFor } from './metering.ts';
import { toDelta } from './sync.ts';

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
  /** Refused ones whose refusal is being confirmed. */
  readonly confirming: Set<Pending>;
  isWorking: boolean;
}

/** A write that lost so often is given back to its caller: NOT_STORED. Shared stores reserve long before. */
const maxAttempts = 32;

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
      queued += waiting.length + underWay.length + confirming.size;
    }
    return queued;
  }

  submit(request: WriteRequest): Promise<Written> {
    const { clock, tracing } = this.#options;
    return new Promise((settle, fail) =>
      this.#enqueue({ request, settle, fail, sinceMs: clock.now(), span: tracing?.current(), reconsidered: 0 }),
    );
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
      for (const pending of confirming) pending.fail(closed('NOT_STORED'));
    }
    this.#queues.clear();
  }

  #enqueue(pending: Pending): void {
    if (this.#closed) {
      pending.fail(closed('NOT_STORED'));
      return;
    }
    const { id } = pending.request;
    const queue = this.#queues.get(id) ?? { waiting: [], underWay: [], confirming: new Set(), isWorking: false };
    this.#queues.set(id, queue);
    const { maxQueuedWrites } = this.#options;
    const queued = queue.waiting.length + queue.confirming.size;
    if (queued >= maxQueuedWrites) {
      pending.fail(new LimitExceededError('maxQueuedWrites', maxQueuedWrites, queued + 1));
      return;
    }
    queue.waiting.push(pending);
    // #work settles every write itself, so that nothing is left to reject here.
    if (!queue.isWorking) void this.#work(id, queue);
  }

  async #work(id: string, queue: Queue): Promise<void> {
    queue.isWorking = true;
    while (queue.waiting.length > 0) {
      queue.underWay = takeBatch(queue.waiting);
      await this.#commitBatch(id, queue);
      queue.underWay = [];
    }
    queue.isWorking = false;
    this.#forget(id, queue);
  }

  #forget(id: string, queue: Queue): void {
    if (!queue.isWorking && queue.waiting.length === 0 && queue.confirming.size === 0) this.#queues.delete(id);
  }

  /**
   * Settles every write that is under way, or leaves it to `#confirmRefusal`. Never rejects.
   *
   * Every round ends it, has one write less, or counts as one of `maxAttempts`.
   */
  async #commitBatch(id: string, queue: Queue): Promise<void> {
    const { backend, newEpoch, tracing } = this.#options;
    try {
      let known: Known = takeFresh(queue.underWay) ?? backend.peek(id) ?? absent;
      let attempt = 0;
      while (queue.underWay.length > 0) {
        if (attempt === maxAttempts) throw tooManyWriters();
        if (this.#closed) throw closed('NOT_STORED');
        const rules = this.#rules();
        const { planned, refused } = planBatch(known, queue.underWay, rules);
        queue.underWay = planned.map(({ pending }) => pending);
        // Each settles its own write, whatever happens; the queue need not wait for it.
        for (const pending of refused) void this.#confirmRefusal(pending, queue);
        if (planned.length === 0) return;
        const freshEpoch = newEpoch();
        const writes = planned.map((plan) => this.#toWrite(plan, rules.nowMs));
        const options = { nowMs: rules.nowMs, freshEpoch, attempt };
        const result = await callFor(queue.underWay, tracing, () => backend.commit(id, baseOf(known), writes, options));
        this.#note(result, rules.nowMs);
        queue.underWay = await this.#settleBatch(planned, result, freshEpoch);
        if (result.kind === 'behind') attempt++;
        known = result.kind === 'behind' ? result.known : (backend.peek(id) ?? absent);
      }
    } catch (error) {
      // Only these were in the commit: a refused write may yet be stored, and must not be told that it was not.
      for (const pending of queue.underWay) pending.fail(error);
      if (!(error instanceof BackendUnavailableError)) return;
      this.#giveBack(queue, error);
    }
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

  /** Settles what the result decides and answers what is still open. */
  async #settleBatch(planned: readonly Planned[], result: CommitResult, freshEpoch: string): Promise<Pending[]> {
    switch (result.kind) {
      case 'committed':
        settleCommitted(planned, result.epochBegan ? freshEpoch : undefined);
        return [];
      case 'behind':
        if (!isStored(planned, result)) return planned.map(({ pending }) => pending);
        settleCommitted(planned, isAt(result.known, freshEpoch) ? freshEpoch : undefined);
        return [];
      case 'duplicate': {
        const duplicate = planned[result.index]?.pending;
        if (duplicate?.request.idempotency === undefined) {
          throw new Error(`The backend is broken: no write with an idempotency key has the index ${result.index}.`);
        }
        await this.#settleDuplicate(duplicate, result.outcome);
        return planned.map(({ pending }) => pending).filter((pending) => pending !== duplicate);
      }
    }
  }

  /** Never rejects. */
  async #settleDuplicate({ request, settle, fail }: Pending, outcome: Outcome): Promise<void> {
    if (outcome.requestHash !== request.idempotency?.requestHash) {
      fail(new IdempotencyConflictError(request.idempotency?.key ?? ''));
      return;
    }
    const { epoch, version, changed } = outcome;
    const delta = changed && request.action.verb !== 'delete' ? await this.#retained(request.id, outcome) : null;
    settle({ epoch, version, changed, duplicate: true, delta });
  }

  /** Null, too, when the store does not answer: that the write is stored is certain, and what its caller must know. */
  async #retained(id: string, { epoch, version }: Position): Promise<Delta | null> {
    try {
      const [record] = await this.#options.backend.deltas(id, { afterVersion: version - 1, limit: 1 });
      return record?.epoch === epoch && record.version === version ? toDelta(id, record) : null;
    } catch {
      return null;
    }
  }

  /** A refusal counts only on a view of the store begun after the request arrived. Never rejects. */
  async #confirmRefusal(pending: Pending, queue: Queue): Promise<void> {
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
        await this.#settleDuplicate(pending, outcome);
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

  #toWrite({ pending: { request }, decision }: Planned, nowMs: number): Write {
    const { writeId, idempotency } = request;
    const { step, changed } = decision;
    if (idempotency === undefined) return { writeId, step };
    const expiresAtMs = nowMs + this.#options.idempotencyWindowMs;
    return { writeId, step, idempotency: { ...idempotency, changed, expiresAtMs } };
  }
}

function tooManyWriters(): BackendUnavailableError {
  return new BackendUnavailableError('Too many writers on one context.', 'NOT_STORED');
}

function closed(outcome: 'NOT_STORED' | 'UNKNOWN'): BackendUnavailableError {
  return new BackendUnavailableError('The server is shutting down.', outcome);
}
