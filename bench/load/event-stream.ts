import { type ClientRequest, request } from 'node:http';
import type { OnMessage } from './web-socket.ts';

const endOfEvent = Buffer.from('\n\n');
const dataField = Buffer.from('data: ');

/** A subscription as server-sent events; what is looked at is the data of each event. */
export class LoadStream {
  readonly #request: ClientRequest;
  readonly #onMessage: OnMessage;
  #unread: Buffer = Buffer.alloc(0);

  constructor(port: number, operation: object, onMessage: OnMessage) {
    this.#onMessage = onMessage;
    this.#request = request({
      port,
      host: '127.0.0.1',
      path: '/graphql',
      method: 'POST',
      agent: false,
      headers: { accept: 'text/event-stream', 'content-type': 'application/json' },
    });
    this.#request.once('response', (response) => {
      if (response.statusCode !== 200) throw new Error(`Not expected: status ${response.statusCode}`);
      response.on('data', (chunk: Buffer) => this.#read(chunk));
      response.once('end', () => {
        throw new Error('The server has ended an event stream.');
      });
      // When we cut it.
      response.on('error', () => undefined);
    });
    this.#request.on('error', (error) => {
      if (!this.#request.destroyed) throw error;
    });
    this.#request.end(JSON.stringify(operation));
  }

  /** Cuts the connection, as a network that fails does. */
  kill(): void {
    this.#request.destroy();
  }

  #read(chunk: Buffer): void {
    const text = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    let at = 0;
    for (;;) {
      const end = text.indexOf(endOfEvent, at);
      if (end === -1) break;
      const data = text.indexOf(dataField, at);
      // Else it is a comment, which keeps the connection open.
      if (data !== -1 && data < end && data + dataField.length < end)
        this.#onMessage(text, data + dataField.length, end);
      at = end + endOfEvent.length;
    }
    this.#unread = Buffer.from(text.subarray(at));
  }
}
