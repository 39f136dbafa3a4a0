/** A real Redis that hangs: whatever waits for it is told so in bounded time. */
import { expect, test } from 'vitest';
import { createChord } from '../../src/chord.ts';
import { rejectionOf } from '../support/chord.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';
import { openRedis } from '../support/redis/backend.ts';
import { hang } from '../support/redis/faults.ts';
import { startRedis } from '../support/redis/server.ts';
import { until } from '../support/wait.ts';

test('twenty writes that cannot share a batch end after a time limit of the store, not after twenty', async () => {
  await using server = await startRedis();
  const timeoutMs = 1_200;
  const backend = new FaultyBackend(await openRedis([server.url], { timeoutMs }));
  await using chord = createChord({ backend });
  const { epoch } = await chord.setContext('c', { n: 0 });
  const heal = await hang(server);
  const writes = Array.from({ length: 20 }, (_, n) => chord.updateContext('c', { n }, { expectedEpoch: epoch }));
  const outcomes = (await Promise.all(writes.map(rejectionOf))).map((error) => Reflect.get(Object(error), 'outcome'));
  // One was sent, and the others waited as long as it did.
  expect(backend.calls.commit - 1).toBeLessThanOrEqual(2);
  expect(outcomes[0]).toBe('UNKNOWN');
  expect(outcomes.slice(2)).toEqual(Array<string>(18).fill('NOT_STORED'));
  await heal();
  // The connection that hung may be closed under the first of them.
  const next = () => chord.updateContext('c', { done: true }, { expectedEpoch: epoch });
  await until('a write', () =>
    next().then(
      () => true,
      () => false,
    ),
  );
  expect((await chord.getContext('c'))?.state).toMatchObject({ done: true });
});
