/** Lets work on one key be done one after the other, and work on different keys at once. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** Whether something is being done for the key. */
  isBusy(key: string): boolean {
    return this.#last.has(key);
  }

  /** Begins at once when nobody is before it. */
  take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const result = before === undefined ? work() : before.then(work);
    const leave = () => {
      if (this.#last.get(key) === done) this.#last.delete(key);
    };
    const done: Promise<void> = result.then(leave, leave);
    this.#last.set(key, done);
    return result;
  }
}
