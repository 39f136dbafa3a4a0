/**
 * The same changes in other notations. None of them puts a marker where a user's key could be, so no key is special.
 */
import { oldValueOf, valueOf } from './change.ts';
import type { Change, ChangeAction, Changes, Delta, Path } from './delta.ts';
import {
  getKey,
  isJsonObject,
  type JsonArray,
  type JsonObject,
  type JsonValue,
  type MutableJsonObject,
  setKey,
  valueOfKey,
} from './json.ts';

/** Writes a delta the way the readers of a deployment want it. Must be pure. */
export type DeltaFormatter = (delta: Delta) => JsonValue;

/** One operation of a JSON Patch (RFC 6902, section 4). */
export type JsonPatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: JsonValue }
  | { readonly op: 'remove'; readonly path: string };

/** The changes as JSON Patch (RFC 6902): one operation per change; they may be run in any order. */
export function toJsonPatch(changes: Changes): readonly JsonPatchOperation[] {
  return changes.map(toOperation);
}

function toOperation(change: Change): JsonPatchOperation {
  const path = toPointer(change.path);
  if (change.action === 'REMOVED') return { op: 'remove', path };
  return { op: change.action === 'ADDED' ? 'add' : 'replace', path, value: change.value };
}

/** JSON Pointer (RFC 6901). */
function toPointer(path: Path): string {
  return path.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/**
 * The changes as a merge patch (RFC 7396), `{}` for no change.
 *
 * Null when there is none: the RFC's null removes, so a null that is a new value, alone or inside objects, cannot be
 * said. Nulls inside arrays can.
 */
export function toMergePatch(changes: Changes): JsonObject | null {
  const patch: MutableJsonObject = {};
  for (const change of changes) {
    const value = valueOf(change);
    if (value !== undefined && holdsNull(value)) return null;
    setKey(parentOf(patch, change.path), keyOf(change), value ?? null);
  }
  return patch;
}

function holdsNull(value: JsonValue): boolean {
  if (!isJsonObject(value)) return value === null;
  for (const key of Object.keys(value)) {
    if (holdsNull(valueOfKey(value, key))) return true;
  }
  return false;
}

/** The object at the path's parent, made with all above it where it is missing. */
function parentOf(root: MutableJsonObject, path: Path): MutableJsonObject {
  let parent = root;
  for (const key of path.slice(0, -1)) parent = childOf(parent, key);
  return parent;
}

/** The object at a key of an object under construction, made when it is missing. */
function childOf(parent: MutableJsonObject, key: string): MutableJsonObject {
  const existing = getKey(parent, key);
  // Canonical changes share no path, so what is there was made here and is ours to change.
  if (isJsonObject(existing)) return existing;
  const child: MutableJsonObject = {};
  setKey(parent, key, child);
  return child;
}

function keyOf(change: Change): string {
  return change.path.at(-1) ?? '';
}

const ACTION_WORDS = { ADDED: 'added', MODIFIED: 'modified', REMOVED: 'removed' } as const satisfies Record<
  ChangeAction,
  string
>;

/**
 * The changes as a list, in the form of Chord for Elixir. `key` is a string, or a list of keys when nested.
 *
 *     { "version": 2, "changes": [{ "key": ["user", "name"], "action": "modified",
 *                                   "old_value": "Ann", "value": "Bea", "context_id": "call-7" }] }
 */
export const flatFormatter: DeltaFormatter = (delta) => ({
  version: delta.version,
  changes: delta.changes.map((change) => ({
    key: toKey(change.path),
    ...describe(change),
    context_id: delta.contextId,
  })),
});

function toKey(path: Path): string | JsonArray {
  const [first, ...rest] = path;
  return first === undefined || rest.length > 0 ? path : first;
}

/**
 * The changes as a tree with the shape of the state. A node is either `{ change }` or `{ children }`, so that a user's
 * key is only ever found directly inside `children` (or `changes` at the top).
 *
 *     { "version": 2, "context_id": "call-7",
 *       "changes": { "user": { "children": { "name": { "change": { "action": "added", "value": "Bea" } } } } } }
 */
export const treeFormatter: DeltaFormatter = (delta) => {
  const changes: MutableJsonObject = {};
  for (const change of delta.changes) {
    let children = changes;
    for (const key of change.path.slice(0, -1)) children = childOf(childOf(children, key), 'children');
    setKey(children, keyOf(change), { change: describe(change) });
  }
  return { version: delta.version, context_id: delta.contextId, changes };
};

function describe(change: Change): JsonObject {
  const oldValue = oldValueOf(change);
  const value = valueOf(change);
  return {
    action: ACTION_WORDS[change.action],
    ...(oldValue === undefined ? {} : { old_value: oldValue }),
    ...(value === undefined ? {} : { value }),
  };
}
