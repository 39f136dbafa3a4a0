import { createHash } from 'node:crypto';
import { LmdbBackend } from '../../../src/backend/lmdb/lmdb.ts';
import { createChord } from '../../../src/chord.ts';
import { DataDirectoryError } from '../../../src/errors.ts';
import type { Chord } from '../../../src/service/chord.ts';
import { canonical } from '../../delta/oracles.ts';

/** What somebody who reads all of a directory is told. */
export type Look =
  | { readonly kind: 'refused'; readonly message: string }
  | {
      readonly kind: 'seen';
      /** By id: the version and a hash of the state. */
      readonly contexts: Readonly<Record<string, string>>;
      /** The codes, or else messages, of the errors that reading and writing ended with. */
      readonly errors: readonly string[];
    };

/** Opens a directory, reads the contexts with their deltas, writes to each, and closes. */
export async function lookAround(path: string, ids: readonly string[]): Promise<Look> {
  const errors: string[] = [];
  const contexts: Record<string, string> = {};
  const note = (error: unknown) => void errors.push(wordsFor(error));
  let chord: Chord;
  try {
    chord = createChord({ backend: LmdbBackend.open({ path }) });
  } catch (error) {
    if (error instanceof DataDirectoryError) return { kind: 'refused', message: error.message };
    return { kind: 'seen', contexts, errors: [`at the opening: ${wordsFor(error)}`] };
  }
  await chord.listContexts({}).catch(note);
  for (const id of ids) {
    await chord.listDeltas({ contextId: id }).catch(note);
    const found = await chord.getContext(id).catch(note);
    if (found) contexts[id] = summaryOf(found);
    await chord.updateContext(id, {}).catch(note);
    await chord.updateContext(id, { seen: true }).catch(note);
  }
  await chord.close().catch(note);
  return { kind: 'seen', contexts, errors };
}

/** What `contexts` of a look says of a context. */
export function summaryOf({
  version,
  state,
}: {
  readonly version: number;
  readonly state: Parameters<typeof canonical>[0];
}): string {
  return `${version} ${createHash('sha1').update(canonical(state)).digest('hex')}`;
}

function wordsFor(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? String(error.code) : `${error.name}: ${error.message}`;
}
