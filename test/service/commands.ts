import type { Backend } from '../../src/backend/backend.ts';
import type { JsonObject } from '../../src/delta/json.ts';

/** How a world is set up. */
export interface Setting {
  readonly deltaThreshold: number;
  readonly maxMergeDeltas: number;
  /** Announcements wait for the schedule. */
  readonly isPostHeld: boolean;
  /** Reads, commits and watches wait for the schedule, before they act and before they answer. */
  readonly isStoreHeld: boolean;
  /** The second process never knows anything of a context before it asks. */
  readonly isCold: boolean;
  /** What is still in the post at the end is lost, not delivered. */
  readonly isPostLost: boolean;
}

/** What a world may be told to do. */
export type Command =
  | { readonly kind: 'set'; readonly process: number; readonly state: JsonObject }
  | { readonly kind: 'update'; readonly process: number; readonly changes: JsonObject }
  | { readonly kind: 'delete'; readonly process: number }
  /** `rejoin` leaves first: a client that resumes where it is. */
  | { readonly kind: 'join' | 'rejoin'; readonly process: number; readonly client: number }
  | { readonly kind: 'pull' | 'leave'; readonly client: number }
  | { readonly kind: 'deliver' | 'double' | 'lose' | 'release'; readonly pick: number }
  | { readonly kind: 'trim'; readonly back: number }
  /** `flush`: all that is held up happens, in order. */
  | { readonly kind: 'purge' | 'recheck' | 'pullAll' | 'flush' }
  /** A process, and who shares its backend, ends in peace and opens the store again; clients keep what they have. */
  | { readonly kind: 'restart'; readonly process: number }
  /** The store is from now on another server, which has all that the one before had. */
  | { readonly kind: 'promote' }
  /** All of these at once. */
  | { readonly kind: 'together'; readonly commands: readonly Command[] }
  | { readonly kind: 'away'; readonly process: number; readonly reads: number };

/** Where the contexts are. */
export interface Place {
  /** Opens the store; the next time, with what is in it. Whether it is the one that knows nothing beforehand. */
  readonly open: (isCold: boolean) => Backend;
  /** Whether each process opens it for itself; else one does, and the others share its backend. */
  readonly isShared?: boolean | undefined;
  /** Makes it another server. */
  readonly promote?: (() => Promise<void>) | undefined;
}
