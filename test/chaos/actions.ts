/* What the writes of a run do to a state, and how a state or a delta tells which write led to it. */
import type { JsonObject, MutableJsonObject } from '../../src/delta/json.ts';
import { mergeModel } from '../service/oracle.ts';
import type { Action, SeenDelta } from './history.ts';

/** The key under which every write leaves its mark. */
export const markKey = 'mark';

/** The state after a write; undefined: the context is gone. `before` undefined: there was none. */
export function act(action: Action, before: JsonObject | undefined): JsonObject | undefined {
  switch (action.verb) {
    case 'set':
      return action.state;
    case 'update': {
      if (before === undefined) return undefined;
      const merged = mergeModel(before, action.changes);
      return action.remove.reduce((state, path) => without(state, path), merged);
    }
    case 'delete':
      return undefined;
  }
}

function without(state: JsonObject, [key, ...rest]: readonly string[]): JsonObject {
  if (key === undefined) return state;
  const child = state[key];
  if (child === undefined) return state;
  const copy: MutableJsonObject = { ...state };
  if (rest.length === 0) delete copy[key];
  else if (typeof child === 'object' && child !== null && !Array.isArray(child)) {
    // Not an array: an object.
    copy[key] = without(child as JsonObject, rest);
  }
  return copy;
}

/** Which write made this state; undefined: none that says so. */
export function markOfState(state: JsonObject): number | undefined {
  return toMark(state[markKey]);
}

/** Which write made the last version that a delta leads to; undefined: none that says so. */
export function markOfDelta({ changes }: SeenDelta): number | undefined {
  const change = changes.find(({ path }) => path.length === 1 && path[0] === markKey);
  return change?.action === 'REMOVED' ? undefined : toMark(change?.value);
}

/** The label that a write puts on its delta. */
export function originOf(mark: number): string {
  return `write ${mark}`;
}

function toMark(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
