/* When all is over everybody says the same, and the whole chain of the last life is there. */
import { at, type Copy, type Position } from '../../examples/replay/follower.ts';
import { checkRecordedDelta } from './check-writes.ts';
import type { Documents } from './documents.ts';
import type { FinalRecord } from './history.ts';
import type { Ledger } from './ledger.ts';
import type { Life } from './lives.ts';

/** Reports who ended anywhere else than where the context did, and what is missing from the deltas listed there. */
export function checkEnd(ledger: Ledger, documents: Documents): void {
  const last = ledger.lives.at(-1);
  if (ledger.history.finals.length === 0) ledger.report('end', 'nobody could be asked for the context at the end');
  if (last === undefined) return;
  const end = last.ends.get(last.last);
  const isGone = end !== undefined && !ledger.isUndone(last, end);
  for (const final of ledger.history.finals) checkFinal(ledger, final, { last, isGone, documents });
  for (const { kind, name, connections } of ledger.history.readers) {
    if (kind !== 'follower') continue;
    const event = connections.at(-1)?.events.at(-1)?.event;
    const isThere = event !== undefined && isSame(event, lastOf(last));
    if (isThere && (event.__typename === 'ContextGone') === isGone) continue;
    ledger.report('end', `${name} ended at ${at(event)}, and the context ${sayEnd({ last, isGone })}`);
  }
}

function sayEnd({ last, isGone }: Pick<Truth, 'last' | 'isGone'>): string {
  return `${isGone ? 'was gone' : 'ended'} at ${at(lastOf(last))}`;
}

function lastOf({ epoch, last }: Life): Position {
  return { epoch, version: last };
}

function isSame(a: Position, b: Position): boolean {
  return a.epoch === b.epoch && a.version === b.version;
}

interface Truth {
  readonly last: Life;
  /** Whether the last thing that happened was a deletion. */
  readonly isGone: boolean;
  readonly documents: Documents;
}

function checkFinal(ledger: Ledger, { process, context, deltas }: FinalRecord, truth: Truth): void {
  const complain = (what: string) => ledger.report('end', `${process} ${what}`);
  const { last, isGone, documents } = truth;
  const isRight = context === undefined ? isGone : !isGone && isSame(context, lastOf(last));
  if (!isRight) return complain(`has the context at ${at(context)}, which ${sayEnd(truth)}`);
  if (context === undefined) {
    if (deltas.length > 0) complain(`lists ${deltas.length} deltas of a context that ${sayEnd(truth)}`);
    return;
  }
  const copy: Copy = context;
  documents.check(copy, copy.state, process);
  checkDeltas(ledger, deltas, { ...truth, complain });
}

interface Listed extends Truth {
  readonly complain: (what: string) => void;
}

/** Each version from the first one that is retained, once, by the write that was acknowledged there. */
function checkDeltas(ledger: Ledger, deltas: FinalRecord['deltas'], { last, documents, complain }: Listed): void {
  const { deltaThreshold } = ledger.history.limits;
  const trimmed = deltaThreshold === null ? 0 : last.last - deltaThreshold;
  let next = Math.max(last.first, trimmed + 1);
  for (const delta of deltas) {
    if (delta.epoch !== last.epoch || delta.version !== next) {
      complain(`lists a delta at ${at(delta)} where that of version ${next} of epoch ${last.epoch} should be`);
      return;
    }
    checkRecordedDelta(ledger, delta, documents);
    next++;
  }
  if (next !== last.last + 1) complain(`lists deltas up to ${next - 1}, and the context is at ${last.last}`);
}
