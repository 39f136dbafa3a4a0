import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { CloseCode, MessageType, type WebSocket as ProtocolSocket } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { Viewer } from '../../access/viewer.ts';
import { newRequestId } from '../../observability/request-id.ts';
import type { Admission } from '../doorkeeper.ts';
import type { ConnectionRecord } from '../reporting/request-record.ts';
import type { Present } from '../reporting/roster.ts';
import type { Turns } from '../turns.ts';
import { refusalBy } from './close-codes.ts';
import { Departure } from './departure.ts';
import { Inbox } from './inbox.ts';
import { Operations, type Work } from './operations.ts';
import type { FrameTarget } from './socket-sink.ts';

/** What a WebSocket comes with. */
export interface Opening {
  readonly request: IncomingMessage;
  readonly record: ConnectionRecord;
  readonly clientAddress: string;
  /** Of all sockets, for their messages. */
  readonly turns: Turns;
}

/** How graphql-ws takes a message: also one that is parsed, which its type does not know. */
type Listener = (message: string) => Promise<void>;

/** One WebSocket: what graphql-ws speaks through, and what its operations have in common. */
export class WebSocketConnection implements ProtocolSocket, FrameTarget, Present {
  readonly transport = 'WEBSOCKET';
  /** Not the one that its client may have chosen. */
  readonly id = newRequestId();
  readonly socket: WebSocket;
  readonly stream: Duplex;
  readonly protocol: string;
  readonly record: ConnectionRecord;
  readonly clientAddress: string;
  readonly inbox: Inbox;
  readonly departure = new Departure();
  readonly operations = new Operations();
  /** Of the upgrade; none once the credentials were looked at: they would stay as long as the connection. */
  headers: IncomingHttpHeaders;
  /** Undefined before `connection_init` was answered. */
  admission: Admission | undefined;
  /** Whose place it has (`Quotas.connect`). */
  countedViewerId: string | undefined;
  isClosed = false;

  constructor(socket: WebSocket, { request, record, clientAddress, turns }: Opening) {
    this.socket = socket;
    this.stream = request.socket;
    this.protocol = socket.protocol;
    this.record = record;
    this.clientAddress = clientAddress;
    this.inbox = new Inbox(socket, turns);
    this.headers = request.headers;
  }

  viewer(): Viewer | undefined {
    return this.admission?.session.viewer;
  }

  get hasSeveralOperations(): boolean {
    return this.operations.size > 1;
  }

  unsentBytes(): number {
    return this.socket.bufferedAmount;
  }

  /** Resolves when the socket has taken the data, which is what slows the sender down to the reader. */
  send(data: string): Promise<void> {
    return new Promise((resolve) => {
      if (this.socket.readyState !== this.socket.OPEN) return resolve();
      // A socket that fails is closed by `ws`, and its subscriptions end with that.
      this.socket.send(data, () => {
        this.onWritten();
        resolve();
      });
    });
  }

  onWritten(): void {
    this.inbox.written();
  }

  /** @param refusal by default what the code says. */
  close(code: number = CloseCode.InternalServerError, reason = '', refusal = refusalBy(code)): void {
    const { socket, record } = this;
    // What closes it first is what its client hears.
    if (socket.readyState === socket.OPEN && refusal !== undefined) record.refuse(refusal.code, refusal.limit);
    // What waits is not for one who is no longer let in.
    if (code === forbidden && socket.bufferedAmount > 0) socket.terminate();
    else socket.close(code, fit(reason));
  }

  /** Without the payload, which graphql-ws would send back: a client could make us hold what it does not read. */
  onPing(): Promise<void> {
    return this.send(pong);
  }

  onMessage(listener: Listener): void {
    this.inbox.onMessage((text) => {
      // A client sends again, on its next connection, what was not completed on this one.
      if (this.departure.isLeaving) return this.inbox.release(text.length);
      const message = parse(text);
      this.departure.begin();
      this.operations.receive(message, new ReceivedMessage(this, listener, { message, length: text.length }), (id) => {
        this.close(CloseCode.SubscriberAlreadyExists, `Subscriber for ${id} already exists`);
      });
    });
  }

  /** Closes it for what a message ended with. */
  fail(error: unknown): void {
    if (isServerMessage(error)) return this.close(CloseCode.BadRequest, 'Invalid message received');
    this.record.logger.error('unexpected error', { error });
    this.close(CloseCode.InternalServerError, 'Unexpected error.');
  }
}

/** Of graphql-ws, as the number that it is. */
const forbidden: number = CloseCode.Forbidden;

/** One message, as long as what it asks for goes on. */
class ReceivedMessage implements Work {
  readonly #connection: WebSocketConnection;
  readonly #listener: Listener;
  readonly #message: unknown;
  /** Of its text; 0 once that is needed no more. */
  #length: number;

  constructor(
    connection: WebSocketConnection,
    listener: Listener,
    { message, length }: { readonly message: unknown; readonly length: number },
  ) {
    this.#connection = connection;
    this.#listener = listener;
    this.#message = message;
    this.#length = length;
  }

  run(): Promise<void> {
    // It waited for another one, and nobody is there any more.
    if (this.#connection.isClosed) return Promise.resolve();
    // graphql-ws takes a message that is parsed as well.
    return this.#listener(this.#message as string);
  }

  fail(error: unknown): void {
    this.#connection.fail(error);
  }

  release(): void {
    this.#connection.inbox.release(this.#length);
    this.#length = 0;
  }

  end(): void {
    this.release();
    this.#connection.departure.end();
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

/** A reason has 123 bytes of UTF-8 at most (RFC 6455, 5.5). Those of graphql-ws may quote the client. */
function fit(reason: string): string {
  // With `stream` it leaves out what is only the beginning of a character.
  return new TextDecoder().decode(Buffer.from(reason).subarray(0, 123), { stream: true });
}

const pong = JSON.stringify({ type: MessageType.Pong });

/** A client that sends what only servers say; graphql-ws takes that for a fault of its own. */
function isServerMessage(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Unexpected message of type ');
}
