/**
 * Was this the right answer? The table of docs/protocol.md from the client's side, as pure functions.
 *
 * The server decides on where the client is and where the context is. The client knows both: the first is what it sent
 * or was told last, the second is where the event leads. So it can judge each event by itself: its kind, the reason of
 * a full context, and the state that it leads to.
 */
import { diff, equal, weightOfChanges } from '../../src/delta/index.ts';
import { at, type ContextEvent, type Copy, type Position } from './follower.ts';
import { rankOf, type WriteRecord } from './record.ts';

/** What the server knows of a client before it answers. */
export interface Situation {
  /** What the client sent when it connected, or what it was told last. */
  readonly known: { readonly kind: 'nothing' } | ({ readonly kind: 'gone' | 'position' } & Position);
  /** False for the first event of a connection, which is what `syncContext` answers. */
  readonly isLive: boolean;
  /** How far the server had come for certain when the client connected (`WriteRecord.acknowledged`). */
  readonly acknowledged: number;
}

export interface Rules {
  /** How many deltas the server keeps. */
  readonly threshold: number;
}

type Answer = 'DELTA' | 'NO_CHANGE' | FullReason;
type FullReason = Extract<ContextEvent, { __typename: 'FullContext' }>['reason'];

/** What is wrong with an event; undefined: nothing. */
export function complainOf(
  event: ContextEvent,
  situation: Situation,
  { record, ...rules }: Rules & { readonly record: WriteRecord },
): string | undefined {
  const { known, isLive, acknowledged } = situation;
  if (event.__typename === 'NoContext') {
    if (isLive || acknowledged > 0) return `NO_CONTEXT of a context that is or was there`;
    return undefined;
  }
  const isEnd = event.__typename === 'ContextGone';
  if (isEnd ? !record.isEnd(event) : !record.isPosition(event)) {
    return `${event.__typename} at ${at(event)}, where the context never was`;
  }
  const rank = rankOf(event.version, isEnd);
  if (!isLive && rank < acknowledged)
    return `${event.__typename} at ${at(event)}, which was overtaken before the client asked`;
  if (isLive && known.kind !== 'nothing' && rank <= rankOf(known.version, known.kind === 'gone')) {
    return `${event.__typename} at ${at(event)} to a client that was told ${at(known)}`;
  }
  if (isEnd) return event.cause === 'DELETED' ? undefined : `GONE with the cause ${event.cause}`;
  return judgeAnswer(event, situation, { record, ...rules });
}

/** What is wrong with a copy that an event led to; undefined: nothing. */
export function complainOfState(copy: Copy, record: WriteRecord): string | undefined {
  if (equal(copy.state, record.documentAt(copy.version))) return undefined;
  const changes = diff(record.documentAt(copy.version), copy.state);
  return `a wrong state at ${at(copy)}: it differs from the document at ${JSON.stringify(changes[0]?.path)}`;
}

type ContextAnswer = Exclude<ContextEvent, { __typename: 'NoContext' | 'ContextGone' }>;

function judgeAnswer(
  event: ContextAnswer,
  situation: Situation,
  context: Rules & { readonly record: WriteRecord },
): string | undefined {
  const due = dueAnswer(situation, event, context);
  const given = toAnswer(event);
  if (due === given) return undefined;
  const { known, isLive } = situation;
  const client = known.kind === 'nothing' ? 'nothing' : `${at(known)}${known.kind === 'gone' ? ' (gone)' : ''}`;
  const name = event.__typename === 'FullContext' ? `FULL ${given}` : given;
  return `${name} without its cause: the client had ${client}, the context was at ${at(event)}, ${isLive ? 'live' : 'first event'}, due was ${due}`;
}

function toAnswer(event: ContextAnswer): Answer {
  switch (event.__typename) {
    case 'FullContext':
      return event.reason;
    case 'Delta':
      return 'DELTA';
    case 'NoChange':
      return 'NO_CHANGE';
  }
}

/** The rows of the table, in their order. CLIENT_AHEAD is never due to a client that remembers what it was told. */
export function dueAnswer(
  { known, isLive }: Pick<Situation, 'known' | 'isLive'>,
  head: Position,
  { record, threshold }: Rules & { readonly record: WriteRecord },
): Answer {
  if (known.kind === 'nothing') return 'NO_POSITION';
  if (known.kind === 'gone' || known.epoch !== head.epoch) return 'EPOCH_CHANGED';
  if (known.version === head.version) return 'NO_CHANGE';
  const behind = head.version - known.version;
  // The floor is also never below the version that the epoch began with, but no position of the epoch is either.
  if (behind > threshold) return 'TOO_OLD';
  // A single live delta is sent whatever its weight.
  if (isLive && behind === 1) return 'DELTA';
  const merged = diff(record.documentAt(known.version), record.documentAt(head.version));
  return weightOfChanges(merged) > record.weightAt(head.version) ? 'SMALLER' : 'DELTA';
}
