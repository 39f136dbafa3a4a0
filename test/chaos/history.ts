/**
 * What is written down while a chaos run goes on, and all that the checker gets to see. Times are of one clock, that
 * of the process that drives the run: an operation took effect between its begin and its end, or after that when its
 * outcome is unknown.
 *
 * Every write that changes something carries its number, the mark, into the state (`mark`) and onto its delta
 * (`origin`). So whoever sees a state or a delta sees which write led there.
 */
import type { ContextEvent, Position } from '../../examples/replay/follower.ts';
import type { JsonObject } from '../../src/delta/json.ts';

/** What a write asks for. */
export type Action =
  | { readonly verb: 'set'; readonly state: JsonObject }
  | { readonly verb: 'update'; readonly changes: JsonObject; readonly remove: readonly (readonly string[])[] }
  | { readonly verb: 'delete' };

/** A delta as it came off the wire. */
export type SeenDelta = Extract<ContextEvent, { __typename: 'Delta' }>;

/** How one attempt at a write was answered. */
export type Answer =
  | {
      readonly kind: 'done';
      readonly position: Position;
      readonly changed: boolean;
      readonly duplicate: boolean;
      /** Null: none was told. */
      readonly delta: SeenDelta | null;
    }
  /** `current`: where the context was, as the refusal says it; undefined: there is none. */
  | { readonly kind: 'conflict'; readonly current: Position | undefined }
  | { readonly kind: 'notFound' }
  | { readonly kind: 'failed'; readonly outcome: 'NOT_STORED' | 'UNKNOWN'; readonly why: string }
  /** What no write may be answered. */
  | { readonly kind: 'wrong'; readonly what: string };

/** One request of a write. */
export interface Attempt {
  /** The process that was asked. */
  readonly process: string;
  readonly beginMs: number;
  readonly endMs: number;
  readonly answer: Answer;
}

/** A write with all its attempts, which are the same request. */
export interface WriteRecord {
  readonly mark: number;
  readonly contextId: string;
  readonly action: Action;
  /** False: an update that says what is there already. It has no mark in the state. */
  readonly isChange: boolean;
  readonly expectedVersion?: number | undefined;
  readonly expectedEpoch?: string | undefined;
  readonly key?: string | undefined;
  readonly attempts: readonly Attempt[];
}

/** One subscription, or one `syncContext`: what was sent, and what came. */
export interface Connection {
  readonly process: string;
  /** The position that was sent; undefined: none. */
  readonly sent: Position | undefined;
  readonly beginMs: number;
  /** When a question was answered, also with an error. */
  readonly endMs?: number | undefined;
  readonly events: readonly SeenEvent[];
}

/** An event, and when it came. */
export interface SeenEvent {
  readonly atMs: number;
  readonly event: ContextEvent;
}

/** One who follows a context, or asks for it now and then. */
export interface ReaderRecord {
  readonly name: string;
  readonly contextId: string;
  /** `follower`: has a copy, sends its position. `prober`: has none, and sends any position that ever was. */
  readonly kind: 'follower' | 'prober';
  readonly connections: readonly Connection[];
  /** What was no event, and should not have come. */
  readonly complaints: readonly string[];
}

/** What one process said of a context when all was over. */
export interface FinalRecord {
  readonly contextId: string;
  readonly process: string;
  readonly atMs: number;
  readonly context: (Position & { readonly state: JsonObject }) | undefined;
  /** All that are retained, by version. */
  readonly deltas: readonly SeenDelta[];
}

/** Something that was done to the servers. */
export interface FaultRecord {
  readonly kind: string;
  readonly target: string;
  readonly beginMs: number;
  /** When it was over: the servers were as they should be. */
  readonly endMs: number;
  /** Since when acknowledged writes may be lost by it, as a replica or a copy lacks them; undefined: none may. */
  readonly losesFromMs?: number | undefined;
  /** Whether there may have been two masters for a while, one of them with what is lost. */
  readonly isDisputed?: boolean | undefined;
  /** Contexts whose server may have another identity afterwards, so that their next change begins an epoch. */
  readonly otherServerOf?: 'all' | readonly string[] | undefined;
  /** Whether that identity is certainly another than any before. */
  readonly isNewServer?: boolean | undefined;
}

/** What the servers were told, and what they are held to. */
export interface Limits {
  /** How many deltas are kept; null: all. */
  readonly deltaThreshold: number | null;
  readonly maxMergeDeltas: number;
  /** No answer may take longer. */
  readonly answerWithinMs: number;
}

/** Everything that happened in one run. */
export interface History {
  readonly limits: Limits;
  readonly writes: readonly WriteRecord[];
  readonly readers: readonly ReaderRecord[];
  readonly finals: readonly FinalRecord[];
  readonly faults: readonly FaultRecord[];
  /** What else went wrong: a process that died by itself, for example. */
  readonly incidents: readonly string[];
}

/** All that is known of one context. */
export interface ContextHistory {
  readonly contextId: string;
  readonly limits: Limits;
  readonly faults: readonly FaultRecord[];
  readonly writes: readonly WriteRecord[];
  readonly readers: readonly ReaderRecord[];
  readonly finals: readonly FinalRecord[];
}

/** Tells of something that must not be. */
export type Report = (rule: Rule, text: string) => void;

/** Something that must not be. */
export interface Violation {
  /** The rule that it breaks: a few words. */
  readonly rule: Rule;
  readonly contextId: string;
  readonly text: string;
}

/** The rules, in the order in which a reader would want to hear of them. */
export const rules = [
  'one write at a position',
  'acknowledged is kept',
  'no hole',
  'stored once',
  'not stored is nowhere',
  'precondition',
  'refusal',
  'idempotency',
  'order',
  'epoch',
  'deletion',
  'chain of a follower',
  'state',
  'cause',
  'stale answer',
  'end',
  'answer',
] as const;

/** The name of one of them. */
export type Rule = (typeof rules)[number];
