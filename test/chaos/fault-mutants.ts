/* Histories of stores that do not survive faults: each a right history, tampered with in one way. */
import type { ContextEvent } from '../../examples/replay/follower.ts';
import { type Draft, epochsOf, lastMs, type Mutant, movePositions, need } from './tampering.ts';

/** What a store may do when it is another than before. */
export const faultMutants: readonly Mutant[] = [
  {
    name: 'goes on in the same epoch after it was restarted',
    rule: 'epoch',
    faults: 'restarts',
    tamper: (draft) => {
      const [former, next] = fork(draft, (one, other) => other.first === one.last + 1);
      joinEpochs(draft, former, next);
    },
  },
  {
    name: 'gives the positions of a lost tail to other writes',
    rule: 'one write at a position',
    faults: 'losses',
    tamper: (draft) => {
      const [former, next] = fork(draft, (one, other) => one.first < other.first && other.first < one.last);
      joinEpochs(draft, former, next);
    },
  },
  {
    name: 'loses what it acknowledged without any fault',
    rule: 'acknowledged is kept',
    faults: 'losses',
    tamper: (draft) => {
      for (const fault of draft.faults) fault.losesFromMs = undefined;
    },
  },
  {
    name: 'loses more than the tail that it may lose',
    rule: 'acknowledged is kept',
    faults: 'losses',
    tamper: (draft) => {
      for (const fault of draft.faults) fault.losesFromMs = fault.beginMs;
    },
  },
  {
    name: 'begins an epoch without any cause',
    rule: 'epoch',
    faults: 'restarts',
    tamper: (draft) => {
      draft.faults.splice(0);
    },
  },
  {
    name: 'forgets with a deletion where the versions were',
    rule: 'acknowledged is kept',
    tamper: (draft) => {
      const last = need('epoch', epochsOf(draft, 'a').at(-1));
      movePositions(draft, (position) => {
        if (position.epoch === last.epoch) position.version -= last.first - 1;
      });
    },
  },
  {
    name: 'tells that nothing changed since a position that was lost',
    rule: 'stale answer',
    faults: 'losses',
    tamper: (draft) => {
      const [former, { first }] = fork(draft, (one, other) => one.first < other.first && other.first <= one.last);
      const position = { epoch: former.epoch, version: first };
      const { contextId } = former;
      const event: ContextEvent = { __typename: 'NoChange', contextId, ...position };
      const beginMs = lastMs(draft);
      const events = [{ atMs: beginMs + 1, event }];
      const connections = [{ process: 'p', sent: position, beginMs, events }];
      draft.readers.push({ name: 'prober', contextId, kind: 'prober', connections, complaints: [] });
    },
  },
];

interface Epoch {
  readonly contextId: string;
  readonly epoch: string;
  readonly first: number;
  readonly last: number;
}

/** Two epochs that follow one another, of a context that nobody deleted in between. */
function fork(draft: Draft, isMeant: (former: Epoch, next: Epoch) => boolean): readonly [Epoch, Epoch] {
  const pairs = ['a', 'b', 'c'].flatMap((contextId) => {
    const epochs = epochsOf(draft, contextId).map((epoch) => ({ contextId, ...epoch }));
    return epochs.flatMap((next, index) => {
      const former = epochs[index - 1];
      return former === undefined || isDeleted(draft, former) ? [] : [[former, next] as const];
    });
  });
  return need(
    'such a fork',
    pairs.find(([former, next]) => isMeant(former, next)),
  );
}

function isDeleted(draft: Draft, { contextId, epoch }: Epoch): boolean {
  const deletes = draft.writes.filter((write) => write.contextId === contextId && write.action.verb === 'delete');
  return deletes.some(({ attempts }) => {
    const last = attempts.at(-1)?.answer;
    if (last?.kind === 'done') return last.position.epoch === epoch;
    return last?.kind === 'failed' && last.outcome === 'UNKNOWN';
  });
}

function joinEpochs(draft: Draft, former: Epoch, next: Epoch): void {
  movePositions(draft, (position) => {
    if (position.epoch === next.epoch) position.epoch = former.epoch;
  });
}
