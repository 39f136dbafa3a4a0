/**
 * Notes, in the table that says what the file is: an older Chord, which knows no notes, passes over such rows, and would
 * take a table of their own for another program's. The revision has a row for itself, so that asking for it does not read
 * the text.
 */
import type { Note } from '../backend.ts';
import { encodeKey, type Key } from './keys.ts';
import type { Store } from './store.ts';
import type { RowWrite, Tables } from './tables.ts';

/** The revision of a note; undefined: there is none. @throws BackendUnavailableError */
export function noteRevision(store: Store, name: string): string | undefined {
  return store.read((tables) => get(tables, revisionKey(name)));
}

/** A note as it is on the disk; undefined: there is none. @throws BackendUnavailableError */
export function readNote(store: Store, name: string): Note | undefined {
  return store.read((tables) => {
    const revision = get(tables, revisionKey(name));
    const text = get(tables, textKey(name));
    return revision === undefined || text === undefined ? undefined : { text, revision };
  });
}

/** Replaces a note, as `Backend` says. To be called when nobody else writes it. @throws BackendUnavailableError */
export async function writeNote(
  store: Store,
  name: string,
  { note, expected }: { readonly note: Note; readonly expected: string | undefined },
): Promise<boolean> {
  if (noteRevision(store, name) !== expected) return false;
  const rows: readonly RowWrite[] = [
    { table: 'about', key: revisionKey(name), value: note.revision },
    { table: 'about', key: textKey(name), value: note.text },
  ];
  await store.write(rows);
  return true;
}

function get({ about }: Tables, key: Key): string | undefined {
  return about.get(encodeKey(key));
}

function revisionKey(name: string): Key {
  return ['note', name, 'revision'];
}

function textKey(name: string): Key {
  return ['note', name, 'text'];
}
