/**
 * The Lua scripts, beside this file in `scripts/`. Each says what it is given and returns; a piece that several share
 * is put in front of them.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** One script as a server knows it. */
export interface Script {
  readonly name: string;
  readonly text: string;
  /** SHA-1 of the text, by which EVALSHA names it. */
  readonly sha: string;
  /** Whether a lost reply leaves open what is stored. */
  readonly isWrite: boolean;
}

const writes = { isWrite: true };
const reads = { isWrite: false };

/** All of them. */
export const scripts = {
  identity: load('identity', ['server'], reads),
  // Writes, but only what may be repeated: a lost reply leaves nothing open.
  probe: load('probe', ['server', 'announce'], reads),
  read: load('read', ['server', 'numbers', 'head', 'outcome', 'view'], reads),
  deltas: load('deltas', ['server', 'numbers', 'head'], reads),
  change: load('change', ['numbers', 'head', 'view', 'behind', 'announce'], writes),
  commit: load(
    'commit',
    ['server', 'numbers', 'head', 'outcome', 'queue', 'view', 'behind', 'remove', 'announce'],
    writes,
  ),
  checkpoint: load('checkpoint', ['server', 'numbers', 'head'], writes),
  expire: load('expire', ['server', 'numbers', 'head', 'remove', 'announce'], writes),
  postpone: load('postpone', ['server', 'numbers', 'head'], writes),
  trim: load('trim', ['server', 'numbers', 'head'], writes),
  purge: load('purge', ['server', 'numbers', 'head'], writes),
  lease: load('lease', ['server', 'numbers'], writes),
  note: load('note', ['server'], reads),
  writeNote: load('write-note', ['server'], writes),
  // Nobody is harmed by what a replica says of it, or it is not written there.
  rate: load('rate', ['numbers'], writes),
} as const satisfies Readonly<Record<string, Script>>;

function load(name: string, pieces: readonly string[], { isWrite }: Pick<Script, 'isWrite'>): Script {
  const text = [...pieces, name].map(read).join('\n');
  return { name, text, sha: createHash('sha1').update(text).digest('hex'), isWrite };
}

function read(name: string): string {
  return readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8');
}
