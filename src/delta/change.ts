import type { Change, Changes, Path } from './delta.ts';
import { deepFreeze, type JsonValue } from './json.ts';

/** The change of one path from `oldValue` to `value`; undefined means that nothing is there. */
export function toChange(path: Path, oldValue: JsonValue | undefined, value: JsonValue | undefined): Change {
  if (oldValue !== undefined) {
    if (value !== undefined) return { action: 'MODIFIED', path, oldValue, value };
    return { action: 'REMOVED', path, oldValue };
  }
  if (value !== undefined) return { action: 'ADDED', path, value };
  throw new TypeError(`Neither an old nor a new value at ${JSON.stringify(path)}.`);
}

/** The key at an index that the path has. */
export function keyAt(path: Path, index: number): string {
  // The caller counts from 0 to the path's length; only the index signature does not know.
  return path[index] as string;
}

/** What is at the path before the change; undefined when it is added. */
export function oldValueOf(change: Change): JsonValue | undefined {
  return change.action === 'ADDED' ? undefined : change.oldValue;
}

/** What is at the path after the change; undefined when it is removed. */
export function valueOf(change: Change): JsonValue | undefined {
  return change.action === 'REMOVED' ? undefined : change.value;
}

/** Freezes the changes with all that they hold, and returns them. Values that are frozen are not looked into. */
export function freezeChanges(changes: Changes): Changes {
  for (const change of changes) {
    if (change.action !== 'REMOVED') deepFreeze(change.value);
    if (change.action !== 'ADDED') deepFreeze(change.oldValue);
    Object.freeze(change.path);
    Object.freeze(change);
  }
  return Object.freeze(changes);
}
