import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Which connections owe an answer, so that a server can end without cutting one short.
 *
 * node:http cannot tell: it takes an answer for sent when it is handed over, however slowly its client reads, and a
 * connection on which nothing was ever asked (browsers keep one in reserve) for busy.
 */
export class Connections {
  readonly #owed = new Map<Socket, number>();
  #isEnding = false;

  opened(socket: Socket): void {
    this.#owed.set(socket, 0);
    socket.once('close', () => this.#owed.delete(socket));
  }

  /** The connection speaks another protocol from now on. */
  upgraded(socket: Socket): void {
    this.#owed.delete(socket);
  }

  asked(socket: Socket, response: ServerResponse): void {
    this.#owe(socket, 1);
    response.once('close', () => this.#owe(socket, -1));
  }

  /** Closes every connection as soon as it owes nothing. */
  end(): void {
    this.#isEnding = true;
    for (const [socket, owed] of this.#owed) if (owed === 0) socket.destroySoon();
  }

  #owe(socket: Socket, count: number): void {
    const owed = (this.#owed.get(socket) ?? 0) + count;
    if (!this.#owed.has(socket)) return;
    this.#owed.set(socket, owed);
    if (this.#isEnding && owed === 0) socket.destroySoon();
  }
}
