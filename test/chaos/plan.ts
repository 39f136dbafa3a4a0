/* What the writers of a run do next, by chance: the same seed gives the same choices in the same order. */
import type { Position } from '../../examples/replay/follower.ts';
import type { JsonObject, JsonValue } from '../../src/delta/json.ts';
import type { Random } from '../fixtures/random.ts';
import { markKey } from './actions.ts';
import type { WriteRecord } from './history.ts';

/** A write, before it is sent. */
export type WriteRequest = Omit<WriteRecord, 'attempts'>;

/** What writers heard of a context last; they tell one another. */
export interface Rumour {
  /** Undefined: nothing, or that there is no context. */
  readonly position: Position | undefined;
  /** True: the last thing heard is that there is none. */
  readonly isGone: boolean;
}

/** Who writes. */
export interface Author {
  readonly name: string;
  readonly random: Random;
}

/** A write of a context that `rumour` is known of. */
export function planWrite(
  { name, random }: Author,
  mark: number,
  about: { readonly contextId: string } & Rumour,
): WriteRequest {
  const { contextId, position, isGone } = about;
  const verb = verbFor(random, isGone);
  const key = random.chance(0.6) ? { key: `${name} ${mark}` } : {};
  const expected = expectationOf(random, position, verb === 'set');
  const request = { mark, contextId, isChange: true, ...expected, ...key };
  switch (verb) {
    case 'set':
      return { ...request, action: { verb, state: newState(random, name, mark) } };
    case 'update':
      return { ...request, action: { verb, ...newChanges(random, name, mark) } };
    case 'nothing':
      return { ...request, isChange: false, action: { verb: 'update', changes: {}, remove: [['nothing', 'there']] } };
    case 'delete':
      return { ...request, action: { verb } };
  }
}

/** The write that nobody can refuse, and that overwrites everything: what all must have at the end. */
export function planLast(author: Author, mark: number, contextId: string): WriteRequest {
  const state = newState(author.random, author.name, mark);
  return { mark, contextId, isChange: true, key: `last ${mark}`, action: { verb: 'set', state } };
}

/** One of the contexts; the first ones more often than the others, so that writers meet there. */
export function pickContext(random: Random, contexts: readonly string[]): string {
  return random.chance(0.2) ? random.pick(contexts.slice(0, 2)) : random.pick(contexts);
}

function verbFor(random: Random, isGone: boolean): 'set' | 'update' | 'nothing' | 'delete' {
  if (isGone && random.chance(0.7)) return 'set';
  const chance = random.next();
  if (chance < 0.12) return 'set';
  if (chance < 0.16) return 'nothing';
  return chance < 0.21 ? 'delete' : 'update';
}

function expectationOf(random: Random, position: Position | undefined, maySet: boolean) {
  if (position === undefined) return maySet && random.chance(0.4) ? { expectedVersion: 0 } : {};
  const { epoch: expectedEpoch, version } = position;
  const chance = random.next();
  if (chance < 0.2) return { expectedVersion: version };
  if (chance < 0.3) return { expectedVersion: version, expectedEpoch };
  if (chance < 0.38) return { expectedEpoch };
  // Mostly wrong, unless the context moves as expected.
  return chance < 0.42 ? { expectedVersion: Math.max(0, version + random.integer(-2, 2)) } : {};
}

const fieldNames = Array.from({ length: 16 }, (_, index) => `field ${index}`);

/** Over 64 KiB an announcement carries no delta. */
const largeText = 70_000;

function newState(random: Random, name: string, mark: number): JsonObject {
  const fields: Record<string, JsonValue> = {};
  for (let count = random.integer(0, 10); count > 0; count--) fields[random.pick(fieldNames)] = newValue(random, mark);
  const length = random.chance(0.003) ? largeText : random.pick([0, 20, 400]);
  return { [markKey]: mark, writers: { [name]: mark }, fields, text: String(mark % 10).repeat(length) };
}

function newChanges(random: Random, name: string, mark: number) {
  const fields: Record<string, JsonValue> = {};
  for (let count = random.integer(0, 3); count > 0; count--) fields[random.pick(fieldNames)] = newValue(random, mark);
  const remove = random.chance(0.2) ? [['fields', random.pick(fieldNames)]] : [];
  return { changes: { [markKey]: mark, writers: { [name]: mark }, fields }, remove };
}

function newValue(random: Random, mark: number): JsonValue {
  return random.pick<() => JsonValue>([
    () => mark,
    () => `by ${mark}`,
    () => null,
    () => [mark, { deep: mark }],
    () => ({ part: { of: mark }, [`key ${mark % 3}`]: true }),
  ])();
}
