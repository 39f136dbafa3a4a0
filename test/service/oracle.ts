/** The table of docs/protocol.md 4, written down a second time: slow, obvious, and from the states themselves. */

import type { Changes } from '../../src/delta/delta.ts';
import { type JsonObject, type JsonValue, setKey } from '../../src/delta/json.ts';
import type { ContextEvent } from '../../src/model.ts';
import { canonical, writeModel } from '../delta/oracles.ts';

/** All that the answer may depend on. */
export type World =
  | { readonly kind: 'absent' }
  | { readonly kind: 'tombstone' }
  | {
      readonly kind: 'context';
      readonly epoch: string;
      readonly firstVersion: number;
      readonly floor: number;
      readonly version: number;
      /** What the context was at a version of this epoch. */
      readonly stateAt: (version: number) => JsonObject;
      /** A version whose delta is lost although it should be there. */
      readonly hole?: number | undefined;
    };

export interface Client {
  /** Undefined or 0: none. */
  readonly version?: number | undefined;
  readonly epoch?: string | undefined;
}

export interface Table {
  readonly maxMerge: number;
  /** A follower's single delta is sent whatever its weight. */
  readonly isLive?: boolean;
}

/** The kind of the answer, with the reason of a FULL. */
export function answerOf(client: Client, world: World, { maxMerge, isLive = false }: Table): string {
  if (world.kind === 'absent') return 'null';
  if (world.kind === 'tombstone') return 'gone';
  const from = client.version ?? 0;
  const { epoch, firstVersion, floor, version, stateAt, hole } = world;
  if (from === 0) return 'full NO_POSITION';
  if ((client.epoch !== undefined && client.epoch !== epoch) || from < firstVersion) return 'full EPOCH_CHANGED';
  if (from > version) return 'full CLIENT_AHEAD';
  if (from === version) return 'noChange';
  if (from < floor || (hole !== undefined && hole > from && hole <= version)) return 'full TOO_OLD';
  if (version - from > maxMerge) return 'full SMALLER';
  const isExempt = isLive && version - from === 1;
  const isHeavy = weightBetween(stateAt(from), stateAt(version), []) > weightOf(stateAt(version));
  return isHeavy && !isExempt ? 'full SMALLER' : 'delta';
}

/** The same words for an event. */
export function wordsOf(event: ContextEvent | null): string {
  if (event === null) return 'null';
  return event.kind === 'full' ? `full ${event.reason}` : event.kind;
}

/** The UTF-8 length of compact JSON and one byte per object that is not empty. */
export function weightOf(value: JsonValue): number {
  return Buffer.byteLength(JSON.stringify(value)) + filledObjects(value);
}

function filledObjects(value: JsonValue): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inside = Object.values(value).reduce<number>((sum, child) => sum + filledObjects(child), 0);
  return inside + (Array.isArray(value) || Object.keys(value).length === 0 ? 0 : 1);
}

/** The weight of the delta between two states: of each change the path as JSON and the new value. */
function weightBetween(before: JsonObject, after: JsonObject, path: readonly string[]): number {
  const old = new Map(Object.entries(before));
  const now = new Map(Object.entries(after));
  let sum = 0;
  for (const key of new Set([...old.keys(), ...now.keys()])) {
    const from = old.get(key);
    const to = now.get(key);
    if (from !== undefined && to !== undefined && canonical(from) === canonical(to)) continue;
    if (isObject(from) && isObject(to)) sum += weightBetween(from, to, [...path, key]);
    else sum += Buffer.byteLength(JSON.stringify([...path, key])) + (to === undefined ? 0 : weightOf(to));
  }
  return sum;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a client that has the state makes of the changes. Fails when they do not start from it. */
export function clientApply(state: JsonObject, changes: Changes): JsonObject {
  return changes.reduce((current, change) => writeModel(current, change), state);
}

/** What `updateContext` makes of a state, as docs/protocol.md 2 says it. */
export function mergeModel(state: JsonObject, changes: JsonObject): JsonObject {
  const merged = Object.fromEntries(Object.entries(state));
  for (const [key, change] of Object.entries(changes)) {
    const old = new Map(Object.entries(merged)).get(key);
    setKey(merged, key, isObject(old) && isObject(change) ? mergeModel(old, change) : change);
  }
  return merged;
}
