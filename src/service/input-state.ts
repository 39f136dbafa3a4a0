/**
 * States that callers hand in: checked and copied in one walk, so that what a caller changes afterwards does not matter.
 *
 * There are two walks. The first goes along the state that is there, and takes over what is the same in it. So a `set`
 * that changes one field copies only the objects that lead to that field, and whoever compares the two states afterwards
 * need not look into the others. Where something is not as it should be, the first walk gives up, and the second, which
 * copies everything, says what is wrong and where.
 */
import { keyAt } from '../delta/change.ts';
import {
  deepFreeze,
  getKey,
  isJsonObject,
  type JsonArray,
  type JsonObject,
  type JsonValue,
  type MutableJsonObject,
  setKey,
  valueOfKey,
} from '../delta/json.ts';
import { InvalidStateError, LimitExceededError } from '../errors.ts';

/** What a state may look like. */
export interface StateLimits {
  /** How deep objects and arrays may nest; the state itself is 1. */
  readonly maxStateDepth: number;
  readonly forbiddenKeys: ReadonlySet<string>;
}

/**
 * A frozen copy of a JSON object.
 *
 * @param like a state whose parts are taken over where they are the same, and frozen then; the order of keys counts.
 * @throws InvalidStateError naming the path of what JSON cannot carry or of a forbidden key.
 * @throws LimitExceededError for what nests deeper than `maxStateDepth`.
 */
export function parseState(value: unknown, limits: StateLimits, like?: JsonObject): JsonObject {
  const copy =
    copyValue(value, isPrototypeClean() ? like : undefined, { limits, depth: 0 }) ??
    copyCarefully(value, { limits, path: [], ancestors: new Set() });
  if (!isJsonObject(copy)) throw new InvalidStateError('A state must be a JSON object.', []);
  return deepFreeze(copy);
}

interface Place {
  readonly limits: StateLimits;
  /** How many objects and arrays lead there. */
  depth: number;
}

/**
 * A frozen copy, or `like` if that says the same: to be frozen by whoever keeps it, which is cheaper for the outermost than
 * for each node in it. Undefined: the second walk must say what is wrong.
 */
function copyValue(value: unknown, like: JsonValue | undefined, place: Place): JsonValue | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (!Number.isFinite(value)) return undefined;
      return value === 0 ? 0 : value;
    case 'object':
      return value === null ? null : copyNode(value, like, place);
    default:
      return undefined;
  }
}

function copyNode(node: object, like: JsonValue | undefined, place: Place): JsonValue | undefined {
  // A node that contains itself comes to this depth, too.
  if (place.depth === place.limits.maxStateDepth) return undefined;
  place.depth++;
  const copy = Array.isArray(node)
    ? copyArray(node, Array.isArray(like) ? like : undefined, place)
    : copyObject(node, isJsonObject(like) ? like : undefined, place);
  place.depth--;
  return copy;
}

function copyArray(array: readonly unknown[], like: JsonArray | undefined, place: Place): JsonArray | undefined {
  const copy: JsonValue[] = [];
  let isSame = like?.length === array.length;
  for (let index = 0; index < array.length; index++) {
    const likeItem = like?.[index];
    const item = copyValue(dataAt(array, index), likeItem, place);
    if (item === undefined) return undefined;
    if (item !== likeItem) isSame = false;
    copy.push(item);
  }
  return like !== undefined && isSame ? like : frozen(copy, like);
}

function copyObject(object: object, like: JsonObject | undefined, place: Place): JsonObject | undefined {
  if (!isPlain(object)) return undefined;
  const keys = Object.keys(object);
  const { forbiddenKeys } = place.limits;
  if (forbiddenKeys.size > 0 && keys.some((key) => forbiddenKeys.has(key))) return undefined;
  const start = like === undefined ? none : sameStart(object, like, { keys, place });
  if (start === undefined) return undefined;
  if (start === whole) return like;
  const copy: MutableJsonObject = {};
  for (let index = 0; index < start.same; index++) {
    const key = keyAt(keys, index);
    setKey(copy, key, valueOfKey(start.shared, key));
  }
  let next = start.same;
  if (start.next !== undefined) setKey(copy, keyAt(keys, next++), start.next);
  for (; next < keys.length; next++) {
    const key = keyAt(keys, next);
    const value = dataAt(object, key);
    const isNode = typeof value === 'object';
    const copied = copyValue(value, isNode && like !== undefined ? getKey(like, key) : undefined, place);
    if (copied === undefined) return undefined;
    setKey(copy, key, copied);
  }
  return frozen(copy, like);
}

/** Without `like` there is nothing in a copy that is not frozen yet. */
function frozen<T extends JsonValue>(copy: T, like: JsonValue | undefined): T {
  return like === undefined ? Object.freeze(copy) : deepFreeze(copy);
}

