/**
 * A history as a run would write it down, made without servers: writers and followers of a store in memory whose
 * steps (a request is sent, takes effect, is answered) alternate by chance. The checker must find nothing wrong with
 * it, and something wrong with everything that is made of it by tampering.
 */
import type { ContextEvent, Copy, Position } from '../../examples/replay/follower.ts';
import { follow } from '../../examples/replay/follower.ts';
import { Random } from '../fixtures/random.ts';
import type { Answer, Attempt, Connection, FaultRecord, FinalRecord, History, SeenEvent } from './history.ts';
import { pickContext, planLast, planWrite, type Rumour, type WriteRequest } from './plan.ts';
import { SimulatedStore } from './simulated-store.ts';

/** Fields that are filled on the way; the checker sees a `History`. */
type Growing<T> = { -readonly [Key in keyof T]: T[Key] extends readonly (infer Item)[] ? Item[] : T[Key] };

interface Writer {
  readonly name: string;
  readonly random: Random;
  request: WriteRequest | undefined;
  attempts: Attempt[];
  step: 'idle' | 'sent' | 'answered';
  beginMs: number;
  answer: Answer | undefined;
}

interface Follower {
  readonly name: string;
  readonly contextId: string;
  readonly connections: Connection[];
  connection:
    | { readonly sent: Position | undefined; readonly beginMs: number; readonly events: SeenEvent[] }
    | undefined;
  copy: Copy | undefined;
  told: ContextEvent | undefined;
  /** Decided, and on its way. */
  coming: ContextEvent | undefined;
}

/** What is simulated. */
export interface SimulationOptions {
  readonly seed: number;
  readonly steps?: number;
  /** Servers that restart, and have everything or only what they had a while ago. */
  readonly faults?: 'none' | 'restarts' | 'losses';
  readonly deltaThreshold?: number | null;
}

/** A valid history. */
export function simulate({ seed, steps = 4_000, faults = 'none', deltaThreshold = null }: SimulationOptions): History {
  const simulation = new Simulation(seed, deltaThreshold);
  simulation.run(steps, faults);
  return simulation.finish();
}

class Simulation {
  readonly #random: Random;
  readonly #store: SimulatedStore;
  readonly #contexts = ['a', 'b', 'c'];
  readonly #writers: readonly Writer[];
  readonly #followers: readonly Follower[];
  readonly #rumours = new Map<string, Rumour>();
  readonly #history: Growing<History>;
  #snapshot: SimulatedStore['snapshot'] extends () => infer Snapshot ? Snapshot : never;
  #snapshotMs = 0;
  #ms = 0;
  #mark = 0;

