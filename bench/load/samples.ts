/** Many measured times, in ms. */
export class Samples {
  #values = new Float64Array(1 << 16);
  #count = 0;

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(2 * this.#count);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count++] = value;
  }

  get count(): number {
    return this.#count;
  }

  /** So much of them takes no longer. */
  quantiles(...shares: readonly number[]): number[] {
    const sorted = this.#values.subarray(0, this.#count).toSorted();
    return shares.map((share) => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN);
  }
}
