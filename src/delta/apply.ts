/**
 * Changes states: `apply` a copy, `advance` the state itself where it may.
 *
 * Both are one walk with another answer to "may I change this node?". The answer gives the node itself or a copy of
 * that one node, so what the changes do not name is neither copied nor looked at, however wide it is.
 */
import { keyAt, valueOf } from './change.ts';
import type { Change, Changes, Path } from './delta.ts';
import { copyObject, getKey, isJsonObject, type JsonObject, type MutableJsonObject, setKey } from './json.ts';

/** The changes do not start from this state: a parent is missing, or a key is there that should not be or is not. */
export class DeltaMismatchError extends Error {
  override readonly name = 'DeltaMismatchError';
  readonly path: Path;

  constructor(path: Path, reason: string) {
    super(`The changes do not fit the state at ${JSON.stringify(path)}: ${reason}.`);
    this.path = path;
  }
}

/**
 * The state after the changes. The input is never changed; the result shares with it, and with the changes, whatever
 * is not on the way to a change.
 *
 * @throws DeltaMismatchError when the changes do not start from this state.
 */
export function apply(state: JsonObject, changes: Changes): JsonObject {
  return writeAll(state, changes, copyOnce());
}

/**
 * The frozen state after deltas that follow one another, of a frozen one: each node on the way to a change is copied once,
 * whatever changes in it. What the deltas hold must be frozen.
 *
 * @throws DeltaMismatchError when the deltas do not start from this state or do not follow one another.
 */
export function applyAll(state: JsonObject, deltas: Iterable<Changes>): JsonObject {
  const copies = new Set<JsonObject>();
  const own = copyOnce(copies);
  let root = state;
  for (const changes of deltas) root = writeAll(root, changes, own);
  for (const copy of copies) Object.freeze(copy);
  return root;
}

/**
 * The same state as `apply`, made in place as far as the nodes are extensible. Frozen nodes are copied first, and the
 * copies belong to the caller from then on. Whatever a frozen node holds must be frozen too (see `deepFreeze`).
 *
 * Values are inserted as they are: freeze those that somebody else holds.
 *
 * @returns the root, which is `state` itself when that is extensible.
 * @throws DeltaMismatchError when the changes do not start from this state, which is then unchanged.
 */
export function advance(state: JsonObject, changes: Changes): JsonObject {
  const [change] = changes;
  if (change !== undefined && changes.length === 1 && writeInPlace(state, change)) return state;
  return writeAll(state, changes, copyFrozen);
}

/**
 * One change where nothing on the way is frozen, as most writes find it: one walk, which need not look first whether the
 * other changes fit. False: something has to be copied, or does not fit, and nothing is changed.
 */
function writeInPlace(state: JsonObject, change: Change): boolean {
  const { path } = change;
  const last = path.length - 1;
  let node: MutableJsonObject = state;
  for (let index = 0; index < last; index++) {
    const child = getKey(node, keyAt(path, index));
    if (!isJsonObject(child)) return false;
    // A node that holds one that is not frozen is not frozen either: so only the last one need be asked.
    node = child;
  }
  if (last < 0 || !Object.isExtensible(node)) return false;
  const key = keyAt(path, last);
  if (Object.hasOwn(node, key) === (change.action === 'ADDED')) return false;
  if (change.action === 'REMOVED') delete node[key];
  else setKey(node, key, change.value);
  return true;
}

/** Gives the node itself when it may be changed in place, else a copy that may. */
export type Own = (node: JsonObject) => MutableJsonObject;

/** Copies each node the first time that it is asked for, and gives that copy, one of `copies`, back ever after. */
export function copyOnce(copies = new Set<JsonObject>()): Own {
  return (node) => {
    if (copies.has(node)) return node;
    const copy = copyObject(node);
    copies.add(copy);
    return copy;
  };
}

const copyFrozen: Own = (node) => (Object.isExtensible(node) ? node : copyObject(node));

function writeAll(state: JsonObject, changes: Changes, own: Own): JsonObject {
  for (const change of changes) checkChange(state, change, 0);
  let root = state;
  for (const change of changes) root = writeChange(root, change, 0, own);
  return root;
}

/**
 * Refuses a change that does not start from `root`, which is the object at the first `depth` keys of its path.
 *
 * @throws DeltaMismatchError
 */
export function checkChange(root: JsonObject, change: Change, depth: number): void {
  const { path } = change;
  const last = path.length - 1;
  if (last < depth) throw new DeltaMismatchError(path, 'the path is too short');
  let parent = root;
  for (let index = depth; index < last; index++) parent = childObject(parent, path, index);
  const isThere = Object.hasOwn(parent, keyAt(path, last));
  if (isThere === (change.action === 'ADDED')) {
    throw new DeltaMismatchError(path, isThere ? 'what is added is already there' : 'there is nothing');
  }
}

/** Writes a change that `checkChange` accepted, and returns the root that has it. */
export function writeChange(root: JsonObject, change: Change, depth: number, own: Own): JsonObject {
  const { path } = change;
  const last = path.length - 1;
  const ownRoot = own(root);
  let parent = ownRoot;
  for (let index = depth; index < last; index++) {
    const child = childObject(parent, path, index);
    const ownChild = own(child);
    if (ownChild !== child) setKey(parent, keyAt(path, index), ownChild);
    parent = ownChild;
  }
  const key = keyAt(path, last);
  const value = valueOf(change);
  if (value === undefined) delete parent[key];
  else setKey(parent, key, value);
  return ownRoot;
}

function childObject(parent: JsonObject, path: Path, index: number): JsonObject {
  const child = getKey(parent, keyAt(path, index));
  if (isJsonObject(child)) return child;
  throw new DeltaMismatchError(path, `there is ${child === undefined ? 'nothing' : 'no object'} at key ${index} of it`);
}
