import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The clock of several processes, which a test puts forward: a file says how far, and a configuration reads it. */
export class MovedClock {
  /** For `--config`. */
  readonly config: string;
  readonly #path: string;
  #aheadMs = 0;

  /** @param directory that goes with the test. */
  constructor(directory: string) {
    this.#path = join(directory, 'ahead-ms');
    this.config = join(directory, 'chord.config.mjs');
    const read = `Number(readFileSync(${JSON.stringify(this.#path)}, 'utf8'))`;
    this.#write();
    writeFileSync(
      this.config,
      `import { readFileSync } from 'node:fs';\nexport default { timeProvider: () => Date.now() + ${read} };\n`,
    );
  }

  /** At once, for all. */
  advance(ms: number): void {
    this.#aheadMs += ms;
    this.#write();
  }

  /** Nobody reads half a number. */
  #write(): void {
    writeFileSync(`${this.#path}.new`, String(this.#aheadMs));
    renameSync(`${this.#path}.new`, this.#path);
  }
}
