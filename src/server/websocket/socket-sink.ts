import { MessageType } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { ContextEvent } from '../../model.ts';
import type { ResultSink } from '../fanout/shared-results.ts';

/** Results of one operation on a WebSocket, each as the message that graphql-ws makes of it. */
export class SocketSink implements ResultSink {
  readonly #socket: WebSocket;
  readonly #head: string;
  readonly #onWritten: () => void;

  constructor(socket: WebSocket, id: string, onWritten: () => void) {
    this.#socket = socket;
    this.#head = `{"id":${JSON.stringify(id)},"type":"${MessageType.Next}","payload":`;
    this.#onWritten = onWritten;
  }

  send(text: string, _event: ContextEvent, onSent: () => void): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    // A socket that fails is closed by `ws`, and its subscriptions end with that.
    this.#socket.send(`${this.#head}${text}}`, () => {
      this.#onWritten();
      onSent();
    });
  }
}
