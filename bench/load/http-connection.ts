import { connect, type Socket } from 'node:net';
import { readBuffer } from './read-buffer.ts';

/** An operation as JSON, as all servers take it. */
export interface Operation {
  readonly query: string;
  readonly variables: object;
}

const endOfHead = Buffer.from('\r\n\r\n');
const lengthHeader = /\r\ncontent-length: *(\d+)/i;

/**
 * A connection that is kept alive, for one request at a time; made anew when the server has closed it meanwhile. It reads
 * as much of HTTP as the answers have.
 */
export class HttpConnection {
  readonly #port: number;
  #socket: Socket;
  #unread = Buffer.alloc(0);
  #waiting: { resolve(body: Buffer): void; reject(error: Error): void } | undefined;

  constructor(port: number) {
    this.#port = port;
    this.#socket = this.#connect();
  }

  /** Sends what `post` made and answers the body; anything but status 200 rejects. */
  send(request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      if (!['open', 'opening'].includes(this.#socket.readyState)) this.#socket = this.#connect();
      this.#socket.write(request);
    });
  }

  /** Sends the operation and answers its data; errors reject. */
  async ask(operation: Operation): Promise<Readonly<Record<string, unknown>>> {
    return dataOf(await this.send(post(operation)));
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #connect(): Socket {
    const socket = connect({
      port: this.#port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (count) => {
          this.#read(readBuffer.subarray(0, count));
          return true;
        },
      },
    });
    socket.on('error', (error) => this.#waiting?.reject(error));
    socket.once('close', () => this.#waiting?.reject(new Error('The server has closed the connection.')));
    return socket;
  }

  #read(arrived: Buffer): void {
    const text = this.#unread.length === 0 ? arrived : Buffer.concat([this.#unread, arrived]);
    const headEnd = text.indexOf(endOfHead);
    if (headEnd !== -1) {
      const head = text.toString('latin1', 0, headEnd);
      const length = lengthHeader.exec(head)?.[1];
      if (length === undefined || !head.startsWith('HTTP/1.1 200')) {
        this.#waiting?.reject(new Error(`Not expected: ${text.toString()}`));
        return;
      }
      const from = headEnd + endOfHead.length;
      const to = from + Number(length);
      if (text.length >= to) {
        this.#unread = Buffer.alloc(0);
        const waiting = this.#waiting;
        this.#waiting = undefined;
        waiting?.resolve(Buffer.from(text.subarray(from, to)));
        return;
      }
    }
    this.#unread = Buffer.from(text);
  }
}

/** The data of a result; errors throw. */
export function dataOf(body: Buffer): Readonly<Record<string, unknown>> {
  // A GraphQL result.
  const { data, errors } = JSON.parse(body.toString()) as { data?: Record<string, unknown>; errors?: unknown };
  if (data === undefined || errors !== undefined) throw new Error(`Not expected: ${body.toString()}`);
  return data;
}

/** The POST of an operation. */
export function post({ query, variables }: Operation): Buffer {
  const operationName = /(?:query|mutation) (\w+)/.exec(query)?.[1];
  const body = JSON.stringify({ query, operationName, variables });
  const head =
    'POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\ncontent-type: application/json\r\n' +
    `content-length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return Buffer.from(head + body);
}
