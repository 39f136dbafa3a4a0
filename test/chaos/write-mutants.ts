/* Histories of stores that mistreat writes: each a right history, tampered with in one way. */
import {
  accepted,
  changes,
  lastMs,
  type Mutant,
  movePositions,
  need,
  neighbours,
  placeOf,
  refused,
  replaceMark,
} from './tampering.ts';

/** What a store may do to writes. */
export const writeMutants: readonly Mutant[] = [
  {
    name: 'gives one position to two writes',
    rule: 'one write at a position',
    tamper: (draft) => {
      const [first, second] = neighbours(draft);
      second.answer.position = placeOf(first.answer.position);
      second.answer.delta = null;
    },
  },
  {
    name: 'skips a version',
    rule: 'no hole',
    tamper: (draft) => {
      const [, { answer }] = neighbours(draft);
      const { epoch, version } = answer.position;
      movePositions(draft, (position) => {
        if (position.epoch === epoch && position.version >= version) position.version++;
      });
    },
  },
  {
    name: 'stores a write twice, in place of another one',
    rule: 'stored once',
    tamper: (draft) => {
      const [first, second] = neighbours(
        draft,
        ([one, other]) => one.write.key === undefined && other.write.key === undefined,
      );
      draft.writes.splice(draft.writes.indexOf(second.write), 1);
      replaceMark(draft, second.write.mark, first.write.mark);
    },
  },
  {
    name: 'stores a keyed write again when it is retried',
    rule: 'idempotency',
    tamper: (draft) => {
      const [first, second] = neighbours(
        draft,
        ([{ write }]) => write.key !== undefined && write.attempts.length === 1,
      );
      first.write.attempts.push({ ...second.attempt, answer: { ...second.answer, delta: null } });
    },
  },
  {
    name: 'stores what it said was not stored',
    rule: 'not stored is nowhere',
    tamper: (draft) => {
      const { attempt } = need(
        'change without a key',
        changes(draft).findLast(({ write }) => write.key === undefined),
      );
      attempt.answer = { kind: 'failed', outcome: 'NOT_STORED', why: 'away' };
    },
  },
  {
    name: 'accepts a write on another version than it expects',
    rule: 'precondition',
    tamper: (draft) => {
      const { write } = need(
        'such a write',
        changes(draft).findLast(({ write: { expectedVersion } }) => (expectedVersion ?? 0) > 0),
      );
      write.expectedVersion = (write.expectedVersion ?? 0) - 1;
    },
  },
  {
    name: 'accepts a write on another epoch than it expects',
    rule: 'precondition',
    tamper: (draft) => {
      const { write } = need(
        'such a write',
        changes(draft).findLast(({ write: { expectedEpoch } }) => expectedEpoch !== undefined),
      );
      write.expectedEpoch = 'another';
    },
  },
  {
    name: 'creates what must not exist over what exists',
    rule: 'precondition',
    tamper: (draft) => {
      const [, { write }] = neighbours(draft, ([, second]) => second.write.action.verb === 'set');
      write.expectedVersion = 0;
      write.expectedEpoch = undefined;
    },
  },
  {
    name: 'refuses by what was true long ago',
    rule: 'refusal',
    tamper: (draft) => {
      const { attempt } = refused(draft, 'conflict', ({ contextId }) => contextId === 'a');
      attempt.beginMs = lastMs(draft);
      attempt.endMs = attempt.beginMs + 1;
    },
  },
  {
    name: 'refuses what it should accept',
    rule: 'refusal',
    tamper: (draft) => {
      const { write, attempt } = refused(draft, 'conflict', ({ expectedEpoch }) => expectedEpoch === undefined);
      const current = attempt.answer.kind === 'conflict' ? attempt.answer.current : undefined;
      write.expectedVersion = current?.version ?? 0;
    },
  },
  {
    name: 'does not find what is there',
    rule: 'refusal',
    tamper: (draft) => {
      const { attempt } = refused(
        draft,
        'conflict',
        ({ action, attempts }) => action.verb === 'update' && attempts.length === 1,
      );
      attempt.answer = { kind: 'notFound' };
    },
  },
  {
    name: 'calls a first attempt a duplicate',
    rule: 'idempotency',
    tamper: (draft) => {
      const { answer } = need(
        'change with a key',
        changes(draft).find(({ write }) => write.key !== undefined),
      );
      answer.duplicate = true;
    },
  },
  {
    name: 'remembers another outcome than there was',
    rule: 'idempotency',
    tamper: (draft) => {
      const attempts = draft.writes.flatMap(({ attempts: [first, second] }) =>
        first?.answer.kind === 'done' && second !== undefined ? [second] : [],
      );
      const { answer } = need(
        'repetition',
        attempts.find(({ answer: { kind } }) => kind === 'done'),
      );
      if (answer.kind === 'done') answer.position.version++;
    },
  },
  {
    name: 'puts a write before one that was answered when it began',
    rule: 'order',
    tamper: (draft) => {
      const [{ attempt }] = neighbours(draft, ([{ write }]) => write.attempts.length === 1);
      attempt.beginMs = lastMs(draft);
      attempt.endMs = attempt.beginMs + 1;
    },
  },
  {
    name: 'acknowledges a deletion, and goes on',
    rule: 'deletion',
    tamper: (draft) => {
      const { attempt } = refused(draft, 'conflict', ({ action }) => action.verb === 'delete');
      const current = attempt.answer.kind === 'conflict' ? attempt.answer.current : undefined;
      attempt.answer = {
        kind: 'done',
        position: need('position', current),
        changed: true,
        duplicate: false,
        delta: null,
      };
    },
  },
  {
    name: 'says that nothing changed where something did',
    rule: 'answer',
    tamper: (draft) => {
      const { answer } = need('change', changes(draft)[0]);
      answer.changed = false;
    },
  },
  {
    name: 'finds nothing to change where the context was long ago',
    rule: 'precondition',
    tamper: (draft) => {
      const { attempt } = need(
        'such a write',
        accepted(draft).find(({ answer, write }) => !answer.changed && write.contextId === 'a'),
      );
      attempt.beginMs = lastMs(draft);
      attempt.endMs = attempt.beginMs + 1;
    },
  },
  {
    name: 'answers with the delta of another write',
    rule: 'state',
    tamper: (draft) => {
      const [first, second] = neighbours(draft);
      if (first.answer.delta !== null && second.answer.delta !== null)
        second.answer.delta.origin = first.answer.delta.origin;
    },
  },
  {
    name: 'does not answer for a while',
    rule: 'answer',
    tamper: (draft) => {
      const { attempt } = need('write', accepted(draft).at(-1));
      attempt.endMs = attempt.beginMs + draft.limits.answerWithinMs + 1;
    },
  },
];
