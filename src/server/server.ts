/** The HTTP server: one port, one path for GraphQL over every transport, and an end in bounded time. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BlockList, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { isLoopback } from '../access/loopback.ts';
import { createCompiledExecute } from './compiled.ts';
import { DocumentCache } from './document-cache.ts';
import { Doorkeeper } from './doorkeeper.ts';
import { createExecute, createSubscribe } from './execution.ts';
import { sharedSubscribe } from './fanout/subscribe.ts';
import { handleElsewhere } from './http/elsewhere.ts';
import { clientOf, trustedNetworks } from './http/forwarded.ts';
import { handleHealth } from './http/health.ts';
import { Lane } from './http/lane.ts';
import { Listener } from './http/listener.ts';
import { Origins, OwnNames } from './http/origin.ts';
import { Quotas } from './limits/quotas.ts';
import { foreign, full, misdirected, type Refusal, refuseUpgrade } from './refusals.ts';
import { Deliveries } from './reporting/deliveries.ts';
import type { RequestRecord } from './reporting/request-record.ts';
import { Requests } from './reporting/requests.ts';
import { Roster, reportSource } from './reporting/roster.ts';
import type { ServerOptions } from './server-options.ts';
import { spreadOut } from './spread-out.ts';
import { EventStreams } from './sse.ts';
import { StallWatch } from './stall-watch.ts';
import type { ServerStats } from './stats.ts';
import { WebSocketTransport } from './websocket/websocket.ts';
import { createGraphQLServer, endpoint, type Yoga } from './yoga.ts';

/** What a server has to do at the moment. */
export interface ServerLoad {
  readonly connections: { readonly http: number; readonly websocket: number };
  /** Counted with metrics only. */
  readonly subscriptions: { readonly websocket: number; readonly sse: number };
}

/** Serves one `Chord`. It is started once and stopped once. */
export class ChordServer {
  readonly #options: ServerOptions;
  readonly #listener: Listener;
  readonly #doorkeeper: Doorkeeper;
  readonly #yoga: Yoga;
  readonly #lane: Lane | undefined;
  readonly #webSockets: WebSocketTransport;
  readonly #streams: EventStreams;
  readonly #requests: Requests;
  readonly #origins: Origins;
  readonly #trusted: BlockList;
  /** Undefined: it may be called by any name. */
  readonly #ownNames: OwnNames | undefined;
  /** Connections over `maxConnections`: they are told so, and asked how the server is. */
  readonly #surplus = new WeakSet<object>();
  /** Connections that end with an answer that was asked for: what comes behind is not looked at (RFC 9112, 9.6). */
  readonly #ending = new WeakSet<object>();
  readonly #deliveries: Deliveries | undefined;
  readonly #stallWatch: StallWatch;
  /** Asks not to be sent anything more, and serves what is. */
  #isLeaving = false;
  /** Accepts nothing more, and ends what is open. */
  #isDraining = false;

