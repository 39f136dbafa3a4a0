/** What the memory backend keeps under an id, and what it tells of that. */
import { deepFreeze, type JsonObject } from '../delta/json.ts';
import type { ReadOptions, View } from './backend.ts';
import { startOfDeltas } from './base.ts';
import type { Base, CommitResult } from './commit.ts';
import type { DeltaLog } from './delta-log.ts';
import { type GivenState, offerOf, viewWith } from './given-state.ts';
import type { DeltaRecord, Head, Known, Tombstone } from './known.ts';

/** A context while it lives. The state changes in place until somebody is given it. */
export interface LiveContext {
  readonly kind: 'context';
  head: Head;
  state: JsonObject;
  log: DeltaLog;
  /** Of a heavy state that somebody was given. */
  given: GivenState | undefined;
}

/** Neither a context nor a tombstone. */
export const absent = Object.freeze({ kind: 'absent' });

/** What a reader may have since where it stands; undefined: not wanted, not retained, or too many. */
function retainedDeltas({ head, log }: LiveContext, options: ReadOptions): readonly DeltaRecord[] | undefined {
  const version = startOfDeltas(head, options);
  return version === undefined ? undefined : log.after(version);
}

/** What a reader is told. */
export function viewOf(live: LiveContext, options: ReadOptions): View {
  const { head } = live;
  const deltas = retainedDeltas(live, options);
  if (deltas !== undefined && options.withState !== true) return { kind: 'context', head, deltas };
  return viewWith(offerOf(live, head.stateBytes), head, deltas);
}

/** The answer to a commit whose base is not the truth. */
export function behind(found: LiveContext | Tombstone | undefined, base: Base): CommitResult {
  const known = handOut(found);
  if (found?.kind !== 'context') return { kind: 'behind', known };
  if (base.kind === 'context') return { kind: 'behind', known, since: retainedDeltas(found, { since: base }) };
  const isWhole = found.log.oldest?.fromVersion === 0;
  return { kind: 'behind', known, since: isWhole ? found.log.after(0) : undefined };
}

/** What may leave the store: the state frozen. */
export function handOut(found: LiveContext | Tombstone | undefined): Known {
  if (found === undefined) return absent;
  if (found.kind === 'tombstone') return found;
  return { kind: 'context', head: found.head, state: deepFreeze(found.state) };
}

/** @throws TypeError for a plan that needs a context where none lives. */
export function assertLive(found: LiveContext | Tombstone | undefined): LiveContext {
  if (found?.kind === 'context') return found;
  throw new TypeError('The plan is wrong: there is no live context.');
}
