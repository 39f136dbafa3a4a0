/* What a run tells its reader. */
import type { Findings } from './check.ts';
import { wordsOf } from './check-readers.ts';
import type { FaultRecord, History } from './history.ts';

/** The counts of a run. */
export interface Summary {
  /** Attempts by answer. */
  readonly answers: ReadonlyMap<string, number>;
  /** Events by kind. */
  readonly events: ReadonlyMap<string, number>;
  readonly fulls: ReadonlyMap<string, number>;
  /** Faults by kind. */
  readonly faults: ReadonlyMap<string, number>;
  readonly connections: number;
  /** From the end of a fault until a write that began after it was acknowledged; undefined: there were no faults. */
  readonly slowestRecovery: { readonly ms: number; readonly fault: FaultRecord } | undefined;
  readonly slowestAnswerMs: number;
}

/** Counts what is in a history. */
export function summarize(history: History): Summary {
  const answers = new Map<string, number>();
  const events = new Map<string, number>();
  const fulls = new Map<string, number>();
  const faults = new Map<string, number>();
  let connections = 0;
  let slowestAnswerMs = 0;
  for (const { attempts } of history.writes) {
    for (const { answer, beginMs, endMs } of attempts) {
      count(answers, wordOf(answer));
      slowestAnswerMs = Math.max(slowestAnswerMs, endMs - beginMs);
    }
  }
  for (const reader of history.readers) {
    connections += reader.connections.length;
    for (const { event } of reader.connections.flatMap(({ events: seen }) => seen)) {
      count(events, wordsOf(event).replace(/ .*/, ''));
      if (event.__typename === 'FullContext') count(fulls, event.reason);
    }
  }
  for (const { kind } of history.faults) count(faults, kind);
  return { answers, events, fulls, faults, connections, slowestRecovery: slowestRecovery(history), slowestAnswerMs };
}

/** In lines: counts, and what was wrong. */
export function describe(history: History, findings: Findings, convergedMs: number): readonly string[] {
  const { answers, events, fulls, faults, connections, slowestRecovery: slowest, slowestAnswerMs } = summarize(history);
  const { violations, epochs, lostVersions, versions } = findings;
  return [
    `${history.writes.length} writes; attempts: ${list(answers)}`,
    `${versions} versions in ${epochs} epochs are in the chains; ${lostVersions} were acknowledged and lost with a tail`,
    `${connections} connections and questions; events: ${list(events)}`,
    `FULLs by reason: ${list(fulls)}`,
    `faults: ${list(faults)}`,
    ...(slowest === undefined ? [] : [`slowest recovery: ${seconds(slowest.ms)} after ${slowest.fault.kind}`]),
    `slowest answer: ${seconds(slowestAnswerMs)}; everybody had the last write after ${seconds(convergedMs)}`,
    ...(violations.length === 0 ? ['Nothing was wrong.'] : [`${violations.length} violations:`]),
    ...violations.slice(0, 20).map(({ rule, contextId, text }) => `VIOLATION (${rule}) ${contextId}: ${text}`),
  ];
}

function wordOf(answer: History['writes'][number]['attempts'][number]['answer']): string {
  switch (answer.kind) {
    case 'done':
      return answer.duplicate ? 'duplicate' : answer.changed ? 'done' : 'unchanged';
    case 'failed':
      return answer.outcome;
    default:
      return answer.kind;
  }
}

function slowestRecovery({ faults, writes }: History): Summary['slowestRecovery'] {
  const done = writes
    .flatMap(({ attempts }) => attempts)
    .filter(({ answer }) => answer.kind === 'done')
    .toSorted((a, b) => a.beginMs - b.beginMs);
  let slowest: Summary['slowestRecovery'];
  for (const fault of faults) {
    const after = done.filter(({ beginMs }) => beginMs >= fault.endMs).slice(0, 50);
    const ms = Math.min(...after.map(({ endMs }) => endMs - fault.endMs));
    if (Number.isFinite(ms) && ms > (slowest?.ms ?? 0)) slowest = { ms, fault };
  }
  return slowest;
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function list(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([what, times]) => `${what} ${times}`).join(', ') || 'none';
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}
