/**
 * The graphql-transport-ws protocol over `ws`, spoken by graphql-ws; operations run through yoga, as over HTTP.
 *
 * Flow control: graphql-ws pulls the next event of a subscription only after the last one is written to the socket, so
 * a reader that stalls holds one event for each of its subscriptions and nothing more.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ExecutionArgs, GraphQLError, type GraphQLFormattedError } from 'graphql';
import {
  CloseCode,
  handleProtocols,
  MessageType,
  makeServer,
  type ServerOptions,
  type SubscribePayload,
} from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { BackendUnavailableError, type ChordError, UnauthenticatedError } from '../errors.ts';
import type { RequestScope } from '../graphql/request.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { ServerCloseCode } from './close-codes.ts';
import type { FollowHook } from './deliveries.ts';
import { type Admission, credentialsOfSocket, type Doorkeeper } from './doorkeeper.ts';
import { Inbox } from './inbox.ts';
import { createErrorMask, rewrite } from './mask-error.ts';
import type { Quotas } from './quotas.ts';
import type { StallWatch } from './stall-watch.ts';
import { resolveDocument, type TrustedDocuments } from './trusted-documents.ts';
import type { Yoga } from './yoga.ts';

/** What the transport is built from. */
export interface WebSocketOptions {
  readonly yoga: Yoga;
  readonly doorkeeper: Doorkeeper;
  readonly logger: Logger;
  readonly stallWatch: StallWatch;
  /** Largest message of a client, in bytes. */
  readonly maxMessageBytes: number;
  /** How long a client may take to `connection_init`. */
  readonly connectionInitTimeoutMs: number;
  readonly quotas: Quotas;
  /** Absent: clients send any document. */
  readonly trustedDocuments?: TrustedDocuments | undefined;
  /** Absent: nothing is counted. */
  readonly metrics?: Metrics | undefined;
  readonly onFollow?: FollowHook | undefined;
}

/** Proxies close what is silent for long. Nobody is asked to answer: a stalled reader could not. */
const pingIntervalMs = 12_000;

/** All WebSockets of one server. */
export class WebSocketTransport {
  readonly #options: WebSocketOptions;
  readonly #sockets: WebSocketServer;
  readonly #pings: NodeJS.Timeout;

