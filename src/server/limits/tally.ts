/** How many of something each key holds, of which it may hold so many. A key that holds none takes no memory. */
export class Tally<Key> {
  readonly #max: number;
  readonly #held = new Map<Key, number>();

  /** @param max null: as many as it likes. */
  constructor(max: number | null) {
    this.#max = max ?? Number.POSITIVE_INFINITY;
  }

  /** Of how many keys something is held. */
  get size(): number {
    return this.#held.size;
  }

  isFull(key: Key): boolean {
    return (this.#held.get(key) ?? 0) >= this.#max;
  }

  /** One more. False: there is none left. */
  take(key: Key): boolean {
    if (this.isFull(key)) return false;
    this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
    return true;
  }

  /** Gives one back. To be called once for each that was taken. */
  release(key: Key): void {
    const left = (this.#held.get(key) ?? 0) - 1;
    if (left > 0) this.#held.set(key, left);
    else this.#held.delete(key);
  }
}
