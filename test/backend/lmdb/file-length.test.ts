import { expect, test } from 'vitest';
import { createChord } from '../../../src/chord.ts';
import { openLmdb, reopenLmdb } from '../../support/lmdb.ts';

/*
 * A page that comes and goes within one commit is never written, also when it is the last one that LMDB counts: a file
 * that is shorter than its header says has not lost anything by that alone.
 */
test('a store whose last pages were never written opens again', async () => {
  const backend = openLmdb();
  const chord = createChord({ backend });
  await chord.setContext('kept', { here: true });
  // The first write of a context goes alone, and the two that wait for it together.
  await Promise.all([
    chord.setContext('brief', {}),
    chord.setContext('brief', { text: 'x'.repeat(300_000) }),
    chord.deleteContext('brief'),
  ]);
  await chord.close();
  const reopened = createChord({ backend: reopenLmdb(backend) });
  expect((await reopened.getContext('kept'))?.state).toEqual({ here: true });
  await reopened.close();
});
