import assert from 'node:assert/strict';
import type { Backend } from '../backend/backend.ts';
import { BackendUnavailableError } from '../errors.ts';
import { everything, listen } from './check.ts';
import { draft, fresh, start } from './draft.ts';
import type { Group } from './suite.ts';

type Method = Exclude<keyof Backend, 'serverId' | 'peek' | 'close' | 'takeRate'>;

/** Every method that all have, so that none can be forgotten. */
const calls: Readonly<Record<Method, (backend: Backend) => Promise<unknown>>> = {
  read: (backend) => backend.read('id'),
  readOutcome: (backend) => backend.readOutcome('id', 'k', start),
  commit: (backend) => draft(backend, 'id').set({ n: 1 }).commit(),
  watch: (backend) => backend.watch('id', () => {}),
  due: (backend) => backend.due('context', start, { limit: 1 }),
  nextDue: (backend) => backend.nextDue('context'),
  expire: (backend) => backend.expire('id', start),
  postpone: (backend) => backend.postpone('id', start, start),
  trimDeltas: (backend) => backend.trimDeltas('id', start),
  purgeTombstone: (backend) => backend.purgeTombstone('id', start),
  list: (backend) => backend.list({ limit: everything }),
  heads: (backend) => backend.heads(['id']),
  deltas: (backend) => backend.deltas('id', { limit: everything }),
  count: (backend) => backend.count({}),
  lease: (backend) => backend.lease('job', 100, start),
  noteRevision: (backend) => backend.noteRevision('note'),
  readNote: (backend) => backend.readNote('note'),
  writeNote: (backend) => backend.writeNote('note', { text: '', revision: '1' }, undefined),
  ping: (backend) => backend.ping(),
};

export const closing: Group = {
  name: 'closing',
  define(test) {
    for (const [method, call] of Object.entries(calls)) {
      test(`B51: after close, ${method} rejects with BackendUnavailableError, NOT_STORED`, async ({ backend }) => {
        await draft(backend, 'id').set({ n: 0 }).store();
        await backend.close();
        await assert.rejects(() => call(backend), isUnavailable(['NOT_STORED']));
      });
    }

    test('B51: after close, peek knows nothing', async ({ backend }) => {
      await draft(backend, 'id').set({ n: 0 }).store();
      await backend.close();
      assert.equal(backend.peek('id'), undefined);
    });

    test('B51: a store that answers is pinged', async ({ backend }) => {
      await backend.ping();
    });

    test('B52: close may be called again, also while it is under way', async ({ backend }) => {
      await Promise.all([backend.close(), backend.close()]);
      await backend.close();
    });

    test('B52: close settles what is under way', async ({ backend }) => {
      const before = await draft(backend, 'id').set({ n: 0 }).store();
      const under = [
        before.set({ n: 1 }).commit(),
        backend.read('id'),
        backend.list({ limit: everything }),
        backend.watch('id', () => {}),
        draft(backend, fresh('id')).set({ n: 1 }).commit(),
      ];
      await Promise.all([backend.close(), ...under.map((one) => one.catch(isUnavailable(['NOT_STORED', 'UNKNOWN'])))]);
    });

    test('B52: close ends every watch', async ({ backend, patienceMs }) => {
      const { heard, watch, hears } = await listen(backend, 'id', patienceMs);
      const created = await draft(backend, 'id').set({ n: 0 }).store();
      await hears(created.head);
      const closed = backend.close();
      const before = heard.length;
      await closed;
      assert.ok(heard.slice(before).every(({ kind }) => kind === 'interrupted'));
      watch.close();
    });
  },
};

function isUnavailable(outcomes: readonly BackendUnavailableError['outcome'][]): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof BackendUnavailableError, `Another error: ${String(error)}`);
    assert.ok(outcomes.includes(error.outcome), `Outcome ${error.outcome}`);
    return true;
  };
}
