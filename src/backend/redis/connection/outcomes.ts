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
const meanings: ReadonlyMap<string, readonly [verdict: Verdict, words: string]> = new Map([
  ['NOSCRIPT', ['script', 'it does not know the script']],
  ['MOVED', ['again', 'another master serves the slot']],
  ['ASK', ['again', 'the slot is being moved']],
  ['TRYAGAIN', ['again', 'the slot is being moved']],
  ['CLUSTERDOWN', ['again', 'part of the Cluster is gone']],
  ['LOADING', ['again', 'it is loading its data']],
  ['BUSY', ['again', 'it is busy with a script']],
  ['MASTERDOWN', ['again', 'it is a replica without its master']],
  ['READONLY', ['again', 'it is a replica']],
  ['OOM', ['refused', 'it is out of memory']],
  ['MISCONF', ['refused', 'it cannot write to its disk']],
  ['NOREPLICAS', ['refused', 'it has too few replicas']],
  ['NOAUTH', ['refused', 'it wants a password']],
  ['NOPERM', ['refused', 'its user lacks a right']],
  ['CROSSSLOT', ['refused', 'the keys are in several slots']],
  // Of view.lua: whatever led there has stored nothing of the context.
  ['DAMAGED', ['refused', 'what it holds of the context is incomplete']],
]);

/** An error that the server answered. */
export function isReply(error: unknown): boolean {
  return error instanceof ReplyError;
}

/** What an error reply proves. */
export function verdictOf(reply: Error): Verdict {
  const code = codeOf(reply);
  // A script may have written before it came to a command that this user may not call.
  if (code === 'NOPERM' && reply.message.includes('script')) return 'unproven';
  return meanings.get(code)?.[0] ?? 'unproven';
}

/** Redis 6 puts the code of an error inside a script behind a text of its own. */
export function codeOf(reply: Error): string {
  const [, nested] = /^ERR Error running script .*: -([A-Z]+) /s.exec(reply.message) ?? [];
  return nested ?? /^[A-Z]+/.exec(reply.message)?.[0] ?? 'ERR';
}

/**
 * What a reply means, in words that name neither a server nor what was sent.
 *
 * @param detail what stands in brackets.
 */
export function wordsOf(reply: Error, detail = codeOf(reply)): string {
  return `${meanings.get(codeOf(reply))?.[1] ?? 'it answered with an error'} (${detail})`;
}

/** The reply's text, without what it quotes of the command and the script, and not endless. */
export function replyText(reply: Error): string {
  const [text = ''] = reply.message.split(/, with args beginning with| script: \w+, on /);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text.replace(/\.$/, '');
}

/** Where a slot is, as MOVED says. */
export function movedTo(reply: Error): { readonly slot: number; readonly address: string } | undefined {
  const [, slot, address] = /^MOVED (\d+) (\S+)$/.exec(reply.message) ?? [];
  return slot === undefined || address === undefined ? undefined : { slot: Number(slot), address };
}
