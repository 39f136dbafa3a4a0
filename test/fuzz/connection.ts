/** A connection of which every byte is ours, and which ends in bounded time whatever the server does. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { patienceMs } from './target.ts';

/** How a client leaves: it closes its side and listens, goes, or is cut off; `wait` leaves that to the server. */
export type Ending = 'end' | 'destroy' | 'reset' | 'wait';

/** What the server did: it said that no more comes, closed at once what was not read to its end, or neither. */
export type End = 'ended' | 'reset' | 'open';

/** Opens one, writes, listens. */
export class Connection {
  readonly #socket: Socket;
  readonly #chunks: Buffer[] = [];
  readonly #closed: Promise<unknown>;
  #wake: (() => void) | undefined;
  #end: End = 'open';

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => {
      if (this.#end === 'open') this.#end = 'reset';
    });
    this.#closed = new Promise((resolve) => {
      socket.once('close', resolve);
    });
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#wake?.();
    });
    socket.once('end', () => {
      this.#end = 'ended';
      this.#wake?.();
    });
    socket.once('close', () => this.#wake?.());
  }

  /** One that was refused is closed already. */
  static async open(port: number): Promise<Connection> {
    const connection = new Connection(connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
    await Promise.race([once(connection.#socket, 'connect').catch(() => undefined), connection.#closed]);
    return connection;
  }

  /** Everything that was heard. */
  get heard(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Whether nothing more comes. */
  get isOver(): boolean {
    return this.#end !== 'open';
  }

  /** Between pieces others get their turn. */
  async write(pieces: readonly Buffer[]): Promise<void> {
    for (const piece of pieces) {
      if (this.#socket.destroyed) return;
      this.#socket.write(piece);
      await turn();
    }
  }

  /** Resolves when something new was heard, when the connection is over, or after the time. Answers whether it was. */
  async hear(timeoutMs: number = patienceMs): Promise<boolean> {
    const { length } = this.#chunks;
    await this.#within(
      timeoutMs,
      new Promise<void>((resolve) => {
        this.#wake = resolve;
      }),
    );
    return this.#chunks.length > length;
  }

  /** Leaves, and resolves when the connection is closed. Answers what the server did before. */
  async leave(ending: Ending, timeoutMs: number = patienceMs): Promise<End> {
    if (ending === 'reset') this.#socket.resetAndDestroy();
    if (ending === 'destroy') this.#socket.destroy();
    if (ending === 'end') this.#socket.end();
    if (ending === 'wait' || ending === 'end') {
      await this.#within(timeoutMs, Promise.race([once(this.#socket, 'end').catch(() => undefined), this.#closed]));
    }
    const end = this.#end;
    this.#socket.destroy();
    await this.#closed;
    return end;
  }

  async #within(timeoutMs: number, promise: Promise<unknown>): Promise<void> {
    if (this.isOver || this.#socket.destroyed) return;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([promise, timeout]);
    clearTimeout(timer);
  }
}

/** Text of single bytes, cut at some places. */
export function piecesOf(text: string, cuts: readonly number[]): readonly Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  const places = cuts.map((cut) => Math.floor(cut * bytes.length)).toSorted((a, b) => a - b);
  return [...places, bytes.length].map((end, index) => bytes.subarray(places[index - 1] ?? 0, end));
}
