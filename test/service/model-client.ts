import type { Backend, View } from '../../src/backend/backend.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import type { ContextEvent, Position } from '../../src/model.ts';
import type { ChordService } from '../../src/service/service.ts';
import type { Events } from '../support/chord.ts';
import type { FaultyBackend } from '../support/faulty-backend.ts';
import type { Chronicle } from './chronicle.ts';
import type { Follow } from './mutants.ts';
import { answerOf, clientApply, type World, wordsOf } from './oracle.ts';
import { fail, nowhere, placeOf, type RecordingStore, same, show } from './recording-store.ts';

/** The context that everything is about. */
export const contextId = 'c';

/** One process over a store, and how its clients subscribe. */
export interface Process {
  readonly store: RecordingStore;
  /** It plans as if it knew nothing. */
  readonly isCold: boolean;
  readonly backend: FaultyBackend<Backend>;
  readonly chord: ChordService;
  readonly follow: Follow;
}

/** A client that does what it is told, by the client rule, and checks that it was right. */
export class ModelClient {
  readonly #chronicle: Chronicle;
  readonly #maxMerge: number;
  process: Process | undefined;
  #events: Events | undefined;
  #isPulling = false;
  #has: { readonly position: Position; readonly state: JsonObject } | undefined;
  /** What it was told last by this subscription. */
  #last: ContextEvent | undefined;
  /** What its process was shown since it subscribed, and before. */
  #views: RecordingStore['views'] = [];
  #viewsBefore = 0;
  #leastRank = -1;

  constructor(chronicle: Chronicle, maxMerge: number) {
    this.#chronicle = chronicle;
    this.#maxMerge = maxMerge;
  }

  join(process: Process, leastRank: number): void {
    if (this.#events !== undefined) return;
    const { epoch, version } = this.#has?.position ?? {};
    this.process = process;
    this.#events = process.follow(contextId, { epoch, version });
    this.#last = undefined;
    this.#views = process.store.views;
    this.#viewsBefore = this.#views.length;
    this.#leastRank = leastRank;
  }

  leave(): void {
    void this.#events?.return?.();
    this.#events = undefined;
    this.process = undefined;
    this.#isPulling = false;
  }

  pull(onFailure: (error: unknown) => void): void {
    const events = this.#events;
    if (events === undefined || this.#isPulling) return;
    this.#isPulling = true;
    const finish = (act: () => void) => {
      if (this.#events !== events) return;
      this.#isPulling = false;
      try {
        act();
      } catch (error) {
        onFailure(error);
      }
    };
    events.next().then(
      async (turn) => {
        await this.#chronicle.decided();
        finish(() => (turn.done === true ? fail('it ended by itself') : this.#accept(turn.value)));
      },
      (error: unknown) =>
        finish(() => {
          if (!isAway(error) || this.#last !== undefined) throw error;
          this.leave();
        }),
    );
  }

  checkEnd(view: View): void {
    if (this.#events === undefined) return;
    const expected = view.kind === 'context' ? { epoch: view.head.epoch, version: view.head.version } : undefined;
    const position = this.#has?.position;
    if (show(position) !== show(expected)) throw new Error(`ends at ${show(position)}, not at ${show(expected)}`);
  }

  #accept(event: ContextEvent): void {
    this.#checkNews(event);
    this.#checkTable(event);
    switch (event.kind) {
      case 'full':
        this.#has = { position: placeOf(event), state: event.context.state };
        break;
      case 'delta': {
        const had = this.#has ?? fail('a delta for a client that has nothing');
        const start = { epoch: event.epoch, version: event.fromVersion };
        if (show(had.position) !== show(start))
          fail(`a delta from ${show(start)} for a client at ${show(had.position)}`);
        this.#has = { position: placeOf(event), state: clientApply(had.state, event.changes) };
        break;
      }
      case 'noChange':
        if (show(this.#has?.position) !== show(placeOf(event))) fail('no change, from somewhere else');
        break;
      case 'gone':
      case 'noContext':
        this.#has = undefined;
        break;
    }
    if (this.#has !== undefined) {
      same(this.#has.state, this.#chronicle.stateAt(this.#has.position), `the client at ${show(this.#has.position)}`);
    }
    this.#last = event;
  }

  #checkNews(event: ContextEvent): void {
    const last = this.#last;
    if (event.kind === 'noContext') {
      if (last?.kind === 'noContext') fail('NO_CONTEXT twice');
      return;
    }
    const rank = this.#chronicle.rank(event);
    if (rank < this.#leastRank) fail(`${show(event)} is older than what was known before`);
    this.#leastRank = rank;
    if (last === undefined || last.kind === 'noContext') return;
    if (event.kind === 'noChange') fail('NO_CHANGE while live');
    const isSame = show(placeOf(event)) === show(placeOf(last));
    if (isSame && (event.kind === 'gone') === (last.kind === 'gone')) fail(`${show(event)} twice`);
  }

  #checkTable(event: ContextEvent): void {
    const last = this.#last;
    const isLive = last !== undefined;
    if (isLive && event.kind === 'delta' && event.version === event.fromVersion + 1) return;
    const since = isLive ? sinceOf(last) : this.#has?.position;
    const table = { maxMerge: this.#maxMerge, isLive };
    const answers = this.#views.slice(isLive ? 0 : this.#viewsBefore).flatMap((given) => {
      if (show(given.since) !== show(since)) return [];
      const world = this.#worldOf(given.view);
      return [
        `${answerOf({ ...since }, world, table)} ${show(world.kind === 'absent' ? nowhere : placeInView(given.view))}`,
      ];
    });
    const words = event.kind === 'noContext' ? 'null' : wordsOf(event);
    const told = `${words} ${show(placeOf(event))}`;
    if (!answers.includes(told))
      fail(`told ${told} from ${show(since)}; the table says ${[...new Set(answers)].join(' or ')}`);
  }

  #worldOf(view: View): World {
    if (view.kind !== 'context') return { kind: view.kind };
    const { epoch, firstVersion, floor, version } = view.head;
    const stateAt = (at: number) => this.#chronicle.stateAt({ epoch, version: at });
    return { kind: 'context', epoch, firstVersion, floor, version, stateAt };
  }
}

/** What a follower asks the store after an event: a client without a state has no epoch that could be right. */
function sinceOf(last: ContextEvent): Position | undefined {
  if (last.kind === 'noContext') return undefined;
  return last.kind === 'gone' ? { epoch: '-', version: last.version } : placeOf(last);
}

function placeInView(view: View): Position {
  if (view.kind === 'absent') return nowhere;
  return placeOf(view.kind === 'context' ? view.head : view);
}

/** Whether a call failed because the store cannot be reached. */
export function isAway(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'BACKEND_UNAVAILABLE';
}
