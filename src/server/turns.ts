/** Something that goes on when it is called. Must not throw. */
export interface Advancing {
  advance(): void;
}

/**
 * Lets many go on, a slice at a time, in the order in which they came.
 *
 * One write may wake ten thousand subscribers, and ten thousand may come back at once: together they take longer than
 * others may be kept waiting. Nor must anybody be told in the midst of a write.
 */
export class Turns {
  readonly #slice: number;
  #waiting: Advancing[] = [];
  #next = 0;
  #isPlanned = false;

  /** @param slice so many go on before everybody else in the process has a turn. */
  constructor(slice: number) {
    this.#slice = slice;
  }

  /** Resolves when it is one's turn. */
  next(): Promise<void> {
    return new Promise((advance) => this.add({ advance }));
  }

  /** How many places are held, for those who wait and for some who have had their turn: as many as the others at most. */
  get size(): number {
    return this.#waiting.length;
  }

  /** Nobody may be here twice at a time. */
  add(one: Advancing): void {
    this.#waiting.push(one);
    if (!this.#isPlanned) this.#plan();
  }

  #plan(): void {
    this.#isPlanned = true;
    setImmediate(() => this.#run());
  }

  #run(): void {
    this.#isPlanned = false;
    const end = Math.min(this.#next + this.#slice, this.#waiting.length);
    while (this.#next < end) this.#waiting[this.#next++]?.advance();
    // Under load somebody always waits: what is over must go all the same.
    if (this.#next * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    if (this.#waiting.length > 0 && !this.#isPlanned) this.#plan();
  }
}
