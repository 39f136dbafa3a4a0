import { expect, test } from 'vitest';
import { Rounds } from '../../src/server/websocket/rounds.ts';

/** How often each of some has its turn in so many steps. */
function turnsOf(
  rounds: Rounds<number>,
  steps: number,
): { readonly turns: Map<number, number>; readonly most: number } {
  const turns = new Map<number, number>();
  let most = 0;
  for (let step = 0; step < steps; step++) {
    const called = [...rounds.step()];
    most = Math.max(most, called.length);
    for (const one of called) turns.set(one, (turns.get(one) ?? 0) + 1);
  }
  return { turns, most };
}

const numbers = (count: number): Set<number> => new Set(Array.from({ length: count }, (_, index) => index));

test.each([1, 7, 48, 49, 10_000])('of %d each has its turn once a round, never many together', (count) => {
  const { turns, most } = turnsOf(new Rounds(numbers(count), 48), 480);
  expect(turns.size).toBe(count);
  for (const often of turns.values()) expect(often).toSatisfy((n: number) => n >= 9 && n <= 11);
  expect(most).toBe(Math.ceil(count / 48));
});

test('who comes is called within a round, who has left is not, and a set may become empty', () => {
  const members = numbers(100);
  const rounds = new Rounds(members, 10);
  turnsOf(rounds, 3);
  for (let one = 0; one < 50; one++) members.delete(one);
  members.add(1_000);
  const { turns } = turnsOf(rounds, 11);
  expect(turns.get(1_000)).toBeGreaterThan(0);
  expect([...turns.keys()].filter((one) => one < 50)).toEqual([]);
  expect([...turns.keys()].filter((one) => one >= 50 && one < 100)).toHaveLength(50);
  members.clear();
  expect(turnsOf(rounds, 20).turns.size).toBe(0);
  members.add(7);
  expect(turnsOf(rounds, 11).turns.get(7)).toBe(1);
});

test('those who stay have their turn however many come and go meanwhile', () => {
  const members = numbers(20);
  const rounds = new Rounds(members, 48);
  const turns = new Map<number, number>();
  // One comes each step, and leaves after four: no more than 24 at a time.
  for (let step = 0; step < 480; step++) {
    members.add(1_000 + step);
    members.delete(996 + step);
    for (const one of rounds.step()) turns.set(one, (turns.get(one) ?? 0) + 1);
  }
  for (let one = 0; one < 20; one++) expect(turns.get(one), `${one}`).toBeGreaterThanOrEqual(9);
});
