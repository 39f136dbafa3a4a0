/* The chain of versions of one context: complete, in the order of the writes, and nothing in it that should not be. */
import { at, type Position } from '../../examples/replay/follower.ts';
import type { FaultRecord, WriteRecord } from './history.ts';
import type { Ledger } from './ledger.ts';
import { isUnknown, type Life, landingMs, type Place } from './lives.ts';

/** Reports losses without a cause, holes, writes stored twice or out of order, and epochs that began without a cause. */
export function checkChain(ledger: Ledger): void {
  checkLosses(ledger);
  checkHoles(ledger);
  checkMarks(ledger);
  checkOrder(ledger);
  checkEnds(ledger);
  for (const life of ledger.lives) {
    checkBegin(ledger, life);
    checkServer(ledger, life);
  }
}

/** What somebody knew and is there no more. */
function checkLosses(ledger: Ledger): void {
  for (const life of ledger.lives) {
    for (const place of [...life.places.values(), ...life.ends.values()]) {
      const position = { epoch: life.epoch, version: place.version };
      const successor = ledger.successor(position);
      if (successor === undefined) continue;
      checkForked(ledger, place, { position, successor });
      if (ledger.lossOf(place, successor.knownMs) !== undefined) continue;
      const what = place.acknowledgedMs === undefined ? 'was seen' : 'was acknowledged';
      ledger.report(
        'acknowledged is kept',
        `${nameOf(place)} ${what} at ${at(position)}, and then epoch ${successor.epoch} began with version ${successor.first}`,
      );
    }
  }
}

interface Fork {
  readonly position: Position;
  readonly successor: Life;
}

/** A life must not go on when its successor has begun. */
function checkForked(ledger: Ledger, { write, isEnd, landedMs }: Place, { position, successor }: Fork): void {
  if (write === undefined || isEnd) return;
  const lastMs = Math.max(...write.attempts.map(({ endMs }) => endMs));
  if (landedMs <= successor.knownMs || ledger.isDisputed(landedMs, lastMs)) return;
  ledger.report('epoch', `write ${write.mark} came to ${at(position)} when epoch ${successor.epoch} had begun`);
}

/** Every version was made by somebody: if nobody knows by whom, by a write whose outcome is unknown. */
function checkHoles(ledger: Ledger): void {
  const missing: Missing[] = [];
  const lost: Missing[] = [];
  let next = 1;
  for (const life of ledger.lives) {
    const { epoch, first, last, lostFrom, knownMs, places } = life;
    const survives = first < lostFrom;
    for (let version = survives ? next : first; version <= last; version++) {
      if (places.has(version) && version >= first) continue;
      const untilMs = Math.min(knownFrom(life, version), version < first ? knownMs : Number.POSITIVE_INFINITY);
      (version < lostFrom ? missing : lost).push({ where: at({ epoch, version }), untilMs });
    }
    if (survives) next = Math.min(last + 1, lostFrom);
  }
  const complain = ({ where }: Missing) => ledger.report('no hole', `there is no write that made version ${where}`);
  match(unsettled(ledger, makesVersion), missing, complain);
  match(perhapsLost(ledger, makesVersion), lost, complain);
}

interface Missing {
  readonly where: string;
  readonly untilMs: number;
}

/** When somebody knew of a later version of the life. */
function knownFrom({ places }: Life, version: number): number {
  const later = [...places.values()].filter((place) => place.version > version);
  return Math.min(Number.POSITIVE_INFINITY, ...later.map(({ knownMs }) => knownMs));
}

/** Each of what is missing takes one of the writes that may have made it. */
function match(
  writes: readonly WriteRecord[],
  missing: readonly Missing[],
  complain: (missing: Missing) => void,
): void {
  const left = writes.map((write) => landingMs(write)).toSorted((a, b) => a - b);
  for (const each of missing.toSorted((a, b) => a.untilMs - b.untilMs)) {
    const begin = left[0];
    if (begin === undefined || begin > each.untilMs) complain(each);
    else left.shift();
  }
}

