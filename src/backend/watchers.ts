import type { Announcement, Watch } from './backend.ts';

type Listener = (announcement: Announcement) => void;

/** Who listens to which id, in this process. Every backend uses it; listeners must not throw. */
export class Watchers {
  readonly #byId = new Map<string, Set<Listener>>();

  /** How many ids are watched. */
  get size(): number {
    return this.#byId.size;
  }

  add(id: string, listener: Listener): Watch {
    const listeners = this.#byId.get(id) ?? new Set();
    this.#byId.set(id, listeners);
    // A listener may be added twice: each watch is an entry of its own.
    const entry: Listener = (announcement) => listener(announcement);
    listeners.add(entry);
    return {
      close: () => {
        if (listeners.delete(entry) && listeners.size === 0) this.#byId.delete(id);
      },
    };
  }

  announce(id: string, announcement: Announcement): void {
    const listeners = this.#byId.get(id);
    if (listeners === undefined) return;
    for (const listener of listeners) listener(announcement);
  }

  clear(): void {
    for (const listeners of this.#byId.values()) listeners.clear();
    this.#byId.clear();
  }
}
