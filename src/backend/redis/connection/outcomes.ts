/** What an error says about the command that it ends. */
import { ReplyError } from 'ioredis';

/**
 * - `script`: the server does not know the script; nothing was executed.
 * - `again`: nothing was executed, and soon, or on another server, it may be.
 * - `refused`: nothing was executed, and nothing will be for a while.
 * - `unproven`: something may have been executed.
 */
export type Verdict = 'script' | 'again' | 'refused' | 'unproven';

/**
 * Codes that servers give before they execute anything. Inside a script OOM, READONLY, MISCONF and NOREPLICAS come
 * before its first write or not at all (script.c of Redis).
 */
const verdicts: ReadonlyMap<string, Verdict> = new Map([
  ['NOSCRIPT', 'script'],
  ['MOVED', 'again'],
  ['ASK', 'again'],
  ['TRYAGAIN', 'again'],
  ['CLUSTERDOWN', 'again'],
  ['LOADING', 'again'],
  ['BUSY', 'again'],
  ['MASTERDOWN', 'again'],
  ['READONLY', 'again'],
  ['OOM', 'refused'],
  ['MISCONF', 'refused'],
  ['NOREPLICAS', 'refused'],
  ['NOAUTH', 'refused'],
  ['NOPERM', 'refused'],
  ['CROSSSLOT', 'refused'],
]);

/** An error that the server answered. */
export function isReply(error: Error): boolean {
  return error instanceof ReplyError;
}

/** What an error reply proves. */
export function verdictOf(reply: Error): Verdict {
  const code = codeOfReply(reply.message);
  // A script may have written before it came to a command that this user may not call.
  if (code === 'NOPERM' && reply.message.includes('script')) return 'unproven';
  return verdicts.get(code) ?? 'unproven';
}

/** Redis 6 puts the code of an error inside a script behind a text of its own. */
function codeOfReply(message: string): string {
  const [, nested] = /^ERR Error running script .*: -([A-Z]+) /s.exec(message) ?? [];
  return nested ?? /^[A-Z]+/.exec(message)?.[0] ?? '';
}

/** The reply's text, without what it quotes of the command, and not endless. */
export function replyText(reply: Error): string {
  const [text = ''] = reply.message.split(', with args beginning with');
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

/** Where a slot is, as MOVED says. */
export function movedTo(reply: Error): { readonly slot: number; readonly address: string } | undefined {
  const [, slot, address] = /^MOVED (\d+) (\S+)$/.exec(reply.message) ?? [];
  return slot === undefined || address === undefined ? undefined : { slot: Number(slot), address };
}
