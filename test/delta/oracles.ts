/** Slow and obvious versions of what src/delta does, to compare with. They share nothing with it but `setKey`. */
import { DeltaMismatchError } from '../../src/delta/apply.ts';
import type { Change, Changes, Path } from '../../src/delta/delta.ts';
import type { JsonPatchOperation } from '../../src/delta/format.ts';
import { type JsonObject, type JsonValue, type MutableJsonObject, setKey } from '../../src/delta/json.ts';

/** One text per JSON value: keys sorted, no prototypes involved. */
export function canonical(value: JsonValue | undefined): string {
  if (value === undefined) return 'undefined';
  if (isArray(value)) return `[${value.map(canonical).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, child]) => `${JSON.stringify(key)}:${canonical(child)}`);
  return `{${entries.toSorted().join()}}`;
}

/** One text per set of changes. */
export function canonicalChanges(changes: Changes): readonly string[] {
  return changes.map(describeChange).toSorted();
}

function describeChange(change: Change): string {
  const oldValue = change.action === 'ADDED' ? undefined : change.oldValue;
  const value = change.action === 'REMOVED' ? undefined : change.value;
  return `${JSON.stringify(change.path)} ${change.action} ${canonical(oldValue)} -> ${canonical(value)}`;
}

/** A copy that shares nothing, by way of JSON, which keeps an own `__proto__`. */
export function clone<T extends JsonValue>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** The value at a path, through objects only. */
export function valueAt(state: JsonObject, path: Path): JsonValue | undefined {
  let value: JsonValue | undefined = state;
  for (const key of path) {
    if (!isObject(value)) return undefined;
    value = new Map(Object.entries(value)).get(key);
  }
  return value;
}

/** Whether a change can start from a state: its parent is there, and its key is, or is not when it is added. */
export function fits(state: JsonObject, change: Change): boolean {
  const isThere = valueAt(state, change.path) !== undefined;
  return isObject(valueAt(state, change.path.slice(0, -1))) && isThere === (change.action !== 'ADDED');
}

/** The state with a change that fits it. */
export function writeModel(state: JsonObject, change: Change): JsonObject {
  const result = clone(state);
  const parent = valueAt(result, change.path.slice(0, -1));
  const key = change.path.at(-1);
  if (!isObject(parent) || key === undefined) throw new Error('the change does not fit');
  const own: MutableJsonObject = parent;
  if (change.action === 'REMOVED') delete own[key];
  else setKey(own, key, change.value);
  return result;
}

/** The state that a function makes, as text, or 'refused'. */
export function outcomeOf(run: () => JsonObject): string {
  try {
    return canonical(run());
  } catch (error) {
    if (error instanceof DeltaMismatchError) return 'refused';
    throw error;
  }
}

/** Why the changes are not in canonical form; empty when they are. */
export function faultsOf(changes: Changes): readonly string[] {
  const faults: string[] = [];
  for (const [index, change] of changes.entries()) {
    if (change.path.length === 0) faults.push('an empty path');
    if (change.action === 'MODIFIED') {
      if (canonical(change.oldValue) === canonical(change.value)) faults.push(`no change: ${describeChange(change)}`);
      if (isObject(change.oldValue) && isObject(change.value)) faults.push(`two objects: ${describeChange(change)}`);
    }
    for (const [otherIndex, other] of changes.entries()) {
      const isPrefix = change.path.every((key, depth) => other.path[depth] === key);
      if (index !== otherIndex && isPrefix) faults.push(`${describeChange(change)} leads to ${describeChange(other)}`);
    }
  }
  return faults;
}

/** What merging and removing does, said as plainly as possible. */
export function mergeModel(state: JsonObject, changes: JsonObject, remove: readonly Path[]): JsonObject {
  const merged = mergeValue(clone(state), clone(changes));
  for (const path of remove) removeFrom(merged, path);
  return merged as JsonObject;
}

function mergeValue(target: JsonValue, change: JsonValue): JsonValue {
  if (!isObject(target) || !isObject(change)) return change;
  const result = new Map(Object.entries(target));
  for (const [key, value] of Object.entries(change)) {
    const old = result.get(key);
    result.set(key, old === undefined ? value : mergeValue(old, value));
  }
  const merged = {};
  for (const [key, value] of result) setKey(merged, key, value);
  return merged;
}

function removeFrom(node: JsonValue | undefined, path: Path): void {
  if (!isObject(node)) return;
  const [key, ...rest] = path;
  if (key === undefined) return;
  // The model is made of clones: they are its own to change.
  const own: MutableJsonObject = node;
  if (rest.length === 0) delete own[key];
  else removeFrom(valueAt(node, [key]), rest);
}

/** JSON Patch (RFC 6902) over own properties of objects; returns a new document. */
export function evaluatePatch(document: JsonObject, operations: readonly JsonPatchOperation[]): JsonObject {
  const result = clone(document);
  for (const operation of operations) {
    // RFC 6901: `~1` is decoded before `~0`, so that `~01` becomes `~1`.
    const keys = operation.path.split('/').map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
    if (keys.shift() !== '') throw new Error(`not a pointer: ${operation.path}`);
    const parent = valueAt(result, keys.slice(0, -1));
    const key = keys.at(-1);
    if (!isObject(parent) || key === undefined) throw new Error(`no parent: ${operation.path}`);
    if (operation.op !== 'add' && !Object.hasOwn(parent, key)) throw new Error(`no target: ${operation.path}`);
    const own: MutableJsonObject = parent;
    if (operation.op === 'remove') delete own[key];
    else setKey(own, key, clone(operation.value));
  }
  return result;
}

/** JSON merge patch, the pseudo code of RFC 7396 section 2 over own properties. */
export function evaluateMergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isObject(patch)) return patch;
  const result = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) result.delete(key);
    else result.set(key, evaluateMergePatch(result.get(key), value));
  }
  const merged = {};
  for (const [key, value] of result) setKey(merged, key, value);
  return merged;
}

/** Whether a value is null or an object that holds null without an array between. */
export function holdsNull(value: JsonValue): boolean {
  return value === null || (isObject(value) && Object.values(value).some(holdsNull));
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return Object.prototype.toString.call(value) === '[object Object]';
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