/** Writes that may have been stored, and nobody knows where. */
export function unsettled(ledger: Ledger, isMeant: (write: WriteRecord) => boolean): readonly WriteRecord[] {
  const placed = new Set<WriteRecord | undefined>();
  for (const { places, ends } of ledger.lives) {
    for (const { write } of [...places.values(), ...ends.values()]) placed.add(write);
  }
  return ledger.history.writes.filter((write) => isMeant(write) && !placed.has(write) && mayBeStored(ledger, write));
}

/** Writes that may have been stored where it was lost, even if they were stored again. */
function perhapsLost({ history }: Ledger, isMeant: (write: WriteRecord) => boolean): readonly WriteRecord[] {
  return history.writes.filter((write) => isMeant(write) && isUnknown(write));
}

/** Whether its answers leave it open that it was stored, or say so. */
export function mayBeStored(ledger: Ledger, write: WriteRecord): boolean {
  const { key, attempts } = write;
  if (attempts.some(({ answer: { kind } }) => kind === 'done' || kind === 'wrong')) return true;
  if (!isUnknown(write)) return false;
  const last = attempts.at(-1);
  const isRefused = last?.answer.kind === 'conflict' || last?.answer.kind === 'notFound';
  // A store that knows the key would have said so; unless it has lost it meanwhile, together with the write.
  const [first] = attempts;
  const isLossy =
    first !== undefined && last !== undefined && ledger.lossBetween(first.beginMs, last.endMs) !== undefined;
  return key === undefined || !isRefused || isLossy;
}

function checkMarks(ledger: Ledger): void {
  const found = new Map<WriteRecord, string[]>();
  for (const { epoch, places } of ledger.lives) {
    for (const { version, write } of places.values()) {
      if (write === undefined) continue;
      const position = { epoch, version };
      if (!ledger.isLost(position)) found.set(write, [...(found.get(write) ?? []), at(position)]);
      if (!mayBeStored(ledger, write)) {
        ledger.report('not stored is nowhere', `${sayAnswers(write)}, and it is at ${at(position)}`);
      }
    }
  }
  for (const [write, places] of found) {
    if (places.length > 1) ledger.report('stored once', `write ${write.mark} is at ${places.join(' and at ')}`);
  }
}

function sayAnswers({ mark, attempts }: WriteRecord): string {
  const words = attempts.map(({ answer }) => (answer.kind === 'failed' ? answer.outcome : answer.kind));
  return `write ${mark} was answered ${words.join(', ')}`;
}

interface Item {
  readonly place: Place;
  readonly where: string;
  readonly rank: number;
}

/** A write that began when a later position was known already cannot be before it; nor be known before it began. */
function checkOrder(ledger: Ledger): void {
  const survivors: Item[] = [];
  for (const life of ledger.lives) {
    const items = [...life.places.values(), ...life.ends.values()].map((place): Item => {
      const position = { epoch: life.epoch, version: place.version };
      return { place, where: at(position), rank: ledger.rank(position, place.isEnd) };
    });
    survivors.push(...items.filter(({ place }) => place.version < life.lostFrom && !ledger.isUndone(life, place)));
    // The lost ones, too, had an order.
    if (life.lostFrom <= life.last)
      checkItems(
        ledger,
        items.filter(({ place }) => !place.isEnd),
      );
  }
  checkItems(ledger, survivors);
}

function checkItems(ledger: Ledger, items: readonly Item[]): void {
  let latest: { readonly fromMs: number; readonly item: Item } | undefined;
  for (const item of items.toSorted((a, b) => a.rank - b.rank)) {
    const { place, where } = item;
    const fromMs = place.landedMs;
    if (fromMs > (latest?.fromMs ?? Number.NEGATIVE_INFINITY)) latest = { fromMs, item };
    if (latest === undefined || latest.fromMs <= place.knownMs) continue;
    const before = `${nameOf(latest.item.place)} at ${latest.item.where}`;
    ledger.report(
      'order',
      latest.item === item
        ? `${before} was known ${ms(fromMs - place.knownMs)} before it began`
        : `${before} began ${ms(latest.fromMs - place.knownMs)} after ${nameOf(place)} at ${where} was known`,
    );
  }
}

