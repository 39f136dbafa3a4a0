/** The HTTP server: one port, one path for GraphQL over every transport, and an end in bounded time. */
import {
  createServer,
  type ServerOptions as HttpServerOptions,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Authenticator } from '../access/credentials.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { ChordService } from '../service/service.ts';
import { Connections } from './connections.ts';
import { Deliveries } from './deliveries.ts';
import { Doorkeeper } from './doorkeeper.ts';
import { handleHealth } from './health.ts';
import type { QueryLimits } from './limits.ts';
import { countRequest } from './metrics.ts';
import { Origins } from './origin.ts';
import { type QuotaLimits, Quotas } from './quotas.ts';
import { EventStreams } from './sse.ts';
import { StallWatch } from './stall-watch.ts';
import type { ServerStats } from './stats.ts';
import type { TrustedDocuments } from './trusted-documents.ts';
import { WebSocketTransport } from './websocket.ts';
import { createGraphQLServer, endpoint, type Yoga } from './yoga.ts';

/** What the server is built from. Times in ms, sizes in bytes. */
export interface ServerOptions extends QueryLimits, QuotaLimits {
  readonly chord: ChordService;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly authenticator: Authenticator;
  /** How long subscriptions outlive their credentials. */
  readonly authGraceMs: number;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly graphiql: boolean;
  readonly maxRequestBytes: number;
  /** How long a client may take to send a request. */
  readonly requestTimeoutMs: number;
  readonly connectionInitTimeoutMs: number;
  readonly maxConnections: number;
  /** Absent: clients send any document. */
  readonly trustedDocuments?: TrustedDocuments | undefined;
  /** Of pages that may use the server beside its own, or `*`. */
  readonly corsOrigins: readonly string[];
  readonly slowReaderTimeoutMs: number;
  /** How long everything is still served when the server stops, while `/ready` says 503. */
  readonly drainDelayMs: number;
  /** How long requests in flight may take to finish then. */
  readonly drainTimeoutMs: number;
  /** Absent: nothing is counted. */
  readonly metrics?: Metrics | undefined;
}

/** What a server has to do at the moment. */
export interface ServerLoad {
  readonly connections: { readonly http: number; readonly websocket: number };
  /** Counted with metrics only. */
  readonly subscriptions: { readonly websocket: number; readonly sse: number };
}

/** Serves one `Chord`. It is started once and stopped once. */
export class ChordServer {
  readonly #options: ServerOptions;
  readonly #http: Server;
  readonly #yoga: Yoga;
  readonly #webSockets: WebSocketTransport;
  readonly #streams: EventStreams;
  readonly #origins: Origins;
  readonly #connections = new Connections();
  /** Connections over `maxConnections`: they are told so, and asked how the server is. */
  readonly #surplus = new WeakSet<object>();
  readonly #deliveries: Deliveries | undefined;
  readonly #stallWatch: StallWatch;
  #listening: Promise<void> | undefined;
  /** Asks not to be sent anything more, and serves what is. */
  #isLeaving = false;
  /** Accepts nothing more, and ends what is open. */
  #isDraining = false;

