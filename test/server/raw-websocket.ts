import { once } from 'node:events';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { Inbox } from '../support/wait.ts';

/** A WebSocket without a client library of GraphQL: every message as it is. */
export class RawWebSocket {
  readonly socket: WebSocket;
  readonly messages = new Inbox<unknown>('the next message');
  readonly pongs = new Inbox<string>('a pong');
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer) => this.messages.put(JSON.parse(data.toString())));
    socket.on('pong', (data) => this.pongs.put(data.toString()));
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  static async open(url: string, protocol = 'graphql-transport-ws'): Promise<RawWebSocket> {
    const raw = new RawWebSocket(new WebSocket(url, protocol));
    await once(raw.socket, 'open');
    return raw;
  }

  /** Says hello, and waits for the answer. */
  async init(): Promise<unknown> {
    this.send({ type: 'connection_init' });
    return this.messages.next();
  }

  send(message: unknown): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** Sends messages so that they are looked at together. */
  sendTogether(messages: readonly unknown[]): void {
    // `ws` has the stream, and no word for this.
    const { _socket: stream } = this.socket as unknown as { readonly _socket: Socket };
    stream.cork();
    // What is first is looked at before the others have arrived.
    this.send({ type: 'pong' });
    for (const message of messages) this.send(message);
    stream.uncork();
  }
}
