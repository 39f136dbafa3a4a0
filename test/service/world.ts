/**
 * A small world to play the protocol in: processes over one store (or two services in one process, where the store has
 * but one), writers, subscribers, and a post that a schedule controls. Everything that happens is checked when it happens:
 *
 * - of the commits that are made on one base one is accepted, and whoever watches hears of it,
 * - after every event a client has the state that the store had at that position (the store writes down every state),
 * - every event's kind and reason are those of the table (oracle.ts) on a view that the store gave for that position,
 * - no event is a duplicate, and none goes back,
 * - every writer is told the truth,
 * - whoever leaves is gone at once.
 */
import type { Backend } from '../../src/backend/backend.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { ContextNotFoundError } from '../../src/errors.ts';
import type { Position } from '../../src/model.ts';
import type { WriteResult } from '../../src/service/chord.ts';
import { openOn } from '../support/chord.ts';
import { ManualClock, settle } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';
import { Chronicle } from './chronicle.ts';
import type { Command, Place, Setting } from './commands.ts';
import { contextId, isAway, ModelClient, type Process } from './model-client.ts';
import type { MakeFollow } from './mutants.ts';
import { clientApply, mergeModel } from './oracle.ts';
import { fail, placeOf, RecordingStore, same, show } from './recording-store.ts';

const recheckMs = 30_000;

/** Processes on one store and their clients: does what it is told to, and fails when anybody was told what is not so. */
export class World {
  readonly #setting: Setting;
  readonly #place: Place;
  readonly #makeFollow: MakeFollow;
  readonly #chronicle = new Chronicle();
  readonly #clock = new ManualClock();
  readonly #processes: Process[];
  readonly #clients: readonly ModelClient[];
  readonly #post: (() => void)[] = [];
  readonly #held: (() => void)[] = [];
  readonly #writes: Promise<void>[] = [];
  readonly #failures: unknown[] = [];
  #acknowledged = -1;
  #hasBeenAway = false;
  #hasLost = false;
  #isOver = false;

  constructor(setting: Setting, makeFollow: MakeFollow, place: Place = { open: () => new MemoryBackend() }) {
    this.#setting = setting;
    this.#makeFollow = makeFollow;
    this.#place = place;
    const { chronicle, isCold } = { chronicle: this.#chronicle, isCold: setting.isCold };
    const store = new RecordingStore(place.open(isCold), chronicle);
    // The second process is the one that may be cold.
    const other = place.isShared === true ? new RecordingStore(place.open(false), chronicle) : store;
    this.#processes = [this.#openProcess(other, false), this.#openProcess(store, isCold)];
    this.#clients = Array.from({ length: 4 }, () => new ModelClient(chronicle, setting.maxMergeDeltas));
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
      await Promise.all(this.#stores.map((store) => store.inner.close()));
    }
  }

  get #stores(): readonly RecordingStore[] {
    return [...new Set(this.#processes.map(({ store }) => store))];
  }

  #openProcess(store: RecordingStore, isCold: boolean): Process {
    const backend = new FaultyBackend<Backend>(store);
    if (isCold) backend.peekAs = () => undefined;
    backend.gate = () =>
      this.#setting.isStoreHeld && !this.#isOver ? new Promise((open) => this.#held.push(open)) : now;
    backend.courier = (deliver) => {
      if (this.#setting.isPostHeld && !this.#isOver) this.#post.push(deliver);
      else deliver();
    };
    const { deltaThreshold, maxMergeDeltas } = this.#setting;
    const chord = openOn(backend, this.#clock, { deltaThreshold, maxMergeDeltas, recheckMs });
    return { store, isCold, backend, chord, follow: this.#makeFollow(chord, backend) };
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
        // Sometimes by the one that writes next, sometimes by the other.
        await this.#process(command.back % 2).store.trimDeltas(contextId, this.#clock.now() - command.back);
        break;
      case 'purge':
        await this.#process(0).store.purgeTombstone(contextId, this.#clock.now());
        break;
      case 'recheck':
        await this.#clock.advance(recheckMs);
        break;
      case 'away':
        this.#hasBeenAway = true;
        this.#process(command.process).backend.failingReads = command.reads;
        break;
      case 'restart':
        await this.#restart(this.#process(command.process).store);
        break;
      case 'promote':
        if (this.#place.promote === undefined) break;
        await this.#place.promote();
        this.#chronicle.promoted();
        break;
      case 'together':
        await Promise.all(command.commands.map((each) => this.#do(each)));
        break;
    }
  }

  async #restart(store: RecordingStore): Promise<void> {
    this.#isOver = true;
    await this.#flush();
    await Promise.all(this.#writes);
    for (const client of this.#clients) if (client.process?.store === store) client.leave();
    await this.#settle();
    this.#check();
    const { isCold } = this.#setting;
    await store.reopen(() => this.#place.open(isCold && store === this.#process(1).store));
    for (const [index, process] of this.#processes.entries()) {
      // The services, too: what they knew of the contexts is gone with them.
      if (process.store === store) this.#processes[index] = this.#openProcess(store, process.isCold);
    }
    this.#isOver = false;
  }

  /** Everything that can happen by itself has happened. */
  async #settle(): Promise<void> {
    await settle();
    while (this.#chronicle.isBusy) {
      await this.#chronicle.news();
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
        await this.#chronicle.decided();
        this.#acknowledge(gone);
        return;
      }
      const isSet = command.kind === 'set';
      const result = isSet
        ? await chord.setContext(contextId, command.state)
        : await chord.updateContext(contextId, command.changes);
      await this.#chronicle.decided();
      const state = this.#chronicle.stateAt(result);
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
    if (delta.fromVersion !== 0 && delta.fromVersion !== at.version - 1) throw new Error(`a delta ${show(delta)}`);
    const state = clientApply(this.#chronicle.stateBefore(at), delta.changes);
    same(state, this.#chronicle.stateAt(at), `the writer's delta to ${show(at)}`);
  }

  #acknowledge(position: Position): void {
    this.#acknowledged = Math.max(this.#acknowledged, this.#chronicle.rank(position));
  }

  #check(): void {
    const [failure] = this.#failures;
    if (failure !== undefined) throw failure;
    this.#chronicle.check();
    for (const store of this.#stores) store.checkPeek(contextId);
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
    if (this.#chronicle.watches !== 0) throw new Error('still watched');
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
    for (const store of this.#stores) {
      const view = await store.read(contextId, { withState: true });
      if (view.kind === 'context') {
        same(view.state ?? {}, this.#chronicle.stateAt(view.head), `what the store has at ${show(placeOf(view))}`);
      }
      for (const client of this.#clients) client.checkEnd(view);
    }
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
