import { expect, test } from 'vitest';
import type { DeltaRecord, Head } from '../../../src/backend/known.ts';
import type { StoredView } from '../../../src/backend/redis/codec.ts';
import { Contexts } from '../../../src/backend/redis/contexts.ts';
import type { Changes } from '../../../src/delta/delta.ts';

const head: Head = {
  epoch: 'e',
  version: 5,
  firstVersion: 1,
  floor: 1,
  serverId: 's',
  stateBytes: 9,
  createdAtMs: 0,
  insertedAtMs: 0,
  touches: 0,
  expiresAtMs: null,
};
const line = {
  edits: '0',
  wroteLast: 's',
  oldest: 1,
  logBase: 3,
  hasCheckpoint: true,
  logged: 0,
  loggedAtBase: 0,
  dueContext: '-',
  dueDeltas: '-',
};

/** Adds a key of its own. */
function recordAt(version: number): DeltaRecord {
  const changes: Changes = [{ action: 'ADDED', path: [`k${version}`], value: version }];
  return { epoch: 'e', fromVersion: version - 1, version, changes, insertedAtMs: 0, writeId: 'w', weight: 1 };
}

function viewAt(version: number, source: StoredView['source'], versions: readonly number[]): StoredView {
  const records = versions.map(recordAt);
  return { kind: 'context', head: { ...head, version }, line, from: undefined, source, records };
}

test('answers of two masters that overtake each other make no state', () => {
  const contexts = new Contexts(1_000_000);
  contexts.set('id', { kind: 'context', head, state: { k5: 5 } });
  const asked = contexts.get('id');
  // The new master has lost versions that the old one goes on from, in an answer that is later on its way.
  expect(contexts.stateOf('id', viewAt(3, { checkpoint: { k3: 3 } }, []), asked)).toEqual({ k3: 3 });
  expect(contexts.stateOf('id', viewAt(8, 'have', [6, 7, 8]), asked)).toBeUndefined();
  expect(contexts.get('id')).toMatchObject({ head: { version: 3 }, state: { k3: 3 } });
});

test('what is missing leads on, and what was seen meanwhile is not applied again', () => {
  const contexts = new Contexts(1_000_000);
  contexts.set('id', { kind: 'context', head, state: { k5: 5 } });
  const asked = contexts.get('id');
  expect(contexts.stateOf('id', viewAt(6, 'have', [6]), asked)).toEqual({ k5: 5, k6: 6 });
  expect(contexts.stateOf('id', viewAt(7, 'have', [6, 7]), asked)).toEqual({ k5: 5, k6: 6, k7: 7 });
});

test('a heavy state that a reader was given is followed by what is written here and by what is read', () => {
  const contexts = new Contexts(1_000_000);
  const heavy = { ...head, stateBytes: 100_000 };
  const after = (version: number): Head => ({ ...heavy, version });
  const viewOf = (version: number, versions: readonly number[]) => ({
    ...viewAt(version, 'have', versions),
    head: after(version),
  });
  const ownState = () => {
    const seen = contexts.get('id');
    return seen?.kind === 'context' ? seen.state : undefined;
  };
  const write = (version: number) => {
    const step = { kind: 'change', head: after(version), delta: recordAt(version), trimTo: 0 } as const;
    const base = { kind: 'context', epoch: 'e', version: version - 1, touches: 0 } as const;
    contexts.keep('id', base, { writes: [{ writeId: 'w', step }], after: after(version), line });
  };
  contexts.set('id', { kind: 'context', head: heavy, state: { k5: 5 } });
  expect(contexts.stateOf('id', viewOf(5, []), contexts.get('id'))).toEqual({ k5: 5 });
  write(6);
  const own = ownState();
  const early = contexts.stateOf('id', viewOf(6, []), contexts.get('id'));
  contexts.forgetLine('id');
  write(7);
  const late = contexts.stateOf('id', viewOf(8, [8]), contexts.get('id'));
  expect(ownState(), 'No reader makes it copied again').toBe(own);
  expect(typeof late === 'function' && late()).toEqual({ k5: 5, k6: 6, k7: 7, k8: 8 });
  expect(typeof early === 'function' && early()).toEqual({ k5: 5, k6: 6 });
});
