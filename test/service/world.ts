/**
 * A small world to play the protocol in: processes over one store (or two services in one process, where the store has
 * but one), writers, subscribers, and a post that a schedule controls. Everything that happens is checked when it happens:
 *
 * - after every event a client has the state that the store had at that position (the store writes down every state),
 * - every event's kind and reason are those of the table (oracle.ts) on a view that the store gave for that position,
 * - no event is a duplicate, and none goes back,
 * - every writer is told the truth,
 * - whoever leaves is gone at once.
 */
import type { Backend } from '../../src/backend/backend.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import { ContextNotFoundError } from '../../src/errors.ts';
import type { Position } from '../../src/model.ts';
import type { WriteResult } from '../../src/service/chord.ts';
import { openOn } from '../support/chord.ts';
import { ManualClock, settle } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';
import { contextId, isAway, ModelClient, type Process } from './model-client.ts';
import type { MakeFollow } from './mutants.ts';
import { clientApply, mergeModel } from './oracle.ts';
import { fail, RecordingStore, same, show } from './recording-store.ts';

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
  /** Every process ends in peace and the store is opened again; clients keep what they have. */
  | { readonly kind: 'restart' }
  | { readonly kind: 'away'; readonly process: number; readonly reads: number };

/** Opens the store; the next time, after it was closed, with what is in it. */
export type OpenStore = () => Backend;

const recheckMs = 30_000;

export class World {
  readonly #setting: Setting;
  readonly #openStore: OpenStore;
  readonly #makeFollow: MakeFollow;
  readonly #store: RecordingStore;
  readonly #clock = new ManualClock();
  #processes: readonly Process[];
  readonly #clients: readonly ModelClient[];
  readonly #post: (() => void)[] = [];
  readonly #held: (() => void)[] = [];
  readonly #writes: Promise<void>[] = [];
  readonly #failures: unknown[] = [];
  #acknowledged = -1;
  #hasBeenAway = false;
  #hasLost = false;
  #isOver = false;

  constructor(setting: Setting, makeFollow: MakeFollow, openStore: OpenStore = () => new MemoryBackend()) {
    this.#setting = setting;
    this.#makeFollow = makeFollow;
    this.#openStore = openStore;
    this.#store = new RecordingStore(openStore());
    this.#processes = this.#openProcesses();
    this.#clients = Array.from({ length: 4 }, () => new ModelClient(this.#store, setting.maxMergeDeltas));
  }

  async run(commands: readonly Command[]): Promise<void> {
    try {
      for (const command of commands) {
        await this.#do(command);
        await this.#settle();
        this.#check();
      }
      await this.#converge();
    } finally {
      await this.#store.inner.close();
    }
  }

  #openProcesses(): readonly Process[] {
    return [false, this.#setting.isCold].map((isCold) => this.#openProcess(isCold));
  }

