import { apply } from './apply.ts';
import { toChange } from './change.ts';
import type { Change, Changes, Path } from './delta.ts';
import {
  copyObject,
  equal,
  getKey,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  type MutableJsonObject,
  setKey,
  valueOfKey,
} from './json.ts';

/** What a merge made: the state, and what changed in all. */
export interface Merged {
  readonly state: JsonObject;
  readonly changes: Changes;
}

/**
 * Merges `changes` into the state, then removes the paths, and says what changed in all.
 *
 * An object merges into an object and replaces anything else; arrays, scalars and null replace. A path to remove that
 * leads to nothing, or through an array or scalar, changes nothing. The result is `state` itself when nothing changed.
 * Neither input is ever changed; the result shares what is not named with `state`, and new values with `changes`.
 *
 * @throws TypeError when a path to remove is empty.
 */
export function merge(state: JsonObject, changes: JsonObject, remove: readonly Path[] = []): Merged {
  const net = mergeChanges(state, changes, remove);
  return { state: apply(state, net), changes: net };
}

/** The net changes of such a merge, in canonical form. Looks only at what `changes` and `remove` name. */
export function mergeChanges(state: JsonObject, changes: JsonObject, remove: readonly Path[] = []): Changes {
  const net: Change[] = [];
  mergeObjects({ node: state, changes, removal: toRemoval(remove) }, [], net);
  return net;
}

/** The paths to remove as a trie; `true` ends a path, and makes longer ones of no account. */
type Removal = Map<string, Removal | true>;

function toRemoval(paths: readonly Path[]): Removal | undefined {
  if (paths.length === 0) return undefined;
  const root: Removal = new Map();
  for (const path of paths) addPath(root, path);
  return root;
}

function addPath(root: Removal, path: Path): void {
  const last = path.at(-1);
  if (last === undefined) throw new TypeError('A path to remove is empty.');
  let removal = root;
  for (const key of path.slice(0, -1)) {
    const next = removal.get(key) ?? new Map<string, never>();
    if (next === true) return;
    removal.set(key, next);
    removal = next;
  }
  removal.set(last, true);
}

/** An object of the state, with what is to be merged into it and removed from it. */
interface Place {
  readonly node: JsonObject;
  readonly changes: JsonObject | undefined;
  readonly removal: Removal | undefined;
}

function mergeObjects(place: Place, path: string[], net: Change[]): void {
  const { changes, removal } = place;
  if (changes !== undefined) {
    for (const key of Object.keys(changes)) mergeKey({ place, key, change: valueOfKey(changes, key) }, path, net);
  }
  if (removal !== undefined) {
    for (const key of removal.keys()) {
      if (changes === undefined || !Object.hasOwn(changes, key)) mergeKey({ place, key, change: undefined }, path, net);
    }
  }
}

/** One key of a place; `change` is what is to be merged into it. */
interface KeyOfPlace {
  readonly place: Place;
  readonly key: string;
  readonly change: JsonValue | undefined;
}

function mergeKey({ place, key, change }: KeyOfPlace, path: string[], net: Change[]): void {
  const old = getKey(place.node, key);
  const removal = place.removal?.get(key);
  if (removal === true) {
    if (old !== undefined) net.push(toChange([...path, key], old, undefined));
  } else if (isJsonObject(old) && (change === undefined || isJsonObject(change))) {
    path.push(key);
    mergeObjects({ node: old, changes: change, removal }, path, net);
    path.pop();
  } else if (change !== undefined) {
    const value = removal === undefined ? change : without(change, removal);
    if (old === undefined || !equal(old, value)) net.push(toChange([...path, key], old, value));
  }
}

/** The value without the paths; a copy of what they lead through, the value itself when they lead to nothing. */
function without(value: JsonValue, removal: Removal): JsonValue {
  if (!isJsonObject(value)) return value;
  let copy: MutableJsonObject | undefined;
  for (const [key, next] of removal) {
    const child = getKey(value, key);
    if (child === undefined) continue;
    const kept = next === true ? undefined : without(child, next);
    if (kept === child) continue;
    copy ??= copyObject(value);
    if (kept === undefined) delete copy[key];
    else setKey(copy, key, kept);
  }
  return copy ?? value;
}
