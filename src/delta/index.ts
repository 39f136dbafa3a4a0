/** `chord/delta`: the delta algebra alone, for clients and tools. Imports nothing, runs anywhere. */
export { advance, apply, DeltaMismatchError } from './apply.ts';
export { Composer, compose, invert } from './compose.ts';
export type { Change, ChangeAction, Changes, Delta, Path } from './delta.ts';
export { diff } from './diff.ts';
export {
  type DeltaFormatter,
  flatFormatter,
  type JsonPatchOperation,
  toJsonPatch,
  toMergePatch,
  treeFormatter,
} from './format.ts';
export {
  deepFreeze,
  equal,
  getKey,
  isJsonObject,
  type JsonArray,
  type JsonObject,
  type JsonPrimitive,
  type JsonValue,
  type MutableJsonObject,
  setKey,
} from './json.ts';
export { type Merged, merge, mergeChanges } from './merge.ts';
export { growth, weight, weightOfChanges, weightOfEntry } from './weight.ts';
