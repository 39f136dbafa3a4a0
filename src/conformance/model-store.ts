import type { Base, CommitResult, IdempotencyRecord, Outcome, Write } from '../backend/commit.ts';
import type { DeltaRecord, Head, Known, Tombstone } from '../backend/known.ts';
import { apply } from '../delta/apply.ts';
import type { JsonObject } from '../delta/json.ts';
import type { Position } from '../model.ts';
import { at } from './check.ts';

interface Context {
  readonly kind: 'context';
  readonly head: Head;
  readonly state: JsonObject;
  readonly log: readonly DeltaRecord[];
}

type Found = Context | Tombstone | { readonly kind: 'absent' };

/** What a store must say, as plainly as it can be written: nothing is shared, indexed or quick. */
export class ModelStore {
  readonly #found = new Map<string, Found>();
  readonly #outcomes = new Map<string, { readonly outcome: Outcome; readonly expiresAtMs: number }>();
  /** When a context is due at the latest: by its expiry, unless that was postponed since the last write. */
  readonly #dueMs = new Map<string, number | null>();

  known(id: string): Known {
    const found = this.#get(id);
    return found.kind === 'context' ? { kind: 'context', head: found.head, state: found.state } : found;
  }

  deltas(id: string): readonly DeltaRecord[] {
    const found = this.#get(id);
    return found.kind === 'context' ? found.log : [];
  }

  /** Undefined: the state is answered instead. */
  deltasSince(id: string, { epoch, version }: { readonly epoch?: string; readonly version: number }) {
    const found = this.#get(id);
    if (found.kind !== 'context' || (epoch ?? found.head.epoch) !== found.head.epoch) return undefined;
    if (version < found.head.floor || version > found.head.version) return undefined;
    return found.log.filter((record) => record.version > version);
  }

  outcome(id: string, key: string, nowMs: number): Outcome | undefined {
    const entry = this.#outcomes.get(JSON.stringify([id, key]));
    return entry !== undefined && nowMs < entry.expiresAtMs ? entry.outcome : undefined;
  }

  ids(kind: 'context' | 'tombstone'): readonly string[] {
    return [...this.#found].filter(([, found]) => found.kind === kind).map(([id]) => id);
  }

  mustBeDue(id: string, nowMs: number): boolean {
    const dueMs = this.#dueMs.get(id) ?? null;
    return this.#get(id).kind === 'context' && dueMs !== null && dueMs <= nowMs;
  }

  commit(id: string, base: Base, writes: readonly Write[], nowMs: number): CommitResult {
    for (const [index, { idempotency }] of writes.entries()) {
      const outcome = idempotency && this.outcome(id, idempotency.key, nowMs);
      if (outcome !== undefined) return { kind: 'duplicate', index, outcome };
    }
    const known = this.known(id);
    if (!isTruth(base, known)) return { kind: 'behind', known, since: this.#behindSince(id, base) };
    for (const write of writes) this.#write(id, write);
    const after = this.known(id);
    return { kind: 'committed', head: after.kind === 'context' ? after.head : undefined, epochBegan: false };
  }

  /** Whether the context is removed; the store chooses the tombstone's `writeId`. */
  expires(id: string, nowMs: number, position?: Position): Position | undefined {
    const found = this.#get(id);
    if (found.kind !== 'context') return undefined;
    const { epoch, version, expiresAtMs } = found.head;
    if (expiresAtMs === null || expiresAtMs > nowMs) return undefined;
    if (position !== undefined && (position.epoch !== epoch || position.version !== version)) return undefined;
    return { epoch, version };
  }

  bury(id: string, tombstone: Tombstone): void {
    this.#found.set(id, tombstone);
    this.#dueMs.delete(id);
  }

  postpone(id: string, expiresAtMs: number, dueMs: number): void {
    const found = this.#get(id);
    if (found.kind !== 'context' || found.head.expiresAtMs !== expiresAtMs) return;
    this.#dueMs.set(id, Math.max(dueMs, found.head.expiresAtMs));
  }

  trimDeltas(id: string, beforeMs: number): number {
    const found = this.#get(id);
    if (found.kind !== 'context') return 0;
    const firstKept = found.log.findIndex(({ insertedAtMs }) => insertedAtMs > beforeMs);
    const trimmed = firstKept === -1 ? found.log.length : firstKept;
    const floor = Math.max(found.head.floor, found.log[trimmed - 1]?.version ?? 0);
    this.#found.set(id, { ...found, head: { ...found.head, floor }, log: found.log.slice(trimmed) });
    return trimmed;
  }

  purge(id: string, beforeMs: number): boolean {
    const found = this.#get(id);
    return found.kind === 'tombstone' && found.atMs <= beforeMs && this.#found.delete(id);
  }

  #get(id: string): Found {
    return this.#found.get(id) ?? { kind: 'absent' };
  }

  #behindSince(id: string, base: Base): readonly DeltaRecord[] | undefined {
    if (base.kind === 'context') return this.deltasSince(id, base);
    const log = this.deltas(id);
    return log[0]?.fromVersion === 0 ? log : undefined;
  }

  #write(id: string, { writeId, step, idempotency }: Write): void {
    const found = this.#get(id);
    if (step.kind === 'create') {
      this.#found.set(id, {
        kind: 'context',
        head: step.head,
        state: apply({}, step.delta.changes),
        log: [step.delta].filter(({ version }) => version > step.trimTo),
      });
    } else if (found.kind !== 'context') {
      throw new TypeError('The model is given a plan that does not fit.');
    } else if (step.kind === 'remove') {
      this.bury(id, { kind: 'tombstone', ...at(found.head), cause: step.cause, atMs: step.atMs, writeId });
    } else {
      const floor = Math.max(found.head.floor, step.head.floor);
      const head = { ...step.head, floor };
      if (step.kind === 'touch') this.#found.set(id, { ...found, head });
      else {
        const log = [...found.log, step.delta].filter(({ version }) => version > step.trimTo);
        this.#found.set(id, { kind: 'context', head, state: apply(found.state, step.delta.changes), log });
      }
    }
    if (step.kind !== 'remove') this.#dueMs.set(id, step.head.expiresAtMs);
    if (idempotency !== undefined) this.#remember(id, idempotency);
  }

  #remember(id: string, { key, requestHash, changed, expiresAtMs }: IdempotencyRecord): void {
    const known = this.known(id);
    if (known.kind === 'absent') return;
    const position = at(known.kind === 'context' ? known.head : known);
    this.#outcomes.set(JSON.stringify([id, key]), { outcome: { ...position, requestHash, changed }, expiresAtMs });
  }
}

function isTruth(base: Base, known: Known): boolean {
  if (base.kind === 'absent' || known.kind === 'absent') return base.kind === known.kind;
  const { epoch, version } = known.kind === 'context' ? known.head : known;
  const touches = known.kind === 'context' ? known.head.touches : 0;
  const seen = base.kind === 'context' ? base.touches : 0;
  return base.kind === known.kind && base.epoch === epoch && base.version === version && seen === touches;
}
