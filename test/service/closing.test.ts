/** What becomes of the writes that are there when the service is closed: each of them is told, and told the truth. */
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { isPending, openChord, openOn, rejectionOf, turnNow } from '../support/chord.ts';
import { ManualClock, settle } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';

const notStored = { code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' };
const unknown = { code: 'BACKEND_UNAVAILABLE', outcome: 'UNKNOWN' };

/** A service on a store that never gets beyond a point. */
function openStuckAt(point: string) {
  const backend = new FaultyBackend(new MemoryBackend());
  const stuck = new Promise<void>(() => undefined);
  const chord = openOn(backend, new ManualClock());
  const stick = () => {
    backend.gate = (at) => (at === point ? stuck : Promise.resolve());
  };
  return { chord, backend, stick };
}

test('a write whose commit is never answered is UNKNOWN once the store has closed, and those behind it NOT_STORED', async () => {
  const { chord, stick } = openStuckAt('commit reply');
  stick();
  const underWay = rejectionOf(chord.setContext('c', { n: 1 }));
  const waiting = [2, 3].map((n) => rejectionOf(chord.setContext('c', { n })));
  await settle();
  await chord.close();
  expect(await turnNow(underWay)).toMatchObject(unknown);
  expect(await turnNow(Promise.all(waiting))).toMatchObject([notStored, notStored]);
  expect(chord.stats().queuedWrites).toBe(0);
});

test('writes that wait are refused at once, however long the store takes to close', async () => {
  const { chord, backend, stick } = openStuckAt('commit');
  stick();
  const underWay = rejectionOf(chord.setContext('c', { n: 1 }));
  const waiting = rejectionOf(chord.setContext('c', { n: 2 }));
  let closed: (() => void) | undefined;
  backend.close = () =>
    new Promise((resolve) => {
      closed = resolve;
    });
  const closing = chord.close();
  expect(await turnNow(waiting)).toMatchObject(notStored);
  expect(await isPending(underWay)).toBe(true);
  closed?.();
  await closing;
  expect(await turnNow(underWay)).toMatchObject(unknown);
});

test('a commit that is answered while the store closes is told as it was answered', async () => {
  const { chord } = openChord();
  const write = chord.setContext('c', { n: 1 });
  await chord.close();
  expect(await turnNow(write)).toMatchObject({ version: 1, changed: true });
});

test('a store that cannot close leaves no write waiting either', async () => {
  const { chord, backend, stick } = openStuckAt('commit');
  stick();
  const underWay = rejectionOf(chord.setContext('c', { n: 1 }));
  backend.close = () => Promise.reject(new Error('It is stuck.'));
  expect(await rejectionOf(chord.close())).toMatchObject({ message: 'It is stuck.' });
  expect(await turnNow(underWay)).toMatchObject(unknown);
});

test('a refusal that is never confirmed is NOT_STORED', async () => {
  const { chord, stick } = openStuckAt('readOutcome');
  stick();
  const refused = rejectionOf(chord.updateContext('c', { n: 1 }));
  await settle();
  await chord.close();
  expect(await turnNow(refused)).toMatchObject(notStored);
});

test('a commit that is overtaken while the store closes is not tried again', async () => {
  const { chord, backend } = openStuckAt('nothing');
  backend.everyCommit = 'lost';
  backend.close = () => Promise.resolve();
  const refused = rejectionOf(chord.setContext('c', { n: 1 }));
  await chord.close();
  expect(await turnNow(refused)).toMatchObject(notStored);
  expect(backend.calls.commit).toBe(1);
});

test('a write that comes later is refused without asking the store', async () => {
  const { chord, backend } = openStuckAt('nothing');
  await chord.close();
  expect(await rejectionOf(chord.setContext('c', { n: 1 }))).toMatchObject(notStored);
  expect(backend.calls.commit).toBe(0);
});
