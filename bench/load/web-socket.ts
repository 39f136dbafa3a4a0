import { connect, type Socket } from 'node:net';
import { readBuffer } from './read-buffer.ts';

/** Looks at a message, which lies in `buffer` only until it returns. */
export type OnMessage = (buffer: Buffer, from: number, to: number) => void;

const upgrade =
  'GET /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
  'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
  'sec-websocket-protocol: graphql-transport-ws\r\n\r\n';
const endOfHead = Buffer.from('\r\n\r\n');

/** First bytes of frames: the last of its message, and what it is (RFC 6455, 5.2). */
const frame = { text: 0x81, close: 0x88, ping: 0x89, pong: 0x8a } as const;
/** A zero mask is a mask: what is sent stays as it is. */
const masked = 0x80;

const init = Buffer.from('{"type":"connection_init"}');

/**
 * A client of graphql-transport-ws with one operation that does the least: `ws` takes as long to read a message as the
 * fastest server to send it. It reads what servers send here, whole messages without compression, and answers pings.
 */
export class LoadSocket {
  readonly #socket: Socket;
  readonly #onMessage: OnMessage;
  readonly #subscribe: string;
  #unread: Buffer | undefined;
  #stage: 'connecting' | 'open' | 'acknowledged' = 'connecting';

  /** @param subscribe the message that begins the operation. */
  constructor(port: number, subscribe: string, onMessage: OnMessage) {
    this.#subscribe = subscribe;
    this.#onMessage = onMessage;
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (count) => {
          this.#read(count);
          return true;
        },
      },
    });
    this.#socket.write(upgrade);
    this.#socket.once('end', () => {
      throw new Error(`The server on port ${port} has closed a WebSocket that was ${this.#stage}.`);
    });
  }

  /** Cuts the connection, as a network that fails does. */
  kill(): void {
    this.#socket.removeAllListeners('end');
    this.#socket.resetAndDestroy();
  }

  #read(count: number): void {
    let buffer = readBuffer;
    let end = count;
    if (this.#unread !== undefined) {
      buffer = Buffer.concat([this.#unread, readBuffer.subarray(0, count)]);
      end = buffer.length;
      this.#unread = undefined;
    }
    let at = this.#stage === 'connecting' ? this.#open(buffer.subarray(0, end)) : 0;
    while (at < end) {
      const next = this.#readFrame(buffer, at, end);
      if (next === undefined) break;
      at = next;
    }
    if (at < end) this.#unread = Buffer.from(buffer.subarray(at, end));
  }

  /** Where the frames begin. */
  #open(text: Buffer): number {
    const end = text.indexOf(endOfHead);
    if (end === -1) return 0;
    if (!text.toString('latin1', 0, end).startsWith('HTTP/1.1 101'))
      throw new Error(`Not expected: ${text.toString()}`);
    this.#stage = 'open';
    this.#send(frame.text, init);
    return end + endOfHead.length;
  }

  /** Where the next one begins; undefined when this one is not here yet. */
  #readFrame(buffer: Buffer, at: number, end: number): number | undefined {
    if (this.#stage === 'connecting' || end - at < 2) return undefined;
    let length = buffer[at + 1] ?? 0;
    let from = at + 2;
    if (length === 126) {
      if (end - at < 4) return undefined;
      length = buffer.readUInt16BE(from);
      from += 2;
    } else if (length === 127) {
      if (end - at < 10) return undefined;
      length = Number(buffer.readBigUInt64BE(from));
      from += 8;
    }
    const to = from + length;
    if (to > end) return undefined;
    const kind = buffer[at];
    if (kind === frame.text) this.#receive(buffer, from, to);
    else if (kind === frame.ping) this.#send(frame.pong, buffer.subarray(from, to));
    else if (kind !== frame.pong) throw new Error(`Not expected: ${buffer.subarray(at, to).toString()}`);
    return to;
  }

  #receive(buffer: Buffer, from: number, to: number): void {
    if (this.#stage === 'acknowledged') {
      this.#onMessage(buffer, from, to);
      return;
    }
    const message = buffer.toString('utf8', from, to);
    if (!message.includes('"connection_ack"')) throw new Error(`Not expected: ${message}`);
    this.#stage = 'acknowledged';
    this.#send(frame.text, Buffer.from(this.#subscribe));
  }

  #send(kind: number, content: Buffer): void {
    const { length } = content;
    const head = length < 126 ? [kind, masked | length] : [kind, masked | 126, length >> 8, length & 255];
    this.#socket.write(Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), content]));
  }
}
