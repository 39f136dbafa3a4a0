/**
 * What a recipe is played on: a real server on a real port that is cut off and restarted, and a writer that does not
 * mind. The writer is a process of its own, so to speak, on the same store: it writes on while the server is away.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { createChord } from '../../src/chord.ts';
import { apply } from '../../src/delta/apply.ts';
import { equal, type JsonObject } from '../../src/delta/json.ts';
import type { WriteResult } from '../../src/service/chord.ts';
import { LastingBackend, type RunningApp, startApp, stopApp } from '../support/app.ts';
import { until } from '../support/wait.ts';

/** Diagnostics of Node: every connection that a server of this process accepts. */
const accepted = 'net.server.socket';

export type Protocol = 'WebSocket' | 'SSE';

/** So large that a delta is always the smaller answer. */
const initialState: JsonObject = {
  title: 'Ada ↔ Grace 🙂',
  ballast: Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`line ${index}`, `text ${index} `.repeat(8)])),
  participants: {},
  tags: ['a', 'b'],
  'a.b/c~d': { '': 0 },
};

export class Stage {
  readonly id = 'call:123';
  readonly #backend = new LastingBackend();
  readonly #writer = createChord({ backend: this.#backend, deltaThreshold: null });
  readonly #states = new Map<string, JsonObject>();
  readonly #sockets = new Set<Socket>();
  /** How many of the next connections are cut as soon as they are there. */
  #doomed = 0;
  #count = 0;
  #server: RunningApp | undefined;
  #last: { readonly epoch: string; readonly version: number; readonly state: JsonObject } | undefined;
  #isWriting = false;
  #writing: Promise<void> = Promise.resolve();

  static async open(): Promise<Stage> {
    const stage = new Stage();
    await stage.create();
    stage.#server = await startApp({ backend: stage.#backend, deltaThreshold: null });
    subscribe(accepted, stage.#onConnection);
    return stage;
  }

  get url(): string {
    return this.#running.url;
  }

  /** How many connections the servers have accepted. */
  get connections(): number {
    return this.#count;
  }

  /** Where the writer is. */
  get head(): { readonly epoch: string; readonly version: number; readonly state: JsonObject } {
    if (this.#last === undefined) throw new Error('nothing is written');
    return this.#last;
  }

  /** Whether the writer recorded this state at this position. */
  isRecorded({ epoch, version }: { readonly epoch: string; readonly version: number }, state: JsonObject): boolean {
    const recorded = this.#states.get(`${epoch}:${version}`);
    return recorded !== undefined && equal(recorded, state);
  }

  async create(): Promise<void> {
    this.#record(await this.#writer.setContext(this.id, initialState), initialState);
  }

  async delete(): Promise<void> {
    await this.#writer.deleteContext(this.id);
  }

  startWriting(): void {
    this.#isWriting = true;
    this.#writing = this.#write();
  }

  /** Resolves after the last write. */
  async stopWriting(): Promise<void> {
    this.#isWriting = false;
    await this.#writing;
  }

  /** Ends every connection: in peace, with a reset, or in the middle of a message. */
  cut(how: 'end' | 'reset' | Protocol): void {
    for (const socket of this.#sockets) {
      if (how === 'reset') socket.resetAndDestroy();
      else if (how === 'end') socket.destroy();
      else socket.end(halfMessage[how], () => socket.destroy());
    }
  }

  /** The next so many connections last for 0, 1, 2, … turns of the event loop. */
  cutNext(connections: number): void {
    this.#doomed = connections;
  }

  get isCuttingNext(): boolean {
    return this.#doomed > 0;
  }

  /** The next delta that is sent says that it starts elsewhere: what a lost message looks like to a client. */
  forge(): void {
    for (const socket of this.#sockets) forgeNextDelta(socket);
  }

  /** Another server process on the same port: the old one drains, or dies. */
  async restart(how: 'drain' | 'crash'): Promise<void> {
    const { app, port } = this.#running;
    if (how === 'crash') this.cut('reset');
    await stopApp(app);
    const { version } = this.head;
    if (this.#isWriting)
      await until('something is written while the server is away', () => this.head.version > version);
    this.#server = await startApp({ backend: this.#backend, deltaThreshold: null, port });
  }

  async close(): Promise<void> {
    unsubscribe(accepted, this.#onConnection);
    await this.stopWriting();
    await stopApp(this.#running.app);
    await this.#writer.close();
  }

  get #running(): RunningApp {
    if (this.#server === undefined) throw new Error('there is no server');
    return this.#server;
  }

  readonly #onConnection = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket };
    if (socket.localPort !== this.#running.port) return;
    this.#count++;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    if (this.#doomed > 0) void destroyAfter(socket, this.#doomed--);
  };

  /** Adds, changes, nests, removes, replaces: every kind of change, some several at once. */
  async #write(): Promise<void> {
    for (let step = 0; this.#isWriting; step++) {
      const person = `person ${step % 7}`;
      const changes: JsonObject = {
        step,
        participants: { [person]: { name: `${person}, ${step}`, muted: step % 2 === 0, at: { x: step, y: null } } },
        ...(step % 5 === 0 ? { tags: ['a', step], note: { text: '🙂', constructor: step } } : {}),
        ...(step % 9 === 0 ? { note: 'a text where an object was' } : {}),
      };
      const remove = [['participants', `person ${(step + 3) % 7}`], ...(step % 11 === 0 ? [['note']] : [])];
      const result = await this.#writer.updateContext(this.id, changes, { remove });
      this.#record(result, apply(this.head.state, result.delta?.changes ?? []));
      await pause(2);
    }
  }

  #record({ epoch, version }: WriteResult, state: JsonObject): void {
    this.#last = { epoch, version, state };
    this.#states.set(`${epoch}:${version}`, state);
  }
}

/** The beginning of an event that will never be complete. */
const halfMessage: Readonly<Record<Protocol, Buffer>> = {
  // A text frame that announces 256 bytes.
  WebSocket: Buffer.concat([Buffer.from([0x81, 126, 1, 0]), Buffer.from('{"id":"1","type":"next","payload":{"da')]),
  // A chunk that announces 255 bytes.
  SSE: Buffer.from('ff\r\nid: another:999999\nevent: next\ndata: {"data":{"contextChanged":{"__ty'),
};

function forgeNextDelta(socket: Socket): void {
  const write = socket.write.bind(socket) as (chunk: unknown, ...rest: unknown[]) => boolean;
  socket.write = (chunk: unknown, ...rest: unknown[]): boolean => {
    const bytes = Buffer.from(chunk as Buffer | string);
    const at = bytes.indexOf(fromVersion) + fromVersion.length;
    const digit = bytes[at];
    if (at < fromVersion.length || digit === undefined) return write(chunk, ...rest);
    bytes[at] = digit === 0x39 ? 0x38 : digit + 1;
    socket.write = write;
    return write(bytes, ...rest);
  };
}

const fromVersion = '"fromVersion":';

async function destroyAfter(socket: Socket, turns: number): Promise<void> {
  for (let count = 0; count < turns; count++) await turn();
  socket.destroy();
}
