import type { Backend } from '../backend/backend.ts';

/**
 * What a backend can do beside the contract, so that more of it can be tested, and what the suite should know of it.
 * Without one of the functions the group that needs it is skipped, and reported as skipped with the reason.
 */
export interface Capabilities<B extends Backend = Backend> {
  /** Opens a second backend on the same data, as another process would. */
  readonly another?: ((backend: B) => B | Promise<B>) | undefined;
  /** Opens the data of a closed backend again. */
  readonly reopen?: ((closed: B) => B | Promise<B>) | undefined;
  /** The same under another server identity, as after a failover or a restored backup. */
  readonly reopenElsewhere?: ((closed: B) => B | Promise<B>) | undefined;
  /** How long an announcement may take before it counts as lost: 5,000 ms. */
  readonly patienceMs?: number | undefined;
  /** The seeds of the model test, one test for each. A failure names its seed. */
  readonly seeds?: readonly number[] | undefined;
}

/** One test's surroundings. Every backend that it opens is closed after it. */
export interface Trial {
  /** Fresh and empty. */
  readonly backend: Backend;
  readonly patienceMs: number;
  readonly another: () => Promise<Backend>;
  readonly reopen: () => Promise<Backend>;
  readonly reopenElsewhere: () => Promise<Backend>;
}

/** Declares one test. Its title begins with the guarantee that it holds: `B7: of two racing commits …`. */
export type Define = (title: string, body: (trial: Trial) => Promise<void>) => void;

export interface Group {
  readonly name: string;
  /** Without this capability the group is skipped. */
  readonly needs?: 'another' | 'reopen' | 'reopenElsewhere';
  readonly define: (test: Define, seeds: readonly number[]) => void;
}