  constructor(seed: number, deltaThreshold: number | null) {
    this.#random = new Random(seed);
    const limits = { deltaThreshold, maxMergeDeltas: 10_000, answerWithinMs: 10_000 };
    this.#store = new SimulatedStore(limits);
    this.#snapshot = this.#store.snapshot();
    this.#history = { limits, writes: [], readers: [], finals: [], faults: [], incidents: [] };
    this.#writers = Array.from({ length: 6 }, (_, index) => ({
      name: `writer ${index}`,
      random: this.#random,
      request: undefined,
      attempts: [],
      step: 'idle',
      beginMs: 0,
      answer: undefined,
    }));
    this.#followers = Array.from({ length: 7 }, (_, index) => ({
      name: `follower ${index}`,
      contextId: this.#contexts[index % 3] ?? '',
      connections: [],
      connection: undefined,
      copy: undefined,
      told: undefined,
      coming: undefined,
    }));
  }

  run(steps: number, faults: 'none' | 'restarts' | 'losses'): void {
    for (let step = 0; step < steps; step++) {
      const chance = this.#random.next();
      if (chance < 0.6) this.#stepWriter(this.#random.pick(this.#writers));
      else if (chance < 0.995 || faults === 'none') this.#stepFollower(this.#random.pick(this.#followers));
      else if (this.#random.chance(0.5)) this.#save();
      else this.#restart(faults === 'losses');
    }
  }

  finish(): History {
    for (const writer of this.#writers) while (writer.step !== 'idle') this.#stepWriter(writer);
    for (const contextId of this.#contexts) {
      this.#settle((writer) => planLast(writer, ++this.#mark, contextId));
      if (contextId !== 'c') continue;
      this.#settle((writer) => ({ ...planLast(writer, ++this.#mark, contextId), action: { verb: 'delete' } }));
    }
    for (const follower of this.#followers) {
      this.#leave(follower);
      this.#connect(follower);
      for (let more = true; more; ) more = this.#decide(follower) && this.#deliver(follower);
      this.#leave(follower);
      const { name, contextId, connections } = follower;
      this.#history.readers.push({ name, contextId, kind: 'follower', connections, complaints: [] });
    }
    this.#history.finals.push(...this.#contexts.map((contextId) => this.#final(contextId)));
    return this.#history;
  }

  #settle(plan: (writer: Writer) => WriteRequest): void {
    const [writer] = this.#writers;
    if (writer === undefined) return;
    this.#send(writer, plan(writer));
    while (writer.step !== 'idle') this.#stepWriter(writer);
  }

  #now(): number {
    this.#ms += this.#random.next() + 0.01;
    return this.#ms;
  }

  #stepWriter(writer: Writer): void {
    switch (writer.step) {
      case 'idle': {
        const contextId = pickContext(this.#random, this.#contexts);
        const rumour = this.#rumours.get(contextId) ?? { position: undefined, isGone: true };
        this.#send(writer, planWrite(writer, ++this.#mark, { contextId, ...rumour }));
        break;
      }
      case 'sent':
        writer.step = 'answered';
        writer.answer = this.#store.write(this.#request(writer));
        // Before or after it took effect, the answer is lost.
        if (this.#random.chance(0.04)) writer.answer = { kind: 'failed', outcome: 'UNKNOWN', why: 'lost' };
        break;
      case 'answered':
        this.#receive(writer, writer.answer ?? { kind: 'failed', outcome: 'UNKNOWN', why: 'lost' });
    }
  }

  #request({ request }: Writer): WriteRequest {
    if (request === undefined) throw new TypeError('There is no request.');
    return request;
  }

  #send(writer: Writer, request: WriteRequest): void {
    writer.request = request;
    writer.step = 'sent';
    writer.beginMs = this.#now();
    if (this.#random.chance(0.02)) {
      writer.step = 'answered';
      writer.answer = { kind: 'failed', outcome: 'NOT_STORED', why: 'away' };
    }
  }

  #receive(writer: Writer, answer: Answer): void {
    const request = this.#request(writer);
    writer.attempts.push({ process: 'p', beginMs: writer.beginMs, endMs: this.#now(), answer });
    const isSettled = answer.kind !== 'failed' || request.key === undefined;
    const isRepeated = answer.kind === 'done' && request.key !== undefined && this.#random.chance(0.03);
    if (!isSettled || isRepeated) return this.#send(writer, request);
    this.#history.writes.push({ ...request, attempts: writer.attempts });
    writer.attempts = [];
    writer.step = 'idle';
    const isGone = answer.kind === 'notFound' || (answer.kind === 'done' && request.action.verb === 'delete');
    const position = answer.kind === 'done' ? answer.position : answer.kind === 'conflict' ? answer.current : undefined;
    if (position !== undefined || isGone) this.#rumours.set(request.contextId, { position, isGone });
  }

  #stepFollower(follower: Follower): void {
    if (follower.connection === undefined) this.#connect(follower);
    else if (follower.coming !== undefined) this.#deliver(follower);
    else if (this.#random.chance(0.1)) this.#leave(follower);
    else this.#decide(follower);
  }

  #connect(follower: Follower): void {
    if (this.#random.chance(0.05)) follower.copy = undefined;
    const { copy } = follower;
    const sent = copy === undefined ? undefined : { epoch: copy.epoch, version: copy.version };
    follower.connection = { sent, beginMs: this.#now(), events: [] };
    follower.told = undefined;
  }

  /** Whether there is something to tell. */
  #decide(follower: Follower): boolean {
    const { contextId, connection, told } = follower;
    follower.coming = this.#store.answer(contextId, { sent: connection?.sent, told });
    return follower.coming !== undefined;
  }

  #deliver(follower: Follower): boolean {
    const event = follower.coming;
    follower.coming = undefined;
    if (event === undefined) return false;
    follower.connection?.events.push({ atMs: this.#now(), event });
    follower.copy = follow(follower.copy, event);
    follower.told = event;
    return true;
  }

  #leave(follower: Follower): void {
    const { connection } = follower;
    if (connection !== undefined) follower.connections.push({ process: 'p', ...connection });
    follower.connection = undefined;
    follower.coming = undefined;
  }

  #save(): void {
    this.#snapshotMs = this.#now();
    this.#snapshot = this.#store.snapshot();
  }

  /** All that is under way is cut off. */
  #restart(isLoss: boolean): void {
    const beginMs = this.#now();
    this.#store.restart(isLoss ? this.#snapshot : undefined);
    for (const writer of this.#writers) {
      if (writer.step === 'idle') continue;
      writer.step = 'answered';
      writer.answer = { kind: 'failed', outcome: 'UNKNOWN', why: 'cut off' };
    }
    for (const follower of this.#followers) this.#leave(follower);
    const fault: FaultRecord = {
      kind: isLoss ? 'a loss' : 'a restart',
      target: 'the store',
      beginMs,
      endMs: this.#now(),
      losesFromMs: isLoss ? this.#snapshotMs : undefined,
      otherServerOf: 'all',
      isNewServer: true,
    };
    this.#history.faults.push(fault);
  }

  #final(contextId: string): FinalRecord {
    const { position, state, deltas } = this.#store.look(contextId);
    const context = position === undefined || state === undefined ? undefined : { ...position, state };
    return { contextId, process: 'p', atMs: this.#now(), context, deltas };
  }
}
