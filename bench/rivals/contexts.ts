import { randomUUID } from 'node:crypto';
import { compose } from '../../src/delta/compose.ts';
import type { Changes } from '../../src/delta/delta.ts';
import { toJsonPatch, toMergePatch } from '../../src/delta/format.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import { merge } from '../../src/delta/merge.ts';

/** As in the schema. */
export interface Context {
  readonly id: string;
  readonly epoch: string;
  readonly version: number;
  readonly state: JsonObject;
  readonly insertedAt: string;
  readonly createdAt: string;
}

/** A context has one history; null as in the arguments of a subscription. */
export interface Position {
  readonly clientVersion?: number | null;
  readonly clientEpoch?: string | null;
}

/** A delta as in the schema; its other formats are made when somebody asks. */
export class Delta {
  readonly __typename = 'Delta';
  readonly contextId: string;
  readonly epoch: string;
  readonly fromVersion: number;
  readonly version: number;
  readonly changes: Changes;
  readonly insertedAt: string;
  readonly origin = null;

  constructor({ id, epoch, version, insertedAt }: Context, fromVersion: number, changes: Changes) {
    this.contextId = id;
    this.epoch = epoch;
    this.fromVersion = fromVersion;
    this.version = version;
    this.changes = changes;
    this.insertedAt = insertedAt;
  }

  get jsonPatch() {
    return toJsonPatch(this.changes);
  }

  get mergePatch() {
    return toMergePatch(this.changes);
  }
}

/** What a subscription is told first. */
export type First =
  | Delta
  | {
      readonly __typename: 'FullContext' | 'NoChange';
      readonly contextId: string;
      readonly epoch: string;
      readonly version: number;
      readonly context: Context;
    };

/** So many deltas are kept for each context, as Chord does by default. */
const keptDeltas = 100;

/**
 * The contexts of a rival, in memory: merged by Chord's own algebra, without its checks, its limits and its order of
 * writers. What the rivals are compared in is how they serve them.
 */
export class Contexts {
  readonly #contexts = new Map<string, { current: Context; readonly deltas: Changes[] }>();

  get(id: string): Context | undefined {
    return this.#contexts.get(id)?.current;
  }

  set(id: string, state: JsonObject): Context {
    const now = new Date().toISOString();
    const current = { id, epoch: randomUUID(), version: 1, state, insertedAt: now, createdAt: now };
    this.#contexts.set(id, { current, deltas: [] });
    return current;
  }

  /** Undefined: there is no such context. */
  update(id: string, changes: JsonObject): { readonly version: number; readonly event: Delta } | undefined {
    const context = this.#contexts.get(id);
    if (context === undefined) return undefined;
    const { current, deltas } = context;
    const merged = merge(current.state, changes);
    const version = current.version + 1;
    context.current = { ...current, version, state: merged.state, insertedAt: new Date().toISOString() };
    if (deltas.push(merged.changes) > keptDeltas) deltas.shift();
    return { version, event: new Delta(context.current, current.version, merged.changes) };
  }

  /** What leads from the client's position to now. */
  sync(id: string, { clientVersion, clientEpoch }: Position): First {
    const context = this.#contexts.get(id);
    if (context === undefined) throw new Error(`There is no context ${id}.`);
    const { current, deltas } = context;
    const { epoch, version } = current;
    const behind = clientEpoch === epoch ? version - (clientVersion ?? 0) : Number.POSITIVE_INFINITY;
    if (behind > 0 && behind <= deltas.length) {
      return new Delta(current, version - behind, compose(deltas.slice(-behind)));
    }
    const kind = behind === 0 ? 'NoChange' : 'FullContext';
    return { __typename: kind, contextId: id, epoch, version, context: current };
  }
}
