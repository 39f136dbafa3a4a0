import { toChange } from './change.ts';
import type { Change, Changes } from './delta.ts';
import { equal, getKey, isJsonObject, type JsonObject, valueOfKey } from './json.ts';

/**
 * The changes that lead from `before` to `after`, in canonical form: it descends while both sides are objects and
 * records one change at the first key where they are not both objects and not equal.
 *
 * The values are shared with the two states, not copied. Shared subtrees (`===`) cost nothing.
 */
export function diff(before: JsonObject, after: JsonObject): Changes {
  const changes: Change[] = [];
  if (before !== after) compareObjects(before, after, [], changes);
  return changes;
}

/** `path` leads to the two objects; it is borrowed and put back as it was. */
function compareObjects(before: JsonObject, after: JsonObject, path: string[], changes: Change[]): void {
  for (const key of Object.keys(before)) {
    const oldValue = valueOfKey(before, key);
    const value = getKey(after, key);
    if (value === oldValue) continue;
    path.push(key);
    if (isJsonObject(oldValue) && isJsonObject(value)) compareObjects(oldValue, value, path, changes);
    else if (value === undefined || !equal(oldValue, value)) changes.push(toChange(path.slice(), oldValue, value));
    path.pop();
  }
  for (const key of Object.keys(after)) {
    if (!Object.hasOwn(before, key)) changes.push(toChange([...path, key], undefined, valueOfKey(after, key)));
  }
}
