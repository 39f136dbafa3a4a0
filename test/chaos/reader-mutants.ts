/* Histories of stores that tell readers what is not so: each a right history, tampered with in one way. */
import type { ContextEvent } from '../../examples/replay/follower.ts';
import { type Draft, type Heard, heard, lastMs, type Mutant, need, replaceEvent } from './tampering.ts';

type FullReason = Extract<ContextEvent, { __typename: 'FullContext' }>['reason'];

/** What a store may do to those who read and follow. */
export const readerMutants: readonly Mutant[] = [
  {
    name: 'does not tell of a change',
    rule: 'chain of a follower',
    tamper: (draft) => {
      const { connection, index } = heard(draft, isMiddle('Delta'));
      connection.events.splice(index, 1);
    },
  },
  {
    name: 'tells of a change twice',
    rule: 'chain of a follower',
    tamper: (draft) => {
      const { connection, index, seen } = heard(draft, isMiddle('Delta'));
      connection.events.splice(index, 0, structuredClone(seen));
    },
  },
  {
    name: 'swaps two changes',
    rule: 'chain of a follower',
    tamper: (draft) => {
      const { connection, index } = heard(draft, isMiddle('Delta'));
      connection.events.splice(index, 2, ...connection.events.slice(index, index + 2).toReversed());
    },
  },
  {
    name: 'tells of another value than was written',
    rule: 'state',
    tamper: (draft) => {
      const { seen } = heard(
        draft,
        ({ seen: { event } }) =>
          event.__typename === 'Delta' &&
          event.changes.some(({ action, path }) => action !== 'REMOVED' && isField(path)),
      );
      if (seen.event.__typename !== 'Delta') return;
      const change = seen.event.changes.find(({ action, path }) => action !== 'REMOVED' && isField(path));
      if (change !== undefined) change.value = 'another value';
    },
  },
  {
    name: 'sends a whole context with a wrong state',
    rule: 'state',
    tamper: (draft) => {
      const { seen } = heard(draft, ({ seen: { event } }) => event.__typename === 'FullContext');
      if (seen.event.__typename === 'FullContext') seen.event.context.state['extra'] = true;
    },
  },
  {
    name: 'sends the whole context where a delta would do',
    rule: 'cause',
    tamper: (draft) => {
      const wholes = draft.readers.flatMap(({ connections }) =>
        connections.flatMap(({ events }) =>
          events.flatMap(({ event }) => (event.__typename === 'FullContext' ? event : [])),
        ),
      );
      const wholeAt = ({ epoch, version }: ContextEvent) =>
        wholes.find((each) => each.epoch === epoch && each.version === version);
      const found = heard(draft, ({ seen: { event } }) => event.__typename === 'Delta' && wholeAt(event) !== undefined);
      replaceEvent(found, { ...need('whole context', wholeAt(found.seen.event)), reason: 'TOO_OLD' });
    },
  },
  ...(
    [
      ['NO_POSITION', 'EPOCH_CHANGED'],
      ['EPOCH_CHANGED', 'TOO_OLD'],
      ['EPOCH_CHANGED', 'NO_POSITION'],
      ['SMALLER', 'CLIENT_AHEAD'],
    ] as const
  ).map(
    ([reason, other]): Mutant => ({
      name: `says ${other} where it is ${reason}`,
      rule: 'cause',
      tamper: (draft) => giveReason(draft, reason, other),
    }),
  ),
  {
    name: 'answers a new connection from an old view',
    rule: 'stale answer',
    tamper: (draft) => {
      const endMs = lastMs(draft);
      const isOld = ({ index, seen: { atMs, event } }: Heard) =>
        index === 0 && event.__typename === 'NoChange' && atMs < endMs / 2;
      const { connection } = heard(draft, isOld);
      connection.beginMs = endMs;
      for (const event of connection.events) event.atMs = connection.beginMs + 1;
    },
  },
  {
    name: 'tells that nothing changed, and had not to say anything',
    rule: 'cause',
    tamper: (draft) => {
      const { connection, index, seen, reader } = heard(draft, isMiddle('Delta'));
      const { epoch, version } = seen.event;
      const event = { __typename: 'NoChange', contextId: reader.contextId, epoch, version } as const;
      connection.events.splice(index + 1, 0, { atMs: seen.atMs, event });
    },
  },
  {
    name: 'tells of a change before it is stored',
    rule: 'order',
    tamper: (draft) => {
      const { connection, index } = heard(draft, isMiddle('Delta'));
      for (const event of connection.events.slice(0, index + 1)) event.atMs = 0;
      connection.beginMs = 0;
    },
  },
  {
    name: 'tells of a deletion that nobody asked for',
    rule: 'deletion',
    tamper: (draft) => {
      const { connection, index, seen, reader } = heard(draft, isMiddle('Delta'));
      const { epoch, version } = seen.event;
      const moment = '2030-01-01T00:00:00.000Z';
      const position = { contextId: reader.contextId, epoch, version };
      const event = { __typename: 'ContextGone', ...position, cause: 'DELETED', at: moment } as const;
      connection.events.splice(index + 1, 0, { atMs: seen.atMs, event });
    },
  },
  {
    name: 'tells of no context where there is one',
    rule: 'stale answer',
    tamper: (draft) => {
      const found = heard(draft, ({ index, seen: { event } }) => index === 0 && event.__typename === 'NoChange');
      replaceEvent(found, { __typename: 'NoContext', contextId: found.reader.contextId, epoch: '-', version: 0 });
    },
  },
  {
    name: 'falls silent',
    rule: 'end',
    tamper: (draft) => {
      const [reader] = draft.readers;
      reader?.connections.pop();
    },
  },
  {
    name: 'does not list a delta that it must have',
    rule: 'end',
    tamper: (draft) => {
      const { deltas } = need(
        'list',
        draft.finals.find(({ deltas: all }) => all.length > 2),
      );
      deltas.splice(1, 1);
    },
  },
  {
    name: 'lists no deltas at all',
    rule: 'end',
    tamper: (draft) => {
      need('list', draft.finals[0]).deltas.splice(0);
    },
  },
  {
    name: 'has, in one of its processes, an older context',
    rule: 'end',
    tamper: (draft) => {
      const final = structuredClone(
        need(
          'end',
          draft.finals.find(({ deltas }) => deltas.length > 1),
        ),
      );
      final.deltas.pop();
      if (final.context !== undefined) final.context.version--;
      draft.finals.push({ ...final, process: 'another' });
    },
  },
  {
    name: 'has, in one of its processes, another state',
    rule: 'state',
    tamper: (draft) => {
      const final = structuredClone(need('end', draft.finals[0]));
      if (final.context !== undefined) final.context.state = { ...final.context.state, extra: true };
      draft.finals.push({ ...final, process: 'another' });
    },
  },
  {
    name: 'ends subscriptions',
    rule: 'answer',
    tamper: (draft) => {
      draft.readers[0]?.complaints.push('was told that the subscription is complete');
    },
  },
];

function isField(path: readonly string[]): boolean {
  return path[0] === 'fields' && path.length > 1;
}

/** A live event after which others came. */
function isMiddle(kind: ContextEvent['__typename']): (heard: Heard) => boolean {
  return ({ connection: { events }, index, seen: { event } }) => {
    const next = events[index + 1]?.event;
    return index > 0 && event.__typename === kind && next?.__typename === kind && next.epoch === event.epoch;
  };
}

function giveReason(draft: Draft, reason: FullReason, other: FullReason): void {
  const { seen } = heard(draft, ({ seen: { event } }) => event.__typename === 'FullContext' && event.reason === reason);
  if (seen.event.__typename === 'FullContext') seen.event.reason = other;
}
