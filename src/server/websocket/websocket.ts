/**
 * The graphql-transport-ws protocol over `ws`, spoken by graphql-ws; operations run through yoga, as over HTTP.
 *
 * Flow control: graphql-ws pulls the next event of a subscription only after the last one is written to the socket, so
 * a reader that stalls holds one event for each of its subscriptions and nothing more.
 */
import type { IncomingMessage } from 'node:http';
import type { BlockList } from 'node:net';
import type { Duplex } from 'node:stream';
import { CloseCode, handleProtocols, MessageType, makeServer } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Metrics } from '../../observability/metrics.ts';
import { newRequestId } from '../../observability/request-id.ts';
import { Turns } from '../fanout/turns.ts';
import { clientOf } from '../http/forwarded.ts';
import type { ConnectionRecord } from '../reporting/request-record.ts';
import { requestIdHeader } from '../reporting/requests.ts';
import type { Roster } from '../reporting/roster.ts';
import type { StallWatch } from '../stall-watch.ts';
import { ServerCloseCode } from './close-codes.ts';
import { Departure } from './departure.ts';
import { Inbox } from './inbox.ts';
import { OperationIds } from './operation-ids.ts';
import { type Connection, type ProtocolOptions, protocolOptions, refusalBy } from './protocol.ts';
import { Rounds } from './rounds.ts';
import { SocketSink } from './socket-sink.ts';

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
  /** Called instead when its turn comes after `drain`. */
  readonly onLate: () => void;
}

/** Proxies close what is silent for long. Nobody is asked to answer: a stalled reader could not. */
const pingIntervalMs = 12_000;
/** In so many steps: ten thousand pings at once take a tenth of a second. */
const pingSteps = 48;

/** An upgrade, or what a message asks for, takes up to half a millisecond. */
const slice = 16;

/** Of graphql-ws, as the number that it is. */
const forbidden: number = CloseCode.Forbidden;

/** All WebSockets of one server. */
export class WebSocketTransport {
  readonly #options: WebSocketOptions;
  readonly #sockets: WebSocketServer;
  readonly #departures = new Map<WebSocket, Departure>();
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

