/**
 * The graphql-transport-ws protocol over `ws`, spoken by graphql-ws; what it asks is answered by protocol.ts.
 *
 * Flow control: the next event of a subscription is pulled only after the last one is written to the socket, by graphql-ws
 * or, what is told to many, by fanout/shared-results.ts. So a reader that stalls holds one event for each of its
 * subscriptions and nothing more.
 */
import type { IncomingMessage } from 'node:http';
import type { BlockList } from 'node:net';
import type { Duplex } from 'node:stream';
import { handleProtocols, makeServer } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Metrics } from '../../observability/metrics.ts';
import { clientOf } from '../http/forwarded.ts';
import type { ConnectionRecord } from '../reporting/request-record.ts';
import { requestIdHeader } from '../reporting/requests.ts';
import type { Roster } from '../reporting/roster.ts';
import type { StallWatch } from '../stall-watch.ts';
import { Turns } from '../turns.ts';
import { refusalBy, ServerCloseCode } from './close-codes.ts';
import { WebSocketConnection } from './connection.ts';
import { type ProtocolOptions, protocolOptions } from './protocol.ts';
import { Rounds } from './rounds.ts';

/** What the transport is built from. */
export interface WebSocketOptions extends ProtocolOptions {
  readonly stallWatch: StallWatch;
  /** Largest message of a client, in bytes. */
  readonly maxMessageBytes: number;
  readonly roster: Roster;
  /** Whose `X-Forwarded-*` are believed. */
  readonly trusted: BlockList;
  /** Absent: nothing is counted. */
  readonly metrics?: Metrics | undefined;
}

/** A connection that is to be a WebSocket. */
export interface Upgrade {
  readonly socket: Duplex;
  readonly head: Buffer;
  /** Called when it is a WebSocket. */
  readonly onOpen: () => void;
  /** Called instead when its turn comes after `drain`. */
  readonly onLate: () => void;
}

/** Proxies close what is silent for long. Nobody is asked to answer: a stalled reader could not. */
const pingIntervalMs = 12_000;
/** In so many steps: ten thousand pings at once take a tenth of a second. */
const pingSteps = 48;

/** An upgrade, or what a message asks for, takes up to half a millisecond. */
const slice = 16;

/** All WebSockets of one server. */
export class WebSocketTransport {
  readonly #options: WebSocketOptions;
  readonly #sockets: WebSocketServer;
  readonly #connections = new Map<WebSocket, WebSocketConnection>();
  readonly #records = new WeakMap<IncomingMessage, ConnectionRecord>();
  readonly #pings: NodeJS.Timeout;
  readonly #turns = new Turns(slice);
  #isDraining = false;

  constructor(options: WebSocketOptions) {
    this.#options = options;
    this.#sockets = new WebSocketServer({
      noServer: true,
      handleProtocols,
      maxPayload: options.maxMessageBytes,
      perMessageDeflate: false,
    });
    const protocol = makeServer(protocolOptions(options));
    this.#sockets.on('headers', (headers: string[], request: IncomingMessage) => {
      headers.push(`${requestIdHeader}: ${this.#records.get(request)?.id}`);
    });
    this.#sockets.on('connection', (socket: WebSocket, request: IncomingMessage) =>
      this.#connect(socket, request, protocol),
    );
    const rounds = new Rounds(this.#sockets.clients, pingSteps);
    this.#pings = setInterval(() => {
      for (const socket of rounds.step()) {
        if (socket.readyState === socket.OPEN && socket.bufferedAmount === 0) socket.ping();
      }
    }, pingIntervalMs / pingSteps);
    this.#pings.unref();
  }

  /** How many sockets are open. */
  get connections(): number {
    return this.#sockets.clients.size;
  }

  upgrade(request: IncomingMessage, record: ConnectionRecord, { socket, head, onOpen, onLate }: Upgrade): void {
    this.#records.set(request, record);
    const advance = () => {
      // Nobody would tell it to leave.
      if (this.#isDraining) return onLate();
      // One that has gone meanwhile is destroyed.
      this.#sockets.handleUpgrade(request, socket, head, (client) => {
        onOpen();
        this.#sockets.emit('connection', client, request);
      });
    };
    this.#turns.add({ advance });
  }

  /**
   * Opens no more. Answers what tells a client to connect again, one for each, as soon as it is owed no answer. No
   * `complete` is sent: it would end its subscriptions for good.
   */
  drain(): readonly (() => void)[] {
    this.#isDraining = true;
    return [...this.#connections].map(([socket, { departure }]) => () => {
      departure.leave(() => {
        // The client's answer to the close must be read.
        socket.resume();
        socket.close(ServerCloseCode.ServiceRestart, 'Service restart');
      });
    });
  }

  /** Ends what did not end by itself. */
  terminate(): void {
    clearInterval(this.#pings);
    for (const socket of this.#sockets.clients) socket.terminate();
  }

  #connect(socket: WebSocket, request: IncomingMessage, protocol: ReturnType<typeof makeServer>): void {
    const { stallWatch, metrics, roster, trusted } = this.#options;
    const record = this.#records.get(request);
    if (record === undefined) throw new TypeError('A WebSocket without its upgrade.');
    const clientAddress = clientOf(request, trusted).address;
    const connection = new WebSocketConnection(socket, { request, record, clientAddress, turns: this.#turns });
    request.socket.setKeepAlive(true, 30_000);
    this.#connections.set(socket, connection);
    roster.enter(connection, connection);
    const closed = protocol.opened(connection, connection);
    const tellClosed = (code: number, reason: string) => {
      closed(code, reason).catch((error: unknown) => record.logger.error('unexpected error', { error }));
    };
    // Broken frames and resets: `ws` closes the socket itself.
    socket.on('error', (error) => {
      const refusal = refusalBy(error);
      if (refusal !== undefined) record.refuse(refusal.code, refusal.limit);
      record.logger.debug('WebSocket failed', { error });
    });
    // Not `once`, which keeps more, and as long as the socket.
    socket.on('close', (code, reason) => {
      this.#forget(connection);
      tellClosed(code, String(reason));
      connection.operations.endAll();
      record.end('websocket', { fields: { code, connectionId: connection.id, clientAddress } });
    });
    stallWatch.watch(request.socket, () => {
      metrics?.count('slowReaders', { transport: 'websocket' });
      // The close frame waits behind what could not be written; the timer of `ws` ends the socket if it never can.
      socket.close(ServerCloseCode.SlowReader, 'Slow reader');
      tellClosed(ServerCloseCode.SlowReader, 'Slow reader');
    });
  }

  #forget(connection: WebSocketConnection): void {
    const { roster, quotas } = this.#options;
    connection.isClosed = true;
    roster.leave(connection);
    this.#connections.delete(connection.socket);
    if (connection.countedViewerId !== undefined) quotas.disconnect(connection.countedViewerId);
    connection.admission?.session.close();
  }
}