  constructor(options: ServerOptions) {
    const { logger, graphiql, maxRequestBytes, slowReaderTimeoutMs, metrics } = options;
    this.#options = options;
    this.#deliveries = metrics && new Deliveries(metrics, options.clock);
    this.#streams = new EventStreams(logger);
    this.#stallWatch = new StallWatch(slowReaderTimeoutMs);
    const doorkeeper = new Doorkeeper(options);
    const quotas = new Quotas(options, options.clock);
    this.#origins = new Origins(options.corsOrigins);
    this.#yoga = createGraphQLServer({
      doorkeeper,
      logger,
      graphiql,
      maxRequestBytes,
      streams: this.#streams,
      origins: this.#origins,
      limits: options,
      quotas,
      trustedDocuments: options.trustedDocuments,
      onFollow: this.#deliveries?.over('sse'),
    });
    this.#webSockets = new WebSocketTransport({
      yoga: this.#yoga,
      doorkeeper,
      logger,
      stallWatch: this.#stallWatch,
      maxMessageBytes: maxRequestBytes,
      connectionInitTimeoutMs: options.connectionInitTimeoutMs,
      quotas,
      trustedDocuments: options.trustedDocuments,
      metrics,
      onFollow: this.#deliveries?.over('websocket'),
    });
    this.#http = createServer(slowness(options.requestTimeoutMs), (request, response) =>
      this.#handle(request, response),
    );
    this.#http.maxConnections = options.maxConnections + surplusConnections;
    // `close` of node:http calls it, and would cut answers short.
    this.#http.closeIdleConnections = () => this.#connections.end();
    this.#http.on('connection', (socket) => {
      this.#connections.opened(socket);
      if (this.#connections.size + this.#webSockets.connections > options.maxConnections) this.#surplus.add(socket);
      this.#stallWatch.watch(socket, () => {
        metrics?.count('slowReaders', { transport: 'http' });
        socket.destroy();
      });
    });
    this.#http.on('upgrade', (request, socket, head) => {
      this.#connections.upgraded(request.socket);
      socket.on('error', (error) => logger.debug('upgrade failed', { error }));
      const status = this.#refusalOf(request);
      if (status === undefined) return this.#webSockets.upgrade(request, socket, head);
      socket.once('finish', () => socket.destroy());
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    });
  }

  get load(): ServerLoad {
    return {
      connections: { http: this.#connections.size, websocket: this.#webSockets.connections },
      subscriptions: this.#deliveries?.open ?? { websocket: 0, sse: 0 },
    };
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

  /** Why a connection does not become a WebSocket; undefined: it may. */
  #refusalOf({ url, headers, socket }: IncomingMessage): string | undefined {
    if (this.#isDraining || this.#surplus.has(socket)) return '503 Service Unavailable';
    if (url?.split('?', 1)[0] !== endpoint) return '404 Not Found';
    return this.#origins.admits(headers.origin, headers.host) ? undefined : '403 Forbidden';
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const { chord, logger, metrics } = this.#options;
    if (metrics !== undefined) countRequest(metrics, request, response);
    this.#connections.asked(request.socket, response);
    // After the answer the connection ends, so that the client finds another server.
    if (this.#isLeaving) response.setHeader('connection', 'close');
    if (handleHealth(request, response, { ping: () => chord.ping(), isLeaving: this.#isLeaving })) return;
    if (this.#surplus.has(request.socket)) {
      response.writeHead(503, { 'content-type': 'application/json; charset=utf-8', connection: 'close' }).end(full);
      return;
    }
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
    if (!this.#origins.admits(request.headers.origin, request.headers.host)) {
      response.writeHead(403, { 'content-type': 'application/json; charset=utf-8' }).end(foreign);
      return;
    }
    Promise.resolve(this.#yoga(request, response)).catch((error: unknown) => {
      logger.error('unexpected error', { error });
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    });
  }
}

/** What a page of a foreign origin is told; its browser shows it to nobody but developers. */
const foreign = JSON.stringify({
  errors: [{ message: 'The origin of this page is not in corsOrigins.', extensions: { code: 'FORBIDDEN' } }],
});

/** So many more are let in to be told that there are too many; beyond them Node closes them without a word. */
const surplusConnections = 64;

const full = JSON.stringify({
  errors: [
    {
      message: 'There are maxConnections connections.',
      extensions: { code: 'LIMIT_EXCEEDED', option: 'maxConnections' },
    },
  ],
});

/** Node looks at what is slow every 30 s by itself, which is no measure for a shorter patience. */
function slowness(timeoutMs: number): HttpServerOptions {
  return {
    requestTimeout: timeoutMs,
    headersTimeout: timeoutMs,
    connectionsCheckingInterval: Math.min(30_000, Math.max(10, Math.ceil(timeoutMs / 4))),
  };
}
