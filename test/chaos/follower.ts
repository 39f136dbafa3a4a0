/* One follower: stays for a while, is cut off or leaves, and comes back somewhere else with what it had last. */
import { type ContextEvent, type Copy, follow, type Position } from '../../examples/replay/follower.ts';
import type { Subscriber } from '../../examples/replay/transports.ts';
import type { Random } from '../fixtures/random.ts';
import { pause } from './fault.ts';
import type { Connection, ReaderRecord, SeenEvent } from './history.ts';
import { type Link, type LinkName, links } from './links.ts';
import type { Fleet, FleetServer } from './server.ts';

/** Who follows what. */
export interface FollowerOptions {
  readonly name: string;
  readonly contextId: string;
  readonly transport: LinkName;
  readonly random: Random;
  readonly fleet: Fleet;
  /** Whether it never leaves by itself: it sees what there is to see. */
  readonly isRecorder: boolean;
  /** From then on nobody leaves. */
  readonly stop: AbortSignal;
  readonly end: AbortSignal;
}

interface Visit {
  readonly link: Link;
  /** Aborted when it is over, whoever ended it. */
  readonly over: AbortSignal;
  readonly leave: () => void;
}

/** Follows one context, over one connection at a time, and writes down what it was told. */
export class Follower {
  readonly #options: FollowerOptions;
  readonly #connections: Connection[] = [];
  readonly #complaints: string[] = [];
  #copy: Copy | undefined;
  #events: SeenEvent[] = [];
  #visit: Visit | undefined;
  #told: ContextEvent | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  get record(): ReaderRecord {
    const { name, contextId } = this.#options;
    return { name, contextId, kind: 'follower', connections: this.#connections, complaints: this.#complaints };
  }

  /** What it was told last by the connection that it has. */
  get told(): ContextEvent | undefined {
    return this.#told;
  }

  /** Follows until the end. */
  async run(): Promise<void> {
    const { random, isRecorder, stop, end } = this.#options;
    while (!end.aborted) {
      if (!isRecorder && random.chance(0.03)) this.#copy = undefined;
      const visit = this.#come();
      const stayMs = isRecorder ? foreverMs : random.integer(50, 3_000);
      await pause(stayMs, AbortSignal.any([visit.over, stop]));
      if (stop.aborted) await pause(foreverMs, AbortSignal.any([visit.over, end]));
      else if (!visit.over.aborted && random.chance(0.4)) await this.#loseNetwork(visit);
      visit.leave();
      if (stop.aborted) await pause(100, end);
      else await pause(random.integer(0, 1_500), stop);
    }
  }

  /** Leaves and comes back at once, as the end of a run wants it. */
  comeAgain(): void {
    this.#visit?.leave();
  }

  /** The library connects again by itself, when the network is there. */
  async #loseNetwork({ link, over }: Visit): Promise<void> {
    const { random, stop } = this.#options;
    link.cut();
    await pause(random.integer(100, 2_000), AbortSignal.any([over, stop]));
  }

  #come(): Visit {
    const { contextId, fleet, random, transport } = this.#options;
    const server = fleet.any(random);
    const over = new AbortController();
    const leave = () => {
      if (over.signal.aborted) return;
      over.abort();
      this.#told = undefined;
      link.close();
    };
    const subscriber: Subscriber = {
      contextId,
      connecting: () => (over.signal.aborted ? undefined : this.#begin(server)),
      take: (event) => {
        if (!over.signal.aborted && !this.#take(event)) leave();
      },
      fail: (error) => {
        if (over.signal.aborted) return;
        if (!isExpected(error, server)) this.#complaints.push(`at ${server.name}: ${error.message}`);
        leave();
      },
      networkIsBack: async () => {
        this.#told = undefined;
        await pause(random.integer(10, 300), over.signal);
        if (!server.isRunning) leave();
      },
    };
    const link = links[transport](server.url, subscriber);
    this.#visit = { link, over: over.signal, leave };
    return this.#visit;
  }

  #begin(server: FleetServer): Position | undefined {
    const sent = this.#copy === undefined ? undefined : { epoch: this.#copy.epoch, version: this.#copy.version };
    this.#events = [];
    this.#connections.push({ process: server.name, sent, beginMs: performance.now(), events: this.#events });
    return sent;
  }

  /** False: it cannot go on from there. */
  #take(event: ContextEvent): boolean {
    this.#events.push({ atMs: performance.now(), event });
    this.#told = event;
    try {
      this.#copy = follow(this.#copy, event);
      return true;
    } catch {
      // What is wrong is found when the history is checked.
      this.#copy = undefined;
      return false;
    }
  }
}

/** What may happen to a subscription when servers die and stores are away. */
function isExpected(error: Error, server: FleetServer): boolean {
  if (!server.isRunning || /BACKEND_UNAVAILABLE/.test(`${error.message} ${JSON.stringify(error.cause)}`)) return true;
  const isNetwork = /ECONN|socket|terminated|fetch failed|network|other side closed/i.test(describe(error));
  return isNetwork;
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.message} ${describe(error.cause)}` : JSON.stringify(error ?? null);
}

/** As long as a timer can wait. */
const foreverMs = 2 ** 31 - 1;