  upgrade(request: IncomingMessage, record: ConnectionRecord, { socket, head, onLate }: Upgrade): void {
    this.#records.set(request, record);
    const advance = () => {
      // Nobody would tell it to leave.
      if (this.#isDraining) return onLate();
      // One that has gone meanwhile is destroyed.
      this.#sockets.handleUpgrade(request, socket, head, (client) => {
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
    return [...this.#departures].map(([socket, departure]) => () => {
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
    const close: Connection['close'] = (code, reason, refusal = refusalBy(code)) => {
      // What closes it first is what its client hears.
      if (socket.readyState === socket.OPEN && refusal !== undefined) record.refuse(refusal.code, refusal.limit);
      // What waits is not for one who is no longer let in.
      if (code === forbidden && socket.bufferedAmount > 0) socket.terminate();
      else socket.close(code, fit(reason));
    };
    request.socket.setKeepAlive(true, 30_000);
    // Broken frames and resets: `ws` closes the socket itself.
    socket.on('error', (error) => {
      const refusal = refusalBy(error);
      if (refusal !== undefined) record.refuse(refusal.code, refusal.limit);
      record.logger.debug('WebSocket failed', { error });
    });
    // Not the one that its client may have chosen.
    const connectionId = newRequestId();
    const inbox = new Inbox(socket, this.#turns);
    const departure = new Departure();
    this.#departures.set(socket, departure);
    const target = { socket, stream: request.socket, onWritten: () => inbox.written() };
    const extra: Connection = {
      headers: request.headers,
      record,
      client: clientOf(request, trusted),
      departure,
      ids: new OperationIds(),
      sinkOf: (id) => new SocketSink(target, id),
      results: new Map(),
      isClosed: false,
      releaseText: () => undefined,
      close,
    };
    roster.enter(extra, {
      id: connectionId,
      transport: 'WEBSOCKET',
      clientAddress: extra.client.address,
      viewer: () => extra.admission?.session.viewer,
      unsentBytes: () => socket.bufferedAmount,
    });
    const fail = (error: unknown) => {
      if (isServerMessage(error)) return close(CloseCode.BadRequest, 'Invalid message received');
      record.logger.error('unexpected error', { error });
      close(CloseCode.InternalServerError, 'Unexpected error.');
    };
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: (data) => send(socket, data, inbox),
        close: (code = CloseCode.InternalServerError, reason = '') => close(code, reason),
        // Without the payload, which graphql-ws would send back: a client could make us hold what it does not read.
        onPing: () => send(socket, pong, inbox),
        onMessage: (listener) =>
          inbox.onMessage((text, release) => {
            // A client sends again, on its next connection, what was not completed on this one.
            if (departure.isLeaving) return release();
            const message = parse(text);
            departure.begin();
            const end = () => {
              release();
              departure.end();
            };
            const run = () => {
              // It waited for another one, and nobody is there any more.
              if (extra.isClosed) return Promise.resolve();
              extra.releaseText = release;
              // graphql-ws takes a message that is parsed as well.
              return listener(message as string)
                .catch(fail)
                .then(end);
            };
            extra.ids.receive(message, { run, drop: end }, (id) => {
              close(CloseCode.SubscriberAlreadyExists, `Subscriber for ${id} already exists`);
            });
          }),
      },
      extra,
    );
    const leave = (code: number, reason: string) => {
      closed(code, reason).catch((error: unknown) => record.logger.error('unexpected error', { error }));
    };
    socket.once('close', (code, reason) => {
      extra.isClosed = true;
      roster.leave(extra);
      this.#departures.delete(socket);
      extra.release?.();
      extra.admission?.session.close();
      leave(code, String(reason));
      endAll(extra.results.values());
      record.end('websocket', { fields: { code, connectionId, clientAddress: extra.client.address } });
    });
    stallWatch.watch(request.socket, () => {
      metrics?.count('slowReaders', { transport: 'websocket' });
      // The close frame waits behind what could not be written; the timer of `ws` ends the socket if it never can.
      socket.close(ServerCloseCode.SlowReader, 'Slow reader');
      leave(ServerCloseCode.SlowReader, 'Slow reader');
    });
  }
}

/**
 * An object, or the text as it is, of which graphql-ws says what is wrong. It would keep the text as long as the
 * operation lasts that it asks for.
 */
function parse(text: string): unknown {
  try {
    const message: unknown = JSON.parse(text);
    return typeof message === 'object' && message !== null ? message : text;
  } catch {
    return text;
  }
}

/** Resolves when the socket has taken the data, which is what slows the sender down to the reader. */
function send(socket: WebSocket, data: string, inbox: Inbox): Promise<void> {
  return new Promise((resolve) => {
    if (socket.readyState !== socket.OPEN) return resolve();
    // A socket that fails is closed by `ws`, and its subscriptions end with that.
    socket.send(data, () => {
      inbox.written();
      resolve();
    });
  });
}

/** A reason has 123 bytes of UTF-8 at most (RFC 6455, 5.5). Those of graphql-ws may quote the client. */
function fit(reason: string): string {
  // With `stream` it leaves out what is only the beginning of a character.
  return new TextDecoder().decode(Buffer.from(reason).subarray(0, 123), { stream: true });
}

const pong = JSON.stringify({ type: MessageType.Pong });

/** Ends what graphql-ws has lost track of, because its client used an id twice. The others have ended already. */
function endAll(results: Iterable<AsyncIterable<unknown>>): void {
  for (const result of results) {
    // A subscription that fails while it ends has nobody left to tell.
    result[Symbol.asyncIterator]()
      .return?.()
      .catch(() => undefined);
  }
}

/** A client that sends what only servers say; graphql-ws takes that for a fault of its own. */
function isServerMessage(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Unexpected message of type ');
}
