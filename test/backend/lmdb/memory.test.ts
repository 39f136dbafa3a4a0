import { randomBytes } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { createChord } from '../../../src/chord.ts';
import { openLmdb } from '../../support/lmdb.ts';

const mib = 1024 * 1024;

test('deltas that were only read count as memory too', { timeout: 60_000 }, async () => {
  const backend = openLmdb({ cacheBytes: 2 * mib });
  const chord = createChord({ backend, deltaThreshold: 100 });
  // Rather large than many: each write waits for the disk. One context fits into what may be kept, and three do not.
  const ids = Array.from({ length: 40 }, (_, at) => `c${at}`);
  for (let version = 0; version < 100; version++) {
    await Promise.all(ids.map((id) => chord.setContext(id, { text: randomBytes(5_000).toString('hex') })));
  }
  const before = heapUsed();
  // 40 MiB of deltas, each held for the next who is behind.
  for (const id of ids) {
    const { epoch } = (await chord.getContext(id)) ?? {};
    await chord.syncContext(id, { epoch, version: 1 });
  }
  expect(heapUsed() - before).toBeLessThan(10 * mib);
  await chord.close();
});

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  // The one thing that the flag adds.
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}
