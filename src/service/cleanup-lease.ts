import type { Backend, Lease } from '../backend/backend.ts';
import type { Clock } from '../clock.ts';

/** What a lease is taken with. */
export interface CleanupLeaseOptions {
  readonly backend: Backend;
  readonly clock: Clock;
  /** How long a holder that died keeps the others from cleaning up. */
  readonly leaseTtlMs: number;
}

/**
 * The right of one process to clean up, so that several do not do the same work. Nothing depends on it: two that clean
 * up at once do as one.
 */
export class CleanupLease {
  readonly #lease: Lease;
  readonly #options: CleanupLeaseOptions;
  #renewedAtMs: number;
  #isOurs = true;

  private constructor(lease: Lease, options: CleanupLeaseOptions, nowMs: number) {
    this.#lease = lease;
    this.#options = options;
    this.#renewedAtMs = nowMs;
  }

  /** Undefined: another process holds it. */
  static async take(options: CleanupLeaseOptions): Promise<CleanupLease | undefined> {
    const { backend, clock, leaseTtlMs } = options;
    const nowMs = clock.now();
    const lease = await backend.lease('cleanup', leaseTtlMs, nowMs);
    return lease === undefined ? undefined : new CleanupLease(lease, options, nowMs);
  }

  /** Whether it is still ours. To be asked often: it is renewed when a third of its time is over. */
  async keep(): Promise<boolean> {
    const { clock, leaseTtlMs } = this.#options;
    const nowMs = clock.now();
    if (!this.#isOurs || nowMs - this.#renewedAtMs < leaseTtlMs / 3) return this.#isOurs;
    this.#isOurs = await this.#lease.renew(nowMs);
    this.#renewedAtMs = nowMs;
    return this.#isOurs;
  }

  /**
   * Whether nobody else can have it for a while yet, by our clock. To be asked before every step: a process that hung for
   * longer than the lease does nothing more when it goes on, and what is under way then ends before the lease does.
   */
  holds(): boolean {
    const { clock, leaseTtlMs } = this.#options;
    return this.#isOurs && clock.now() < this.#renewedAtMs + (leaseTtlMs * 3) / 4;
  }

  /** Never rejects: it runs out by itself. */
  async release(): Promise<void> {
    await this.#lease.release().catch(() => undefined);
  }
}
