/** Answers of the scripts that carry a context, see view.lua, read.lua and commit.lua. */
import type { Tombstone } from '../known.ts';
import { deltaFrom, type Entry, headFrom, type StoredView, stateFrom, tombstoneFrom } from './codec.ts';
import { listOf, textOf } from './replies.ts';

/** What a script says of an id. */
export type Stored = StoredView | Tombstone | { readonly kind: 'absent' };

const absent = Object.freeze({ kind: 'absent' });

/** Of a view, a tombstone, or nothing. */
export function storedFrom(reply: unknown): Stored {
  if (reply === null || reply === undefined) return absent;
  const [kind, text, from, source, checkpoint, entries] = listOf(reply);
  const whole = textOf(text) ?? '';
  if (kind === 't') return tombstoneFrom(whole);
  const stored = headFrom(whole);
  const { head } = stored;
  const fromText = textOf(from);
  return {
    kind: 'context',
    head,
    line: stored.line,
    from: fromText === undefined ? undefined : Number(fromText),
    source: source === 'have' || source === 'none' ? source : { checkpoint: stateFrom(textOf(checkpoint)) },
    // Entries of a stream: Redis answers nothing else to XRANGE.
    records: listOf(entries).map((entry) => deltaFrom(entry as Entry, head)),
  };
}
