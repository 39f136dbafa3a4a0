/** Goes through a set that changes, so many steps a round: each step a part of it, each member about once a round. */
export class Rounds<T> {
  readonly #members: ReadonlySet<T>;
  readonly #steps: number;
  #rest: Iterator<T>;
  /** So many more are visited before the next round begins: whoever comes meanwhile would let none of them end. */
  #left = 0;
  /** What a step owes to the next, below 1. */
  #owed = 0;

  constructor(members: ReadonlySet<T>, steps: number) {
    this.#members = members;
    this.#steps = steps;
    this.#rest = members.values();
  }

  /** Those whose turn it is. */
  *step(): Generator<T> {
    this.#owed += this.#members.size / this.#steps;
    for (; this.#owed >= 1; this.#owed--) {
      let next = this.#left > 0 ? this.#rest.next() : this.#begin();
      if (next.done === true) next = this.#begin();
      if (next.done === true) {
        this.#owed = 0;
        return;
      }
      this.#left--;
      yield next.value;
    }
  }

  #begin(): IteratorResult<T> {
    this.#rest = this.#members.values();
    this.#left = this.#members.size;
    return this.#rest.next();
  }
}