  constructor(options: ServerOptions) {
    const { graphiql, maxRequestBytes, slowReaderTimeoutMs, metrics } = options;
    this.#options = options;
    this.#deliveries = metrics && new Deliveries(metrics, options.clock);
    this.#trusted = trustedNetworks(options.trustedProxies);
    this.#requests = new Requests(options, this.#trusted);
    this.#stallWatch = new StallWatch(slowReaderTimeoutMs);
    const roster = new Roster(options.clock);
    this.#doorkeeper = new Doorkeeper({ ...options, reports: reportSource({ ...options, roster }) });
    const doorkeeper = this.#doorkeeper;
    const quotas = new Quotas(options, options.clock, options.chord.takeRate);
    this.#origins = new Origins(options.corsOrigins);
    this.#streams = new EventStreams(roster, this.#trusted);
    const isPrivate = options.authenticator.isOpen && isLoopback(options.host);
    this.#ownNames = isPrivate ? new OwnNames(options.host, options.corsOrigins) : undefined;
    const documents = new DocumentCache();
    const rules = { limits: options, quotas, tracing: options.tracing };
    const { hasLane = true, compileAfter = 10 } = options;
    const execute = createExecute(rules, createCompiledExecute(compileAfter));
    const subscribe = createSubscribe(
      rules,
      sharedSubscribe((delta) => options.chord.formatDelta(delta)),
    );
    this.#yoga = createGraphQLServer({
      documents,
      execute: createExecute(rules),
      subscribe,
      doorkeeper,
      requests: this.#requests,
      graphiql,
      maxRequestBytes,
      streams: this.#streams,
      origins: this.#origins,
      limits: options,
      quotas,
      trustedDocuments: options.trustedDocuments,
      onFollow: this.#deliveries?.over('sse'),
    });
    if (hasLane) {
      const parts = { yoga: this.#yoga, doorkeeper, quotas, documents, origins: this.#origins, execute };
      this.#lane = new Lane({ ...options, ...parts });
    }
    this.#webSockets = new WebSocketTransport({
      yoga: this.#yoga,
      documents,
      execute,
      subscribe,
      doorkeeper,
      stallWatch: this.#stallWatch,
      roster,
      trusted: this.#trusted,
      maxMessageBytes: maxRequestBytes,
      connectionInitTimeoutMs: options.connectionInitTimeoutMs,
      quotas,
      trustedDocuments: options.trustedDocuments,
      metrics,
      onFollow: this.#deliveries?.over('websocket'),
    });
    this.#listener = new Listener(
      { ...options, maxConnections: options.maxConnections + surplusConnections },
      {
        onConnection: (socket) => this.#connect(socket),
        onRequest: (request, response) => this.#handle(request, response),
        onUpgrade: (request, socket, head) => this.#upgrade(request, { socket, head }),
      },
    );
  }

  get load(): ServerLoad {
    return {
      connections: { http: this.#listener.connections.size, websocket: this.#webSockets.connections },
      subscriptions: this.#deliveries?.open ?? { websocket: 0, sse: 0 },
    };
  }

  get stats(): ServerStats {
    return { webSockets: this.#webSockets.connections };
  }

  /** How many requests took the short way. */
  get laneAnswers(): number {
    return this.#lane?.answered ?? 0;
  }

  /**
   * @returns the URL to reach the server at.
   * @throws what `listen` of node:net reports, for example EADDRINUSE.
   */
  async listen(): Promise<string> {
    if (this.#isLeaving) throw new Error('The server was stopped, and does not start again: make another one.');
    const url = await this.#listener.listen();
    this.#doorkeeper.open();
    return url;
  }

  /**
   * Says on `/ready` and with every answer that it leaves. After `drainDelayMs` it stops accepting, tells subscribers one
   * after the other to connect again elsewhere, lets requests in flight finish, and ends what is left after
   * `drainTimeoutMs`.
   */
  async close(): Promise<void> {
    this.#isLeaving = true;
    await this.#listener.settled();
    const { clock, drainDelayMs, drainTimeoutMs, drainSpreadMs } = this.#options;
    if (drainDelayMs > 0 && this.#listener.isListening) await sleep(drainDelayMs);
    this.#isDraining = true;
    const closed = this.#listener.close();
    const patience = new AbortController();
    const timeout = sleep(drainTimeoutMs, undefined, { signal: patience.signal }).catch(() => undefined);
    const withinMs = Math.min(drainSpreadMs, drainTimeoutMs / 2);
    const departures = [...this.#streams.drain(), ...this.#webSockets.drain()];
    const leaving = spreadOut(departures, { withinMs, clock, signal: patience.signal });
    await Promise.race([closed, timeout]);
    patience.abort();
    this.#webSockets.terminate();
    this.#listener.terminate();
    this.#stallWatch.close();
    this.#doorkeeper.close();
    await Promise.all([closed, leaving]);
  }

  #connect(socket: Socket): void {
    const { maxConnections, metrics } = this.#options;
    if (this.#listener.connections.size + this.#webSockets.connections > maxConnections) this.#surplus.add(socket);
    this.#stallWatch.watch(socket, () => {
      metrics?.count('slowReaders', { transport: 'http' });
      socket.destroy();
    });
  }

  #upgrade(request: IncomingMessage, { socket, head }: { readonly socket: Duplex; readonly head: Buffer }): void {
    this.#listener.connections.upgraded(request.socket);
    const record = this.#requests.connection(request);
    const onError = (error: Error) => record.logger.debug('upgrade failed', { error });
    socket.on('error', onError);
    const status = this.#refusalOf(request, record);
    const refuse = (reason: string) => {
      record.end('websocket', { fields: { status: reason } });
      refuseUpgrade(socket, reason, record.id);
    };
    if (status !== undefined) return refuse(status);
    this.#webSockets.upgrade(request, record, {
      socket,
      head,
      onOpen: () => socket.off('error', onError),
      onLate: () => refuse(unavailable),
    });
  }

  /** Why a connection does not become a WebSocket; undefined: it may. */
  #refusalOf(request: IncomingMessage, record: RequestRecord): string | undefined {
    const isSurplus = this.#surplus.has(request.socket);
    if (isSurplus) record.refuse('LIMIT_EXCEEDED', 'maxConnections');
    if (this.#isDraining || isSurplus) return unavailable;
    if (request.url?.split('?', 1)[0] !== endpoint) return '404 Not Found';
    const refusal = this.#foreignness(request);
    if (refusal === undefined) return undefined;
    record.refuse('FORBIDDEN');
    return `${refusal.status} ${refusal.reason}`;
  }

  /** What may be a page that the server is not for; undefined: it is none. */
  #foreignness(request: IncomingMessage): Refusal | undefined {
    const { host, origin } = request.headers;
    if (this.#ownNames?.admits(host) === false) return misdirected;
    if (origin === undefined) return undefined;
    return this.#origins.admits(origin, clientOf(request, this.#trusted)) ? undefined : foreign;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const { chord } = this.#options;
    // Sent behind one whose answer ends the connection: nobody could be told what became of it.
    if (this.#ending.has(request.socket)) return;
    const record = this.#requests.http(request, response);
    this.#listener.connections.asked(request.socket, response);
    // After the answer the connection ends, so that the client finds another server.
    if (this.#isLeaving) {
      this.#ending.add(request.socket);
      response.setHeader('connection', 'close');
    }
    if (handleHealth(request, response, { ping: () => chord.ping(), isLeaving: this.#isLeaving })) return;
    if (this.#surplus.has(request.socket)) {
      record.refuse('LIMIT_EXCEEDED', 'maxConnections');
      response.writeHead(full.status, { 'content-type': json, connection: 'close' }).end(full.body);
      return;
    }
    if (handleElsewhere(request, response, endpoint)) return;
    const refusal = this.#foreignness(request);
    if (refusal !== undefined) {
      record.refuse('FORBIDDEN');
      response.writeHead(refusal.status, { 'content-type': json }).end(refusal.body);
      return;
    }
    const answered = record.run(
      () => this.#lane?.answer({ request, response, record }) ?? this.#yoga(request, response, { record }),
    );
    Promise.resolve(answered).catch((error: unknown) => {
      record.refuse('INTERNAL_SERVER_ERROR');
      record.logger.error('unexpected error', { error });
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    });
  }
}

const unavailable = '503 Service Unavailable';

/** So many more are let in to be told that there are too many; beyond them Node closes them without a word. */
const surplusConnections = 64;

const json = 'application/json; charset=utf-8';
