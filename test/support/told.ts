/** Everything that a server says to clients over every transport, kept as text. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { request as overTls } from 'node:https';
import { WebSocket } from 'ws';
import type { Operation } from './app.ts';
import { soon } from './wait.ts';

/** How an operation is sent. */
export const tellingWays = ['HTTP', 'SSE', 'WebSocket'] as const;

type TellingWay = (typeof tellingWays)[number];

/** A request that need not be right. */
export interface RawRequest {
  readonly method?: string;
  /** Path and query. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Asks, and keeps every word of every answer: status, headers, bodies, messages, reasons of closes. */
export class Told {
  readonly #origin: string;
  readonly #trust: { readonly ca?: string };
  readonly #words: string[] = [];

  /**
   * @param origin `http://host:port`
   * @param ca the certificate that is trusted, where it is https.
   */
  constructor(origin: string, ca?: string) {
    this.#origin = origin;
    this.#trust = ca === undefined ? {} : { ca };
  }

  get text(): string {
    return this.#words.join('\n');
  }

  /** The first answer, as text. An operation without credentials brings none. */
  async ask(way: TellingWay, operation: Operation, authorization?: string): Promise<string> {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    if (way === 'WebSocket') {
      const subscribe = { id: '1', type: 'subscribe', payload: operation };
      return this.talk([JSON.stringify({ type: 'connection_init', payload: headers }), JSON.stringify(subscribe)]);
    }
    return this.send({
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: way === 'SSE' ? 'text/event-stream' : 'application/graphql-response+json',
        ...headers,
      },
      body: JSON.stringify(operation),
    });
  }

  /** One request. Of a stream the first result is the answer. */
  async send({ method = 'GET', path = '/graphql', headers = {}, body }: RawRequest): Promise<string> {
    const options = { method, agent: false, headers: { ...headers }, ...this.#trust };
    const asked = (this.#origin.startsWith('https') ? overTls : request)(`${this.#origin}${path}`, options);
    // A body that is too large is not read to its end, and its connection cut.
    asked.on('error', (error) => this.#keep(String(error)));
    asked.end(body);
    // What this event brings.
    const [response] = (await soon('an answer', once(asked, 'response'))) as [IncomingMessage];
    const isStream = response.headers['content-type']?.startsWith('text/event-stream') === true;
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) {
      text += String(chunk);
      if (isStream && /\ndata: .+\n\n/.test(text)) break;
    }
    asked.destroy();
    return this.#keep(`${response.statusCode}\n${response.rawHeaders.join(' ')}\n\n${text}`);
  }

  /** Sends the messages, each once the one before was answered. Answers all that was heard until one brought a result. */
  async talk(messages: readonly string[], headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const url = `${this.#origin.replace(/^http/, 'ws')}/graphql`;
    const socket = new WebSocket(url, 'graphql-transport-ws', { headers: { ...headers }, ...this.#trust });
    const heard: string[] = [];
    socket.on('upgrade', ({ rawHeaders }) => heard.push(rawHeaders.join(' ')));
    socket.on('message', (data: Buffer) => heard.push(data.toString()));
    socket.on('error', (error) => heard.push(String(error)));
    const closed = once(socket, 'close').then(([code, reason]) =>
      heard.push(`closed ${String(code)} ${String(reason)}`),
    );
    await soon('the WebSocket', Promise.race([once(socket, 'open'), closed]));
    for (const message of messages) {
      if (socket.readyState !== socket.OPEN) break;
      socket.send(message);
      await soon('an answer', Promise.race([once(socket, 'message'), closed]));
    }
    socket.close();
    await soon('the close', closed);
    return this.#keep(heard.join('\n'));
  }

  #keep(text: string): string {
    this.#words.push(text);
    return text;
  }
}
