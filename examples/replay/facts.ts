interface Waiting {
  readonly isTrue: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Waits for facts, not for time: whoever changes one calls `notify`, and those for whom it has come true go on. */
export class Facts {
  readonly #waiting = new Set<Waiting>();
  #error: Error | undefined;

  /** @throws what `fail` was given. */
  until(isTrue: () => boolean): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (isTrue()) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.add({ isTrue, resolve, reject }));
  }

  notify(): void {
    for (const waiting of this.#waiting) {
      if (!waiting.isTrue()) continue;
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
  }

  /** Nothing will come true any more. The first error counts. */
  fail(error: Error): void {
    this.#error ??= error;
    for (const { reject } of this.#waiting) reject(this.#error);
    this.#waiting.clear();
  }
}
