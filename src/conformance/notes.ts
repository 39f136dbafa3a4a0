import assert from 'node:assert/strict';
import type { Backend, Note } from '../backend/backend.ts';
import { assertSame, dueIds, everything } from './check.ts';
import { draft, start } from './draft.ts';
import type { Group } from './suite.ts';

export const notes: Group = {
  name: 'notes',
  define(test) {
    test('B61: there is no note before one is written', async ({ backend }) => {
      assert.equal(await backend.noteRevision('note'), undefined);
      assert.equal(await backend.readNote('note'), undefined);
    });

    const texts: Readonly<Record<string, string>> = {
      'an empty one': '',
      'one of several lines': 'a\nb\r\n\t"c"',
      'one beyond ASCII': 'ä€😀\u2028',
      'one of 3 MB': 'x€😀'.repeat(375_000),
    };
    for (const [what, text] of Object.entries(texts)) {
      test(`B61: a text comes back as it was written, ${what}`, async ({ backend }) => {
        assert.equal(await backend.writeNote('note', { text, revision: 'r1' }, undefined), true);
        await assertNote(backend, 'note', { text, revision: 'r1' });
      });
    }

    test('B61: each name has a note of its own', async ({ backend }) => {
      const names = ['note', 'notes', 'note:text', 'note-revision', '__proto__', 'format', 'serverId', 'revision'];
      for (const name of names) await write(backend, name, { text: `of ${name}`, revision: `r-${name}` });
      for (const name of names) await assertNote(backend, name, { text: `of ${name}`, revision: `r-${name}` });
    });

    test('B61: a note is no context, and a context no note', async ({ backend }) => {
      await write(backend, 'note', { text: 'text', revision: 'r1' });
      await draft(backend, 'note').assertStands();
      assert.deepEqual(await backend.list({ limit: everything }), []);
      assert.ok([0, undefined].includes(await backend.count({})), 'It is not counted');
      assertSame(await backend.heads(['note']), [undefined], 'Its head');
      for (const kind of ['context', 'deltas', 'tombstone'] as const) {
        assert.deepEqual(await dueIds(backend, kind, Number.MAX_SAFE_INTEGER), []);
      }
      const context = await draft(backend, 'note').set({ n: 1 }, { ttlMs: 10 }).store();
      await context.assertStands();
      await backend.expire('note', start + 10);
      await backend.purgeTombstone('note', start + 10);
      await assertNote(backend, 'note', { text: 'text', revision: 'r1' });
    });

    test('B62: a note is replaced while it has the revision that is expected', async ({ backend }) => {
      await write(backend, 'note', { text: 'one', revision: 'r1' });
      assert.equal(await backend.writeNote('note', { text: 'two', revision: 'r2' }, 'r1'), true);
      await assertNote(backend, 'note', { text: 'two', revision: 'r2' });
      assert.equal(await backend.writeNote('note', { text: '', revision: 'r3' }, 'r2'), true);
      await assertNote(backend, 'note', { text: '', revision: 'r3' });
    });

    test('B62: otherwise it stays as it is', async ({ backend }) => {
      const late = { text: 'late', revision: 'late' };
      assert.equal(await backend.writeNote('note', late, 'r0'), false, 'There is none');
      assert.equal(await backend.readNote('note'), undefined);
      const note = { text: 'two', revision: 'r2' };
      await write(backend, 'note', { text: 'one', revision: 'r1' });
      assert.equal(await backend.writeNote('note', note, 'r1'), true);
      for (const expected of [undefined, 'r1', 'r', 'R2', '', 'two']) {
        assert.equal(await backend.writeNote('note', late, expected), false, `Expected ${expected}`);
      }
      await assertNote(backend, 'note', note);
    });

    test('B63: of writes that race on one revision exactly one is done', async ({ backend }) => {
      let expected: string | undefined;
      for (let round = 0; round < 5; round++) {
        const racers = Array.from({ length: 8 }, (_, index) => ({
          text: `of ${index}`,
          revision: `r${round}-${index}`,
        }));
        expected = (await race(racers, () => backend, expected)).revision;
      }
    });
  },
};

/** Fails unless there is such a note. */
export async function assertNote(backend: Backend, name: string, note: Note): Promise<void> {
  assert.equal(await backend.noteRevision(name), note.revision);
  const found = await backend.readNote(name);
  assert.equal(found?.revision, note.revision);
  // Not compared by a matcher, which would print megabytes.
  assert.ok(found?.text === note.text, `The text of ${name} is another one.`);
}

/** Writes all of them at once, on one revision. Answers the one that was written. */
export async function race(
  racers: readonly Note[],
  backendOf: (index: number) => Backend,
  expected: string | undefined,
): Promise<Note> {
  const written = await Promise.all(racers.map((note, index) => backendOf(index).writeNote('note', note, expected)));
  const [won, ...others] = racers.filter((_, index) => written[index] === true);
  assert.ok(won !== undefined && others.length === 0, `Written: ${written.join(', ')}`);
  await assertNote(backendOf(0), 'note', won);
  return won;
}

async function write(backend: Backend, name: string, note: Note): Promise<void> {
  assert.equal(await backend.writeNote(name, note, undefined), true, `There must be no note ${name} before.`);
}
