import assert from 'node:assert/strict';
import type { Known } from '../backend/known.ts';
import { isJsonObject, type JsonObject, type JsonValue, setKey } from '../delta/json.ts';
import { assertBehind, assertSame, everything, listen, readContext } from './check.ts';
import { type Draft, draft, history } from './draft.ts';
import type { Group } from './suite.ts';

/** Keys that are nothing special, and that naive code trips over. */
const hostileKeys = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'toJSON',
  'hasOwnProperty',
  'length',
  '',
  '0',
  '10',
  '9',
  '-1',
  'a.b',
  'a/b',
  '~1',
  '$ref',
  'kind',
  '\u0000',
  '\n',
  'é',
  'e\u0301',
  '🙂',
  '\ue000',
  '\ud83d',
  '\ude00x',
] as const;

const scalars: readonly JsonValue[] = [
  null,
  true,
  false,
  0,
  -1,
  0.1,
  1e21,
  5e-324,
  Number.MAX_SAFE_INTEGER,
  Number.MAX_VALUE,
  '',
  'é€🙂',
  '"\\/\b\f\n\r\t\u0000\u007f\u2028',
  '\ud83d',
  '\ude00\ud83d',
];

/** Ids that are nothing special: between 1 and 512 bytes of well-formed Unicode without NUL. */
export const hostileIds: readonly string[] = [
  'a',
  'A',
  'a:b',
  'a:b:c',
  'a/b',
  'a.b',
  'a b',
  ' ',
  '{a}',
  '}{',
  '*',
  '?',
  '[a-z]',
  '\\',
  '"',
  "'",
  '%00',
  '\n',
  '\u0001',
  'a\u0001',
  'a\u0001b',
  // Encodings that escape control characters do so for short strings only, or twice.
  '\u0001'.repeat(32),
  '\u0004\u0001'.repeat(32),
  '\u0001'.repeat(512),
  '\u0002'.repeat(100),
  '\u007f',
  '0',
  '-',
  '-0',
  '10',
  '9',
  'é',
  'e\u0301',
  '\ud7ff',
  '\ue000',
  '\uffff',
  '🙂',
  '\u{10000}',
  '\u{10ffff}',
  '__proto__',
  'constructor',
  'toString',
  'null',
  'undefined',
  'x'.repeat(512),
  '\u{10ffff}'.repeat(128),
];

/** The order of UTF-8 bytes. */
export function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

export const values: Group = {
  name: 'values',
  define(test) {
    for (const key of hostileKeys) {
      test(`B48: the key ${JSON.stringify(key)} is a key like any other`, async ({ backend }) => {
        const at = (value: JsonValue) => {
          const inner = {};
          setKey(inner, key, value);
          const outer: JsonObject = { other: 1, inner };
          setKey(outer, key, value);
          return outer;
        };
        let current: Draft = await draft(backend, 'id').set(at(1)).store();
        for (const value of [2, { deep: 1 }, { deep: { a: [] } }, 'x']) {
          current = await current.set(at(value)).store();
          await current.assertStands();
        }
        await (await current.set({ other: 1, inner: {} }).store()).assertStands();
        const [last] = await backend.deltas('id', { limit: 1, descending: true });
        const paths = last?.changes.map(({ path }) => path).toSorted((a, b) => a.length - b.length);
        assertSame(paths, [[key], ['inner', key]], 'The paths of the last delta');
      });
    }

    test('B48: every JSON value comes back as it was', async ({ backend }) => {
      let current: Draft = draft(backend, 'id');
      for (const value of [...scalars, {}, [], [[], {}, [null]], scalars]) {
        current = await current.set({ value }).store();
        await current.assertStands();
      }
    });

    test('B48: wide and deep states come back as they were', async ({ backend }) => {
      const wide: Record<string, JsonValue> = {};
      for (let index = 0; index < 2_000; index++) wide[`key-${index}`] = { index };
      let deep: JsonObject = {};
      for (let depth = 2; depth < 64; depth++) deep = { deep };
      let current = await draft(backend, 'id').set({ wide, deep }).store();
      await current.assertStands();
      for (let index = 0; index < 3; index++) {
        current = await current.set({ wide: { ...wide, [`key-${index}`]: index }, deep }).store();
        await current.assertStands();
      }
      const text = 'é'.repeat(50_000);
      await (await current.set({ text }).store()).assertStands();
    });

    test('B49: states, deltas, heads and tombstones that are handed out are frozen', async ({
      backend,
      patienceMs,
    }) => {
      const { heard, hears } = await listen(backend, 'id', patienceMs);
      const stale = await history(backend, 'id', 2);
      const last = await stale.set({ n: 3, deep: { list: [{ a: 1 }] } }, { ttlMs: 10 }).store();
      await hears(last.head);
      for (const announcement of heard) if (announcement.kind === 'changed') assertFrozen(announcement.delta);
      const view = await readContext(backend, 'id', { since: { version: 1 }, withState: true });
      assertFrozen(view.state);
      view.deltas?.forEach(assertFrozen);
      const { known, since } = assertBehind(await stale.set({ n: 0 }).commit());
      assertKnownFrozen(known);
      since?.forEach(assertFrozen);
      assertKnownFrozen((await backend.readOutcome('id', undefined, 0)).known);
      (await backend.deltas('id', { limit: everything })).forEach(assertFrozen);
      await backend.trimDeltas('id', last.head.insertedAtMs - 1);
      (await backend.heads(['id'])).forEach(assertFrozen);
      const gone = await last.remove().store();
      assertFrozen(await backend.read('id'));
      await gone.assertStands();
    });

    test('B50: a state that is held never moves, whatever is written later', async ({ backend }) => {
      const held: { readonly state: JsonObject; readonly text: string }[] = [];
      const hold = (state: JsonObject | undefined) => {
        assert.ok(state !== undefined);
        held.push({ state, text: JSON.stringify(state) });
      };
      let current = await draft(backend, 'id')
        .set({ a: { n: 0, list: [] }, b: { c: { n: 0 } } })
        .store();
      for (let n = 1; n <= 12; n++) {
        hold((await readContext(backend, 'id')).state);
        const { known } = await backend.readOutcome('id', undefined, 0);
        if (known.kind === 'context') hold(known.state);
        const state: JsonObject = {
          a: { n, list: [{ n }] },
          b: n % 3 === 0 ? n : { c: { n, more: { n } } },
          [`k${n}`]: {},
        };
        const { a } = state;
        current = await current
          .set(state)
          .set({ ...state, b: null })
          .set({ a: a as JsonValue, b: { c: { n } } })
          .store();
      }
      for (const { state, text } of held) assert.equal(JSON.stringify(state), text);
    });
  },
};

function assertKnownFrozen(known: Known): void {
  if (known.kind !== 'context') return assertFrozen(known);
  assertFrozen(known.head);
  assertFrozen(known.state);
}

/** Fails unless the value and everything in it is frozen. */
function assertFrozen(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  assert.ok(Object.isFrozen(value), `Not frozen: ${JSON.stringify(value).slice(0, 200)}`);
  for (const child of Array.isArray(value) || isJsonObject(value) ? Object.values(value) : []) assertFrozen(child);
}
