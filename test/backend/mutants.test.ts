import { describe, expect, test } from 'vitest';
import type { Backend } from '../../src/backend/backend.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { Delegating } from './delegating.ts';
import {
  AnnouncedBeforeStored,
  CommitInTwoSteps,
  FloorNotMoved,
  IdempotencyRecordedSeparately,
  NoteComparedFirst,
  TombstoneForgotten,
  WatchResolvingEarly,
} from './mutants.ts';
import { failuresOf } from './recording.ts';

interface Case {
  readonly Mutant: new (inner: Backend) => Backend;
  /** The guarantee that it breaks, and the group that must say so. */
  readonly guarantee: string;
  readonly group: string;
  /** The other groups that notice. */
  readonly others: readonly string[];
}

const cases: readonly Case[] = [
  { Mutant: CommitInTwoSteps, guarantee: 'B6', group: 'commit', others: ['idempotency', 'model'] },
  { Mutant: FloorNotMoved, guarantee: 'B38', group: 'due', others: ['commit', 'model'] },
  {
    Mutant: TombstoneForgotten,
    guarantee: 'B26',
    group: 'tombstones',
    others: ['reading', 'commit', 'idempotency', 'deltas', 'due', 'watch', 'values', 'model'],
  },
  { Mutant: AnnouncedBeforeStored, guarantee: 'B45', group: 'watch', others: [] },
  { Mutant: WatchResolvingEarly, guarantee: 'B43', group: 'watch', others: ['values', 'closing'] },
  { Mutant: IdempotencyRecordedSeparately, guarantee: 'B21', group: 'idempotency', others: [] },
  { Mutant: NoteComparedFirst, guarantee: 'B63', group: 'notes', others: [] },
];

describe('the conformance suite proves itself', () => {
  test('a backend that does all as memory does passes', async () => {
    expect(await failuresOf(() => new Delegating(new MemoryBackend()), { seeds: [1] })).toEqual(new Map());
  });

  for (const { Mutant, guarantee, group, others } of cases) {
    test(`the mutant ${Mutant.name} fails ${guarantee} in the group ${group}`, async () => {
      const failures = await failuresOf(() => new Mutant(new MemoryBackend()), { patienceMs: 50, seeds: [1] });
      const titles = failures.get(group) ?? [];
      expect(titles.filter((title) => title.startsWith(`${guarantee}:`))).not.toEqual([]);
      expect([...failures.keys()].toSorted()).toEqual([group, ...others].toSorted());
    });
  }
});
