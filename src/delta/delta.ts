import type { JsonValue } from './json.ts';

/** Keys from the root of a state to one value. A list, not a dotted string: keys may contain dots. Never empty. */
export type Path = readonly string[];

/** What happened to one path. Canonical: see diff.ts. */
export type Change =
  | { readonly action: 'ADDED'; readonly path: Path; readonly value: JsonValue }
  | { readonly action: 'MODIFIED'; readonly path: Path; readonly oldValue: JsonValue; readonly value: JsonValue }
  | { readonly action: 'REMOVED'; readonly path: Path; readonly oldValue: JsonValue };

/** What happened to a path. */
export type ChangeAction = Change['action'];

/**
 * The changes between two states, in canonical form: no path is a prefix of another or leads into an array, so the
 * changes commute and the set of them is unique for a transition.
 */
export type Changes = readonly Change[];

/** The changes of a context from one version to a later one, within one epoch. What clients are sent. */
export interface Delta {
  readonly kind: 'delta';
  readonly contextId: string;
  readonly epoch: string;
  /** The version that the delta starts from; 0 for the write that created the context. */
  readonly fromVersion: number;
  /** The version that the delta leads to. */
  readonly version: number;
  readonly changes: Changes;
  /** When `version` was written, in ms since the Unix epoch. */
  readonly insertedAtMs: number;
  /** The writer's label; null when there is none or, in a merged delta, no common one. */
  readonly origin: string | null;
}
