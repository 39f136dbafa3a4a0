import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Inbox } from '../support/wait.ts';

/** One request, wholly read. */
export interface Received {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What a test answers; `count` is 1 for the first request. */
export type Answer = (response: ServerResponse, received: Received, count: number) => void;

const running = new Set<Receiver>();

/** A plain HTTP server that keeps what it gets. */
export class Receiver {
  readonly origin: string;
  readonly received = new Inbox<Received>('the next request');
  /** How many answers are under way: their sockets are in use until they are all sent, or closed by the other side. */
  openAnswers = 0;
  readonly #server: Server;

  private constructor(server: Server, answer: Answer) {
    this.#server = server;
    // It listens on a port.
    const { port } = server.address() as AddressInfo;
    this.origin = `http://127.0.0.1:${port}`;
    server.on('request', (request, response) => {
      this.openAnswers++;
      response.once('close', () => this.openAnswers--);
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url = '', headers } = request;
        const received = { method, url, headers, body: Buffer.concat(chunks).toString() };
        this.received.put(received);
        answer(response, received, this.received.all.length);
      });
    });
  }

  static async start(answer: Answer): Promise<Receiver> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const receiver = new Receiver(server, answer);
    running.add(receiver);
    return receiver;
  }

  async stop(): Promise<void> {
    running.delete(this);
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

/** Stops what a test left running. */
export async function stopReceivers(): Promise<void> {
  await Promise.all([...running].map((receiver) => receiver.stop()));
}

/** Answers with JSON. */
export function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

/** Answers 200 and then megabytes without an end, as fast as the other side reads. */
export function flood(response: ServerResponse, sent: (megabytes: number) => void = () => undefined): void {
  const megabyte = Buffer.alloc(1024 * 1024, ' ');
  let megabytes = 0;
  const pour = () => {
    while (!response.destroyed && response.write(megabyte)) sent(++megabytes);
    sent(++megabytes);
  };
  response.writeHead(200, { 'content-type': 'application/json' }).on('drain', pour);
  pour();
}
