/** The HTTP server: one port, one path for GraphQL over every transport, and an end in bounded time. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../observability/logger.ts';
import type { ChordService } from '../service/service.ts';
import { Connections } from './connections.ts';
import { handleHealth } from './health.ts';
import { EventStreams } from './sse.ts';
import { StallWatch } from './stall-watch.ts';
import { WebSocketTransport } from './websocket.ts';
import { createGraphQLServer, endpoint, type Yoga } from './yoga.ts';

/** What the server is built from. Times in ms, sizes in bytes. */
export interface ServerOptions {
  readonly chord: ChordService;
  readonly logger: Logger;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly graphiql: boolean;
  readonly maxRequestBytes: number;
  readonly slowReaderTimeoutMs: number;
  /** How long everything is still served when the server stops, while `/ready` says 503. */
  readonly drainDelayMs: number;
  /** How long requests in flight may take to finish then. */
  readonly drainTimeoutMs: number;
}

/** How many transports are in use. */
export interface ServerStats {
  readonly webSockets: number;
}

/** Serves one `Chord`. It is started once and stopped once. */
export class ChordServer {
  readonly #options: ServerOptions;
  readonly #http: Server;
  readonly #yoga: Yoga;
  readonly #webSockets: WebSocketTransport;
  readonly #streams: EventStreams;
  readonly #connections = new Connections();
  readonly #stallWatch: StallWatch;
  #listening: Promise<void> | undefined;
  /** Asks not to be sent anything more, and serves what is. */
  #isLeaving = false;
  /** Accepts nothing more, and ends what is open. */
  #isDraining = false;

  constructor(options: ServerOptions) {
    const { chord, logger, graphiql, maxRequestBytes, slowReaderTimeoutMs } = options;
    this.#options = options;
    this.#streams = new EventStreams(logger);
    this.#stallWatch = new StallWatch(slowReaderTimeoutMs);
    this.#yoga = createGraphQLServer({ chord, logger, graphiql, maxRequestBytes, streams: this.#streams });
    this.#webSockets = new WebSocketTransport({
      yoga: this.#yoga,
      chord,
      logger,
      stallWatch: this.#stallWatch,
      maxMessageBytes: maxRequestBytes,
    });
    this.#http = createServer((request, response) => this.#handle(request, response));
    // `close` of node:http calls it, and would cut answers short.
    this.#http.closeIdleConnections = () => this.#connections.end();
    this.#http.on('connection', (socket) => {
      this.#connections.opened(socket);
      this.#stallWatch.watch(socket, () => socket.destroy());
    });
    this.#http.on('upgrade', (request, socket, head) => {
      this.#connections.upgraded(request.socket);
      socket.on('error', (error) => logger.debug('upgrade failed', { error }));
      if (request.url?.split('?', 1)[0] === endpoint && !this.#isDraining) {
        this.#webSockets.upgrade(request, socket, head);
      } else {
        const status = this.#isDraining ? '503 Service Unavailable' : '404 Not Found';
        socket.once('finish', () => socket.destroy());
        socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      }
    });
  }

  get stats(): ServerStats {
    return { webSockets: this.#webSockets.connections };
  }

  /**
   * @returns the URL to reach the server at.
   * @throws what `listen` of node:net reports, for example EADDRINUSE.
   */
  async listen(): Promise<string> {
    if (this.#isLeaving) throw new Error('The server was stopped, and does not start again: make another one.');
    const { host, port } = this.#options;
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
    return `http://${name.includes(':') ? `[${name}]` : name}:${actual}`;
  }

  /**
   * Says on `/ready` and with every answer that it leaves. After `drainDelayMs` it stops accepting, tells every
   * subscriber to connect again elsewhere, lets requests in flight finish, and ends what is left after `drainTimeoutMs`.
   */
  async close(): Promise<void> {
    this.#isLeaving = true;
    // Whoever called `listen` hears of its failure.
    await this.#listening?.catch(() => undefined);
    const { drainDelayMs, drainTimeoutMs } = this.#options;
    if (drainDelayMs > 0 && this.#http.listening) await sleep(drainDelayMs);
    this.#isDraining = true;
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    this.#streams.drain();
    this.#webSockets.drain();
    const patience = new AbortController();
    const timeout = sleep(drainTimeoutMs, undefined, { signal: patience.signal }).catch(() => undefined);
    await Promise.race([closed, timeout]);
    patience.abort();
    this.#webSockets.terminate();
    this.#http.closeAllConnections();
    this.#stallWatch.close();
    await closed;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const { chord, logger } = this.#options;
    this.#connections.asked(request.socket, response);
    // After the answer the connection ends, so that the client finds another server.
    if (this.#isLeaving) response.setHeader('connection', 'close');
    if (handleHealth(request, response, { ping: () => chord.ping(), isLeaving: this.#isLeaving })) return;
    if (!URL.canParse(request.url ?? '', `http://${request.headers.host ?? 'localhost'}`)) {
      response.writeHead(400, { 'content-type': 'text/plain' }).end('The request target or the Host header is no URL.');
      return;
    }
    if (request.url === '/') {
      response.writeHead(302, { location: endpoint }).end();
      return;
    }
    if (request.url?.split('?', 1)[0] !== endpoint) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end(`There is only ${endpoint}, /live and /ready.`);
      return;
    }
    Promise.resolve(this.#yoga(request, response)).catch((error: unknown) => {
      logger.error('unexpected error', { error });
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    });
  }
}
