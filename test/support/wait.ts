/** Long enough for a machine that does other things, short enough to end. */
const patienceMs = 30_000;

/** Resolves as soon as the condition holds. Fails after a while, naming what did not come. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number = patienceMs,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}

/** The promise's value. Fails after a while, naming what did not come. */
export async function soon<T>(what: string, promise: Promise<T>, timeoutMs: number = patienceMs): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${timeoutMs} ms in vain: ${what}`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** What arrives, in order, for who asks for the next one. */
export class Inbox<T> {
  readonly #what: string;
  readonly #items: T[] = [];
  #read = 0;
  #wake: (() => void) | undefined;

  constructor(what: string) {
    this.#what = what;
  }

  /** Everything that has arrived. */
  get all(): readonly T[] {
    return this.#items;
  }

  /** How many nobody has asked for yet. */
  get unread(): number {
    return this.#items.length - this.#read;
  }

  put(item: T): void {
    this.#items.push(item);
    this.#wake?.();
  }

  async next(timeoutMs: number = patienceMs): Promise<T> {
    if (this.unread === 0) {
      const arrival = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await soon(this.#what, arrival, timeoutMs);
    }
    // There is one: it is what woke us.
    return this.#items[this.#read++] as T;
  }
}
