/**
 * One run: servers, writers, followers and faults for a while; then all are healed, every write is settled, a last one
 * is made to every context, and everybody must come to it. What was written down is for the checker.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../fixtures/random.ts';
import { soon, until } from '../support/wait.ts';
import { type Enough, isEnough } from './enough.ts';
import { type Fault, type FaultPlan, strikeFaults } from './fault.ts';
import { Follower } from './follower.ts';
import type { Connection, FaultRecord, FinalRecord, History, Limits, ReaderRecord, WriteRecord } from './history.ts';
import { type LinkName, links } from './links.ts';
import { planLast } from './plan.ts';
import { askEnd } from './requests.ts';
import { Fleet } from './server.ts';
import { type Setup, type SetupName, startSetup } from './setup.ts';
import { type Desk, Writer } from './writer.ts';

/** What to run. */
export interface RunOptions {
  readonly setup: SetupName;
  readonly seed: number;
  readonly seconds: number;
  readonly contexts?: number;
  readonly followers?: number;
  readonly writersPerProcess?: number;
  /** How many deltas the servers keep; null: all. */
  readonly deltaThreshold?: number | null;
  /** Between two bursts of a writer, on the average. */
  readonly pauseMs?: number;
  /** Between two faults, on the average. */
  readonly faultPauseMs?: number;
  /** Only faults of these kinds; default all that the set-up has. */
  readonly kinds?: readonly string[];
  /** Whether each kind is struck in its turn, instead of any by chance. */
  readonly isInTurn?: boolean;
  /** It need not go on for all the time. */
  readonly enough?: Enough;
  /** Told how it goes, now and then. */
  readonly say?: (line: string) => void;
}

/** What a run wrote down, and how long its last steps took. */
export interface RunResult {
  readonly history: History;
  /** From the last write until everybody had it. */
  readonly convergedMs: number;
}

/** How long servers may take to be as they should be, and everybody to settle, when the faults are over. */
const patienceMs = 60_000;

/** @throws when the run itself cannot go on. What the servers did wrong is in the history. */
export async function run(options: RunOptions): Promise<RunResult> {
  const contexts = Array.from({ length: options.contexts ?? 20 }, (_, index) => `context ${index + 1}`);
  const setup = await startSetup(options.setup, contexts);
  try {
    const limits = { deltaThreshold: options.deltaThreshold ?? null, maxMergeDeltas: 10_000, answerWithinMs: 20_000 };
    const incidents: string[] = [];
    const complain = (what: string) => incidents.push(what);
    const app = {
      ...setup.app,
      deltaThreshold: limits.deltaThreshold,
      deltaTtlMs: null,
      maxMergeDeltas: limits.maxMergeDeltas,
      idempotencyWindowMs: 3_600_000,
      cleanupIntervalMs: 0,
      // What is missed must be noticed, not found by looking again some time.
      recheckMs: 600_000,
    };
    const fleet = await Fleet.start(setup.processes, app, complain);
    try {
      return await new Run({ ...options, contexts, setup, fleet, limits, incidents }).play();
    } finally {
      await fleet.stop();
    }
  } finally {
    await setup.stop();
  }
}

interface Parts extends Omit<RunOptions, 'setup' | 'contexts'> {
  readonly contexts: readonly string[];
  readonly setup: Setup;
  readonly fleet: Fleet;
  readonly limits: Limits;
  readonly incidents: string[];
}

