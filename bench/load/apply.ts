import jsonPatch, { type Operation } from 'fast-json-patch';
import { apply } from '../../src/delta/apply.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../src/delta/json.ts';
import type { Event } from './audience.ts';

/** The state after a delta, in the format that was selected. */
export function applySelected(state: JsonObject, event: Event): JsonObject {
  const { changes, jsonPatch: operations, mergePatch } = event;
  if (changes !== undefined) return apply(state, changes);
  // The operations are those of RFC 6902; the copy is an object as before.
  if (operations !== undefined) return jsonPatch.applyPatch(state, operations as Operation[], false, false).newDocument;
  if (mergePatch !== undefined) return applyMergePatch(state, mergePatch);
  throw new Error('A delta without changes.');
}

/** RFC 7396, 2. */
function applyMergePatch(target: JsonValue | undefined, patch: JsonObject): JsonObject {
  const merged: Record<string, JsonValue> = isJsonObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = isJsonObject(value) ? applyMergePatch(merged[key], value) : value;
  }
  return merged;
}
