/**
 * What was written to one context: the truth that every client's copy is compared with.
 *
 * Everything is noted *before* it is sent, because a follower may hear of a write before its writer does. That works
 * because there is one writer: each write is one version on, and versions do not go back when a context is deleted and
 * created again. Only the epoch of a new life is not known beforehand; whoever hears of it first says it, and all
 * others must agree.
 */
import { equal, type JsonObject, weight } from '../../src/delta/index.ts';
import { Facts } from './facts.ts';
import type { Position } from './follower.ts';

/** One unbroken history of the context. */
interface Life {
  readonly firstVersion: number;
  epoch: string | undefined;
}

export class WriteRecord {
  readonly facts = new Facts();
  readonly #documents: JsonObject[] = [];
  readonly #weights = new Map<number, number>();
  readonly #lives: Life[] = [];
  readonly #ends = new Set<number>();
  #acknowledged = 0;
  #isFinished = false;
  #isStopped = false;

  /** The last version that was sent. */
  get version(): number {
    return this.#documents.length;
  }

  /** How far the server has come for certain: rises with each acknowledged write, also with a delete. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  /**
   * A document is about to be written. Answers whether it makes a version: the same document with its keys in another
   * order does not.
   */
  sendingDocument(document: JsonObject): boolean {
    const isNew = this.version === 0 || this.#ends.has(this.version);
    if (!isNew && equal(document, this.documentAt(this.version))) return false;
    if (isNew) this.#lives.push({ firstVersion: this.version + 1, epoch: undefined });
    this.#documents.push(document);
    return true;
  }

  /** The context is about to be deleted. */
  sendingDelete(): void {
    this.#ends.add(this.version);
  }

  /** @throws when the server put the context elsewhere. */
  acknowledge({ epoch, version }: Position): void {
    if (version !== this.version || !this.isPosition({ epoch, version })) {
      throw new Error(`the write of version ${this.version} was acknowledged as version ${version} of epoch ${epoch}`);
    }
    this.#acknowledged = rankOf(version, this.#ends.has(version));
    this.facts.notify();
  }

  /** Whether the writer should write no more: something went wrong already. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** The writer writes no more; the last version is what every client must come to. */
  finish(): void {
    this.#isFinished = true;
    this.facts.notify();
  }

  /** Resolves when a version is acknowledged, or none will be any more. */
  reached(version: number): Promise<void> {
    return this.facts.until(() => this.#isFinished || this.#acknowledged >= rankOf(version, false));
  }

  /** Whether the context ever was there, in that epoch. */
  isPosition({ epoch, version }: Position): boolean {
    if (version < 1 || version > this.version) return false;
    const life = this.#lifeAt(version);
    const isNamesake = this.#lives.some((other) => other !== life && other.epoch === epoch);
    life.epoch ??= isNamesake ? undefined : epoch;
    return life.epoch === epoch;
  }

  /** Whether the context was deleted there. */
  isEnd(position: Position): boolean {
    return this.#ends.has(position.version) && this.isPosition(position);
  }

  /** The version that the life of this one began with. */
  firstVersionAt(version: number): number {
    return this.#lifeAt(version).firstVersion;
  }

  /** The document of a version that `isPosition` knows. */
  documentAt(version: number): JsonObject {
    const document = this.#documents[version - 1];
    if (document === undefined) throw new RangeError(`Nobody wrote version ${version}.`);
    return document;
  }

  weightAt(version: number): number {
    const known = this.#weights.get(version) ?? weight(this.documentAt(version));
    this.#weights.set(version, known);
    return known;
  }

  #lifeAt(version: number): Life {
    const life = this.#lives.findLast(({ firstVersion }) => firstVersion <= version);
    if (life === undefined) throw new RangeError(`Nobody wrote version ${version}.`);
    return life;
  }
}

/** Orders what happens to one context: version 1, its end, version 2, … */
export function rankOf(version: number, isEnd: boolean): number {
  return version * 2 + (isEnd ? 1 : 0);
}
