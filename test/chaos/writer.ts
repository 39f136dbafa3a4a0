/* One writer: bursts of writes, repeated until their outcome is known, and now and then a question in between. */
import type { Position } from '../../examples/replay/follower.ts';
import type { Random } from '../fixtures/random.ts';
import { pause } from './fault.ts';
import type { Answer, Attempt, Connection, WriteRecord } from './history.ts';
import { pickContext, planWrite, type Rumour, type WriteRequest } from './plan.ts';
import { sendWrite, sync } from './requests.ts';
import type { Fleet } from './server.ts';

/** What the writers of a run share. */
export interface Desk {
  readonly fleet: Fleet;
  readonly contexts: readonly string[];
  /** What one heard of a context, all know. */
  readonly rumours: Map<string, Rumour>;
  /** Some of the positions where each context ever was, also such that are lost. */
  readonly positions: Map<string, Position[]>;
  nextMark(): number;
  readonly onWrite: (write: WriteRecord) => void;
  readonly onProbe: (contextId: string, connection: Connection) => void;
  readonly complain: (what: string) => void;
}

/** How one writer works. */
export interface WriterOptions {
  readonly name: string;
  /** The place of the process that it prefers. */
  readonly place: number;
  readonly random: Random;
  /** Between two bursts, in ms, on the average. */
  readonly pauseMs: number;
  /** Ends the work; what is of unknown outcome is still repeated. */
  readonly stop: AbortSignal;
  /** Ends everything. */
  readonly end: AbortSignal;
}

/** Writes until it is stopped, and hands each write with its attempts to the desk. */
export class Writer {
  readonly #desk: Desk;
  readonly #options: WriterOptions;

  constructor(desk: Desk, options: WriterOptions) {
    this.#desk = desk;
    this.#options = options;
  }

  /** Resolves when it was stopped and nothing is left open. */
  async run(): Promise<void> {
    const { random, pauseMs, stop } = this.#options;
    while (!stop.aborted) {
      for (let count = random.integer(1, 20); count > 0 && !stop.aborted; count--) {
        const contextId = pickContext(random, this.#desk.contexts);
        if (random.chance(0.07)) await this.#probe(contextId);
        else await this.#writeSomething(contextId);
      }
      await pause(random.next() * 2 * pauseMs, stop);
    }
  }

  /** Sends a write until its outcome is known. Answers the last answer. */
  async write(request: WriteRequest): Promise<Answer> {
    const { random, end } = this.#options;
    const attempts: Attempt[] = [];
    for (;;) {
      const attempt = await this.#attempt(request, attempts.length > 0 && random.chance(0.7));
      attempts.push(attempt);
      if (!this.#isRepeated(request, attempts) || end.aborted) {
        this.#desk.onWrite({ ...request, attempts });
        return attempt.answer;
      }
      await pause(random.integer(0, 300), end);
    }
  }

  async #writeSomething(contextId: string): Promise<void> {
    const { rumours } = this.#desk;
    const rumour = rumours.get(contextId) ?? { position: undefined, isGone: true };
    const request = planWrite(this.#options, this.#desk.nextMark(), { contextId, ...rumour });
    const answer = await this.write(request);
    if (answer.kind === 'failed' && answer.outcome === 'NOT_STORED') await pause(50, this.#options.stop);
    this.#tell(request, answer);
  }

  #tell({ action, contextId }: WriteRequest, answer: Answer): void {
    const { rumours, positions } = this.#desk;
    const isGone = answer.kind === 'notFound' || (answer.kind === 'done' && action.verb === 'delete');
    const position = answer.kind === 'done' ? answer.position : answer.kind === 'conflict' ? answer.current : undefined;
    if (isGone || position !== undefined) rumours.set(contextId, { position: isGone ? undefined : position, isGone });
    if (position === undefined) return;
    const known = positions.get(contextId) ?? [];
    positions.set(contextId, known);
    if (known.length < maxPositions) known.push(position);
    else known[this.#options.random.integer(0, maxPositions - 1)] = position;
  }

  /** What may have been stored under a key is repeated until that is known; what was not stored, sometimes. */
  #isRepeated({ key }: WriteRequest, attempts: readonly Attempt[]): boolean {
    const { random, stop } = this.#options;
    const last = attempts.at(-1)?.answer;
    const mayBeStored = attempts.some(({ answer }) => answer.kind === 'failed' && answer.outcome === 'UNKNOWN');
    if (last?.kind === 'failed') {
      if (mayBeStored) return key !== undefined;
      return !stop.aborted && random.chance(0.5);
    }
    return last?.kind === 'done' && key !== undefined && !stop.aborted && random.chance(0.03);
  }

  async #attempt(request: WriteRequest, isElsewhere: boolean): Promise<Attempt> {
    const { random, place } = this.#options;
    const { fleet } = this.#desk;
    const server = isElsewhere ? fleet.any(random) : fleet.at(place, random);
    const beginMs = performance.now();
    const answer = await sendWrite(server, request);
    return { process: server.name, beginMs, endMs: performance.now(), answer };
  }

  async #probe(contextId: string): Promise<void> {
    const { random } = this.#options;
    const { complain, fleet, onProbe, positions } = this.#desk;
    const known = positions.get(contextId) ?? [];
    const sent = known.length === 0 || random.chance(0.1) ? undefined : random.pick(known);
    const server = fleet.any(random);
    const beginMs = performance.now();
    try {
      const event = await sync(server, contextId, sent);
      const events = event === undefined ? [] : [{ atMs: performance.now(), event }];
      onProbe(contextId, { process: server.name, sent, beginMs, endMs: performance.now(), events });
    } catch (error) {
      complain(`a question for ${contextId} ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

const maxPositions = 200;
