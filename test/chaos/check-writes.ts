/* What every write was answered: true when it was accepted or refused, and the same each time it was asked. */
import { at, follow, GapError, type Position } from '../../examples/replay/follower.ts';
import { equal, type JsonObject } from '../../src/delta/json.ts';
import { originOf } from './actions.ts';
import { birthOf, unsettled } from './check-chain.ts';
import type { Documents } from './documents.ts';
import type { Answer, Attempt, SeenDelta, WriteRecord } from './history.ts';
import type { Ledger } from './ledger.ts';
import { landingMs } from './lives.ts';

/** Reports answers that were not true, or not the same when the write was sent again. */
export function checkWrites(ledger: Ledger, documents: Documents): void {
  const deletes = unsettled(ledger, ({ action }) => action.verb === 'delete');
  for (const write of ledger.history.writes) {
    for (const attempt of write.attempts) {
      checkAnswer(ledger, write, attempt);
      checkRefusal(ledger, write, { attempt, deletes });
      checkDone(ledger, write, { attempt, documents });
    }
    checkRepeats(ledger, write);
  }
}

function checkAnswer(
  { history, report }: Ledger,
  { mark }: WriteRecord,
  { answer, beginMs, endMs, process }: Attempt,
): void {
  if (answer.kind === 'wrong') report('answer', `write ${mark} was answered by ${process}: ${answer.what}`);
  const ms = endMs - beginMs;
  if (ms > history.limits.answerWithinMs)
    report('answer', `write ${mark} was answered by ${process} after ${ms.toFixed(0)} ms`);
}

interface Refused {
  readonly attempt: Attempt;
  /** Deletions that may have happened at any time since they began. */
  readonly deletes: readonly WriteRecord[];
}

/** A refusal must have been right at some moment between question and answer. */
function checkRefusal(ledger: Ledger, write: WriteRecord, { attempt, deletes }: Refused): void {
  const { answer, beginMs, endMs } = attempt;
  const complain = (why: string) =>
    ledger.report('refusal', `write ${write.mark} (${write.action.verb}) was refused${why}`);
  if (answer.kind === 'notFound') {
    if (write.action.verb === 'set') complain(' as if it needed a context');
    else if (!mayBeAbsent(ledger, attempt, deletes)) complain(' for want of a context that was there');
  }
  if (answer.kind !== 'conflict') return;
  const { current } = answer;
  if (current === undefined) {
    if (fitsNothing(write)) complain(' though it expected nothing');
    else if (!mayBeAbsent(ledger, attempt, deletes)) complain(' as if there were no context, and it was there');
    return;
  }
  if (fits(write, current)) complain(` at ${at(current)}, where it expected the context`);
  if (isStale(ledger, current, { beginMs, endMs })) complain(` at ${at(current)}, where the context was no more`);
}

/** Whether the context was surely somewhere else already. */
export function isStale(
  ledger: Ledger,
  position: Position,
  { beginMs, endMs, isEnd = false }: { readonly beginMs: number; readonly endMs: number; readonly isEnd?: boolean },
): boolean {
  return ledger.rank(position, isEnd) < ledger.knownRankAt(beginMs) && !ledger.isDisputed(beginMs, endMs);
}

/** Whether there may have been no context at some moment of the attempt. */
function mayBeAbsent(ledger: Ledger, { beginMs, endMs }: Attempt, deletes: readonly WriteRecord[]): boolean {
  const known = ledger.knownRankAt(beginMs);
  if (known === Number.NEGATIVE_INFINITY || deletes.some((write) => landingMs(write) <= endMs)) return true;
  if (ledger.lossBetween(ledger.lastKnownMs(beginMs), endMs) !== undefined) return true;
  return ledger.lives.some(({ epoch, ends }) =>
    [...ends.values()].some(
      ({ version, landedMs }) => ledger.rank({ epoch, version }, true) >= known && landedMs <= endMs,
    ),
  );
}

function fits({ expectedVersion, expectedEpoch }: WriteRecord, { epoch, version }: Position): boolean {
  return (expectedVersion ?? version) === version && (expectedEpoch ?? epoch) === epoch;
}

function fitsNothing({ action, expectedVersion = 0, expectedEpoch }: WriteRecord): boolean {
  return action.verb === 'set' && expectedVersion === 0 && expectedEpoch === undefined;
}

interface Done {
  readonly attempt: Attempt;
  readonly documents: Documents;
}

function checkDone(ledger: Ledger, write: WriteRecord, { attempt, documents }: Done): void {
  const { answer, beginMs, endMs } = attempt;
  if (answer.kind !== 'done') return;
  const { position, changed, delta, duplicate } = answer;
  if (!duplicate) {
    checkPrecondition(ledger, write, position);
    const isStill = !isStale(ledger, position, { beginMs, endMs });
    if (!changed && !isStill)
      ledger.report(
        'precondition',
        `write ${write.mark} found nothing to change at ${at(position)}, where the context was no more`,
      );
    if (changed && write.action.verb !== 'delete' && delta === null) {
      ledger.report('answer', `write ${write.mark} was answered without its delta`);
    }
  }
  if (delta !== null) checkDelta(ledger, { ...answer, delta }, { documents, write });
}

