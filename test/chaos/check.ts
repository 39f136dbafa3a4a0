/**
 * The checker: a pure function of what was written down. docs/protocol.md says what must be; nothing here knows how a
 * store does it, only in which order things can have happened.
 */
import { checkChain } from './check-chain.ts';
import { checkEnd } from './check-end.ts';
import { checkReaders } from './check-readers.ts';
import { checkWrites } from './check-writes.ts';
import { Documents } from './documents.ts';
import { type ContextHistory, type History, rules, type Violation } from './history.ts';
import { Ledger } from './ledger.ts';

/** What was found of the contexts, and what should not have been. */
export interface Findings {
  readonly violations: readonly Violation[];
  /** Versions that are in the chains, and those that were acknowledged and lost with a server's tail. */
  readonly versions: number;
  readonly lostVersions: number;
  /** Epochs, over all contexts. */
  readonly epochs: number;
}

/** Everything that is wrong with a history, the worst first. */
export function checkHistory(history: History): Findings {
  const violations: Violation[] = [];
  for (const text of history.incidents) violations.push({ rule: 'answer', contextId: '-', text });
  const counts = { versions: 0, lostVersions: 0, epochs: 0 };
  for (const context of byContext(history)) {
    const { contextId } = context;
    const ledger = new Ledger(context, (rule, text) => violations.push({ rule, contextId, text }));
    const documents = new Documents(ledger);
    checkChain(ledger);
    checkWrites(ledger, documents);
    checkReaders(ledger, documents);
    checkEnd(ledger, documents);
    for (const life of ledger.lives) {
      counts.epochs++;
      for (const { acknowledgedMs, version } of life.places.values()) {
        if (version < life.lostFrom) counts.versions++;
        else if (acknowledgedMs !== undefined) counts.lostVersions++;
      }
    }
  }
  return { violations: violations.toSorted((a, b) => rules.indexOf(a.rule) - rules.indexOf(b.rule)), ...counts };
}

function byContext({ limits, faults, writes, readers, finals }: History): readonly ContextHistory[] {
  const ids = new Set([...writes, ...readers, ...finals].map(({ contextId }) => contextId));
  const [writesOf, readersOf, finalsOf] = [grouped(writes), grouped(readers), grouped(finals)];
  return [...ids].map((contextId) => ({
    contextId,
    limits,
    faults,
    writes: writesOf.get(contextId) ?? [],
    readers: readersOf.get(contextId) ?? [],
    finals: finalsOf.get(contextId) ?? [],
  }));
}

function grouped<T extends { readonly contextId: string }>(items: readonly T[]): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(item.contextId) ?? [];
    groups.set(item.contextId, group);
    group.push(item);
  }
  return groups;
}
