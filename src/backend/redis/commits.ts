/**
 * The write path: commit.lua, what its answer makes of the contexts that this process has seen, and checkpoints.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BackendUnavailableError } from '../../errors.ts';
import type { Position } from '../../model.ts';
import type { Base, CommitOptions, CommitResult, Head, Tombstone, Write } from '../backend.ts';
import { isBase, positionOf, samePosition } from '../base.ts';
import { addSteps, baseText, outcomeFrom, planProblem, recordText } from './codec.ts';
import type { Contexts } from './contexts.ts';
import { askedFor, type Reads } from './reads.ts';
import { listOf, textOf } from './replies.ts';
import { scripts } from './scripts.ts';
import type { RedisStore } from './store.ts';
import { storedFrom } from './views.ts';

/** What is written with. */
export interface CommitsOptions {
  readonly store: RedisStore;
  readonly contexts: Contexts;
  readonly reads: Reads;
  /** How long a commit may wait for its turn. */
  readonly timeoutMs: number;
}

/*
 * Objects are handed on as they are and not spread into others on this path: a spread that is followed by further fields
 * was measured at 5 to 10 µs each, as much as all the rest of a write in memory.
 */

/** The writes and what is told beside them. */
interface Attempt {
  readonly writes: readonly Write[];
  readonly options: CommitOptions;
}

/** What commit.lua answers of a live context. */
interface Standing {
  readonly began: boolean;
  readonly floor: number;
  /** Bytes of deltas after the base. */
  readonly logged: number;
  /** The same from the creation on: what a checkpoint says it is of. */
  readonly loggedInAll: string;
  readonly base: number;
}

/** The log may be as long as the state is heavy, or this, before a checkpoint is due. */
const minCheckpointBytes = 16_384;
/** So many deltas are made into a state quickly enough. */
const maxLoggedDeltas = 8_192;

/** The commits of one process. */
export class Commits {
  readonly #store: RedisStore;
  readonly #contexts: Contexts;
  readonly #reads: Reads;
  readonly #timeoutMs: number;
  readonly #checkpoints = new Map<string, Promise<void>>();

  constructor({ store, contexts, reads, timeoutMs }: CommitsOptions) {
    this.#store = store;
    this.#contexts = contexts;
    this.#reads = reads;
    this.#timeoutMs = timeoutMs;
  }

  /** As `Backend.commit` says. */
  async commit(id: string, base: Base, attempt: Attempt): Promise<CommitResult> {
    const problem = planProblem(base, attempt.writes);
    if (problem !== undefined) return this.#refuse(id, base, problem);
    const reply = await this.#send(id, base, attempt);
    if (typeof reply === 'string') return this.#committed(id, base, { attempt, standing: standingFrom(reply) });
    const [kind, ...answer] = listOf(reply);
    switch (kind) {
      case 'duplicate':
        return { kind: 'duplicate', index: Number(answer[0]), outcome: outcomeFrom(textOf(answer[1]) ?? '') };
      case 'behind':
        return this.#behind(id, answer[0]);
      default:
        throw new TypeError('The commit script answered something that it should not.');
    }
  }

  /** Resolves when no checkpoint is on its way. Never rejects. */
  async settle(): Promise<void> {
    await Promise.all(this.#checkpoints.values());
  }

  /** @throws TypeError on a base that is the truth. Nothing is stored either way. */
  async #refuse(id: string, base: Base, problem: string): Promise<CommitResult> {
    const { known } = await this.#reads.known(id);
    if (isBase(known, base)) throw new TypeError(problem);
    return { kind: 'behind', known };
  }

