import type { Note } from '../backend.ts';
import { listOf, textOf } from './replies.ts';
import { scripts } from './scripts.ts';
import type { RedisStore } from './store.ts';

/** The revision of a note; undefined: there is none. @throws BackendUnavailableError */
export async function noteRevision({ client, keys }: RedisStore, name: string): Promise<string | undefined> {
  return textOf(await client.run(scripts.note, keys.note(name), ['0']));
}

/** A note as it is; undefined: there is none. @throws BackendUnavailableError */
export async function readNote({ client, keys }: RedisStore, name: string): Promise<Note | undefined> {
  const reply = await client.run(scripts.note, keys.note(name), ['1']);
  if (reply === null) return undefined;
  const [revision, text] = listOf(reply).map(textOf);
  return { text: text ?? '', revision: revision ?? '' };
}

/** Replaces a note, as `Backend` says. @throws BackendUnavailableError */
export async function writeNote(
  { client, keys }: RedisStore,
  name: string,
  { note, expected }: { readonly note: Note; readonly expected: string | undefined },
): Promise<boolean> {
  const args = [note.revision, note.text, ...(expected === undefined ? [] : [expected])];
  return Number(await client.run(scripts.writeNote, keys.note(name), args)) === 1;
}
