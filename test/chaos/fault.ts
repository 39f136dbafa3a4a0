/* What strikes a run: faults that are struck one after the other, by a plan that a seed makes. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../fixtures/random.ts';
import type { FaultRecord } from './history.ts';

/** Something that can be done to servers. It resolves when they are as they should be again. */
export interface Fault {
  readonly kind: string;
  /** How often it is chosen, compared with the others. */
  readonly weight: number;
  readonly strike: (random: Random) => Promise<Consequences>;
}

/** What it struck, and what it may have done to the contexts. */
export type Consequences = Omit<FaultRecord, 'kind' | 'beginMs' | 'endMs'>;

/** How faults follow one another. */
export interface FaultPlan {
  readonly faults: readonly Fault[];
  readonly random: Random;
  /** Whether each kind is struck in its turn, instead of any by chance. */
  readonly isInTurn: boolean;
  /** Between two, in ms: from half of it to one and a half. */
  readonly pauseMs: number;
  readonly stop: AbortSignal;
  readonly onFault: (fault: FaultRecord) => void;
}

/** Strikes until it is stopped; what was begun is ended. @throws when the servers do not become as they should be. */
export async function strikeFaults({ faults, isInTurn, random, pauseMs, stop, onFault }: FaultPlan): Promise<void> {
  if (faults.length === 0) return;
  const all = faults.flatMap((fault) => Array.from({ length: fault.weight }, () => fault));
  for (let turn = 0; !stop.aborted; turn++) {
    await pause(pauseMs * (0.5 + random.next()), stop);
    if (stop.aborted) return;
    const { kind, strike } = (isInTurn ? faults[turn % faults.length] : undefined) ?? random.pick(all);
    const beginMs = performance.now();
    const consequences = await strike(random).catch((error: unknown) => {
      throw new Error(`The fault "${kind}" failed: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    });
    onFault({ kind, beginMs, endMs: performance.now(), ...consequences });
  }
}

/** Waits, but not beyond the end. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
