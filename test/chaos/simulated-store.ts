/* A store of contexts in memory that does what docs/protocol.md says, in the words of a history. */
import type { ContextEvent, Position } from '../../examples/replay/follower.ts';
import type { Change } from '../../src/delta/delta.ts';
import { diff } from '../../src/delta/diff.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import { answerOf } from '../service/oracle.ts';
import { act, originOf } from './actions.ts';
import type { Answer, Limits, SeenDelta } from './history.ts';
import type { WriteRequest } from './plan.ts';

interface Stored {
  readonly epoch: string;
  readonly first: number;
  readonly version: number;
  readonly isGone: boolean;
  readonly server: number;
  /** Of this epoch, by version. */
  readonly states: ReadonlyMap<number, JsonObject>;
  readonly deltas: readonly SeenDelta[];
}

type Done = Extract<Answer, { kind: 'done' }>;

const moment = '2030-01-01T00:00:00.000Z';

/** Answers writes and readers as a right server does; it can be restarted and set back. */
export class SimulatedStore {
  readonly #limits: Limits;
  #contexts = new Map<string, Stored>();
  #outcomes = new Map<string, Done>();
  #server = 1;
  #epochs = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  snapshot() {
    return { contexts: new Map(this.#contexts), outcomes: new Map(this.#outcomes) };
  }

  /** As another server, with what it had then; undefined: with everything. */
  restart(from: ReturnType<SimulatedStore['snapshot']> | undefined): void {
    this.#server++;
    if (from === undefined) return;
    this.#contexts = new Map(from.contexts);
    this.#outcomes = new Map(from.outcomes);
  }

  write(request: WriteRequest): Answer {
    const { contextId, key } = request;
    const outcome = key === undefined ? undefined : this.#outcomes.get(key);
    if (outcome !== undefined) return { ...outcome, duplicate: true, delta: this.#delta(contextId, outcome) };
    const answer = this.#decide(request, this.#contexts.get(contextId));
    if (answer.kind === 'done' && key !== undefined) this.#outcomes.set(key, answer);
    return answer;
  }

  /** What a reader is told next; undefined: nothing. */
  answer(
    contextId: string,
    { sent, told }: { readonly sent: Position | undefined; readonly told: ContextEvent | undefined },
  ): ContextEvent | undefined {
    const stored = this.#contexts.get(contextId);
    if (stored === undefined) {
      const nothing = { __typename: 'NoContext', contextId, epoch: '-', version: 0 } as const;
      return told?.__typename === 'NoContext' ? undefined : nothing;
    }
    const { epoch, version } = stored;
    const position = { contextId, epoch, version };
    if (stored.isGone) {
      const isKnown = told?.__typename === 'ContextGone' && told.epoch === epoch && told.version === version;
      return isKnown ? undefined : { __typename: 'ContextGone', ...position, cause: 'DELETED', at: moment };
    }
    const client = told === undefined ? sent : clientAfter(told);
    const words = answerOf(client ?? {}, this.#world(stored), {
      maxMerge: this.#limits.maxMergeDeltas,
      isLive: told !== undefined,
    });
    if (words === 'noChange') return told === undefined ? { __typename: 'NoChange', ...position } : undefined;
    const state = stateOf(stored, version);
    if (words === 'delta') {
      const fromVersion = client?.version ?? 0;
      return { ...toDelta(position, diff(stateOf(stored, fromVersion), state)), fromVersion };
    }
    const context = { ...position, id: contextId, state, insertedAt: moment, createdAt: moment, expiresAt: null };
    // The oracle's words are the reason in capitals.
    const reason = words.slice('full '.length) as Extract<ContextEvent, { __typename: 'FullContext' }>['reason'];
    return { __typename: 'FullContext', ...position, reason, context };
  }

  look(contextId: string) {
    const stored = this.#contexts.get(contextId);
    if (stored === undefined || stored.isGone) return { position: undefined, state: undefined, deltas: [] };
    const { epoch, version } = stored;
    const deltas = stored.deltas.filter((delta) => delta.version > version - (this.#limits.deltaThreshold ?? version));
    return { position: { epoch, version }, state: stateOf(stored, version), deltas };
  }

  #world(stored: Stored) {
    const { epoch, first, version } = stored;
    const { deltaThreshold } = this.#limits;
    const floor = deltaThreshold === null ? first : Math.max(first, version - deltaThreshold);
    return {
      kind: 'context',
      epoch,
      firstVersion: first,
      floor,
      version,
      stateAt: (of: number) => stateOf(stored, of),
    } as const;
  }

  #decide(request: WriteRequest, stored: Stored | undefined): Answer {
    const { action, contextId, expectedEpoch, expectedVersion, isChange } = request;
    if (stored === undefined || stored.isGone) {
      if (action.verb !== 'set') return { kind: 'notFound' };
      if (expectedEpoch !== undefined || (expectedVersion ?? 0) !== 0) return { kind: 'conflict', current: undefined };
      return this.#begin(request, (stored?.version ?? 0) + 1, { before: {}, after: action.state });
    }
    const { epoch, version } = stored;
    const position = { epoch, version };
    if ((expectedEpoch ?? epoch) !== epoch || (expectedVersion ?? version) !== version) {
      return { kind: 'conflict', current: position };
    }
    const done = { kind: 'done', changed: isChange, duplicate: false, delta: null } as const;
    if (!isChange) return { ...done, position };
    const before = stateOf(stored, version);
    const after = act(action, before);
    if (after === undefined) {
      this.#contexts.set(contextId, { ...stored, isGone: true });
      return { ...done, position };
    }
    if (stored.server !== this.#server) return this.#begin(request, version + 1, { before, after });
    const next = { epoch, version: version + 1 };
    const delta = {
      ...toDelta({ contextId, ...next }, diff(before, after)),
      fromVersion: version,
      origin: originOf(request.mark),
    };
    const states = new Map(stored.states).set(next.version, after);
    this.#contexts.set(contextId, { ...stored, version: next.version, states, deltas: [...stored.deltas, delta] });
    return { ...done, position: next, delta };
  }

  #begin(
    { contextId, mark }: WriteRequest,
    version: number,
    { before, after }: { readonly before: JsonObject; readonly after: JsonObject },
  ): Answer {
    const position = { epoch: `e${++this.#epochs}`, version };
    const delta = {
      ...toDelta({ contextId, ...position }, diff(before, after)),
      fromVersion: 0,
      origin: originOf(mark),
    };
    const states = new Map([[version, after]]);
    const stored = { ...position, first: version, isGone: false, server: this.#server, states, deltas: [delta] };
    this.#contexts.set(contextId, stored);
    return { kind: 'done', position, changed: true, duplicate: false, delta };
  }

  #delta(contextId: string, { position, changed }: Done): SeenDelta | null {
    if (!changed) return null;
    const stored = this.#contexts.get(contextId);
    const isThere = stored?.epoch === position.epoch && !stored.isGone;
    return (isThere ? stored.deltas.find(({ version }) => version === position.version) : undefined) ?? null;
  }
}

function stateOf({ states }: Stored, version: number): JsonObject {
  const state = states.get(version);
  if (state === undefined) throw new RangeError(`There is no version ${version}.`);
  return state;
}

function clientAfter({ __typename, epoch, version }: ContextEvent): {
  readonly epoch?: string;
  readonly version?: number;
} {
  if (__typename === 'NoContext') return {};
  return { epoch: __typename === 'ContextGone' ? '-' : epoch, version };
}

function toDelta(position: { readonly contextId: string } & Position, changes: readonly Change[]): SeenDelta {
  return {
    __typename: 'Delta',
    ...position,
    fromVersion: 0,
    insertedAt: moment,
    origin: null,
    changes: changes.map((change) => ({
      path: [...change.path],
      action: change.action,
      value: change.action === 'REMOVED' ? null : change.value,
      oldValue: change.action === 'ADDED' ? null : change.oldValue,
    })),
  };
}
