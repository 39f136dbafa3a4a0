import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Which connections owe which answers, so that a server can end without cutting one short, and so that no answer is
 * made for a connection that is gone.
 *
 * node:http cannot tell: it takes an answer for sent when it is handed over, however slowly its client reads; a
 * connection on which nothing was ever asked (browsers keep one in reserve) for busy; and of answers that wait for
 * their turn on a connection (pipelining) it forgets that the connection was closed.
 */
export class Connections {
  readonly #owed = new Map<Socket, Set<ServerResponse>>();
  /** The same for all: a listener of its own would last as long as a connection. */
  readonly #onClose: (this: Socket) => void;
  #isEnding = false;

  constructor() {
    const open = this.#owed;
    this.#onClose = function onClose() {
      const owed = open.get(this) ?? [];
      open.delete(this);
      abandonWaiting(owed);
    };
  }

  /** How many there are that speak HTTP. */
  get size(): number {
    return this.#owed.size;
  }

  opened(socket: Socket): void {
    this.#owed.set(socket, new Set());
    socket.on('close', this.#onClose);
  }

  /** The connection speaks another protocol from now on. */
  upgraded(socket: Socket): void {
    const owed = this.#owed.get(socket);
    this.#owed.delete(socket);
    socket.off('close', this.#onClose);
    if (owed !== undefined && owed.size > 0) socket.once('close', () => abandonWaiting(owed));
  }

  asked(socket: Socket, response: ServerResponse): void {
    const owed = this.#owed.get(socket);
    if (owed === undefined) return;
    owed.add(response);
    response.once('close', () => {
      owed.delete(response);
      if (this.#isEnding && owed.size === 0) socket.destroySoon();
    });
  }

  /** Closes every connection as soon as it owes nothing. */
  end(): void {
    this.#isEnding = true;
    for (const [socket, owed] of this.#owed) if (owed.size === 0) socket.destroySoon();
  }
}

/** Answers that never got the connection: nobody else tells those who make them. */
function abandonWaiting(responses: Iterable<ServerResponse>): void {
  for (const response of responses) {
    if (response.socket !== null) continue;
    response.destroy();
    response.emit('close');
  }
}
