import type { DeltaRecord } from './known.ts';

/** The retained deltas of one epoch: contiguous, oldest first; dropping from the front costs nothing per delta. */
export class DeltaLog {
  #records: (DeltaRecord | undefined)[] = [];
  /** Index of the oldest retained record; what is before it waits for the next compaction. */
  #start = 0;

  get oldest(): DeltaRecord | undefined {
    return this.#records[this.#start];
  }

  append(record: DeltaRecord): void {
    this.#records.push(record);
  }

  /** The records that follow `version`, at most `limit`; all there are when it is older than the oldest. */
  after(version: number, limit = Number.POSITIVE_INFINITY): DeltaRecord[] {
    const from = this.#indexAfter(version);
    return this.#slice(from, Math.min(from + limit, this.#records.length));
  }

  /** Like `after`, newest first. */
  afterDescending(version: number, limit: number): DeltaRecord[] {
    const from = Math.max(this.#indexAfter(version), this.#records.length - limit);
    return this.#slice(from, this.#records.length).reverse();
  }

  /** Drops the records of `version` and older. */
  dropTo(version: number): void {
    const from = this.#indexAfter(version);
    // The dropped records are freed at once; their places in the array are reclaimed when they are the larger half.
    this.#records.fill(undefined, this.#start, from);
    this.#start = from;
    if (this.#start > 16 && this.#start * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#start);
      this.#start = 0;
    }
  }

  #slice(from: number, to: number): DeltaRecord[] {
    // From `#start` on none is dropped; looking at each would cost a reader more than all the rest.
    return this.#records.slice(from, to) as DeltaRecord[];
  }

  #indexAfter(version: number): number {
    const oldest = this.oldest;
    if (oldest === undefined) return this.#records.length;
    return Math.min(Math.max(this.#start, this.#start + version - oldest.version + 1), this.#records.length);
  }
}
