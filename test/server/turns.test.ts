import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Advancing, Turns } from '../../src/server/turns.ts';

/** Comes again a while after its turn, and counts. */
class Busy implements Advancing {
  count = 0;
  readonly #turns: Turns;

  constructor(turns: Turns) {
    this.#turns = turns;
  }

  advance(): void {
    this.count++;
    setImmediate(() => this.#turns.add(this));
  }
}

test('what had its turn is held no longer, also while there is always somebody who waits', async () => {
  const turns = new Turns(256);
  const many = Array.from({ length: 1_000 }, () => new Busy(turns));
  for (const one of many) turns.add(one);
  for (let round = 0; round < 400; round++) {
    await turn();
    expect(turns.size).toBeLessThanOrEqual(3 * many.length);
  }
  const counts = many.map(({ count }) => count);
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  expect(Math.min(...counts)).toBeGreaterThan(10);
});
