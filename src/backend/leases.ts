import type { Lease } from './backend.ts';

/** Leases among the holders of one process. A fence rises for as long as the process lives. */
export class Leases {
  readonly #held = new Map<string, { readonly fence: number; readonly untilMs: number }>();

  /** Undefined: somebody holds it and it has not run out. */
  take(name: string, ttlMs: number, nowMs: number): Lease | undefined {
    const held = this.#held.get(name);
    if (held !== undefined && held.untilMs > nowMs) return undefined;
    const fence = (held?.fence ?? 0) + 1;
    const hold = (untilMs: number) => this.#held.set(name, { fence, untilMs });
    const holdsAt = (ms: number) => {
      const current = this.#held.get(name);
      return current?.fence === fence && current.untilMs > ms;
    };
    hold(nowMs + ttlMs);
    return {
      fence,
      renew: async (laterMs) => {
        if (!holdsAt(laterMs)) return false;
        hold(laterMs + ttlMs);
        return true;
      },
      release: async () => {
        if (holdsAt(Number.NEGATIVE_INFINITY)) hold(Number.NEGATIVE_INFINITY);
      },
    };
  }

  /** Takes every lease from its holder. */
  clear(): void {
    this.#held.clear();
  }
}
