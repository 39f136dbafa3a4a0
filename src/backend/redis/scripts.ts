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
  read: load('read', ['numbers', 'head', 'server', 'outcome', 'view'], reads),
  deltas: load('deltas', ['numbers', 'head', 'server'], reads),
  change: load('change', ['numbers', 'head', 'view', 'behind', 'announce'], writes),
  commit: load(
    'commit',
    ['numbers', 'head', 'server', 'outcome', 'line', 'view', 'behind', 'remove', 'announce'],
    writes,
  ),
  checkpoint: load('checkpoint', ['numbers', 'head'], writes),
  expire: load('expire', ['numbers', 'head', 'server', 'remove', 'announce'], writes),
  postpone: load('postpone', ['numbers', 'head'], writes),
  trim: load('trim', ['numbers', 'head', 'server'], writes),
  purge: load('purge', ['numbers', 'head'], writes),
  lease: load('lease', ['numbers'], writes),
} as const satisfies Readonly<Record<string, Script>>;

function load(name: string, pieces: readonly string[], { isWrite }: Pick<Script, 'isWrite'>): Script {
  const text = [...pieces, name].map(read).join('\n');
  return { name, text, sha: createHash('sha1').update(text).digest('hex'), isWrite };
}

function read(name: string): string {
  return readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8');
}