  /** Waits for its turn when others lost before. */
  async #send(id: string, base: Base, { writes, options }: Attempt): Promise<unknown> {
    const { client, keys, writer } = this.#store;
    const seen = this.#contexts.get(id);
    const hasState = seen?.kind === 'context' && base.kind === 'context' && samePosition(seen.head, base);
    const { nowMs, freshEpoch, attempt } = options;
    const line = `${nowMs} ${freshEpoch} ${hasState ? 1 : 0} ${writer} ${attempt} ${keysIn(writes)}`;
    const args = [baseText(base), line];
    for (const write of writes) addSteps(args, write);
    const deadline = performance.now() + this.#timeoutMs;
    for (;;) {
      const reply = await client.run(scripts.commit, keys.context(id), args);
      const place = placeInLine(reply);
      if (place === undefined) return reply;
      if (performance.now() > deadline) {
        throw new BackendUnavailableError('Too many writers wait for the context.', 'NOT_STORED');
      }
      await sleep(Math.min(place, maxWaitMs));
    }
  }

  async #behind(id: string, reply: unknown): Promise<CommitResult> {
    const stored = storedFrom(reply);
    if (stored.kind !== 'context') {
      this.#contexts.set(id, stored);
      return { kind: 'behind', known: stored };
    }
    const since = askedFor(stored);
    const state = this.#contexts.stateOf(id, stored);
    if (state !== undefined) return { kind: 'behind', known: { kind: 'context', head: stored.head, state }, since };
    // What the answer was to lead on from was dropped from memory meanwhile.
    const { known } = await this.#reads.known(id);
    return { kind: 'behind', known, since };
  }

  #committed(
    id: string,
    base: Base,
    { attempt, standing }: { readonly attempt: Attempt; readonly standing: Standing },
  ): CommitResult {
    const { writes, options } = attempt;
    const seen = this.#contexts.get(id);
    const before = seen?.kind === 'context' && isBase(seen, base) ? seen.head : undefined;
    const { freshEpoch } = options;
    const after = standsAfter(writes, { standing, base, before, freshEpoch });
    this.#contexts.follow(id, base, { writes, after });
    if ('kind' in after) return { kind: 'committed', head: undefined, epochBegan: standing.began };
    if (isCheckpointDue(writes, after, standing)) this.#checkpoint(id, after, standing.loggedInAll);
    return { kind: 'committed', head: after, epochBegan: standing.began };
  }

  /** One at a time for each context, in the background: it may be lost without harm. */
  #checkpoint(id: string, head: Head, loggedInAll: string): void {
    const state = this.#contexts.at(id, head);
    if (state === undefined || this.#checkpoints.has(id)) return;
    const { client, keys } = this.#store;
    const args = [`${head.epoch} ${head.version} ${loggedInAll}`, JSON.stringify(state)];
    const sent = client.run(scripts.checkpoint, keys.context(id), args).then(
      () => undefined,
      // The next one does as well.
      () => undefined,
    );
    this.#checkpoints.set(
      id,
      sent.finally(() => this.#checkpoints.delete(id)),
    );
  }
}

/** A turn is short: two round trips. */
const maxWaitMs = 8;

/** Undefined: the writer need not wait. */
function placeInLine(reply: unknown): number | undefined {
  return Array.isArray(reply) && reply[0] === 'wait' ? Number(reply[1]) : undefined;
}

function keysIn(writes: readonly Write[]): number {
  let count = 0;
  for (const { idempotency } of writes) if (idempotency !== undefined) count++;
  return count;
}

function standingFrom(reply: string): Standing {
  const [began, floor, logged = '', loggedAtBase, base] = reply.split(' ');
  return {
    began: began === '1',
    floor: Number(floor),
    logged: Number(logged) - Number(loggedAtBase),
    loggedInAll: logged,
    base: Number(base),
  };
}

interface Circumstances {
  readonly standing: Standing;
  readonly base: Base;
  /** The head at the base, if this process has it. */
  readonly before: Head | undefined;
  readonly freshEpoch: string;
}

/** Where the writes have put the context: as planned, but for an epoch that began and a floor that had risen. */
function standsAfter(
  writes: readonly Write[],
  { standing, base, before, freshEpoch }: Circumstances,
): Head | Tombstone {
  let position: Position = base.kind === 'absent' ? { epoch: '', version: 0 } : base;
  let head = before;
  let tombstone: Tombstone | undefined;
  let isBeginning = standing.began;
  /** What the fresh epoch, which ends with the next removal, says of a head. */
  let fresh: Pick<Head, 'epoch' | 'firstVersion'> | undefined;
  for (const { writeId, step } of writes) {
    if (step.kind === 'remove') {
      const { cause, atMs } = step;
      tombstone = Object.freeze({ kind: 'tombstone', ...positionOf(position), cause, atMs, writeId });
      fresh = undefined;
      isBeginning = false;
      continue;
    }
    tombstone = undefined;
    if (step.kind === 'touch') {
      const { expiresAtMs, ttlMs, touches } = step.head;
      head = { ...(head ?? step.head), expiresAtMs, ttlMs, touches };
      continue;
    }
    if (step.kind === 'change' && isBeginning) {
      fresh = { epoch: freshEpoch, firstVersion: step.head.version };
      isBeginning = false;
    }
    head = fresh === undefined ? step.head : { ...step.head, ...fresh };
    position = head;
  }
  if (tombstone !== undefined) return tombstone;
  if (head === undefined) throw new TypeError('A commit without writes.');
  return Object.isFrozen(head) && head.floor === standing.floor
    ? head
    : Object.freeze({ ...head, floor: standing.floor });
}

/** Whether these writes made the log pass another multiple of what is to be between two checkpoints. */
function isCheckpointDue(writes: readonly Write[], head: Head, { logged, base }: Standing): boolean {
  const count = head.version - base;
  if (logged < minCheckpointBytes && count < maxLoggedDeltas) return false;
  let changes = 0;
  let bytes = 0;
  for (const { step } of writes) {
    if (step.kind !== 'change') continue;
    changes++;
    bytes += Buffer.byteLength(recordText(step.delta));
  }
  return (
    passes(logged, bytes, Math.max(minCheckpointBytes, head.stateBytes)) || passes(count, changes, maxLoggedDeltas)
  );
}

/** Of all processes only the one that passes a multiple acts; should that fail, the one that passes the next. */
function passes(sum: number, last: number, step: number): boolean {
  return Math.floor(sum / step) > Math.floor((sum - last) / step);
}
