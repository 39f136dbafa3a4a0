import { describe, expect, test } from 'vitest';
import { checkHistory } from './check.ts';
import { faultMutants } from './fault-mutants.ts';
import { readerMutants } from './reader-mutants.ts';
import { simulate } from './simulation.ts';
import { draftOf } from './tampering.ts';
import { writeMutants } from './write-mutants.ts';

describe('the checker finds nothing wrong with a store that does all as it should', () => {
  test.each(['none', 'restarts', 'losses'] as const)('whatever the order of the steps; faults: %s', (faults) => {
    for (let seed = 1; seed <= 8; seed++) {
      for (const deltaThreshold of [null, 5]) {
        const { violations } = checkHistory(simulate({ seed, faults, deltaThreshold, steps: 1_500 }));
        const found = { seed, deltaThreshold, violations: violations.slice(0, 5) };
        expect(found).toEqual({ seed, deltaThreshold, violations: [] });
      }
    }
  });
});

describe('the checker catches a store that', () => {
  const histories = {
    none: simulate({ seed: 1, steps: 2_500 }),
    restarts: simulate({ seed: 2, steps: 2_500, faults: 'restarts' }),
    losses: simulate({ seed: 4, steps: 2_500, faults: 'losses' }),
  };

  test.each([...writeMutants, ...faultMutants, ...readerMutants])('$name', ({ rule, faults = 'none', tamper }) => {
    const draft = draftOf(histories[faults]);
    tamper(draft);
    expect(checkHistory(draft).violations.map((violation) => violation.rule)).toContain(rule);
  });
});
