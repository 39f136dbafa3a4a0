/** The port: TCP, TLS when there is a certificate, HTTP, and who is connected. */
import {
  createServer,
  type ServerOptions as HttpServerOptions,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Connections } from './connections.ts';
import { type Certificate, Handshakes } from './tls.ts';

/** What a port is made of. Times in ms. */
export interface ListenerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Absent: no TLS. */
  readonly certificate?: Certificate | undefined;
  /** How long a client may take to send a request, and to agree on keys before it. */
  readonly requestTimeoutMs: number;
  /** Beyond these Node closes connections without a word. */
  readonly maxConnections: number;
}

/** Who is told what comes. */
export interface ListenerEvents {
  /** After keys were agreed on. */
  readonly onConnection: (socket: Socket) => void;
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

/** One port. It is opened once and closed once. */
export class Listener {
  readonly connections = new Connections();
  readonly #options: ListenerOptions;
  readonly #http: Server;
  readonly #handshakes: Handshakes | undefined;
  #listening: Promise<void> | undefined;

  constructor(options: ListenerOptions, { onConnection, onRequest, onUpgrade }: ListenerEvents) {
    const { certificate, requestTimeoutMs, maxConnections } = options;
    this.#options = options;
    if (certificate === undefined) this.#http = createServer(slowness(requestTimeoutMs));
    else {
      // What does not agree on keys, also because it speaks something else, is closed by node:tls.
      const secure = certificate.createServer({ ...slowness(requestTimeoutMs), handshakeTimeout: requestTimeoutMs });
      this.#handshakes = new Handshakes(secure);
      this.#http = secure;
    }
    this.#http.maxConnections = maxConnections;
    // `close` of node:http calls it, and would cut answers short. Two turns later, between which lies a look at every
    // socket: a request that has arrived and was not read would be reset.
    this.#http.closeIdleConnections = () => {
      setImmediate(() => setImmediate(() => this.connections.end()));
    };
    this.#http.on(certificate === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      this.connections.opened(socket);
      onConnection(socket);
    });
    this.#http.on('request', onRequest);
    this.#http.on('upgrade', onUpgrade);
  }

  get isListening(): boolean {
    return this.#http.listening;
  }

  /**
   * @returns the URL to reach it at.
   * @throws what `listen` of node:net reports, for example EADDRINUSE.
   */
  async listen(): Promise<string> {
    const { host, port, certificate } = this.#options;
    this.#listening ??= new Promise<void>((resolve, reject) => {
      this.#http.once('error', reject);
      this.#http.listen({ host, port }, () => {
        this.#http.off('error', reject);
        resolve();
      });
    });
    await this.#listening;
    // A TCP server has an address of this shape as long as it listens.
    const { port: actual } = this.#http.address() as AddressInfo;
    const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
    const scheme = certificate === undefined ? 'http' : 'https';
    return `${scheme}://${name.includes(':') ? `[${name}]` : name}:${actual}`;
  }

  /** Resolves when a `listen` that was begun has ended, well or not: whoever began it hears which. */
  async settled(): Promise<void> {
    await this.#listening?.catch(() => undefined);
  }

  /** Accepts nothing more, and closes connections that owe nothing. Resolves when all are closed. */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    this.#handshakes?.end();
    return closed;
  }

  /** Closes what is left. */
  terminate(): void {
    this.#http.closeAllConnections();
  }
}

/** Node looks at what is slow every 30 s by itself, which is no measure for a shorter patience. */
function slowness(timeoutMs: number): HttpServerOptions {
  return {
    requestTimeout: timeoutMs,
    headersTimeout: timeoutMs,
    connectionsCheckingInterval: Math.min(30_000, Math.max(10, Math.ceil(timeoutMs / 4))),
  };
}
