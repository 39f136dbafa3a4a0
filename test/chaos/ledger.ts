/**
 * Where a context was, when, and by which write: all that anybody said of it, put together.
 *
 * Versions rise over all lives, except that a store which lost its tail goes on from an earlier version with another
 * life: what a former life has at that version and above is lost. So every position has a rank in the one chain that
 * survived: by life, version, and whether the context ended there.
 */
import type { Position } from '../../examples/replay/follower.ts';
import { readLives } from './evidence.ts';
import type { ContextHistory, FaultRecord, Report } from './history.ts';
import { inOrder, isLossBetween, isUnknown, type Life, type Place } from './lives.ts';

/** What the checks ask about one context, and where they report what is wrong. */
export class Ledger {
  readonly history: ContextHistory;
  readonly report: Report;
  /** In the order in which they followed one another. */
  readonly lives: readonly Life[];
  readonly #byEpoch: ReadonlyMap<string, Life>;
  /** Moments at which more was known than before, and how much. */
  readonly #knownMs: number[] = [];
  readonly #knownRank: number[] = [];

  constructor(history: ContextHistory, report: Report) {
    this.history = history;
    this.report = report;
    this.#byEpoch = readLives(history, report);
    this.lives = inOrder([...this.#byEpoch.values()], (fromMs, toMs) => this.lossBetween(fromMs, toMs));
    for (const [order, life] of this.lives.entries()) {
      life.order = order;
      life.lostFrom = Math.min(Number.POSITIVE_INFINITY, ...this.lives.slice(order + 1).map(({ first }) => first));
    }
    this.#rankFacts();
  }

  life(epoch: string): Life | undefined {
    return this.#byEpoch.get(epoch);
  }

  place({ epoch, version }: Position, isEnd = false): Place | undefined {
    const life = this.#byEpoch.get(epoch);
    return isEnd ? life?.ends.get(version) : life?.places.get(version);
  }

  /** Whether a later life took its place. */
  isLost({ epoch, version }: Position): boolean {
    return version >= (this.#byEpoch.get(epoch)?.lostFrom ?? Number.POSITIVE_INFINITY);
  }

  /** The first life that took the place of a position; undefined: it is not lost. */
  successor({ epoch, version }: Position): Life | undefined {
    const life = this.#byEpoch.get(epoch);
    if (life === undefined || version < life.lostFrom) return undefined;
    return this.lives.slice(life.order + 1).find(({ first }) => first <= version);
  }

  /** Whether an end may have been undone by a loss, so that the life went on or another took over from it. */
  isUndone(life: Life, { isEnd, knownMs }: Place): boolean {
    if (!isEnd) return false;
    const next = this.lives.slice(life.order + 1).find(({ first, lostFrom }) => first < lostFrom);
    return this.lossBetween(knownMs, next?.knownMs ?? Number.POSITIVE_INFINITY) !== undefined;
  }

  /** Its place in the chain; among the lost ones only those of one life can be compared. */
  rank({ epoch, version }: Position, isEnd = false): number {
    return (this.#byEpoch.get(epoch)?.order ?? -1) * lifeRanks + version * 2 + (isEnd ? 1 : 0);
  }

  /** How far the context had come for certain at a moment, as somebody knew; -Infinity: nowhere. */
  knownRankAt(ms: number): number {
    return this.#knownRank[this.#known(ms) - 1] ?? Number.NEGATIVE_INFINITY;
  }

  #known(ms: number): number {
    let low = 0;
    let high = this.#knownMs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#knownMs[middle] ?? 0) < ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * From where a life may have gone on: the last positions of former ones, the likeliest first; none: it is new.
   * Nobody may have seen the last ones of the life before it, or that life.
   */
  forks({ first, order }: Life): readonly Position[] {
    const version = first - 1;
    if (version === 0) return [];
    const former = this.lives.slice(0, order).toReversed();
    const seen = former.filter(({ places, last }, index) => places.has(version) || (index === 0 && last < version));
    return seen.length === 0 ? [{ epoch: '?', version }] : seen.map(({ epoch }) => ({ epoch, version }));
  }

  /** When was learned last before a moment that the context had come further. */
  lastKnownMs(ms: number): number {
    return this.#knownMs[this.#known(ms) - 1] ?? Number.NEGATIVE_INFINITY;
  }

  /** A fault that may have lost writes between two moments. */
  lossBetween(fromMs: number, toMs: number): FaultRecord | undefined {
    return this.history.faults.find((fault) => isLossBetween(fault, fromMs, toMs));
  }

  /** A fault that may have lost what had come to this place, before that moment. */
  lossOf({ knownMs, landedMs, write }: Place, toMs: number): FaultRecord | undefined {
    const fromMs = write === undefined ? knownMs : landedMs;
    return this.history.faults.find(
      (fault) => isLossBetween(fault, fromMs, toMs) && knownMs >= (fault.losesFromMs ?? 0),
    );
  }

  /** Whether two servers may have answered in this time, one of them with what is lost. */
  isDisputed(fromMs: number, toMs: number): boolean {
    const { faults } = this.history;
    return faults.some(({ isDisputed, beginMs, endMs }) => isDisputed && beginMs <= toMs && endMs >= fromMs);
  }

  /** After a loss a life may have begun earlier than anybody saw, and this one be lost from there. */
  #doubtfulFrom({ knownMs, order }: Life): number {
    const unseen = this.history.writes.filter(isUnknown).length;
    const later = this.lives.slice(order + 1).filter((life) => life.began === undefined);
    const after = later.filter((life) => this.lossBetween(knownMs, life.knownMs) !== undefined);
    return Math.min(Number.POSITIVE_INFINITY, ...after.map(({ first }) => first - unseen));
  }

  /** What is not lost, by when it was known. */
  #rankFacts(): void {
    const facts: { readonly ms: number; readonly rank: number }[] = [];
    for (const life of this.lives) {
      const { epoch } = life;
      const doubtfulFrom = this.#doubtfulFrom(life);
      for (const place of [...life.places.values(), ...life.ends.values()]) {
        const { version, isEnd, knownMs } = place;
        if (version >= life.lostFrom || version >= doubtfulFrom || this.isUndone(life, place)) continue;
        facts.push({ ms: knownMs, rank: this.rank({ epoch, version }, isEnd) });
      }
    }
    facts.sort((a, b) => a.ms - b.ms);
    let most = Number.NEGATIVE_INFINITY;
    for (const { ms, rank } of facts) {
      if (rank <= most) continue;
      most = rank;
      this.#knownMs.push(ms);
      this.#knownRank.push(rank);
    }
  }
}

/** More versions than any life has. */
const lifeRanks = 2 ** 40;