  #openProcess(isCold: boolean): Process {
    const backend = new FaultyBackend<Backend>(this.#store);
    if (isCold) backend.peekAs = () => undefined;
    backend.gate = () =>
      this.#setting.isStoreHeld && !this.#isOver ? new Promise((open) => this.#held.push(open)) : now;
    backend.courier = (deliver) => {
      if (this.#setting.isPostHeld && !this.#isOver) this.#post.push(deliver);
      else deliver();
    };
    const { deltaThreshold, maxMergeDeltas } = this.#setting;
    const chord = openOn(backend, this.#clock, { deltaThreshold, maxMergeDeltas, recheckMs });
    return { backend, chord, follow: this.#makeFollow(chord, backend) };
  }

  async #do(command: Command): Promise<void> {
    switch (command.kind) {
      case 'set':
      case 'update':
      case 'delete':
        this.#clock.set(this.#clock.now() + 1);
        this.#writes.push(this.#write(command).catch((error: unknown) => void this.#failures.push(error)));
        break;
      case 'rejoin':
      case 'join':
        if (command.kind === 'rejoin') this.#client(command.client).leave();
        this.#client(command.client).join(this.#process(command.process), this.#acknowledged);
        break;
      case 'pull':
        this.#client(command.client).pull((error) => this.#failures.push(error));
        break;
      case 'pullAll':
        for (const client of this.#clients) client.pull((error) => this.#failures.push(error));
        break;
      case 'flush':
        await this.#flush();
        break;
      case 'leave':
        this.#client(command.client).leave();
        break;
      case 'deliver':
        for (const deliver of take(this.#post, command.pick)) deliver();
        break;
      case 'double':
        this.#post[command.pick % this.#post.length]?.();
        break;
      case 'lose':
        this.#hasLost ||= take(this.#post, command.pick).length > 0;
        break;
      case 'release':
        for (const open of take(this.#held, command.pick)) open();
        break;
      case 'trim':
        await this.#store.trimDeltas(contextId, this.#clock.now() - command.back);
        break;
      case 'purge':
        await this.#store.purgeTombstone(contextId, this.#clock.now());
        break;
      case 'recheck':
        await this.#clock.advance(recheckMs);
        break;
      case 'away':
        this.#hasBeenAway = true;
        this.#process(command.process).backend.failingReads = command.reads;
        break;
      case 'restart':
        await this.#restart();
        break;
    }
  }

  async #restart(): Promise<void> {
    this.#isOver = true;
    await this.#flush();
    await Promise.all(this.#writes);
    for (const client of this.#clients) client.leave();
    await this.#settle();
    this.#check();
    await this.#store.reopen(() => this.#openStore());
    // The services, too: what they knew of the contexts is gone with them.
    this.#processes = this.#openProcesses();
    this.#isOver = false;
  }

  /** Everything that can happen by itself has happened. */
  async #settle(): Promise<void> {
    await settle();
    while (this.#store.isBusy) {
      await this.#store.answered();
      await settle();
    }
  }

  async #flush(): Promise<void> {
    while (this.#held.length > 0 || this.#post.length > 0) {
      for (const open of this.#held.splice(0)) open();
      for (const deliver of this.#post.splice(0)) deliver();
      await this.#settle();
    }
  }

  async #write(command: Extract<Command, { kind: 'set' | 'update' | 'delete' }>): Promise<void> {
    const { chord } = this.#process(command.process);
    try {
      if (command.kind === 'delete') {
        const gone = await chord.deleteContext(contextId);
        this.#acknowledge(gone);
        return;
      }
      const isSet = command.kind === 'set';
      const result = isSet
        ? await chord.setContext(contextId, command.state)
        : await chord.updateContext(contextId, command.changes);
      const state = this.#store.stateAt(result);
      const wanted = isSet ? command.state : mergeModel(state, command.changes);
      same(state, wanted, `${command.kind} put the context at ${show(result)}`);
      this.#checkDelta(result);
      this.#acknowledge(result);
    } catch (error) {
      if (error instanceof ContextNotFoundError && command.kind !== 'set') return;
      // The reads that confirm a refusal may have been made to fail; commits never are.
      if (isAway(error) && this.#hasBeenAway) return;
      throw error;
    }
  }

  #checkDelta({ changed, duplicate, delta, ...at }: WriteResult): void {
    if (duplicate) throw new Error('a write without a key is a duplicate');
    if (changed !== (delta !== null)) throw new Error(`changed is ${changed}, the delta ${show(delta)}`);
    if (delta === null) return;
    const before = delta.fromVersion === 0 ? {} : this.#store.stateAt({ ...at, version: delta.fromVersion });
    same(clientApply(before, delta.changes), this.#store.stateAt(at), `the writer's delta to ${show(at)}`);
  }

  #acknowledge(position: Position): void {
    this.#acknowledged = Math.max(this.#acknowledged, this.#store.rank(position));
  }

  #check(): void {
    const [failure] = this.#failures;
    if (failure !== undefined) throw failure;
    for (const process of this.#processes) {
      const attached = this.#clients.filter((client) => client.process === process).length;
      const { followers, watchedContexts } = process.chord.stats();
      if (followers > attached) throw new Error(`${followers} followers of ${attached} clients`);
      if (attached === 0 && watchedContexts > 0) throw new Error('watched for nobody');
    }
  }

  /** Everything arrives, or is found by the recheck; then everybody has what the store has. */
  async #converge(): Promise<void> {
    this.#isOver = true;
    for (const { backend } of this.#processes) backend.failingReads = 0;
    for (const open of this.#held.splice(0)) open();
    await this.#settle();
    if (this.#setting.isPostLost) this.#hasLost ||= this.#post.length > 0;
    else for (const deliver of this.#post.splice(0)) deliver();
    await Promise.all(this.#writes);
    await this.#pullAll();
    // Whoever was told of everything needs no recheck.
    if (!this.#hasLost && !this.#hasBeenAway) await this.#checkEnds();
    for (let round = 0; round < 3; round++) {
      await this.#clock.advance(recheckMs);
      await this.#pullAll();
    }
    await this.#checkEnds();
    for (const client of this.#clients) client.leave();
    await this.#settle();
    this.#check();
    if (this.#store.watches !== 0) throw new Error('still watched');
    if (this.#clock.sleepers !== 0) throw new Error('still waiting');
  }

  async #pullAll(): Promise<void> {
    for (let pulls = 0; pulls < 4; pulls++) {
      for (const client of this.#clients) client.pull((error) => this.#failures.push(error));
      await this.#settle();
    }
    this.#check();
  }

  async #checkEnds(): Promise<void> {
    const view = await this.#store.read(contextId);
    for (const client of this.#clients) client.checkEnd(view);
  }

  #process(index: number): Process {
    return this.#processes[index] ?? fail('no process');
  }

  #client(index: number): ModelClient {
    return this.#clients[index] ?? fail('no client');
  }
}

const now = Promise.resolve();

function take<T>(from: T[], pick: number): T[] {
  return from.length === 0 ? [] : from.splice(pick % from.length, 1);
}
