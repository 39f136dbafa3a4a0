/**
 * The life of one client: it joins late, follows, loses the network, leaves, comes back, and at the end must have what
 * was written last. After every event its copy must be the document of that version, and the event the right answer.
 *
 * It stays for a number of events and is away for a number of versions, so that nothing depends on the speed of the
 * machine, and a seed gives the same plans again.
 */
import type { Random } from '../../test/fixtures/random.ts';
import { Facts } from './facts.ts';
import { at, type ContextEvent, type Copy, follow, type Position } from './follower.ts';
import type { WriteRecord } from './record.ts';
import type { Connection, Subscriber, TransportName } from './transports.ts';
import { transports } from './transports.ts';
import { complainOf, complainOfState, type Situation } from './verdict.ts';

export interface ClientOptions {
  /** Of the server, without a path. */
  readonly url: string;
  readonly contextId: string;
  readonly transport: TransportName;
  /** What the context's writer writes. */
  readonly record: WriteRecord;
  readonly random: Random;
  /** How many deltas the server keeps. */
  readonly threshold: number;
  /** How long the last version may take to arrive. */
  readonly patienceMs: number;
}

/** What happened to a client, counted. */
export interface Tally {
  /** Connections without a position, with one, and how many of all were made by the library after a loss. */
  joins: number;
  resumes: number;
  losses: number;
  readonly events: Map<ContextEvent['__typename'], number>;
  /** FULLs by reason. */
  readonly fulls: Map<string, number>;
}

export class Client {
  readonly tally: Tally = { joins: 0, resumes: 0, losses: 0, events: new Map(), fulls: new Map() };
  readonly #options: ClientOptions;
  readonly #facts = new Facts();
  #copy: Copy | undefined;
  #situation: Situation = { known: { kind: 'nothing' }, isLive: false, acknowledged: 0 };
  #connection: Connection | undefined;
  #heard = 0;
  /** The version to which the writer must come before the network is there again. */
  #backAt = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  get version(): number {
    return this.#copy?.version ?? 0;
  }

  /**
   * Resolves when the writer has finished and the client has the last document.
   *
   * @throws Error that says what went wrong.
   */
  async run(lastVersion: number): Promise<void> {
    const { record, random } = this.#options;
    await record.reached(random.chance(0.25) ? 0 : random.integer(1, Math.ceil(lastVersion * 0.6)));
    this.#connect();
    const finished = record.facts.until(() => record.isFinished).then(() => this.#facts.notify());
    // The writer reports its own failure.
    finished.catch((error: Error) => this.#facts.fail(error));
    try {
      while (!record.isFinished) {
        await this.#hear(random.integer(1, 30));
        if (record.isFinished) break;
        if (random.chance(0.5)) {
          this.tally.losses++;
          this.#backAt = record.version + this.#absence();
          this.#connection?.cut();
        } else {
          this.#leave();
          if (random.chance(0.1)) this.#copy = undefined;
          await record.reached(record.version + this.#absence());
          this.#connect();
        }
      }
      await this.#inTime(() => this.version === record.version);
      // Coming back with nothing missed: the one event is NO_CHANGE.
      this.#leave();
      this.#connect();
      const heard = this.#heard;
      await this.#inTime(() => this.#heard > heard);
    } finally {
      this.#leave();
    }
  }

  #ask(): Position | undefined {
    const copy = this.#copy;
    if (copy === undefined) this.tally.joins++;
    else this.tally.resumes++;
    this.#situation = {
      known: copy === undefined ? { kind: 'nothing' } : { kind: 'position', epoch: copy.epoch, version: copy.version },
      isLive: false,
      acknowledged: this.#options.record.acknowledged,
    };
    return copy;
  }

  #take(event: ContextEvent): void {
    const { record } = this.#options;
    try {
      count(this.tally.events, event.__typename);
      if (event.__typename === 'FullContext') count(this.tally.fulls, event.reason);
      assert(complainOf(event, this.#situation, this.#options));
      this.#copy = follow(this.#copy, event);
      if (this.#copy !== undefined) assert(complainOfState(this.#copy, record));
    } catch (error) {
      return this.#facts.fail(error instanceof Error ? error : new Error(String(error)));
    }
    this.#situation = { ...this.#situation, known: toKnown(event), isLive: true };
    this.#heard++;
    this.#facts.notify();
  }

  #connect(): void {
    const { contextId, record, transport, url } = this.#options;
    let isHere = true;
    const subscriber: Subscriber = {
      contextId,
      connecting: () => (isHere ? this.#ask() : undefined),
      take: (event) => {
        if (isHere) this.#take(event);
      },
      fail: (error) => {
        if (isHere) this.#facts.fail(error);
      },
      // A run that has failed leaves nobody without a network: the libraries are not made for a rejection here.
      networkIsBack: () => record.reached(this.#backAt).catch(() => undefined),
    };
    const connection = transports[transport](url, subscriber);
    const close = () => {
      // Libraries say that a subscription is complete also when it was the client who left, and they say it later.
      isHere = false;
      connection.close();
    };
    this.#connection = { ...connection, close };
  }

  #leave(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  #hear(events: number): Promise<void> {
    const until = this.#heard + events;
    return this.#facts.until(() => this.#heard >= until || this.#options.record.isFinished);
  }

  /** For how many versions to be away: often a few, sometimes as many as the server keeps deltas for, or more. */
  #absence(): number {
    const { random, threshold } = this.#options;
    const [least, most] = random.pick([
      [0, 10],
      [0, 10],
      [0, threshold],
      [threshold, threshold * 2],
    ] as const);
    return random.integer(least, most);
  }

  /** Waits for what must come now that the last version is written; states are compared as they come. */
  async #inTime(isTrue: () => boolean): Promise<void> {
    const { record, patienceMs } = this.#options;
    const complain = () => {
      const where = at(this.#copy);
      this.#facts.fail(
        new Error(`still at ${where} after ${patienceMs} ms, and version ${record.version} was written last`),
      );
    };
    const patience = setTimeout(complain, patienceMs);
    try {
      await this.#facts.until(isTrue);
    } finally {
      clearTimeout(patience);
    }
  }
}

function toKnown(event: ContextEvent): Situation['known'] {
  const { epoch, version } = event;
  if (event.__typename === 'NoContext') return { kind: 'nothing' };
  return { kind: event.__typename === 'ContextGone' ? 'gone' : 'position', epoch, version };
}

function assert(complaint: string | undefined): void {
  if (complaint !== undefined) throw new Error(complaint);
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
