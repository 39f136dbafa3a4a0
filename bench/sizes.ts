import type { JsonObject } from '../src/delta/json.ts';
import { meetingState, nestedState, wideState } from './states.ts';

/** Contexts of one size, and what an update changes of them. */
export interface Size {
  readonly name: string;
  /** Whether there can be many of them. */
  readonly isSmall: boolean;
  readonly state: JsonObject;
  /** One field, another value for each `i`. */
  readonly changes: (i: number) => JsonObject;
}

/** From 1 kB to 1 MB, that in two shapes. */
export const sizes: readonly Size[] = [
  { name: '1 kB', isSmall: true, state: meetingState(4), changes: (i) => ({ participants: { p1: { volume: i } } }) },
  { name: '10 kB', isSmall: true, state: meetingState(50), changes: (i) => ({ participants: { p1: { volume: i } } }) },
  {
    name: '1 MB, 100 × 10 kB',
    isSmall: false,
    state: nestedState(),
    changes: (i) => ({ part7: { item3: { count: i } } }),
  },
  { name: '1 MB, 20,000 keys', isSmall: false, state: wideState(), changes: (i) => ({ key7: `value ${i}` }) },
];

/** So many ids of contexts of the size. */
export function idsOf({ name }: Size, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${name}:${index}`);
}

/** @throws TypeError when there is none of that name. */
export function sizeNamed(name: string): Size {
  const found = sizes.find((size) => size.name === name);
  if (found === undefined) throw new TypeError(`There is no size ${name}.`);
  return found;
}
