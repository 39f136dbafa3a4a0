/* What everybody was told who followed a context or asked for it: unbroken, true, not outdated, and with its cause. */
import { at, type ContextEvent, type Copy, follow, GapError, type Position } from '../../examples/replay/follower.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import { answerOf, type World } from '../service/oracle.ts';
import { isStale } from './check-writes.ts';
import type { Documents } from './documents.ts';
import type { Connection, ReaderRecord, Rule, SeenEvent } from './history.ts';
import type { Ledger } from './ledger.ts';

/** What a reader was told last. */
type Told = { readonly kind: 'nothing' } | ({ readonly kind: 'position' | 'gone' } & Position);

/** Reports events that do not lead on, are not true, are outdated, or have no cause. */
export function checkReaders(ledger: Ledger, documents: Documents): void {
  for (const reader of ledger.history.readers) {
    for (const complaint of reader.complaints) ledger.report('answer', `${reader.name} ${complaint}`);
    let copy: Copy | undefined;
    for (const connection of reader.connections) {
      if (reader.kind === 'prober') copy = copyAt(connection.sent, documents);
      else if (connection.sent === undefined) copy = undefined;
      else if (!isAt(copy, connection.sent)) {
        ledger.report('chain of a follower', `${reader.name} sent ${at(connection.sent)} and had ${at(copy)}`);
      }
      copy = new Check(ledger, documents, { reader, connection }).run(copy);
    }
  }
}

function copyAt(position: Position | undefined, documents: Documents): Copy | undefined {
  const state = position === undefined ? undefined : documents.at(position);
  return position === undefined || state === undefined ? undefined : { ...position, state };
}

function isAt(copy: Copy | undefined, { epoch, version }: Position): boolean {
  return copy?.epoch === epoch && copy.version === version;
}

interface Subject {
  readonly reader: ReaderRecord;
  readonly connection: Connection;
}

/** One connection of one reader. */
class Check {
  readonly #ledger: Ledger;
  readonly #documents: Documents;
  readonly #reader: ReaderRecord;
  readonly #connection: Connection;
  readonly #who: string;

  constructor(ledger: Ledger, documents: Documents, { reader, connection }: Subject) {
    this.#ledger = ledger;
    this.#documents = documents;
    this.#reader = reader;
    this.#connection = connection;
    this.#who = `${reader.name} at ${connection.process}`;
  }

  /** @returns the reader's copy after the last event. */
  run(before: Copy | undefined): Copy | undefined {
    const { beginMs, endMs, events, sent } = this.#connection;
    const ms = (endMs ?? beginMs) - beginMs;
    if (ms > this.#ledger.history.limits.answerWithinMs) this.#complain('answer', `waited ${ms.toFixed(0)} ms`);
    let copy = before;
    let told: Told = sent === undefined ? { kind: 'nothing' } : { kind: 'position', ...sent };
    for (const [index, seen] of events.entries()) {
      const isLive = index > 0;
      if (isLive) this.#checkProgress(seen.event, told);
      else this.#checkFirst(seen);
      this.#checkCause(seen.event, told, isLive);
      copy = this.#follow(copy, seen.event);
      told = toldBy(seen.event);
    }
    return copy;
  }

  #follow(copy: Copy | undefined, event: ContextEvent): Copy | undefined {
    // Nobody knows what was at the position that this one named.
    if (this.#reader.kind === 'prober' && copy === undefined && event.__typename !== 'FullContext') return undefined;
    try {
      const now = follow(copy, event);
      if (now !== undefined) this.#documents.check(now, now.state, this.#who);
      return now;
    } catch (error) {
      if (!(error instanceof GapError)) throw error;
      this.#ledger.report('chain of a follower', `${this.#who}: ${error.message}`);
      return undefined;
    }
  }

  /** The first event answers from a look at the store that began after the request. */
  #checkFirst({ atMs, event }: SeenEvent): void {
    const { beginMs, sent } = this.#connection;
    const known = this.#ledger.knownRankAt(beginMs);
    if (event.__typename === 'NoContext') {
      const isThere = known !== Number.NEGATIVE_INFINITY;
      const mayBeLost = this.#ledger.lossBetween(this.#ledger.lastKnownMs(beginMs), atMs) !== undefined;
      if (isThere && !mayBeLost) this.#complain('stale answer', 'was told of no context, and there was one');
      return;
    }
    const isEnd = event.__typename === 'ContextGone';
    if (isStale(this.#ledger, event, { beginMs, endMs: atMs, isEnd })) {
      this.#complain('stale answer', `was told of ${at(event)}, where the context was no more when it asked`);
    }
    const isGoneOn = event.__typename === 'NoChange' || event.__typename === 'Delta';
    if (sent !== undefined && isGoneOn && this.#isSurelyLost(sent, beginMs)) {
      this.#complain('stale answer', `sent ${at(sent)}, which was lost, and was answered ${event.__typename}`);
    }
  }

  /** Whether the position was lost before that moment, by whatever fault it was. */
  #isSurelyLost(position: Position, beginMs: number): boolean {
    const successor = this.#ledger.successor(position);
    if (successor === undefined) return false;
    const place = this.#ledger.place(position);
    const fromMs = place?.write === undefined ? Number.POSITIVE_INFINITY : place.landedMs;
    const { faults } = this.#ledger.history;
    const causes = faults.filter(
      (fault) => fault.losesFromMs !== undefined && fault.beginMs <= successor.knownMs && fault.endMs >= fromMs,
    );
    return causes.length > 0 && causes.every(({ endMs }) => endMs < beginMs);
  }

