import { expect, test } from 'vitest';
import { OutcomeStore } from '../../src/backend/outcome-store.ts';

const outcome = { epoch: 'e', version: 1, requestHash: 'h', changed: true };

test('a record that runs out far later than the others keeps none of them', () => {
  const store = new OutcomeStore();
  store.set('c', 'far', { outcome, expiresAtMs: 1_000_000 }, 0);
  for (let n = 0; n < 100; n++) store.set('c', `k${n}`, { outcome, expiresAtMs: n + 10 }, n);
  store.set('c', 'last', { outcome, expiresAtMs: 2_000 }, 1_000);
  expect(store.size).toBe(2);
  expect(store.get('c', 'far', 1_000)).toEqual(outcome);
});

test('a key that is recorded again counts until its new expiry', () => {
  const store = new OutcomeStore();
  store.set('c', 'k', { outcome, expiresAtMs: 10 }, 0);
  store.set('c', 'k', { outcome: { ...outcome, version: 2 }, expiresAtMs: 30 }, 10);
  store.set('d', 'k', { outcome, expiresAtMs: 40 }, 20);
  expect(store.get('c', 'k', 20)).toMatchObject({ version: 2 });
  expect(store.get('c', 'k', 30)).toBeUndefined();
});

test('the same key of two ids is two records', () => {
  const store = new OutcomeStore();
  store.set('c', 'dk', { outcome, expiresAtMs: 10 }, 0);
  expect(store.get('cd', 'k', 0)).toBeUndefined();
});
