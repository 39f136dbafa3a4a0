/**
 * Everything that changes a context on the disk. Each is called in the turn of its context: nobody else writes it
 * meanwhile. Memory follows, and watchers are told, when the disk has it.
 */
import { advance } from '../../delta/apply.ts';
import type { JsonObject } from '../../delta/json.ts';
import { Trial } from '../../delta/trial.ts';
import type { Position } from '../../model.ts';
import { isBase, samePosition, withFloor } from '../base.ts';
import type { Base, CommitOptions, CommitResult, Write } from '../commit.ts';
import { tryWrites } from '../try-writes.ts';
import type { Watchers } from '../watchers.ts';
import type { Contexts, Found } from './contexts.ts';
import { expiredOutcomes, outcomeOf } from './indexes.ts';
import { type Plan, planCommit, planRow, trimmed } from './plan.ts';
import type { Row } from './records.ts';
import type { Store } from './store.ts';
import { dueKinds, type RowWrite } from './tables.ts';

/** What is written with. */
export interface WritesOptions {
  readonly store: Store;
  readonly contexts: Contexts;
  readonly watchers: Watchers;
}

/** So many deltas are trimmed in one step. */
const trimmedAtOnce = 256;
/** A log that is longer is not read for a writer that knew of no context. */
const maxSinceDeltas = 1_024;
/** A removal begins no epoch and needs no checkpoint. */
const removal = { freshEpoch: '', serverId: '', stateText: () => '' };

/** The writes of one store, as `Backend` says. */
export class Writes {
  readonly #store: Store;
  readonly #contexts: Contexts;
  readonly #watchers: Watchers;
  /** Where the last look for outcomes that have run out ended. */
  #forgottenTo: Buffer | undefined;

  constructor({ store, contexts, watchers }: WritesOptions) {
    this.#store = store;
    this.#contexts = contexts;
    this.#watchers = watchers;
  }

  async commit(
    id: string,
    base: Base,
    { writes, options }: { readonly writes: readonly Write[]; readonly options: CommitOptions },
  ): Promise<CommitResult> {
    const { nowMs, freshEpoch } = options;
    for (const [index, { idempotency }] of writes.entries()) {
      const key = idempotency?.key;
      const outcome = key && this.#store.read((tables) => outcomeOf(tables, id, { key, nowMs }));
      if (outcome) return { kind: 'duplicate', index, outcome };
    }
    const before = this.#contexts.current(id);
    if (!isBase(before.kind === 'context' ? { kind: 'context', head: before.row.head } : before, base)) {
      return this.#behind(before, base);
    }
    const state = before.kind === 'context' ? this.#contexts.state(before) : undefined;
    const { serverId } = this.#store;
    const plan = planCommit(id, before, writes, { freshEpoch, serverId, stateText: () => JSON.stringify(state) });
    const next = tryOut(state, writes, plan);
    const remembered = writes.filter(({ idempotency }) => idempotency !== undefined).length;
    await this.#write(id, remembered > 0 ? [...plan.rows, ...this.#expiredOutcomes(nowMs, remembered)] : plan.rows);
    this.#contexts.apply(before, plan, id, next());
    this.#announce(id, plan);
    const { after, epochBegan } = plan;
    return { kind: 'committed', head: after.kind === 'context' ? after.row.head : undefined, epochBegan };
  }

  async expire(id: string, nowMs: number, at?: Position): Promise<Position | undefined> {
    const row = this.#contexts.row(id);
    if (row === undefined) return undefined;
    const { head } = row;
    if (head.expiresAtMs === null || head.expiresAtMs > nowMs) {
      await this.#replaceRow(id, row, { ...row, contextDueMs: head.expiresAtMs });
      return undefined;
    }
    if (at !== undefined && !samePosition(head, at)) return undefined;
    const step = { kind: 'remove', cause: 'EXPIRED', atMs: nowMs } as const;
    const plan = planCommit(id, { kind: 'context', row }, [{ writeId: `expire:${head.epoch}`, step }], removal);
    await this.#write(id, plan.rows);
    this.#contexts.forget(id);
    this.#announce(id, plan);
    return { epoch: head.epoch, version: head.version };
  }

  async postpone(id: string, expiresAtMs: number, dueMs: number): Promise<void> {
    const row = this.#contexts.row(id);
    if (row?.head.expiresAtMs === expiresAtMs) await this.#replaceRow(id, row, { ...row, contextDueMs: dueMs });
  }