  /** What follows leads on, unless a tail was lost. */
  #checkProgress(event: ContextEvent, told: Told): void {
    if (event.__typename === 'NoChange')
      this.#complain('cause', `was told live that nothing had changed since ${at(event)}`);
    if (told.kind === 'nothing' || this.#ledger.isLost(told)) return;
    if (event.__typename === 'NoContext') {
      const isLost = this.#ledger.history.faults.some(({ losesFromMs }) => losesFromMs !== undefined);
      if (!isLost) this.#complain('stale answer', `was told of no context after ${at(told)}`);
      return;
    }
    const isEnd = event.__typename === 'ContextGone';
    const [before, now] = [this.#ledger.rank(told, told.kind === 'gone'), this.#ledger.rank(event, isEnd)];
    if (now > before || this.#mayGoBack(told)) return;
    this.#complain('chain of a follower', `was told of ${at(event)}${isEnd ? ' (gone)' : ''} after ${at(told)}`);
  }

  /** A deletion that was lost with its tail. */
  #mayGoBack(told: Exclude<Told, { kind: 'nothing' }>): boolean {
    const end = told.kind === 'gone' ? this.#ledger.place(told, true) : undefined;
    return end !== undefined && this.#ledger.lossBetween(end.knownMs, Number.POSITIVE_INFINITY) !== undefined;
  }

  /** The table of docs/protocol.md, on where the reader was and where it was led. */
  #checkCause(event: ContextEvent, told: Told, isLive: boolean): void {
    const given = wordsOf(event);
    const world = this.#worldAt(event);
    // A follower of a gone context has no state: whatever lives is another epoch to it.
    const client = told.kind === 'nothing' ? {} : told.kind === 'gone' ? { epoch: '-', version: told.version } : told;
    const { deltaThreshold, maxMergeDeltas: maxMerge } = this.#ledger.history.limits;
    const isStep = told.kind === 'position' && told.epoch === event.epoch && event.version === told.version + 1;
    const isKept = deltaThreshold === null || deltaThreshold > 0;
    // By far the most: one delta, live, which is sent whatever it weighs.
    if (isLive && isStep && given === 'delta' && isKept) return;
    try {
      const due = answerOf(client, world, { isLive, maxMerge });
      if (due === given) return;
      const where = told.kind === 'nothing' ? 'no position' : `${at(told)}${told.kind === 'gone' ? ' (gone)' : ''}`;
      this.#complain(
        'cause',
        `had ${where} and was told ${given} at ${at(event)}${isLive ? ', live' : ''}: due was ${due}`,
      );
    } catch (error) {
      // It depends on a state that nobody knows.
      if (!(error instanceof UnknownStateError)) throw error;
      const isEither = given === 'delta' || given === 'full SMALLER';
      if (!isEither) this.#complain('cause', `was told ${given} at ${at(event)}: due was a delta, or full SMALLER`);
    }
  }

  #worldAt(event: ContextEvent): World {
    if (event.__typename === 'NoContext') return { kind: 'absent' };
    if (event.__typename === 'ContextGone') return { kind: 'tombstone' };
    const { epoch, version } = event;
    const firstVersion = this.#ledger.life(epoch)?.first ?? version;
    const { deltaThreshold } = this.#ledger.history.limits;
    const floor = deltaThreshold === null ? firstVersion : Math.max(firstVersion, version - deltaThreshold);
    const stateAt = (of: number): JsonObject => {
      const state = this.#documents.at({ epoch, version: of });
      if (state === undefined) throw new UnknownStateError();
      return state;
    };
    return { kind: 'context', epoch, firstVersion, floor, version, stateAt };
  }

  #complain(rule: Rule, what: string): void {
    this.#ledger.report(rule, `${this.#who} ${what}`);
  }
}

class UnknownStateError extends Error {}

function toldBy(event: ContextEvent): Told {
  const { epoch, version } = event;
  if (event.__typename === 'NoContext') return { kind: 'nothing' };
  return { kind: event.__typename === 'ContextGone' ? 'gone' : 'position', epoch, version };
}

/** In the words of the oracle. */
export function wordsOf(event: ContextEvent): string {
  switch (event.__typename) {
    case 'FullContext':
      return `full ${event.reason}`;
    case 'Delta':
      return 'delta';
    case 'NoChange':
      return 'noChange';
    case 'ContextGone':
      return 'gone';
    case 'NoContext':
      return 'null';
  }
}
