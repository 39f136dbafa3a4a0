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

  /** One more. The answer gives it back, and does nothing when it is called again; undefined: there is none left. */
  take(key: Key): (() => void) | undefined {
    if (this.isFull(key)) return undefined;
    this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const left = (this.#held.get(key) ?? 0) - 1;
      if (left > 0) this.#held.set(key, left);
      else this.#held.delete(key);
    };
  }
}
