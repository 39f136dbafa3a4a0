/**
 * The write path: change.lua and commit.lua, what their answers make of the contexts that this process has seen, and checkpoints.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BackendUnavailableError } from '../../errors.ts';
import { isBase, samePosition } from '../base.ts';
import type { Base, CommitOptions, CommitResult, Step, Write } from '../commit.ts';
import type { Head } from '../known.ts';
import {
  addSteps,
  baseText,
  headFrom,
  headText,
  isLive,
  type Line,
  outcomeFrom,
  planProblem,
  recordText,
  startText,
  tombstoneFrom,
} from './codec.ts';
import type { Contexts, Seen } from './contexts.ts';
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
interface Planned {
  readonly writes: readonly Write[];
  readonly options: CommitOptions;
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
  async commit(id: string, base: Base, planned: Planned): Promise<CommitResult> {
    const problem = planProblem(base, planned.writes);
    if (problem !== undefined) return this.#refuse(id, base, problem);
    const change = changeOf(this.#contexts.get(id), base, planned);
    const changed = change && (await this.#change(id, base, change));
    if (changed !== undefined) return changed;
    const seen = this.#contexts.get(id);
    const reply = await this.#send(id, base, planned);
    if (typeof reply === 'string') return this.#committed(id, base, { writes: planned.writes, reply });
    const [kind, ...answer] = listOf(reply);
    switch (kind) {
      case 'duplicate':
        return { kind: 'duplicate', index: Number(answer[0]), outcome: outcomeFrom(textOf(answer[1]) ?? '') };
      case 'behind':
        return this.#behind(id, answer[0], seen);
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

  /** The short way of one change. Undefined: it is for the script of all commits to decide. */
  async #change(id: string, base: Base, { write, step, start, seen, line }: Change): Promise<CommitResult | undefined> {
    const { head, delta } = step;
    const { client, keys } = this.#store;
    const record = recordText(delta);
    if (record.length > maxChangeLength) return undefined;
    const next = lineAfter(line, step, Buffer.byteLength(record));
    const { epoch, fromVersion, version, insertedAtMs } = delta;
    const reply = await client.run(scripts.change, keys.context(id), [
      start,
      `master_replid:${line.wroteLast}`,
      headText(head, next),
      `${version}-0`,
      insertedAtMs,
      `changed ${epoch} ${version} ${fromVersion} ${insertedAtMs} `,
      record,
    ]);
    if (Array.isArray(reply)) return this.#behind(id, reply[1], seen);
    if (Number(reply) !== 1) return undefined;
    return this.#stored(id, base, { writes: [write], after: head, line: next });
  }

  /** Waits for its turn when others lost before. */
  async #send(id: string, base: Base, { writes, options }: Planned): Promise<unknown> {
    const { client, keys, writer } = this.#store;
    const seen = this.#contexts.get(id);
    const hasState = seen?.kind === 'context' && base.kind === 'context' && samePosition(seen.head, base);
    const { nowMs, freshEpoch, attempt } = options;
    const header = `${nowMs} ${freshEpoch} ${hasState ? 1 : 0} ${writer} ${attempt} ${keysIn(writes)}`;
    const args = [baseText(base), header];
    for (const write of writes) addSteps(args, write);
    const deadline = performance.now() + this.#timeoutMs;
    for (;;) {
      const reply = await client.run(scripts.commit, keys.context(id), args);
      const place = placeInQueue(reply);
      if (place === undefined) return reply;
      if (performance.now() > deadline) {
        throw new BackendUnavailableError('Too many writers wait for the context.', 'NOT_STORED');
      }
      await sleep(Math.min(place, maxWaitMs));
    }
  }

  async #behind(id: string, reply: unknown, seen: Seen | undefined): Promise<CommitResult> {
    const stored = storedFrom(reply);
    if (stored.kind !== 'context') {
      this.#contexts.set(id, stored);
      return { kind: 'behind', known: stored };
    }
    const since = askedFor(stored);
    const offer = this.#contexts.stateOf(id, stored, seen);
    if (offer !== undefined) {
      const state = typeof offer === 'function' ? offer() : offer;
      return { kind: 'behind', known: { kind: 'context', head: stored.head, state }, since };
    }
    // What the answer was to lead on from was dropped from memory meanwhile.
    const { known } = await this.#reads.known(id);
    return { kind: 'behind', known, since };
  }

  /** `began awaited head`, as commit.lua answers. */
  #committed(
    id: string,
    base: Base,
    { writes, reply }: { readonly writes: readonly Write[]; readonly reply: string },
  ): CommitResult {
    const epochBegan = reply.startsWith('1');
    const isAwaited = reply.startsWith('1', 2);
    const text = reply.slice(4);
    if (!isLive(text)) {
      this.#contexts.keep(id, base, { writes, after: tombstoneFrom(text), line: undefined });
      return { kind: 'committed', head: undefined, epochBegan };
    }
    const { head, line } = headFrom(text);
    const result = this.#stored(id, base, { writes, after: head, line });
    // Who is waited for must not write on the short way, past them.
    if (isAwaited) this.#contexts.forgetLine(id);
    return epochBegan ? { kind: 'committed', head, epochBegan } : result;
  }

  #stored(
    id: string,
    base: Base,
    { writes, after, line }: { readonly writes: readonly Write[]; readonly after: Head; readonly line: Line },
  ): CommitResult {
    this.#contexts.keep(id, base, { writes, after, line });
    if (isCheckpointDue(writes, after, line)) this.#checkpoint(id, after, line.logged);
    return { kind: 'committed', head: after, epochBegan: false };
  }

  /** One at a time for each context, in the background: it may be lost without harm. */
  #checkpoint(id: string, head: Head, logged: number): void {
    const state = this.#contexts.at(id, head);
    if (state === undefined || this.#checkpoints.has(id)) return;
    const { client, keys } = this.#store;
    const args = [`${head.epoch} ${head.version} ${logged}`, JSON.stringify(state)];
    // It edits the line: the next write learns the new one on the long way, in one trip, rather than fail on the short.
    this.#contexts.forgetLine(id);
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
function placeInQueue(reply: unknown): number | undefined {
  return Array.isArray(reply) && reply[0] === 'wait' ? Number(reply[1]) : undefined;
}

function keysIn(writes: readonly Write[]): number {
  let count = 0;
  for (const { idempotency } of writes) if (idempotency !== undefined) count++;
  return count;
}

/** A change that may take the short way. */
interface Change {
  readonly write: Write;
  readonly step: Extract<Step, { readonly kind: 'change' }>;
  /** The beginning of the line that it is made from. */
  readonly start: string;
  readonly seen: Seen;
  readonly line: Line;
}

/**
 * commit.lua announces records over 65,536 bytes without themselves. In UTF-16 units, each of which is three bytes at
 * most.
 */
const maxChangeLength = 20_000;
/** The log is cut now and then, which commit.lua does: at each version that is a multiple of this. */
const cutEvery = 16;

/** Undefined: the script of all commits is needed, since more changes than the log and the line. */
function changeOf(seen: Seen | undefined, base: Base, { writes, options }: Planned): Change | undefined {
  const [write] = writes;
  if (writes.length !== 1 || write?.step.kind !== 'change' || write.idempotency !== undefined) return undefined;
  if (options.attempt > 0 || seen?.kind !== 'context' || seen.line === undefined || !isBase(seen, base))
    return undefined;
  const { step } = write;
  const { line } = seen;
  const { version, expiresAtMs } = step.head;
  const isDueSooner = expiresAtMs !== null && (line.dueContext === '-' || expiresAtMs < Number(line.dueContext));
  if (version % cutEvery === 0 || line.dueDeltas === '-' || isDueSooner) return undefined;
  if (step.head.floor < seen.head.floor) return undefined;
  return { write, step, start: startText(seen.head, line), seen, line };
}

/** What change.lua makes of a line; not spread, see above. */
function lineAfter(line: Line, { trimTo }: Change['step'], bytes: number): Line {
  const { edits, wroteLast, logBase, hasCheckpoint, loggedAtBase, dueContext, dueDeltas } = line;
  const oldest = Math.max(line.oldest, trimTo + 1);
  const logged = line.logged + bytes;
  return { edits, wroteLast, oldest, logBase, hasCheckpoint, logged, loggedAtBase, dueContext, dueDeltas };
}

/** Whether these writes made the log pass another multiple of what is to be between two checkpoints. */
function isCheckpointDue(writes: readonly Write[], head: Head, { logged, loggedAtBase, logBase }: Line): boolean {
  const count = head.version - logBase;
  const sum = logged - loggedAtBase;
  if (sum < minCheckpointBytes && count < maxLoggedDeltas) return false;
  let changes = 0;
  let bytes = 0;
  for (const { step } of writes) {
    if (step.kind !== 'change') continue;
    changes++;
    bytes += Buffer.byteLength(recordText(step.delta));
  }
  return passes(sum, bytes, Math.max(minCheckpointBytes, head.stateBytes)) || passes(count, changes, maxLoggedDeltas);
}

/** Of all processes only the one that passes a multiple acts; should that fail, the one that passes the next. */
function passes(sum: number, last: number, step: number): boolean {
  return Math.floor(sum / step) > Math.floor((sum - last) / step);
}
