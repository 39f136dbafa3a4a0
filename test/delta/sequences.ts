import type { Changes } from '../../src/delta/delta.ts';
import { diff } from '../../src/delta/diff.ts';
import type { JsonObject } from '../../src/delta/json.ts';

/** The deltas between states that follow one another. */
export function deltasOf(states: readonly JsonObject[]): readonly Changes[] {
  return states.slice(1).map((state, index) => diff(states[index] ?? {}, state));
}

export function lastOf(states: readonly [JsonObject, ...JsonObject[]]): JsonObject {
  return states.at(-1) ?? states[0];
}

/** The changes in an order that the numbers decide. */
export function shuffled(changes: Changes, ranks: readonly number[]): Changes {
  const ranked = changes.map((change, index) => ({ change, rank: ranks[index] ?? 0 }));
  return ranked.toSorted((a, b) => a.rank - b.rank).map(({ change }) => change);
}