  async trimDeltas(id: string, beforeMs: number): Promise<number> {
    let count = 0;
    // Some at a time: others have their turn in between.
    for (let trimmedNow = trimmedAtOnce; trimmedNow === trimmedAtOnce; count += trimmedNow) {
      trimmedNow = await this.#trimSome(id, beforeMs);
    }
    return count;
  }

  async purgeTombstone(id: string, beforeMs: number): Promise<boolean> {
    const found = this.#contexts.current(id);
    if (found.kind !== 'tombstone' || found.atMs > beforeMs) return false;
    await this.#store.write([
      { table: 'tombstones', key: id },
      { table: 'due', key: [dueKinds.tombstone, found.atMs, id] },
    ]);
    return true;
  }

  async #trimSome(id: string, beforeMs: number): Promise<number> {
    const found = this.#contexts.current(id);
    if (found.kind !== 'context') return 0;
    const { row } = found;
    const oldest = this.#contexts.deltas(found, 0, { limit: trimmedAtOnce + 1 });
    const young = oldest.findIndex(({ insertedAtMs }) => insertedAtMs > beforeMs);
    const count = Math.min(young === -1 ? oldest.length : young, trimmedAtOnce);
    const keptFrom = row.keptFrom + count;
    const next = trimmed({ ...row, deltasDueMs: oldest[count]?.insertedAtMs ?? null }, keptFrom);
    const head = count === 0 ? row.head : withFloor(row.head, keptFrom - 1);
    await this.#replaceRow(id, row, { ...next, head });
    return count;
  }

  #behind(found: Found, base: Base): CommitResult {
    const known = this.#contexts.known(found);
    if (found.kind !== 'context') return { kind: 'behind', known };
    // It comes again at once, and is planned in memory then.
    this.#contexts.keep(found);
    if (base.kind === 'context')
      return { kind: 'behind', known, since: this.#contexts.retained(found, { since: base }) };
    const { head, keptFrom } = found.row;
    // A writer that comes again does so soon: a long log is not read for it.
    if (head.version - keptFrom > maxSinceDeltas) return { kind: 'behind', known };
    const kept = this.#contexts.deltasSince(found, 0);
    return { kind: 'behind', known, since: kept[0]?.fromVersion === 0 ? kept : undefined };
  }

  async #replaceRow(id: string, before: Row, after: Row): Promise<void> {
    if (isSame(before, after)) return;
    await this.#write(id, planRow(id, before, after));
    this.#contexts.replaceRow(id, after);
  }

  async #write(id: string, rows: readonly RowWrite[]): Promise<void> {
    try {
      await this.#store.write(rows);
    } catch (error) {
      // It may be on the disk or not: the next look at it tells, also whoever watches.
      this.#contexts.forget(id);
      this.#watchers.announce(id, { kind: 'interrupted' });
      throw error;
    }
  }

  #announce(id: string, { announcements }: Plan): void {
    for (const announcement of announcements) this.#watchers.announce(id, announcement);
  }

  /**
   * Each commit that remembers keys forgets twice as many that have run out, so that they never pile up. Commits of one
   * flush take different ones: each goes on where the one before it ended.
   */
  #expiredOutcomes(nowMs: number, remembered: number): readonly RowWrite[] {
    const { rows, last } = this.#store.read((tables) =>
      expiredOutcomes(tables, nowMs, { after: this.#forgottenTo, limit: 2 * remembered }),
    );
    // At the end, begin anew: what was not removed after all is still there.
    this.#forgottenTo = last;
    return rows;
  }
}

/**
 * Refuses a plan that does not fit. Answers how to get the state that it leads to, once it is on the disk: until
 * then the state is as it was.
 */
function tryOut(state: JsonObject | undefined, writes: readonly Write[], plan: Plan): () => JsonObject | undefined {
  const trial = new Trial(state);
  const states = tryWrites(trial, writes);
  // Of a frozen state, and of none, the trial has made another: that is it.
  if (plan.isAnew || state === undefined || !Object.isExtensible(state)) return () => states.at(-1);
  trial.restore();
  return () => plan.deltas.reduce((next, { changes }) => advance(next, changes), state);
}

/** Whether nothing of what changes without a write has changed. */
function isSame(before: Row, after: Row): boolean {
  const { head, keptFrom, contextDueMs, deltasDueMs } = after;
  if (contextDueMs !== before.contextDueMs || deltasDueMs !== before.deltasDueMs) return false;
  return head === before.head && keptFrom === before.keptFrom;
}
