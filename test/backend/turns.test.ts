import { expect, test } from 'vitest';
import { Turns } from '../../src/backend/turns.ts';
import { settle } from '../support/clock.ts';

test('work on one key is done one after the other, in order, whatever becomes of it', async () => {
  const turns = new Turns();
  const log: string[] = [];
  const gates = [createGate(), createGate()];
  const first = turns.take('a', async () => {
    log.push('first begins');
    await gates[0]?.opened;
    log.push('first fails');
    throw new Error('first');
  });
  const second = turns.take('a', async () => {
    log.push('second begins');
    await gates[1]?.opened;
    return 'second';
  });
  expect(log, 'Nobody is before the first').toEqual(['first begins']);
  await settle();
  expect(log).toEqual(['first begins']);
  gates[0]?.open();
  await expect(first).rejects.toThrow('first');
  await settle();
  expect(log).toEqual(['first begins', 'first fails', 'second begins']);
  expect(turns.isBusy('a')).toBe(true);
  gates[1]?.open();
  expect(await second).toBe('second');
  await settle();
  expect(turns.isBusy('a')).toBe(false);
});

test('work on different keys is done at once', async () => {
  const turns = new Turns();
  const gate = createGate();
  const waiting = turns.take('a', () => gate.opened);
  expect(await turns.take('b', async () => 'done')).toBe('done');
  expect(turns.isBusy('a')).toBe(true);
  expect(turns.isBusy('b')).toBe(false);
  gate.open();
  await waiting;
});

function createGate(): { readonly opened: Promise<void>; readonly open: () => void } {
  const opener = new AbortController();
  const opened = new Promise<void>((resolve) => opener.signal.addEventListener('abort', () => resolve()));
  return { opened, open: () => opener.abort() };
}
