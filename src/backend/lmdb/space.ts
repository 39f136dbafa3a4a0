import { closeSync, openSync, write } from 'node:fs';
import { promisify } from 'node:util';

const writeAt = promisify(write);

/** So much is written at once. */
const chunk = Buffer.alloc(1024 * 1024);
/** The file grows by a sixteenth of what is used, within these bounds, so that it seldom has to. */
const smallestStep = 1024 * 1024;
const largestStep = 16 * 1024 * 1024;

/**
 * Room in the file for what is written next: zeros behind the last page in use.
 *
 * A disk that fills up while LMDB writes a page ends the process (lmdb 3.5.6 words the error in a buffer that is too
 * small). So whatever may be full is found out before, here. The room also keeps the file as long as its header says:
 * LMDB counts pages that it never writes.
 */
export class Space {
  readonly #descriptor: number;
  /** Up to here this process has filled the file. Beyond, it may have holes, since some tools copy zeros as such. */
  #endBytes = 0;

  constructor(file: string) {
    this.#descriptor = openSync(file, 'r+');
  }

  /** Whether there is room for so much behind what is used. */
  has(usedBytes: number, neededBytes: number): boolean {
    return usedBytes + neededBytes <= this.#endBytes;
  }

  /** @throws what the system says when there is no room. */
  async reserve(usedBytes: number, neededBytes: number): Promise<void> {
    const step = Math.floor(Math.min(Math.max(smallestStep, usedBytes / 16), largestStep));
    try {
      await this.#fill(Math.max(this.#endBytes, usedBytes), usedBytes + neededBytes + step);
    } catch (error) {
      // What is needed counts; the step beyond only saves steps.
      if (!this.has(usedBytes, neededBytes)) throw error;
    }
  }

  async #fill(from: number, to: number): Promise<void> {
    for (let at = from; at < to; ) {
      const { bytesWritten } = await writeAt(this.#descriptor, chunk, 0, Math.min(chunk.length, to - at), at);
      at += bytesWritten;
      this.#endBytes = at;
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
