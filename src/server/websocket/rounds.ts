/** Goes through a set that changes, so many steps a round: each step a part of it, each member about once a round. */
export class Rounds<T> {
  readonly #members: ReadonlySet<T>;
  readonly #steps: number;
  #rest: Iterator<T>;
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
      let next = this.#rest.next();
      if (next.done === true) {
        this.#rest = this.#members.values();
        next = this.#rest.next();
      }
      if (next.done === true) {
        this.#owed = 0;
        return;
      }
      yield next.value;
    }
  }
}
