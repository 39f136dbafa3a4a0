import { setTimeout as sleep } from 'node:timers/promises';
import type { JsonObject } from '../../src/delta/json.ts';
import { meetingState } from '../states.ts';
import { Audience, type Transport } from './audience.ts';
import { documents, type Selection } from './documents.ts';
import { HttpConnection } from './http-connection.ts';
import { Samples } from './samples.ts';
import type { Server } from './server.ts';

/** Who follows what, and what is written. */
export interface Fanout {
  readonly contexts: number;
  /** Of each context. */
  readonly subscribers: number;
  /** Weight of the value that each write replaces. */
  readonly bytes: number;
  readonly transport: Transport;
  /** Subscribers of a context select one of these, in turn. */
  readonly selected: readonly Selection[];
}

/** What one turn of a server came to. */
export interface Delivered {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Of the server, the writes included. */
  readonly cpuUsPerDelivery: number;
  /** Shares of a core, in per cent. */
  readonly serverBusy: number;
  readonly loadBusy: number;
}

/** So many writes are on their way at once, each to another context. */
const writers = 32;
/** So many connections are made at once: as many as wait for a server of Node (its backlog is 511). */
const connecting = 500;

/** What is sent to a server, and who listens. */
export class Crowd {
  readonly audiences: readonly Audience[];
  readonly #server: Server;
  readonly #fanout: Fanout;
  readonly #connections: readonly HttpConnection[];
  #writes = 0;

  private constructor(server: Server, fanout: Fanout, connections: readonly HttpConnection[]) {
    const { contexts, subscribers, selected } = fanout;
    this.#server = server;
    this.#fanout = fanout;
    this.#connections = connections;
    this.audiences = Array.from({ length: contexts }, (_, index) => new Audience(`c${index}`, subscribers, selected));
  }

  /** With new contexts: those of an earlier turn are replaced. */
  static async gather(server: Server, fanout: Fanout): Promise<Crowd> {
    const count = Math.min(writers, fanout.contexts);
    const connections = Array.from({ length: count }, () => new HttpConnection(server.port));
    const crowd = new Crowd(server, fanout, connections);
    const participants = fanout.contexts === 1 ? 50 : 4;
    const state = { ...meetingState(participants), notes: crowd.#nextText() };
    await crowd.#eachAudience(async (audience, connection) => {
      const variables = { id: audience.contextId, state };
      const { setContext } = await connection.ask({ query: documents.setContext, variables });
      expectType(setContext, 'SetContextPayload');
    });
    return crowd;
  }

  /** One turn of a server, from the first subscriber to the last: all connect, are told, agree with it and leave. */
  static async takeTurn(server: Server, fanout: Fanout, ms: number): Promise<Delivered> {
    const crowd = await Crowd.gather(server, fanout);
    await crowd.connect();
    const delivered = await crowd.publish(ms);
    await crowd.checkStates();
    await crowd.leave();
    return delivered;
  }

  /** Resolves when each subscriber was told where its context is. */
  async connect(): Promise<void> {
    const waiting = this.audiences.flatMap(({ followers }) => followers).values();
    const { port } = this.#server;
    const connectInTurn = async (): Promise<void> => {
      // They share the iterator: each follower is taken by one of them.
      for (const follower of waiting) await follower.connect(port, this.#fanout.transport);
    };
    await within(60_000, `${this.#server.name}: not all are connected`, () =>
      Promise.all(Array.from({ length: connecting }, connectInTurn)),
    );
  }

  disconnect(): void {
    for (const audience of this.audiences) audience.disconnect();
  }

  /** Writes to every context once, without waiting for its subscribers. */
  async writeUnheard(): Promise<void> {
    await this.#eachAudience((audience, connection) => this.#write(audience, connection));
  }

  /** Each context is written again as soon as all its subscribers have heard of the last write. */
  async publish(ms: number): Promise<Delivered> {
    const times = new Samples();
    for (const audience of this.audiences) audience.onTold = (at) => times.add(at - audience.sentAtMs);
    globalThis.gc?.();
    const before = await this.#server.ask('usage');
    const loadBefore = process.cpuUsage();
    const start = performance.now();
    await within(ms + 30_000, `${this.#server.name}: not everybody has heard of a write`, () =>
      this.#eachAudienceUntil(start + ms, async (audience, connection) => {
        const told = audience.nextEvent();
        audience.sentAtMs = performance.now();
        await Promise.all([this.#write(audience, connection), told]);
      }),
    );
    const elapsedMs = performance.now() - start;
    const load = process.cpuUsage(loadBefore);
    const cpuUs = (await this.#server.ask('usage')).cpuUs - before.cpuUs;
    const [p50 = Number.NaN, p99 = Number.NaN] = times.quantiles(0.5, 0.99);
    return {
      perSecond: times.count / (elapsedMs / 1000),
      p50,
      p99,
      cpuUsPerDelivery: cpuUs / times.count,
      serverBusy: cpuUs / (elapsedMs * 10),
      loadBusy: (load.user + load.system) / (elapsedMs * 10),
    };
  }

  /** @throws when a subscriber has another state than the server. */
  async checkStates(): Promise<void> {
    // What is too much would arrive now.
    await sleep(50);
    await this.#eachAudience((audience, connection) => audience.checkState(connection));
  }

  /** Lets go of the server, and waits until it has noticed. */
  async leave(): Promise<void> {
    this.disconnect();
    for (const connection of this.#connections) connection.close();
    await this.#server.settle();
  }

  async #write({ contextId }: Audience, connection: HttpConnection): Promise<void> {
    const variables = { id: contextId, changes: { notes: this.#nextText() } satisfies JsonObject };
    const { updateContext } = await connection.ask({ query: documents.updateContext, variables });
    expectType(updateContext, 'UpdateContextPayload');
  }

  #nextText(): string {
    const count = `${this.#writes++} `;
    return count + 'x'.repeat(this.#fanout.bytes - count.length);
  }

  #eachAudience(act: Act): Promise<unknown> {
    return this.#spread(async (mine, connection) => {
      for (const audience of mine) await act(audience, connection);
    });
  }

  #eachAudienceUntil(endMs: number, act: Act): Promise<unknown> {
    return this.#spread(async (mine, connection) => {
      for (;;) {
        for (const audience of mine) {
          if (performance.now() >= endMs) return;
          await act(audience, connection);
        }
      }
    });
  }

  #spread(act: (mine: readonly Audience[], connection: HttpConnection) => Promise<void>): Promise<unknown> {
    return Promise.all(
      this.#connections.map((connection, caller) =>
        act(
          this.audiences.filter((_, index) => index % this.#connections.length === caller),
          connection,
        ),
      ),
    );
  }
}

type Act = (audience: Audience, connection: HttpConnection) => Promise<void>;

function expectType(answer: unknown, name: string): void {
  if (JSON.stringify(answer).startsWith(`{"__typename":"${name}"`)) return;
  throw new Error(`Not expected: ${JSON.stringify(answer)}`);
}

/** @throws when it takes longer. */
async function within<T>(ms: number, problem: string, act: () => Promise<T>): Promise<T> {
  const timer = setTimeout(() => {
    throw new Error(`${problem} after ${ms / 1000} s.`);
  }, ms);
  try {
    return await act();
  } finally {
    clearTimeout(timer);
  }
}
