/** What the first write under another server identity means for the writes that wait behind it. */
import { expect, test } from 'vitest';
import { SharedBackend } from '../backend/shared.ts';
import { openOn, rejectionOf } from '../support/chord.ts';
import { ManualClock } from '../support/clock.ts';

test('a write that expects the epoch which the write before it ended is refused', async () => {
  const clock = new ManualClock();
  const store = SharedBackend.open();
  const { epoch } = await openOn(store, clock).setContext('c', { a: 1 });
  const chord = openOn(store.elsewhere(), clock);
  // The first changes nothing and so begins nothing; the others wait meanwhile, and would go together.
  const unchanged = chord.updateContext('c', {});
  const beginning = chord.updateContext('c', { b: 1 });
  const late = rejectionOf(chord.updateContext('c', { c: 1 }, { expectedEpoch: epoch }));
  expect(await unchanged).toMatchObject({ changed: false, epoch });
  const begun = await beginning;
  expect(begun.epoch).not.toBe(epoch);
  expect(await late).toMatchObject({ code: 'VERSION_CONFLICT', currentEpoch: begun.epoch, currentVersion: 2 });
});