function checkEnds(ledger: Ledger): void {
  const unexplained: Missing[] = [];
  const lost: Missing[] = [];
  for (const life of ledger.lives) {
    for (const end of life.ends.values()) {
      const where = at({ epoch: life.epoch, version: end.version });
      const isLost = end.version >= life.lostFrom || ledger.isUndone(life, end);
      if (end.write === undefined) (isLost ? lost : unexplained).push({ where, untilMs: end.knownMs });
      const isLater = ({ version }: Place) => version > end.version && version < life.lostFrom;
      const later = [...life.places.values()].find(isLater);
      if (later === undefined || isLost) continue;
      ledger.report(
        'deletion',
        `the context was gone at ${where}, and ${nameOf(later)} is at version ${later.version}`,
      );
    }
  }
  const complain = ({ where }: Missing) => ledger.report('deletion', `nobody deleted the context at ${where}`);
  match(unsettled(ledger, isDelete), unexplained, complain);
  match(perhapsLost(ledger, isDelete), lost, complain);
}

function makesVersion({ action, isChange }: WriteRecord): boolean {
  return isChange && action.verb !== 'delete';
}

function isDelete({ action }: WriteRecord): boolean {
  return action.verb === 'delete';
}

/** How a life began: on a context that was gone or never there, or by a change of one that another server wrote. */
export function birthOf(ledger: Ledger, life: Life): 'new' | 'fork' | 'either' {
  const [former] = ledger.forks(life);
  if (former === undefined) return 'new';
  const place = ledger.place(former);
  if (place === undefined || ledger.lossBetween(place.knownMs, life.knownMs) !== undefined) return 'either';
  if (ledger.place(former, true) !== undefined) return 'new';
  const deletes = (ledger.isLost(former) ? perhapsLost : unsettled)(ledger, isDelete);
  return deletes.length > 0 ? 'either' : 'fork';
}

function checkBegin(ledger: Ledger, life: Life): void {
  const [former] = ledger.forks(life);
  if (former === undefined || birthOf(ledger, life) !== 'fork') return;
  const fromMs = ledger.place(former)?.landedMs ?? 0;
  const isCause = changesOfServer(ledger).some((fault) => fault.beginMs <= life.knownMs && fault.endMs >= fromMs);
  if (!isCause)
    ledger.report(
      'epoch',
      `epoch ${life.epoch} began after ${at(former)}: nobody deleted the context, and the server was the same`,
    );
}

/** Under another identity of the server the first change begins a life: there may be a tail that is lost. */
function checkServer(ledger: Ledger, life: Life): void {
  for (const fault of changesOfServer(ledger)) {
    if (fault.isNewServer !== true) continue;
    const places = [...life.places.values()];
    if (!places.some(({ knownMs }) => knownMs < fault.beginMs)) continue;
    const after = places.find(({ landedMs }) => landedMs > fault.endMs);
    if (after === undefined) continue;
    const where = at({ epoch: life.epoch, version: after.version });
    ledger.report('epoch', `${nameOf(after)} is at ${where}, in an epoch from before ${fault.kind} of ${fault.target}`);
  }
}

function changesOfServer({ history: { contextId, faults } }: Ledger): readonly FaultRecord[] {
  return faults.filter(({ otherServerOf }) => otherServerOf === 'all' || otherServerOf?.includes(contextId));
}

function nameOf({ isEnd, write }: Place): string {
  return write === undefined ? `${isEnd ? 'a deletion' : 'a version'} of an unknown write` : `write ${write.mark}`;
}

function ms(duration: number): string {
  return `${duration.toFixed(1)} ms`;
}