/** How far an object is the same as `like`, key by key from the first one on. */
interface Start {
  /** `like`. */
  readonly shared: JsonObject;
  /** The first so many keys are the same, with the same values. */
  readonly same: number;
  /** The copy of the value after those, where both have the key and the values differ: it need not be made again. */
  readonly next: JsonValue | undefined;
}

/** Undefined: the second walk must say what is wrong. */
function sameStart(
  object: object,
  like: JsonObject,
  { keys, place }: { readonly keys: readonly string[]; readonly place: Place },
): Start | undefined {
  let same = 0;
  // `for…in` reads small objects three times as fast as `Object.keys`. It would list inherited keys, too, but without a
  // clean prototype there is no `like`.
  for (const key in like) {
    if (key !== keys[same]) return { shared: like, same, next: undefined };
    const likeValue = valueOfKey(like, key);
    const value = dataAt(object, key);
    // Most values are no nodes, and end here; -0 passes for the 0 that it would be copied to. A node is left to
    // `copyValue`, which checks it, even if it is that of `like`.
    if (value === likeValue && typeof value !== 'object') {
      same++;
      continue;
    }
    const copied = copyValue(value, likeValue, place);
    if (copied === undefined) return undefined;
    if (copied !== likeValue) return { shared: like, same, next: copied };
    same++;
  }
  return same === keys.length ? whole : { shared: like, same, next: undefined };
}

const none: Start = { shared: {}, same: 0, next: undefined };
/** There is nothing else in either. */
const whole: Start = { shared: {}, same: 0, next: undefined };

/** The value of an own property. Undefined, which no JSON is: there is none, or an accessor, which is not called. */
function dataAt(node: object, key: string | number): unknown {
  return Object.getOwnPropertyDescriptor(node, key)?.value;
}

/** Whether `for…in` lists own keys alone: nobody has added any to the prototype of all objects. */
function isPrototypeClean(): boolean {
  for (const _ in {}) return false;
  return true;
}

interface Walk {
  readonly limits: StateLimits;
  /** Keys, and indexes as numbers: they become text only when a path is told. */
  readonly path: (string | number)[];
  readonly ancestors: Set<object>;
}

/** The second walk. The copy is frozen, and so is everything in it. */
function copyCarefully(value: unknown, walk: Walk): JsonValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (!Number.isFinite(value)) throw invalid(`${value} is not a JSON number.`, walk);
      return value === 0 ? 0 : value;
    case 'object':
      return value === null ? null : copyNodeCarefully(value, walk);
    default:
      throw invalid(`JSON cannot carry ${typeof value}.`, walk);
  }
}

function copyNodeCarefully(node: object, walk: Walk): JsonValue {
  if (walk.ancestors.has(node)) throw invalid('The value contains itself.', walk);
  if (walk.ancestors.size >= walk.limits.maxStateDepth) {
    throw new LimitExceededError('maxStateDepth', walk.limits.maxStateDepth, walk.ancestors.size + 1);
  }
  walk.ancestors.add(node);
  const copy = Array.isArray(node) ? copyArrayCarefully(node, walk) : copyObjectCarefully(node, walk);
  walk.ancestors.delete(node);
  return Object.freeze(copy);
}

function copyArrayCarefully(array: readonly unknown[], walk: Walk): JsonArray {
  const copy: JsonValue[] = [];
  for (let index = 0; index < array.length; index++) {
    walk.path.push(index);
    const property = Object.getOwnPropertyDescriptor(array, index);
    if (property === undefined) throw invalid('An array has a hole.', walk);
    if (!('value' in property)) throw invalid('An item of an array is an accessor.', walk);
    copy.push(copyCarefully(property.value, walk));
    walk.path.pop();
  }
  return copy;
}

function copyObjectCarefully(object: object, walk: Walk): JsonObject {
  if (!isPlain(object)) throw invalid('Only plain objects and arrays are JSON.', walk);
  const copy: MutableJsonObject = {};
  for (const key of Object.keys(object)) {
    walk.path.push(key);
    if (walk.limits.forbiddenKeys.has(key)) throw invalid('This key is forbidden here.', walk);
    const property = Object.getOwnPropertyDescriptor(object, key);
    if (property === undefined || !('value' in property)) throw invalid('A property is an accessor.', walk);
    setKey(copy, key, copyCarefully(property.value, walk));
    walk.path.pop();
  }
  return copy;
}

/** Of any realm: the prototype is null, or is itself at the end of its chain. */
function isPlain(object: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype === Object.prototype) return true;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function invalid(problem: string, { path }: Walk): InvalidStateError {
  return new InvalidStateError(problem, path.map(String));
}
