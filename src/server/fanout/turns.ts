/** Something that goes on when it is called. Must not throw. */
export interface Advancing {
  advance(): void;
}

/** So many go on before everybody else in the process has a turn. */
const slice = 256;

/**
 * Lets many go on, a slice at a time, in the order in which they came.
 *
 * One write may wake ten thousand subscribers: what they are sent takes longer than others may be kept waiting, and must
 * not happen in the midst of the write either.
 */
export class Turns {
  #waiting: Advancing[] = [];
  #next = 0;
  #isPlanned = false;

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
    const end = Math.min(this.#next + slice, this.#waiting.length);
    while (this.#next < end) this.#waiting[this.#next++]?.advance();
    if (this.#next < this.#waiting.length) return this.#isPlanned ? undefined : this.#plan();
    this.#waiting = [];
    this.#next = 0;
  }
}
