import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryLockFile } from '../file-lock.ts';

/**
 * One at a time in a directory, among all processes of this machine.
 *
 * The holders of one DirectoryLock queue in its process. Its first one competes with other processes for a lock of the
 * kernel's, which belongs to the open file, so a process that dies leaves none behind. It competes by asking again: the
 * call that blocks would keep a thread that others may need to finish.
 */
export class DirectoryLock {
  readonly #directory: string;
  /** Resolves when everybody who has come so far is done. */
  #last: Promise<void> = Promise.resolve();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Does the work while nobody else does any.
   *
   * @throws the signal's reason when it aborts before the work begins, and what opening or locking reports.
   */
  hold<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const held = unlessAborted(before, signal).then(() => this.#holdFile(signal, work));
    // Who leaves the queue early lets nobody overtake.
    this.#last = Promise.allSettled([before, held]).then(() => undefined);
    return held;
  }

  async #holdFile<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const file = await open(join(this.#directory, '.lock'), 'a', 0o600);
    try {
      while (!tryLockFile(file.fd)) await pause(signal);
      signal.throwIfAborted();
      return await work();
    } finally {
      // This also gives the lock back.
      await file.close();
    }
  }
}

/** At random, so that processes do not keep in step. */
async function pause(signal: AbortSignal): Promise<void> {
  await sleep(2 + Math.random() * 18, undefined, { signal }).catch(() => signal.throwIfAborted());
}

function unlessAborted(turn: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    void turn.then(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
  });
}
