/**
 * Folds deltas that follow one another into one.
 *
 * A trie of changes is filled one by one. A branch is an object that exists before and after and has changes in it; a
 * leaf is a path that changed as a whole: what was there first and what is there now. Each change costs its depth,
 * whatever was composed before. (Merging delta with delta pairwise would cost the merged delta's size each time.)
 *
 *     MODIFIED a.b 1 → 2      root ─ a (branch) ─ b (leaf: 1 → 2)
 *     REMOVED  a {b: 2}       root ─ a (leaf: {b: 1} → nothing)
 *     ADDED    a {b: 1}       root                 (equal to what was there first)
 */
import { apply, checkChange, copyOnce, DeltaMismatchError, type Own, writeChange } from './apply.ts';
import { keyAt, oldValueOf, toChange, valueOf } from './change.ts';
import type { Change, Changes, Path } from './delta.ts';
import { diff } from './diff.ts';
import { equal, isJsonObject, type JsonObject, type JsonValue } from './json.ts';

/**
 * The net changes of deltas that follow one another, in canonical form: what `diff` says of the first state and the
 * last. Empty when they cancel out.
 *
 * @throws DeltaMismatchError when the deltas are seen not to follow one another.
 */
export function compose(deltas: Iterable<Changes>): Changes {
  const composer = new Composer();
  for (const changes of deltas) composer.add(changes);
  return composer.changes();
}

/** The changes that lead back. */
export function invert(changes: Changes): Changes {
  return changes.map((change) => toChange(change.path, valueOf(change), oldValueOf(change)));
}

type Branch = Map<string, Branch | Leaf>;

interface Leaf {
  /** What was there first; undefined when nothing was. */
  readonly oldValue: JsonValue | undefined;
  /** What is there now; undefined when nothing is. */
  value: JsonValue | undefined;
  /** Gives nodes inside `value` that only this composer holds; undefined when it holds none of its own. */
  own: Own | undefined;
}

/** Composes deltas as they come; `changes` can be asked for at any time. */
export class Composer {
  readonly #root: Branch = new Map();

  /**
   * Adds the next delta, which it never changes.
   *
   * @throws DeltaMismatchError when it is seen not to follow those before it; the composer is of no use then.
   */
  add(changes: Changes): void {
    for (const change of changes) addChange(this.#root, change);
  }

  /** The net changes so far. Their values are shared with the deltas, and later additions do not change them. */
  changes(): Changes {
    const changes: Change[] = [];
    collect(this.#root, [], changes);
    return changes;
  }
}

function addChange(root: Branch, change: Change): void {
  const { path } = change;
  const last = path.length - 1;
  let branch = root;
  for (let depth = 0; depth < last; depth++) {
    const key = keyAt(path, depth);
    let node = branch.get(key);
    if (node === undefined) {
      node = new Map();
      branch.set(key, node);
    } else if (!(node instanceof Map)) {
      writeInto(node, change, depth + 1);
      return;
    }
    branch = node;
  }
  const key = path[last];
  if (key === undefined) throw new DeltaMismatchError(path, 'the path is empty');
  const node = branch.get(key);
  if (node === undefined) branch.set(key, { oldValue: oldValueOf(change), value: valueOf(change), own: undefined });
  else if (node instanceof Map) settle(root, branch, change, valueBefore(node, change));
  else settleLeaf(root, branch, change, node);
}

/** A change inside a value that itself is new. It stays an object, and what was there first was none: still a leaf. */
function writeInto(leaf: Leaf, change: Change, depth: number): void {
  if (!isJsonObject(leaf.value)) throw new DeltaMismatchError(change.path, 'the delta before it left no object there');
  checkChange(leaf.value, change, depth);
  leaf.own ??= copyOnce();
  leaf.value = writeChange(leaf.value, change, depth, leaf.own);
}

/** The object that a change replaces or removes, as it was before the changes of the branch inside it. */
function valueBefore(branch: Branch, change: Change): JsonObject {
  const value = oldValueOf(change);
  if (!isJsonObject(value)) throw new DeltaMismatchError(change.path, 'the delta before it left an object there');
  const inside: Change[] = [];
  collect(branch, [], inside);
  return apply(value, invert(inside));
}

function settleLeaf(root: Branch, branch: Branch, change: Change, leaf: Leaf): void {
  const isThere = leaf.value !== undefined;
  if (isThere === (change.action === 'ADDED')) {
    throw new DeltaMismatchError(change.path, `the delta before it left ${isThere ? 'a value' : 'nothing'} there`);
  }
  settle(root, branch, change, leaf.oldValue);
}

/** Makes the last key of the change's path, in its branch, say: from `oldValue`, which was there first, to what is there now. */
function settle(root: Branch, branch: Branch, change: Change, oldValue: JsonValue | undefined): void {
  const { path } = change;
  const key = keyAt(path, path.length - 1);
  const value = valueOf(change);
  if (isSame(oldValue, value)) {
    prune(root, path);
  } else if (isJsonObject(oldValue) && isJsonObject(value)) {
    const inside: Branch = new Map();
    for (const difference of diff(oldValue, value)) addChange(inside, difference);
    branch.set(key, inside);
  } else {
    branch.set(key, { oldValue, value, own: undefined });
  }
}

function isSame(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equal(a, b);
}

/** Removes the node at the path, and the branches that are empty without it. */
function prune(root: Branch, path: Path): void {
  // The branch that keeps something else, and the key in it that leads to what goes.
  let keeper = root;
  let doomed = keyAt(path, 0);
  let branch = root;
  for (const key of path) {
    if (branch.size > 1) {
      keeper = branch;
      doomed = key;
    }
    const node = branch.get(key);
    if (!(node instanceof Map)) break;
    branch = node;
  }
  keeper.delete(doomed);
}

/** What is handed out is shared: from now on nothing in it may be changed in place. */
function collect(branch: Branch, path: string[], changes: Change[]): void {
  for (const [key, node] of branch) {
    path.push(key);
    if (node instanceof Map) {
      collect(node, path, changes);
    } else {
      node.own = undefined;
      changes.push(toChange(path.slice(), node.oldValue, node.value));
    }
    path.pop();
  }
}