class Run {
  readonly #parts: Parts;
  readonly #writes: WriteRecord[] = [];
  readonly #faults: FaultRecord[] = [];
  readonly #probes = new Map<string, Connection[]>();
  readonly #stop = new AbortController();
  readonly #end = new AbortController();
  readonly #desk: Desk;
  readonly #writers: readonly Writer[];
  readonly #followers: readonly Follower[];
  readonly #beganMs = performance.now();
  #mark = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { contexts, fleet, incidents, seed, setup, followers = 60, writersPerProcess = 8, pauseMs = 1_000 } = parts;
    this.#desk = {
      fleet,
      contexts,
      rumours: new Map(),
      positions: new Map(),
      nextMark: () => ++this.#mark,
      onWrite: (write) => this.#noteWrite(write),
      onProbe: (contextId, connection) => this.#noteProbe(contextId, connection),
      complain: (what) => incidents.push(what),
    };
    // Everybody listens.
    setMaxListeners(0, this.#stop.signal, this.#end.signal);
    const signals = { stop: this.#stop.signal, end: this.#end.signal };
    this.#writers = Array.from({ length: setup.processes * writersPerProcess }, (_, index) => {
      const random = new Random(seed * 1_000_003 + index);
      return new Writer(this.#desk, { name: `writer ${index + 1}`, place: index, random, pauseMs, ...signals });
    });
    const names = Object.keys(links) as LinkName[];
    this.#followers = Array.from({ length: followers + contexts.length }, (_, index) => {
      const isRecorder = index >= followers;
      return new Follower({
        ...signals,
        name: `${isRecorder ? 'recorder' : 'follower'} ${index + 1}`,
        contextId: contexts[index % contexts.length] ?? '',
        transport: names[index % names.length] ?? 'WebSocket',
        random: new Random(seed * 2_000_003 + index),
        fleet,
        isRecorder,
      });
    });
  }

  async play(): Promise<RunResult> {
    const { seconds } = this.#parts;
    // They follow until the end: one that ends before cannot go on, and ends the run.
    const following = Promise.all(this.#followers.map((follower) => follower.run()));
    following.catch(() => undefined);
    try {
      const work = Promise.all([...this.#writers.map((writer) => writer.run()), ...this.#strike()]);
      const deadline = setTimeout(() => this.#stop.abort(), seconds * 1_000);
      try {
        await soon('the work to end', Promise.race([work, following]), seconds * 1_000 + 2 * patienceMs);
      } finally {
        clearTimeout(deadline);
      }
      const finished = this.#finish();
      // Whoever follows may fail first.
      finished.catch(() => undefined);
      await Promise.race([finished, following]);
      return await finished;
    } finally {
      this.#stop.abort();
      this.#end.abort();
      await soon('the followers to leave', following, patienceMs);
    }
  }

  #strike(): readonly Promise<void>[] {
    const { faultPauseMs = 1_500, fleet, isInTurn = false, kinds, seed, setup } = this.#parts;
    const isMeant = ({ kind }: Fault) => kinds?.includes(kind) ?? true;
    const plan = { isInTurn, stop: this.#stop.signal, onFault: (fault: FaultRecord) => this.#noteFault(fault) };
    const processKilled: Fault = {
      kind: 'Chord process killed',
      weight: 1,
      strike: async (random) => ({ target: await fleet.replace(random) }),
    };
    const lanes: readonly Pick<FaultPlan, 'faults' | 'random' | 'pauseMs'>[] = [
      { faults: setup.faults.filter(isMeant), random: new Random(seed * 3_000_017), pauseMs: faultPauseMs },
      {
        faults: setup.processes > 1 ? [processKilled].filter(isMeant) : [],
        random: new Random(seed * 3_000_029),
        pauseMs: faultPauseMs * 6,
      },
    ];
    return lanes.map((lane) =>
      strikeFaults({ ...plan, ...lane }).catch((error: unknown) => {
        this.#stop.abort();
        throw error;
      }),
    );
  }

  #noteWrite(write: WriteRecord): void {
    this.#writes.push(write);
    this.#stopIfEnough();
  }

  #noteFault(fault: FaultRecord): void {
    this.#faults.push(fault);
    const { kind, target, beginMs, endMs } = fault;
    const atMs = beginMs - this.#beganMs;
    this.#parts.say?.(`${(atMs / 1_000).toFixed(1)} s: ${kind} (${target}), ${(endMs - beginMs).toFixed(0)} ms`);
    this.#stopIfEnough();
  }

  #stopIfEnough(): void {
    const { enough } = this.#parts;
    if (enough !== undefined && isEnough({ writes: this.#writes, faults: this.#faults }, enough)) this.#stop.abort();
  }

  #noteProbe(contextId: string, connection: Connection): void {
    const connections = this.#probes.get(contextId) ?? [];
    this.#probes.set(contextId, connections);
    connections.push(connection);
  }

  /** The last writes to every context, until everybody has them. */
  async #finish(): Promise<RunResult> {
    const { contexts, incidents, setup } = this.#parts;
    const random = new Random(this.#parts.seed);
    // Some are not announced to who is cut off just then: he must look when he is back.
    const last = contexts.map((contextId, index) => this.#writeLast(contextId, { index, random }));
    await Promise.all([setup.cutSubscribers(), ...last]);
    const beginMs = performance.now();
    const finals = await this.#askAll().catch((error: Error) => {
      incidents.push(error.message);
      return [];
    });
    await this.#allTold(finals);
    const convergedMs = performance.now() - beginMs;
    // Who has everything is told so when he comes back.
    for (const follower of this.#followers) follower.comeAgain();
    await this.#allTold(finals);
    this.#end.abort();
    for (const fault of (await setup.unasked?.(this.#faults)) ?? []) this.#noteFault(fault);
    return { history: this.#history(finals), convergedMs };
  }

  /** One that nobody can refuse; some contexts are deleted then. */
  async #writeLast(
    contextId: string,
    { index, random }: { readonly index: number; readonly random: Random },
  ): Promise<void> {
    const writer = this.#writers[index % this.#writers.length];
    const author = { name: 'the last one', random };
    await writer?.write(planLast(author, ++this.#mark, contextId));
    await sleep(index * 10);
    const request = planLast(author, ++this.#mark, contextId);
    await writer?.write(index % 4 === 3 ? { ...request, action: { verb: 'delete' } } : request);
  }

  async #askAll(): Promise<readonly FinalRecord[]> {
    const { contexts, fleet } = this.#parts;
    const finals: FinalRecord[] = [];
    for (const server of fleet.running) {
      for (const contextId of contexts) finals.push(await soon('the end', askEnd(server, contextId), patienceMs));
    }
    return finals;
  }

  /** Gives up after a while: who was not told is found when the history is checked. */
  async #allTold(finals: readonly FinalRecord[]): Promise<void> {
    const positions = new Map(finals.map(({ contextId, context }) => [contextId, context]));
    const isTold = (follower: Follower) => {
      const position = positions.get(follower.record.contextId);
      if (position === undefined) return follower.told?.__typename === 'ContextGone';
      return follower.told?.version === position.version && follower.told.epoch === position.epoch;
    };
    await until('the followers to converge', () => this.#followers.every(isTold), patienceMs).catch(() => undefined);
  }

  #history(finals: readonly FinalRecord[]): History {
    const probers = [...this.#probes].map(
      ([contextId, connections]): ReaderRecord => ({
        name: 'prober',
        contextId,
        kind: 'prober',
        connections,
        complaints: [],
      }),
    );
    const readers = [...this.#followers.map(({ record }) => record), ...probers];
    const { incidents, limits } = this.#parts;
    return { limits, writes: this.#writes, readers, finals, faults: this.#faults, incidents };
  }
}
