import type { Call } from './call.ts';
import type { Log } from './log.ts';
import { codeOf, replyText, wordsOf } from './outcomes.ts';

/** What only an operator can mend, and which calls suffer from it. */
const sufferers: ReadonlyMap<string, string> = new Map([
  ['OOM', 'writes'],
  ['MISCONF', 'writes'],
  ['NOREPLICAS', 'writes'],
  ['NOPERM', 'calls'],
]);

/**
 * Some calls need no memory, say: one that succeeds sooner after a refusal does not prove that it is over. A removal by
 * commit.lua may still end it too soon.
 */
const quietMs = 1_000;

interface Refusal {
  readonly server: string;
  readonly sufferer: string;
  /** Names of the commands and scripts that were refused. */
  readonly names: Set<string>;
  lastMs: number;
}

/** Tells operators when a server begins to refuse calls for such a reason, and when it takes them again. */
export class Refusals {
  readonly #onLog: Log;
  /** By server and reason. */
  readonly #lasting = new Map<string, Refusal>();

  constructor(onLog: Log) {
    this.#onLog = onLog;
  }

  refused(call: Call, reply: Error): void {
    const sufferer = sufferers.get(codeOf(reply));
    if (sufferer === undefined || call.request.isQuiet === true) return;
    const { server } = call;
    const key = `${server} ${codeOf(reply)}`;
    const refusal = this.#lasting.get(key) ?? { server, sufferer, names: new Set(), lastMs: 0 };
    refusal.lastMs = performance.now();
    refusal.names.add(nameOf(call));
    if (this.#lasting.has(key)) return;
    this.#lasting.set(key, refusal);
    const text = `Redis at ${server} refuses ${sufferer}: ${wordsOf(reply, replyText(reply))}`;
    this.#onLog({ level: 'warn', text });
  }

  succeeded(call: Call): void {
    if (this.#lasting.size === 0) return;
    for (const [key, { server, sufferer, names, lastMs }] of this.#lasting) {
      const proves = server === call.server && names.has(nameOf(call)) && performance.now() - lastMs >= quietMs;
      if (!proves) continue;
      this.#lasting.delete(key);
      this.#onLog({ level: 'info', text: `Redis at ${server} takes ${sufferer} again` });
    }
  }
}

function nameOf({ request }: Call): string {
  return request.script?.name ?? request.name;
}