/** What the write expected was where the context stood before it. */
function checkPrecondition(ledger: Ledger, write: WriteRecord, position: Position): void {
  const life = ledger.life(position.epoch);
  if (life === undefined) return;
  const possible: (Position | undefined)[] = [];
  if (write.action.verb === 'delete' || !write.isChange) possible.push(position);
  else if (position.version > life.first) possible.push({ ...position, version: position.version - 1 });
  else {
    const birth = birthOf(ledger, life);
    if (birth !== 'new') possible.push(...ledger.forks(life));
    if (birth !== 'fork') possible.push(undefined);
    // Somebody may have begun the life unseen.
    if (life.began === undefined) possible.push({ ...position, version: position.version - 1 });
  }
  const isTrue = possible.some((before) => (before === undefined ? fitsNothing(write) : fits(write, before)));
  if (isTrue) return;
  const where = possible.map((before) => (before === undefined ? 'there was nothing' : `it was at ${at(before)}`));
  const { action, expectedVersion = 'any version', expectedEpoch = 'any epoch' } = write;
  ledger.report(
    'precondition',
    `write ${write.mark} (${action.verb}) expected ${expectedVersion} of ${expectedEpoch} and came to ${at(position)}: before, ${where.join(' or ')}`,
  );
}

interface Told {
  readonly documents: Documents;
  readonly write: WriteRecord;
}

function checkDelta(
  ledger: Ledger,
  { position, delta }: { readonly position: Position; readonly delta: SeenDelta },
  { documents, write }: Told,
): void {
  const { mark } = write;
  if (delta.epoch !== position.epoch || delta.version !== position.version) {
    ledger.report('answer', `write ${mark} came to ${at(position)}, and its delta leads to ${at(delta)}`);
    return;
  }
  if (delta.origin !== originOf(mark)) {
    ledger.report(
      'state',
      `the delta of write ${mark} at ${at(position)} is said to be of ${JSON.stringify(delta.origin)}`,
    );
  }
  checkRecordedDelta(ledger, delta, documents);
}

/** A delta of one version starts where it says and leads to the document of its version. */
export function checkRecordedDelta(ledger: Ledger, delta: SeenDelta, documents: Documents): void {
  const life = ledger.life(delta.epoch);
  const after = documents.at(delta);
  if (life === undefined || after === undefined) return;
  const isFirst = delta.version === life.first;
  const wanted = isFirst && life.began !== undefined ? 0 : delta.version - 1;
  if (delta.fromVersion !== wanted && !(isFirst && life.began === undefined)) {
    ledger.report('no hole', `the delta at ${at(delta)} starts from ${delta.fromVersion}`);
  }
  const befores = [...documents.before(life, delta.version), ...(isFirst ? [{}] : [])];
  const leads = (before: JsonObject | undefined) => before === undefined || leadsTo(before, delta, after);
  if (!befores.some(leads))
    ledger.report('state', `the delta at ${at(delta)} does not lead to the document of its version`);
}

function leadsTo(before: JsonObject, delta: SeenDelta, after: JsonObject): boolean {
  try {
    const copy = follow({ epoch: delta.epoch, version: delta.fromVersion, state: before }, delta);
    return copy !== undefined && equal(copy.state, after);
  } catch (error) {
    if (error instanceof GapError) return false;
    throw error;
  }
}

/** All attempts of one write have one outcome, and only what came before makes a duplicate. */
function checkRepeats(ledger: Ledger, { mark, key, attempts }: WriteRecord): void {
  let first: { readonly position: Position; readonly endMs: number } | undefined;
  let mayBeDone = false;
  const last = attempts.at(-1)?.answer;
  if (key !== undefined && last?.kind === 'failed' && last.outcome === 'UNKNOWN') {
    ledger.report('answer', `write ${mark} was repeated ${attempts.length} times, and nobody knows what became of it`);
  }
  for (const { answer, beginMs, endMs } of attempts) {
    if (answer.kind === 'failed' && answer.outcome === 'UNKNOWN') mayBeDone = true;
    if (first !== undefined && isRefusal(answer) && !mayBeForgotten(ledger, first, beginMs)) {
      ledger.report('idempotency', `write ${mark} was done and then refused`);
    }
    if (answer.kind !== 'done') continue;
    const { duplicate, position } = answer;
    if (duplicate && (key === undefined || !mayBeDone)) {
      ledger.report('idempotency', `write ${mark} was said to be a duplicate, and nothing was stored before`);
    }
    if (first !== undefined && !mayBeForgotten(ledger, first, endMs)) {
      if (!duplicate)
        ledger.report('idempotency', `write ${mark} was done twice: at ${at(first.position)} and at ${at(position)}`);
      else if (!isSame(position, first.position)) {
        ledger.report(
          'idempotency',
          `write ${mark} was done at ${at(first.position)}, and its repetition at ${at(position)}`,
        );
      }
    }
    first = { position, endMs };
    mayBeDone = true;
  }
}

function isRefusal({ kind }: Answer): boolean {
  return kind === 'conflict' || kind === 'notFound';
}

function isSame(a: Position, b: Position): boolean {
  return a.epoch === b.epoch && a.version === b.version;
}

/** A store that loses a write loses what it remembers of it. */
function mayBeForgotten(
  ledger: Ledger,
  first: { readonly position: Position; readonly endMs: number },
  untilMs: number,
): boolean {
  return ledger.isLost(first.position) || ledger.lossBetween(first.endMs, untilMs) !== undefined;
}