  constructor(options: WebSocketOptions) {
    this.#options = options;
    this.#sockets = new WebSocketServer({
      noServer: true,
      handleProtocols,
      maxPayload: options.maxMessageBytes,
      perMessageDeflate: false,
    });
    const protocol = makeServer(protocolOptions(options));
    this.#sockets.on('connection', (socket: WebSocket, request: IncomingMessage) =>
      this.#connect(socket, request, protocol),
    );
    this.#pings = setInterval(() => {
      for (const socket of this.#sockets.clients) {
        if (socket.readyState === socket.OPEN && socket.bufferedAmount === 0) socket.ping();
      }
    }, pingIntervalMs);
    this.#pings.unref();
  }

  /** How many sockets are open. */
  get connections(): number {
    return this.#sockets.clients.size;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#sockets.handleUpgrade(request, socket, head, (client) => {
      this.#sockets.emit('connection', client, request);
    });
  }

  /** Tells every client to connect again. No `complete` is sent: it would end their subscriptions for good. */
  drain(): void {
    clearInterval(this.#pings);
    for (const socket of this.#sockets.clients) {
      // The client's answer to the close must be read.
      socket.resume();
      socket.close(ServerCloseCode.ServiceRestart, 'Service restart');
    }
  }

  /** Ends what did not end by itself. */
  terminate(): void {
    clearInterval(this.#pings);
    for (const socket of this.#sockets.clients) socket.terminate();
  }

  #connect(socket: WebSocket, request: IncomingMessage, protocol: ReturnType<typeof makeServer>): void {
    const { logger, stallWatch, metrics } = this.#options;
    request.socket.setKeepAlive(true, 30_000);
    // Broken frames and resets: `ws` closes the socket itself.
    socket.on('error', (error) => logger.debug('WebSocket failed', { error }));
    const inbox = new Inbox(socket);
    const extra: Extra = { request, isClosed: false, close: (code, reason) => socket.close(code, reason) };
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: (data) => send(socket, data, inbox),
        close: (code, reason) => socket.close(code, reason),
        // Without the payload, which graphql-ws would send back: a client could make us hold what it does not read.
        onPing: () => send(socket, pong, inbox),
        onMessage: (listener) =>
          inbox.onMessage((message) => {
            listener(message).catch((error: unknown) => {
              if (isServerMessage(error)) return socket.close(CloseCode.BadRequest, 'Invalid message received');
              logger.error('unexpected error', { error });
              socket.close(CloseCode.InternalServerError, 'Unexpected error.');
            });
          }),
      },
      extra,
    );
    const leave = (code: number, reason: string) => {
      closed(code, reason).catch((error: unknown) => logger.error('unexpected error', { error }));
    };
    socket.once('close', (code, reason) => {
      extra.isClosed = true;
      extra.release?.();
      extra.admission?.session.close();
      leave(code, String(reason));
    });
    stallWatch.watch(request.socket, () => {
      metrics?.count('slowReaders', { transport: 'websocket' });
      // The close frame waits behind what could not be written; the timer of `ws` ends the socket if it never can.
      socket.close(ServerCloseCode.SlowReader, 'Slow reader');
      leave(ServerCloseCode.SlowReader, 'Slow reader');
    });
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

const pong = JSON.stringify({ type: MessageType.Pong });

/** A client that sends what only servers say; graphql-ws takes that for a fault of its own. */
function isServerMessage(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Unexpected message of type ');
}

interface Extra {
  readonly request: IncomingMessage;
  readonly close: (code: number, reason: string) => void;
  /** Undefined before `connection_init` was answered. */
  admission?: Admission;
  isClosed: boolean;
  /** Gives back the viewer's place. */
  release?: (() => void) | undefined;
}

/** The two executors that yoga made for one operation, with its plugins around them. */
type Enveloped = ReturnType<Yoga['getEnveloped']>;

function protocolOptions({
  yoga,
  doorkeeper,
  logger,
  connectionInitTimeoutMs,
  quotas,
  trustedDocuments,
  onFollow,
}: WebSocketOptions): ServerOptions<Record<string, unknown>, Extra> {
  const mask = createErrorMask(logger);
  const envelopes = new WeakMap<object, Enveloped>();
  const envelopeOf = (args: ExecutionArgs): Enveloped => {
    const envelope = envelopes.get(args);
    if (envelope === undefined) throw new TypeError('An operation without its envelope.');
    return envelope;
  };
  return {
    connectionInitWaitTimeout: connectionInitTimeoutMs,
    onConnect: async ({ connectionParams, extra }) => {
      const end = ({ message }: ChordError) => extra.close(CloseCode.Forbidden, message);
      try {
        extra.admission = await doorkeeper.admit(credentialsOfSocket(extra.request, connectionParams), end);
        extra.release = quotas.connect(extra.admission.session.viewer.id);
        if (extra.release === undefined) {
          extra.close(ServerCloseCode.TryAgainLater, 'maxConnectionsPerViewer');
          return false;
        }
        // It was closed meanwhile, and nobody will say so again.
        if (extra.isClosed) extra.release();
        else extra.admission.session.watch();
        return true;
      } catch (error) {
        if (error instanceof UnauthenticatedError) end(error);
        else if (error instanceof BackendUnavailableError) extra.close(ServerCloseCode.TryAgainLater, error.message);
        else throw error;
        return false;
      }
    },
    onSubscribe: async ({ extra }, _id, payload) => {
      if (extra.admission === undefined) return [new GraphQLError('Credentials are required.')];
      const { session, chord } = extra.admission;
      const refresh = (token: string) => doorkeeper.refresh(session, token);
      const scope: RequestScope = { chord, session, refresh, logger, onFollow };
      const envelope = yoga.getEnveloped({ scope, connection: extra, params: payload });
      try {
        const refusal = await quotas.request(session.viewer.id);
        if (refusal !== undefined) return [refusal];
        const query = trustedDocuments === undefined ? payload.query : resolveDocument(trustedDocuments, payload);
        if (typeof query !== 'string') return [query];
        const args = await prepare(envelope, { ...payload, query });
        if (Array.isArray(args)) return args;
        envelopes.set(args, envelope);
        return args;
      } catch (error) {
        // Thrown, it would close the socket and end every other subscription on it.
        if (error instanceof GraphQLError)
          return [rewrite(error, error.message, { code: 'GRAPHQL_PARSE_FAILED', ...error.extensions })];
        logger.error('unexpected error', { error });
        return [new GraphQLError('Unexpected error.', { extensions: { code: 'INTERNAL_SERVER_ERROR' } })];
      }
    },
    onNext: (_ctx, _id, _payload, _args, { data, errors }) =>
      errors === undefined ? undefined : { ...(data === undefined ? {} : { data }), errors: errors.map(toWire) },
    // Also what a subscription failed with: what cannot be said in JSON, for example.
    onError: (_ctx, _id, _payload, errors) => errors.map((error) => toWire(mask(error))),
    execute: (args) => guard(mask, () => envelopeOf(args).execute(args)),
    subscribe: (args) => guard(mask, () => envelopeOf(args).subscribe(args)),
  };
}

/** A failure as a result: thrown, it would close the socket and end every other operation on it. */
async function guard<T>(
  mask: (error: unknown) => GraphQLError,
  run: () => T | Promise<T>,
): Promise<T | { readonly errors: readonly GraphQLError[] }> {
  try {
    return await run();
  } catch (error) {
    return { errors: [mask(error)] };
  }
}

/** Without what yoga notes for HTTP. */
function toWire(error: GraphQLError): GraphQLFormattedError {
  const { http: _http, ...extensions } = error.extensions;
  return rewrite(error, error.message, { code: 'BAD_USER_INPUT', ...extensions }).toJSON();
}

async function prepare(
  { schema, parse, validate, contextFactory }: Enveloped,
  { query, operationName, variables }: SubscribePayload,
): Promise<ExecutionArgs | readonly GraphQLError[]> {
  const document = parse(query);
  const errors = validate(schema, document);
  if (errors.length > 0) return errors;
  return { schema, document, operationName, variableValues: variables, contextValue: await contextFactory() };
}
