import { advance } from '../delta/apply.ts';
import type { JsonObject } from '../delta/json.ts';
import { Trial } from '../delta/trial.ts';
import type { Write } from './commit.ts';

/**
 * The state after each write. A store tries a commit out before it records anything: a delta that does not fit would
 * make the context unreadable.
 *
 * @throws TypeError for steps that do not follow one another, DeltaMismatchError for a delta that does not fit. The
 * state that the trial began with is put back first.
 */
export function tryWrites(trial: Trial, writes: readonly Write[]): readonly (JsonObject | undefined)[] {
  try {
    return writes.map(({ step }) => {
      if ((step.kind === 'create') !== (trial.state === undefined)) {
        throw new TypeError(`The plan is wrong: ${step.kind}.`);
      }
      if (step.kind === 'create' || step.kind === 'remove') trial.clear();
      if (step.kind === 'create' || step.kind === 'change') trial.advance(step.delta.changes);
      return trial.state;
    });
  } catch (error) {
    trial.restore();
    throw error;
  }
}

/** The same from a state that need not be put back once all of them fit; undefined: there is none. */
export function tryInPlace(
  state: JsonObject | undefined,
  writes: readonly Write[],
): readonly (JsonObject | undefined)[] {
  const step = writes.length === 1 ? writes[0]?.step : undefined;
  // Most commits: there is nothing to put back, since `advance` changes nothing when a delta does not fit.
  if (step?.kind === 'change' && state !== undefined) return [advance(state, step.delta.changes)];
  return tryWrites(new Trial(state), writes);
}
