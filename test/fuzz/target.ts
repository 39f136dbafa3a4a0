import type * as fc from 'fast-check';
import type { Judge } from './judge.ts';
import type { Victim } from './victim.ts';

/** Where inputs go, and who looks at the answers. */
export interface Stage {
  readonly victim: Victim;
  readonly judge: Judge;
}

/** One of the ways to reach a server, with everything that could be sent on it. */
export interface Target<Input> {
  /** So many are sent at once, at most. */
  readonly maxBatch: number;
  /** @param credentials values of `authorization` to choose from. */
  inputs(credentials: readonly (string | undefined)[]): fc.Arbitrary<Input>;
  /** Sends it, and has what comes back judged. Resolves in bounded time, when the connection is closed. */
  send(input: Input, stage: Stage): Promise<void>;
}

/** A connection may stay silent for so long before the fuzzer leaves; nothing that it asks for takes longer. */
export const patienceMs = 10_000;
